package ensemble

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	members "zooid/internal/ensemble"
	"zooid/internal/replica"
	"zooid/internal/vfs"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// The files in which a server keeps its configurations, in dataDir.
const (
	currentFile = "zoo.cfg.dynamic"
	nextFile    = "zoo.cfg.dynamic.next"
)

// memberLine is the line of a server.
func memberLine(id int64, observer bool) string {
	role := "participant"
	if observer {
		role = "observer"
	}
	return fmt.Sprintf("server.%d=h%d:2888:3888:%s;2181", id, id, role)
}

// storeConfig carries out SaveSeen and SaveConfig.
func (l *life) storeConfig(rec *queued) error {
	next := path.Join(dataDir, nextFile)
	write := func(name string, m *members.Membership) error {
		return vfs.ReplaceFile(l.dirs.FS, path.Join(dataDir, name), []byte(m.Text()))
	}
	remove := func() error {
		if err := l.dirs.FS.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	switch {
	case rec.Op == replica.SaveSeen && rec.Config != nil:
		return write(nextFile, rec.Config)
	case rec.Op == replica.SaveSeen:
		return remove()
	}
	if err := write(currentFile, rec.Config); err != nil || rec.Seen != nil {
		return err
	}
	return remove()
}

// loadConfig reads what storeConfig has written; at first there is what the
// operator wrote.
func (l *life) loadConfig() (current, next *members.Membership, err error) {
	if current, err = l.readConfig(currentFile); err != nil {
		return nil, nil, err
	}
	if current == nil {
		current = l.w.members
		if s := l.w.script; s != nil && s.config[l.s.id] != "" {
			if current, err = members.Parse([]byte(s.config[l.s.id])); err != nil {
				return nil, nil, err
			}
		}
	}
	if next, err = l.readConfig(nextFile); next != nil && next.Version <= current.Version {
		next = nil
	}
	return current, next, err
}

func (l *life) readConfig(name string) (*members.Membership, error) {
	text, err := vfs.ReadFile(l.s.disk.fs, path.Join(dataDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return members.Parse(text)
}

// configure takes a change of the members.
func (l *life) configure(c *replica.Configuration) {
	l.members = c.Current
	if c.Reset {
		for _, ch := range l.w.channelsOf(l.s.id) {
			ch.sever()
		}
	}
}

// reconfig is a change of the ensemble that a client asks for: somebody joins,
// leaves, or gets another part.
func (c *client) reconfig() *request {
	w := c.w
	s := w.servers[w.rng.IntN(len(w.servers))]
	q := &request{op: wire.OpReconfig, version: -1}
	if w.chance(2) {
		q.leaving = fmt.Sprint(s.id)
	} else {
		q.joining = memberLine(s.id, w.chance(3))
	}
	return q
}

// configAt is the configuration in force behind a committed transaction.
func (t *truth) configAt(zxid int64) *zab.Quorum {
	q := t.w.quorum
	for _, x := range t.configs {
		if x.zxid <= zxid {
			q = x.quorum
		}
	}
	return q
}

// config is a configuration by the transaction that made it.
type config struct {
	zxid    int64
	members *members.Membership
	quorum  *zab.Quorum
}

// reconfigured notes a committed change of the members.
func (t *truth) reconfigured(zxid int64, text []byte) {
	m, err := members.Parse(text)
	if err != nil || m.Version != zxid {
		t.w.fail("reconfig", "0x%x holds no configuration of its own: %q, %v", zxid, text, err)
	}
	t.configs = append(t.configs, config{zxid, m, zab.NewQuorum(m)})
	t.w.met("reconfigured")
	t.w.trace("reconfigured at 0x%x: %v", zxid, m.Text())
}

// inherited notes the configuration that a leader begins its epoch with. Whoever
// was told of one stores it before the transaction that makes it, and the quorum
// that acknowledges NEWLEADER commits it even if the transaction was lost.
func (t *truth) inherited(m *members.Membership) {
	if m.Version > t.inForce().Version {
		t.configs = append(t.configs, config{m.Version, m, zab.NewQuorum(m)})
		t.w.met("reconfigured without the transaction")
		t.w.trace("reconfigured without 0x%x: %v", m.Version, m.Text())
	}
}

// inForce is the newest committed configuration.
func (t *truth) inForce() *members.Membership {
	if n := len(t.configs); n > 0 {
		return t.configs[n-1].members
	}
	return t.w.members
}

// named are the servers that the newest configuration names.
func (w *world) named() []*server {
	var list []*server
	for _, m := range w.truth.inForce().Members {
		list = append(list, w.server(m.ID))
	}
	return list
}
