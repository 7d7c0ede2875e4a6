package ensemble

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"zooid/internal/replica"
	"zooid/internal/tree"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// show has what a story looks at.
func (s *story) show(_ *testing.T, d *datadriven.TestData) error {
	list := s.w.servers
	if len(d.CmdArgs) > 0 {
		var err error
		if list, err = s.servers(d); err != nil {
			return err
		}
	}
	switch d.Cmd {
	case "state":
		s.state(list)
	case "trees":
		s.trees(list)
	case "files":
		s.files(list)
	case "history":
		s.history()
	default:
		return errCommand
	}
	return nil
}

// state tells of each server its role, its epochs, and how far log and tree
// are. What the log has on the disk stands behind it if that is less.
func (s *story) state(list []*server) {
	for _, x := range list {
		l := x.life
		epochs := fmt.Sprintf("epochs %s %s", s.epochFile(x, "acceptedEpoch"), s.epochFile(x, "currentEpoch"))
		if l == nil {
			s.printf("%d: down, %s, log to %s", x.id, epochs, dotted(x.held))
			continue
		}
		role := strings.ToLower(l.r.State().String())
		if role == "following" || role == "observing" {
			role += fmt.Sprintf(" %d", l.role.Leader)
		}
		if !l.r.Serving() && role != "looking" {
			role += ", not serving yet"
		}
		log := "log to " + dotted(s.w.truth.norm(l.tail))
		if held := s.w.truth.norm(x.held); held != s.w.truth.norm(l.tail) {
			log += ", on the disk to " + dotted(held)
		}
		s.printf("%d: %s, %s, %s, tree at %s", x.id, role, epochs, log, dotted(l.r.Tree().LastZxid()))
	}
}

func (s *story) epochFile(x *server, name string) string {
	b, err := vfs.ReadFile(x.disk.mem, path.Join(dataDir, "version-2", name))
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	return strings.TrimSpace(string(b))
}

// trees tells what clients would find at each server. Servers with the same
// tree, by digest and zxid, stand together.
func (s *story) trees(list []*server) {
	said := map[int64]bool{}
	for i, x := range list {
		if x.life == nil || said[x.id] {
			continue
		}
		t := x.life.r.Tree()
		zxid := s.w.truth.norm(t.LastZxid())
		ids := ""
		for _, y := range list[i:] {
			if y.life == nil {
				continue
			}
			if u := y.life.r.Tree(); s.w.truth.norm(u.LastZxid()) == zxid && u.Digest() == t.Digest() {
				said[y.id] = true
				ids += fmt.Sprintf("%d ", y.id)
			}
		}
		s.printf("%sat %s: %s%s", ids, dotted(zxid), orNothing(strings.Join(s.nodes(t, t.Lookup([]byte("/")), nil), " ")), s.sessions(x.life))
	}
}

// nodes lists the znodes below one, with their data and owners.
func (s *story) nodes(t *tree.Tree, n tree.Ref, list []string) []string {
	var names []string
	t.Children(n, func(name []byte) bool { names = append(names, string(name)); return true })
	slices.Sort(names)
	at := string(t.Path(nil, n))
	for _, name := range names {
		full := path.Join("/", at, name)
		if full == "/zookeeper" {
			continue
		}
		child := t.Lookup([]byte(full))
		text := full
		if data := t.Data(child); len(data) > 0 {
			text += "=" + string(data)
		}
		if t.IsOrdinaryEphemeral(child) {
			text += "(" + s.owner(t.Owner(child)) + ")"
		}
		list = s.nodes(t, child, append(list, text))
	}
	return list
}

// owner is the name of the client with a session.
func (s *story) owner(id int64) string {
	for _, name := range s.names {
		if s.clients[name].id == id {
			return name
		}
	}
	return "nobody"
}

func (s *story) sessions(l *life) string {
	var names []string
	l.r.Sessions(func(v replica.SessionView) { names = append(names, s.owner(v.ID)) })
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "; sessions: " + strings.Join(names, " ")
}

// files lists the logs and snapshots of servers.
func (s *story) files(list []*server) {
	for _, x := range list {
		var names []string
		for _, dir := range []string{dataDir, dataLogDir} {
			found, _ := x.disk.mem.List(path.Join(dir, "version-2"))
			for _, name := range found {
				kind, zxid, ok := strings.Cut(name, ".")
				var z int64
				if n, _ := fmt.Sscanf(zxid, "%x", &z); ok && n == 1 && (kind == "log" || kind == "snapshot") {
					names = append(names, kind+" "+dotted(z))
				}
			}
		}
		s.printf("%d: %s", x.id, orNothing(strings.Join(names, ", ")))
	}
}

// history is what was committed, by the word of all servers together.
func (s *story) history() {
	t := s.w.truth
	var list []string
	for _, zxid := range t.committed {
		x := t.txns[zxid]
		text := dotted(zxid) + " " + x.head.Type.String()
		for p, changes := range t.paths {
			for _, c := range changes {
				if c.zxid == zxid && x.head.Type != wire.OpCloseSession {
					text += " " + p
				}
			}
		}
		list = append(list, text)
	}
	s.printf("%s", orNothing(strings.Join(list, "\n")))
}
