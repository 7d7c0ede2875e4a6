package storage

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// TestScenarios tells stories of directories in testdata/scenarios: what is
// written, what happens to it, and what a start makes of it. Run it with
// -rewrite to take what comes out for what should.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, file string) {
		s := &story{mem: vfs.NewMem()}
		s.open(t)
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			if err := s.tell(t, d); err != nil {
				fmt.Fprintf(&s.out, "error: %v\n", err)
			}
			if s.out.Len() == 0 {
				return "ok\n"
			}
			return s.out.String()
		})
	})
}

type story struct {
	mem  *vfs.Mem
	dirs *Dirs
	log  *Log
	out  strings.Builder
}

func (s *story) open(t *testing.T) {
	s.dirs = memDirs(t, s.mem)
	s.log = OpenLog(s.mem, s.dirs.Log, LogOptions{PreAlloc: 8 << 10})
}

func (s *story) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// path returns the path of a file named as it is in its directory.
func (s *story) path(name string) string {
	switch {
	case strings.HasPrefix(name, "/"):
		return name
	case strings.HasPrefix(name, logPrefix):
		return path.Join(s.dirs.Log, name)
	}
	return path.Join(s.dirs.Snap, name)
}

func (s *story) tell(t *testing.T, d *datadriven.TestData) error {
	var name string
	if d.HasArg("file") {
		d.ScanArgs(t, "file", &name)
		name = s.path(name)
	}
	number := func(key string, value int) int {
		d.MaybeScanArgs(t, key, &value)
		return value
	}
	switch d.Cmd {
	case "append":
		return s.append(t, d, number("size", 100))
	case "commit":
		_, err := s.log.Commit()
		return err
	case "roll":
		return s.log.Roll()
	case "snapshot":
		return s.snapshot(t, d)
	case "purge":
		gone, err := Purge(s.dirs, number("retain", 3))
		for _, f := range gone {
			s.printf("deleted %s", f)
		}
		return err
	case "take-back", "drop-behind", "find-sync":
		return s.history(t, d)
	case "crash":
		s.mem = s.mem.CrashClone(uint64(number("seed", 0)))
		s.open(t)
	case "create":
		return vfs.ReplaceFile(s.mem, name, []byte(d.Input))
	case "remove":
		return s.mem.Remove(name)
	case "copy":
		var to string
		d.ScanArgs(t, "to", &to)
		return vfs.ReplaceFile(s.mem, s.path(to), fileBytes(t, s.mem, name))
	case "damage":
		return s.damage(t, name, number("at", 0), number("len", 1), number("value", -1))
	case "cut":
		return truncateFile(s.mem, name, int64(number("size", 0)))
	case "files":
		return s.files()
	case "recover":
		s.recover(t, d)
	default:
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	}
	return nil
}

func (s *story) append(t *testing.T, d *datadriven.TestData, size int) error {
	var from, to string
	d.ScanArgs(t, "from", &from)
	to = from
	d.MaybeScanArgs(t, "to", &to)
	for z := zxidOf(t, from); z <= zxidOf(t, to); z++ {
		if err := s.log.Append(z, txn(z, size)); err != nil {
			return err
		}
	}
	if d.HasArg("commit") {
		_, err := s.log.Commit()
		return err
	}
	return nil
}

// zxidOf reads a zxid written as epoch.counter or counter.
func zxidOf(t *testing.T, text string) int64 {
	t.Helper()
	var epoch, counter int64
	if _, err := fmt.Sscanf(text, "%d.%d", &epoch, &counter); err != nil {
		if _, err := fmt.Sscanf(text, "%d", &counter); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		epoch = 0
	}
	return epoch<<32 | counter
}

