package node

import (
	"errors"
	"io"
	"os"
	"testing"

	"zooid/internal/wire"
)

// FuzzFrames throws bytes at a whole server, behind a handshake or not (where
// they may be four-letter words): nothing panics, the server goes on, and
// nothing counts as outstanding afterwards.
func FuzzFrames(f *testing.F) {
	s := start(f, "globalOutstandingLimit=5", "tickTime=20", "minSessionTimeout=100", "maxSessionTimeout=500")
	c := &client{t: f}
	ops := []wire.Opcode{wire.OpCreate, wire.OpDelete, wire.OpExists, wire.OpGetData, wire.OpSetData, wire.OpGetACL,
		wire.OpSetACL, wire.OpGetChildren, wire.OpSync, wire.OpPing, wire.OpGetChildren2, wire.OpCheck, wire.OpMulti,
		wire.OpCreate2, wire.OpReconfig, wire.OpCheckWatches, wire.OpRemoveWatches, wire.OpCreateContainer, wire.OpCreateTTL,
		wire.OpMultiRead, wire.OpAuth, wire.OpSetWatches, wire.OpSASL, wire.OpGetEphemerals, wire.OpGetAllChildrenNumber,
		wire.OpSetWatches2, wire.OpAddWatch, wire.OpWhoAmI, wire.OpCreateSession, wire.OpCloseSession}
	for _, op := range ops {
		f.Add(c.request(op, create("/a", "data", 0)), true)
		f.Add(append(c.request(op, set("/a", "x")), c.request(op, get("/a", true))...), true)
	}
	for _, w := range []string{"ruok", "mntr", "stat", "cons", "wchc", "dump", "crst", "srst", "stmk12345678", "nosu"} {
		f.Add([]byte(w), false)
	}
	f.Add(framed((&wire.ConnectRequest{TimeOut: 9, SessionID: 1, Passwd: []byte("x")}).Append(nil)), false)
	f.Fuzz(func(t *testing.T, b []byte, handshake bool) {
		s := &server{Node: s.Node, t: t}
		c := s.dial()
		if handshake {
			c.send((&wire.ConnectRequest{TimeOut: 100, HasReadOnly: true}).Append(nil))
		}
		c.nc.Write(b)
		c.nc.CloseWrite()
		if _, err := io.Copy(io.Discard, c.nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server does not end the connection")
		}
		c.nc.Close()
		s.leakFree()
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		if s.word("ruok") != "imok" {
			t.Fatal("the server is gone")
		}
	})
}
