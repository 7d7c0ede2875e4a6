package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"zooid/internal/config"
	"zooid/internal/node"
)

// A machine is what check-config finds when it holds a configuration against
// the machine on which it runs, as the user who runs it.
type machine struct {
	cfg      *config.Config
	refusals []finding
	warnings []config.Warning
}

// The room below which a disk is called short.
const shortOfRoom = 1 << 30

func (m *machine) look() {
	dirs := m.dirs()
	for _, d := range dirs {
		m.usable(d)
	}
	if len(dirs) == 2 {
		m.sameDisk(dirs[0].path, dirs[1].path)
	}
	for i, d := range dirs {
		if i == 0 || !m.onOneDisk(dirs[0].path, d.path) {
			m.room(d)
		}
	}
	m.secrets()
	m.clientTLS()
	m.login()
	m.members()
	m.port("clientPort", m.cfg.ClientPort, m.cfg.ClientPortAddress)
	m.port("secureClientPort", m.cfg.SecureClientPort, m.cfg.SecureClientPortAddress)
}

// members reads what secures the connections to the other members.
func (m *machine) members() {
	q := &m.cfg.Quorum
	if m.cfg.Mode() != config.Distributed {
		return
	}
	key := "sslQuorum"
	if !q.SSLQuorum {
		key = "portUnification"
	}
	if q.TLS.KeyStore.Location != "" && q.TLS.TrustStore.Location != "" {
		if err := node.CheckMemberTLS(m.cfg); err != nil {
			m.refuse(key, err.Error())
		}
	}
	var said *config.Error
	switch err := node.CheckMemberSASL(m.cfg); {
	case errors.As(err, &said): // by login
	case err != nil:
		m.refuse("quorum.auth.enableSasl", err.Error())
	}
}

// login reads the JAAS file, if there is one, as the server would.
func (m *machine) login() {
	sections, err := node.ReadJAAS(m.cfg)
	var warnings []config.Warning
	if err == nil {
		_, warnings, err = m.cfg.Login(sections)
	}
	m.warnings = append(m.warnings, warnings...)
	var refused *config.Error
	if errors.As(err, &refused) {
		m.refusals = append(m.refusals, finding{Key: refused.Key, Value: refused.Value, Text: refused.Text})
	}
	name, _ := m.cfg.JAASFile()
	if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o004 != 0 {
		m.warnings = append(m.warnings, config.Warning{File: name,
			Text: "everyone on this machine may read the file, and with it all passwords", Advice: "run: chmod o-r " + name})
	}
}

// A dataDirectory is a directory of the configuration and its key.
type dataDirectory struct{ key, path string }

// dirs are the directories that the server would use, each once.
func (m *machine) dirs() []dataDirectory {
	var dirs []dataDirectory
	if m.cfg.DataDir != "" {
		dirs = append(dirs, dataDirectory{"dataDir", m.cfg.DataDir})
	}
	if m.cfg.DataLogDir != m.cfg.DataDir {
		dirs = append(dirs, dataDirectory{"dataLogDir", m.cfg.DataLogDir})
	}
	return dirs
}

func (m *machine) refuse(key, text string) {
	at := m.cfg.At(key)
	m.refusals = append(m.refusals, finding{File: at.File, Line: at.Line, Key: at.Key, Text: text})
}

func (m *machine) risk(key, text, advice string) {
	w := m.cfg.At(key)
	w.Text, w.Advice = text, advice
	m.warnings = append(m.warnings, w)
}

func (m *machine) note(key, text string) {
	w := m.cfg.At(key)
	w.Text, w.Note = text, true
	m.warnings = append(m.warnings, w)
}