// history is what a leader asks of a learner's files, or a learner of a
// leader's. Like a server it closes the log before one is changed.
func (s *story) history(t *testing.T, d *datadriven.TestData) error {
	at := func(key string) int64 {
		var text string
		d.ScanArgs(t, key, &text)
		return zxidOf(t, text)
	}
	if d.Cmd == "find-sync" {
		found, err := FindSync(s.dirs, at("peer"), at("min"), 0, Limits{})
		if s.printf("%v, %d transactions", found.Kind, found.Txns); found.Reason != "" {
			s.printf("%s", found.Reason)
		}
		return err
	}
	if err := s.log.Close(); err != nil {
		return err
	}
	s.dirs.Close()
	s.open(t)
	change := TakeBack
	if d.Cmd == "drop-behind" {
		change = DropBehind
	}
	report, err := change(s.dirs, at("zxid"), Limits{})
	for _, name := range append(report.Logs, report.Snapshots...) {
		s.printf("deleted %s", name)
	}
	if report.Cut != "" {
		s.printf("cut %s", report.Cut)
	}
	for _, name := range report.Left {
		s.printf("left %s", name)
	}
	return err
}

func (s *story) snapshot(t *testing.T, d *datadriven.TestData) error {
	var zxid, method string
	d.ScanArgs(t, "zxid", &zxid)
	d.MaybeScanArgs(t, "compression", &method)
	compression, err := ParseCompression(method)
	if err != nil {
		return err
	}
	c := chain{last: zxidOf(t, zxid)}
	w, err := NewSnapshotWriter(s.mem, s.dirs.Snap, c.last, SnapshotOptions{Compression: compression})
	if err != nil {
		return err
	}
	if _, err := w.Write(c.snapshotBody(3)); err != nil {
		return err
	}
	if d.HasArg("unfinished") {
		return nil
	}
	_, err = w.Finish(SnapshotTail{HasDigest: true, HasLastZxid: true, LastZxid: c.last})
	return err
}

func (s *story) damage(t *testing.T, name string, at, n, value int) error {
	b := fileBytes(t, s.mem, name)
	if at < 0 {
		at += len(b)
	}
	for i := at; i < at+n; i++ {
		if value >= 0 {
			b[i] = byte(value)
		} else {
			b[i] ^= 0x55
		}
	}
	return vfs.ReplaceFile(s.mem, name, b)
}

func (s *story) files() error {
	for _, dir := range []string{s.dirs.Data, s.dirs.DataLog, s.dirs.Snap, s.dirs.Log} {
		names, err := s.mem.List(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			full := path.Join(dir, name)
			info, err := s.mem.Stat(full)
			if err != nil {
				return err
			}
			if !info.Dir {
				s.printf("%s %d bytes", full, info.Size)
			}
		}
	}
	return nil
}

// tape is a target that only notes what it is given.
type tape struct {
	chain
	resets, txns int
	first, last  int64
}

func (r *tape) Reset() { *r = tape{resets: r.resets + 1} }

func (r *tape) Apply(h *wire.TxnHeader, _ []byte, _ *wire.TxnDigest) error {
	if r.txns == 0 {
		r.first = h.Zxid
	}
	r.txns++
	r.last = h.Zxid
	return nil
}

func (s *story) recover(t *testing.T, d *datadriven.TestData) {
	var got tape
	r, err := Recover(s.dirs, RecoverOptions{
		TrustEmpty: d.HasArg("trust-empty"), AutoCreate: !d.HasArg("no-autocreate"), ReadOnly: d.HasArg("read-only"),
	}, &got)
	for _, skipped := range r.Skipped {
		s.printf("skipped %s: %v", skipped.Path, skipped.Err)
	}
	for _, torn := range r.Torn {
		s.printf("torn: %v", torn)
	}
	for _, note := range r.Notes {
		s.printf("note: %s", note)
	}
	for _, name := range r.Removed {
		s.printf("removed %s", name)
	}
	if err != nil {
		s.printf("refused: %v", err)
		return
	}
	if r.Empty {
		s.printf("empty, zxid %d", r.LastZxid)
		return
	}
	from := "no snapshot"
	if r.Snapshot != nil {
		from = path.Base(r.Snapshot.Path)
	}
	s.printf("recovered to 0x%x from %s and %d transactions (0x%x to 0x%x) of %d logs", r.LastZxid, from, r.Txns, got.first, got.last, r.LogFiles)
	if got.txns != r.Txns || (r.Snapshot != nil) != (got.nodes > 0) {
		t.Fatalf("report %+v, target %+v", r, got)
	}
	s.log.Close()
	s.dirs.Close()
	s.open(t)
}
