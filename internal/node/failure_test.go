package node

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// wantExit demands that a start is refused with an exit code and a text that
// holds all of words.
func wantExit(t *testing.T, err error, code int, words ...string) {
	t.Helper()
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != code {
		t.Fatalf("error %v, want exit code %d", err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// TestLogFailure fails the log at each kind of operation: nothing is
// acknowledged from then on, the server stops by itself with code 10, and what
// was acknowledged is there afterwards.
func TestLogFailure(t *testing.T) {
	for _, kind := range []vfs.OpKind{vfs.OpWrite, vfs.OpSync, vfs.OpCreate} {
		t.Run(string(kind), func(t *testing.T) {
			mem := vfs.NewMem()
			fs := vfs.NewFaulty(mem, nil)
			s := startOn(t, fs, "/data", "snapCount=10", "preAllocSize=64")
			c := s.connect()
			acked := 0
			for ; acked < 5; acked++ {
				c.do(wire.OpCreate, create(path(acked), "", 0), wire.CodeOK)
			}
			fs.SetRule(vfs.OnName("log.", vfs.FailFrom(0, syscall.ENOSPC, kind)))
			stopped := make(chan struct{})
			go func() { // as the program does
				<-s.Failed()
				s.Stop()
				close(stopped)
			}()
			for {
				c.raw(c.request(wire.OpCreate, create(path(acked), "", 0)))
				b, err := c.tryFrame()
				if err != nil {
					break
				}
				if r, _ := parseReply(b); r.Err != wire.CodeOK {
					t.Fatalf("reply %v", r.Err)
				}
				acked++
				if kind != vfs.OpCreate {
					t.Fatal("acknowledged after the log failed")
				}
			}
			<-stopped
			wantExit(t, s.Err(), exitLogFailure, "transaction log", "no space left", "/data/version-2/log.")
			if s.Serving() {
				t.Error("still serving")
			}
			again := startOn(t, mem, "/data")
			d := again.connect()
			for i := range acked {
				d.do(wire.OpExists, get(path(i), false), wire.CodeOK)
			}
		})
	}
}

// TestSnapshotFailure loses nothing: the server goes on.
func TestSnapshotFailure(t *testing.T) {
	fs := vfs.NewFaulty(vfs.NewMem(), nil)
	s := startOn(t, fs, "/data", "snapCount=10")
	c := s.connect()
	fs.SetRule(func(op vfs.Op) *vfs.Fault {
		if op.Kind == vfs.OpWrite && strings.Contains(op.Name, "snapshot") {
			return &vfs.Fault{Err: syscall.ENOSPC}
		}
		return nil
	})
	for i := range 50 {
		c.do(wire.OpCreate, create(path(i), "", 0), wire.CodeOK)
	}
	until(t, "the failure is told", func() bool { return strings.Contains(s.log.String(), "snapshot failed") })
	fs.SetRule(nil)
	for i := range 50 {
		c.do(wire.OpSetData, set(path(i), "x"), wire.CodeOK)
	}
	until(t, "the next snapshot", func() bool { return s.lastSnapshot.Load().Zxid > 0 })
	again := s.restart()
	again.connect().do(wire.OpExists, get(path(49), false), wire.CodeOK)
}

// TestStopDuringSnapshot stops while a snapshot is being written: no piece of
// it stays.
func TestStopDuringSnapshot(t *testing.T) {
	fs := vfs.NewFaulty(vfs.NewMem(), nil)
	s := startOn(t, fs, "/data", "snapCount=10")
	c := s.connect()
	began, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fs.SetRule(func(op vfs.Op) *vfs.Fault {
		if op.Kind == vfs.OpCreate && strings.Contains(op.Name, "snapshot") {
			once.Do(func() {
				close(began)
				<-goOn
			})
		}
		return nil
	})
	for i := range 12 { // more than any draw of the trigger for snapCount=10
		c.raw(c.request(wire.OpCreate, create(path(i), "", 0)))
	}
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	until(t, "the stop begins", func() bool { return !s.Serving() })
	close(goOn)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	names, _ := fs.List("/data/version-2")
	for _, n := range names {
		if !strings.HasPrefix(n, "snapshot.") && !strings.HasPrefix(n, "log.") && n != "lock" && !strings.Contains(n, "lock") {
			t.Errorf("%s was left", n)
		}
	}
	startOn(t, fs, "/data").connect().do(wire.OpExists, get("/n0", false), wire.CodeOK)
}

func TestRefusedStarts(t *testing.T) {
	t.Run("port in use", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		_, err = tryStart(t, vfs.NewMem(), "/data", "clientPort="+port)
		wantExit(t, err, exitUnexpected, "in use", port)
	})
	t.Run("two servers", func(t *testing.T) {
		dir := t.TempDir()
		s := startOn(t, vfs.OS, dir)
		_, err := tryStart(t, vfs.OS, dir)
		wantExit(t, err, exitDataDir, "another server", dir)
		s.Stop()
		startOn(t, vfs.OS, dir).connect()
	})
	t.Run("no permission", func(t *testing.T) {
		fs := vfs.NewFaulty(vfs.NewMem(), vfs.FailFrom(0, os.ErrPermission, vfs.OpMkdir, vfs.OpCreate))
		_, err := tryStart(t, fs, "/data")
		wantExit(t, err, exitDataDir, "/data")
	})
	t.Run("no directory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := tryStart(t, vfs.OS, file)
		wantExit(t, err, exitDataDir, file)
	})
	t.Run("full disk at the first start", func(t *testing.T) {
		fs := vfs.NewFaulty(vfs.NewMem(), vfs.OnName("snapshot.", vfs.FailFrom(0, syscall.ENOSPC, vfs.OpWrite)))
		fs.SetRule(func(op vfs.Op) *vfs.Fault {
			if op.Kind == vfs.OpWrite && strings.Contains(op.Name, "snapshot") {
				return &vfs.Fault{Err: syscall.ENOSPC}
			}
			return nil
		})
		_, err := tryStart(t, fs, "/data")
		wantExit(t, err, exitUnexpected, "no space left", "snapshot")
		fs.SetRule(nil)
		startOn(t, fs, "/data").connect()
	})
	t.Run("empty and not allowed to be", func(t *testing.T) {
		_, err := tryStart(t, vfs.NewMem(), "/data", "db.autocreate=false")
		wantExit(t, err, exitUnexpected, "initialize", "db.autocreate")
	})
}

// TestDamage flips a byte of a log, and of a snapshot: the message names file,
// offset, reason and what to do, and the port is free again.
func TestDamage(t *testing.T) {
	for _, prefix := range []string{"log.", "snapshot."} {
		t.Run(prefix, func(t *testing.T) {
			dir := t.TempDir()
			s := startOn(t, vfs.OS, dir, "preAllocSize=64")
			c := s.connect()
			for i := range 40 {
				c.do(wire.OpCreate, create(path(i), strings.Repeat("x", 200), 0), wire.CodeOK)
			}
			s.Stop()
			files, err := filepath.Glob(filepath.Join(dir, "version-2", prefix+"*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%v, %v", files, err)
			}
			for _, name := range files {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				b[len(b)/3] ^= 0x55
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err = tryStart(t, vfs.OS, dir)
			wantExit(t, err, exitUnexpected, filepath.Join(dir, "version-2", prefix))
			t.Logf("%v", err)
			for _, word := range []string{"offset"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
}

func TestRestartRecovers(t *testing.T) {
	s := start(t)
	c := s.connect()
	for i := range 30 {
		c.do(wire.OpCreate, create(path(i), fmt.Sprint(i), 0), wire.CodeOK)
	}
	c.do(wire.OpCreate, create("/eph", "", 1), wire.CodeOK)
	for range 2 {
		s = s.restart()
		again := s.dial()
		r := again.open(wire.ConnectRequest{SessionID: c.session, Passwd: c.password, TimeOut: 10000, LastZxidSeen: c.zxid, HasReadOnly: true})
		if r.SessionID != c.session {
			t.Fatalf("the session did not outlive the restart: %+v", r)
		}
		again.do(wire.OpExists, get("/eph", false), wire.CodeOK)
		if r := again.do(wire.OpGetData, get("/n29", false), wire.CodeOK); string(r.body[4:6]) != "29" {
			t.Errorf("data %q", r.body[4:6])
		}
		again.do(wire.OpSetData, set("/n0", "later"), wire.CodeOK)
		c.zxid = again.zxid
	}
}

// TestWordsWhileItLoads asks a server that is still recovering.
func TestWordsWhileItLoads(t *testing.T) {
	mem := vfs.NewMem()
	s := startOn(t, mem, "/data")
	s.connect().do(wire.OpCreate, create("/a", "", 0), wire.CodeOK)
	s.Stop()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	fs, reached, goOn := vfs.NewFaulty(mem, nil), make(chan struct{}), make(chan struct{})
	first := true
	fs.SetRule(func(op vfs.Op) *vfs.Fault {
		if first && op.Kind == vfs.OpRead {
			first = false
			close(reached)
			<-goOn
		}
		return nil
	})
	started := make(chan *server, 1)
	go func() {
		n, err := tryStart(t, fs, "/data", "clientPort="+port)
		if err != nil {
			t.Errorf("start: %v", err)
			started <- nil
			return
		}
		started <- n
	}()
	<-reached
	for word, want := range map[string]string{"ruok": "imok", "srvr": "not currently serving", "isro": "null"} {
		nc, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(nc, word)
		b := make([]byte, 200)
		k, _ := nc.Read(b)
		if !strings.Contains(string(b[:k]), want) {
			t.Errorf("%s: %q", word, b[:k])
		}
		nc.Close()
	}
	nc, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, nc: nc.(*net.TCPConn)}
	c.send((&wire.ConnectRequest{TimeOut: 7000, HasReadOnly: true}).Append(nil))
	c.wantGone()
	nc.Close()
	close(goOn)
	if n := <-started; n != nil {
		n.connect().do(wire.OpExists, get("/a", false), wire.CodeOK)
		n.Stop()
	}
}