// usable checks that the server can keep its files in the directory, or make
// it.
func (m *machine) usable(d dataDirectory) {
	data := filepath.Join(d.path, "version-2")
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) && !m.cfg.DatadirAutocreate {
		m.refuse(d.key, data+" is missing, and datadir.autocreate=false forbids to make it; run: zooid initialize --configfile="+m.cfg.File)
		return
	}
	for _, dir := range []string{data, d.path} {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			m.refuse(d.key, err.Error())
		case !info.IsDir():
			m.refuse(d.key, dir+" is not a directory")
		case unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK) != nil:
			m.refuse(d.key, "the user "+userName()+" may not write in "+dir+"; chown it to the user of the server")
		default:
			m.owner(d.key, dir, info)
			return
		}
		return
	}
	parent := existing(d.path)
	if unix.Access(parent, unix.W_OK|unix.X_OK) != nil {
		m.refuse(d.key, d.path+" is missing, and the user "+userName()+" may not make it in "+parent)
		return
	}
	m.note(d.key, d.path+" is missing; the server makes it")
}

// owner warns root, who may write everywhere, about directories of others.
func (m *machine) owner(key, dir string, info fs.FileInfo) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && os.Geteuid() == 0 && stat.Uid != 0 {
		m.note(key, fmt.Sprintf("checked as root, but %s belongs to user id %d; run the check as the user of the server", dir, stat.Uid))
	}
}

func userName() string {
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	return "with the id " + strconv.Itoa(os.Geteuid())
}

// existing is the directory itself or the nearest above it that exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

func (m *machine) onOneDisk(a, b string) bool {
	var one, other unix.Stat_t
	if unix.Stat(existing(a), &one) != nil || unix.Stat(existing(b), &other) != nil {
		return false
	}
	return one.Dev == other.Dev
}

func (m *machine) sameDisk(data, logs string) {
	if m.onOneDisk(data, logs) {
		m.risk("dataLogDir", logs+" is on the same disk as "+data+", so each snapshot slows the writes down", "mount a disk of its own there")
	}
}

// room warns when the disk of a directory is short of room.
func (m *machine) room(d dataDirectory) {
	var stat unix.Statfs_t
	if err := unix.Statfs(existing(d.path), &stat); err != nil {
		return
	}
	free := stat.Bavail * uint64(stat.Bsize)
	if free < shortOfRoom {
		m.risk(d.key, fmt.Sprintf("the disk of %s has only %d MiB left, and a server stops when it is full", d.path, free>>20), "make room")
	}
	if stat.Files > 0 && stat.Ffree < 1000 {
		m.risk(d.key, fmt.Sprintf("the disk of %s has only %d inodes left, and a server stops when there are none", d.path, stat.Ffree), "remove files")
	}
}

// secrets warns about a file with a password that everyone may read.
func (m *machine) secrets() {
	info, err := os.Stat(m.cfg.File)
	if err != nil || info.Mode().Perm()&0o004 == 0 {
		return
	}
	for _, key := range config.SecretKeys() {
		if m.cfg.Set(key) {
			m.risk(key, "everyone on this machine may read the file", "run: chmod o-r "+m.cfg.File)
			return
		}
	}
}

// clientTLS reads the stores of TLS clients, unless the file lacks them.
func (m *machine) clientTLS() {
	if !m.cfg.ServesTLS() || m.cfg.ClientTLS.KeyStore.Location == "" {
		return
	}
	key := "secureClientPort"
	if m.cfg.SecureClientPort == config.NoPort {
		key = "client.portUnification"
	}
	if err := node.CheckClientTLS(m.cfg); err != nil {
		m.refuse(key, err.Error())
	}
}

// port tries a port for clients, for no longer than it takes to bind it.
func (m *machine) port(option string, port int, host string) {
	if port == config.NoPort {
		return
	}
	address := net.JoinHostPort(host, strconv.Itoa(port))
	listener, err := net.Listen("tcp", address)
	var dns *net.DNSError
	switch {
	case err == nil:
		listener.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		m.risk(option, "something listens on "+address+" already, and a server can start only when it has gone",
			"stop it, unless it is the server of this very file")
	case errors.Is(err, syscall.EACCES):
		m.refuse(option, "the user "+userName()+" may not listen on port "+strconv.Itoa(port)+"; take one from 1024 up")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		m.refuse(option+"Address", host+" is not an address of this machine")
	case errors.As(err, &dns):
		m.refuse(option+"Address", host+" cannot be resolved: "+dns.Err)
	default:
		m.refuse(option, err.Error())
	}
}
