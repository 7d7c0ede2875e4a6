package node

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strconv"

	"zooid/internal/config"
	"zooid/internal/ensemble"
	"zooid/internal/replica"
	"zooid/internal/vfs"
)

// What this file does is keep the files of the configuration as they are while
// the ensemble changes: zoo.cfg.dynamic.next is the last-seen one,
// zoo.cfg.dynamic.VERSION the committed one, and zoo.cfg points to it
// (QuorumPeer.setLastSeenQuorumVerifier, setQuorumVerifier). They are written
// by the disk writer, in their turn among the records of the log.

// backUpConfig keeps a zoo.cfg that holds server lines as zoo.cfg.bak, before
// the first reconfiguration moves them (QuorumPeerConfig.backupOldConfig).
func (n *Node) backUpConfig() {
	c := n.cfg
	if !c.ReconfigEnabled || c.DynamicFile != "" || c.File == config.CommandLine {
		return
	}
	text, err := vfs.ReadFile(n.opts.FS, c.File)
	if err == nil {
		err = vfs.ReplaceFile(n.opts.FS, c.File+".bak", text)
	}
	if err != nil {
		n.log.Warn("the configuration file cannot be backed up before it is changed", "error", err)
	}
}

// storeConfig carries out SaveSeen and SaveConfig. An error is no reason to
// stop: Apache's server goes on as well, and what is lost is learnt again from
// the other members.
func (n *Node) storeConfig(rec *replica.Record) {
	file := n.cfg.File
	if file == config.CommandLine {
		return
	}
	var err error
	switch {
	case rec.Op == replica.SaveConfig:
		err = n.storeCommitted(file, rec.Config, rec.Seen == nil)
	case rec.Config == nil:
		err = n.removeNext(file)
	default:
		err = vfs.ReplaceFile(n.opts.FS, file+nextSuffix, config.DynamicText(rec.Config, true))
	}
	if err != nil {
		n.log.Error("the configuration of the ensemble cannot be stored; after a restart this server has to learn it from the others",
			"error", err)
	}
}

// nextSuffix is that of the file of the last-seen configuration.
const nextSuffix = ".dynamic.next"

// storeCommitted writes the dynamic file and points the main file to it.
func (n *Node) storeCommitted(file string, m *ensemble.Membership, only bool) error {
	dynamic, err := filepath.Abs(file + ".dynamic." + strconv.FormatUint(uint64(m.Version), 16))
	if err != nil {
		return fmt.Errorf("where %s is: %w", file, err)
	}
	if err := vfs.ReplaceFile(n.opts.FS, dynamic, config.DynamicText(m, false)); err != nil {
		return err
	}
	text, err := vfs.ReadFile(n.opts.FS, file)
	if err != nil {
		return err
	}
	own, _ := m.Member(n.cfg.ServerID)
	hasPort := len(own.Addresses) > 0 && own.ClientPort != ensemble.NoClientPort
	if err := vfs.ReplaceFile(n.opts.FS, file, config.PointToDynamic(text, dynamic, hasPort)); err != nil {
		return err
	}
	if only {
		return n.removeNext(file)
	}
	return nil
}

func (n *Node) removeNext(file string) error {
	if err := n.opts.FS.Remove(file + nextSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// LastSeenFile is the name of the file of the last-seen configuration beside a
// main file.
func LastSeenFile(mainFile string) string { return mainFile + nextSuffix }

func inFile(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

// configure takes the configurations that hold from now on. Ports that the own
// line names anew are opened, and those of before closed, without a restart.
func (m *member) configure(c *replica.Configuration) {
	m.config, m.next = c.Current, c.Next
	if own, ok := m.config.Member(m.n.cfg.ServerID); ok {
		before := m.own
		m.own = own
		if now := electionAddresses(own); !slices.Equal(plain(now), plain(electionAddresses(before))) {
			m.n.log.Info("the election port moves", "from", electionAddresses(before), "to", now)
			m.election.Move(m.listening(now), func(err error) { m.n.fail(exitElectionPort, err) })
		}
		m.moveClients(own)
	}
	m.setPeers()
	if c.Reset {
		m.election.Reset()
	}
}

// moveClients opens the client port that the own line names.
func (m *member) moveClients(own ensemble.Member) {
	n := m.n
	if own.ClientPort == ensemble.NoClientPort {
		return
	}
	address := clientAddress(own.ClientHost, own.ClientPort)
	if address == *m.clients.Load() {
		return
	}
	m.clients.Store(&address)
	if n.Addr() == "" {
		n.log.Warn("this server gets a client port by the new configuration; it is opened when the server is started again", "address", address)
		return
	}
	n.work.Go(func() {
		address := *m.clients.Load() // the newest, if there was another reconfiguration
		if err := n.port.Move(address); err != nil {
			n.log.Error("the client port cannot be moved, so clients are served where they were", "error", err)
			return
		}
		n.log.Info("the client port has moved; connections stay", "address", address)
	})
}

func clientAddress(host string, port int) string {
	if host == "" {
		host = "0.0.0.0"
	}
	return net.JoinHostPort(ensemble.PlainHost(host), strconv.Itoa(port))
}

// plain are addresses as they are compared.
func plain(addresses []string) []string {
	var list []string
	for _, a := range addresses {
		host, port, _ := net.SplitHostPort(a)
		list = append(list, net.JoinHostPort(ensemble.PlainHost(host), port))
	}
	return list
}
