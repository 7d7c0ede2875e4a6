package ensemble

import (
	"fmt"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// change is what a committed transaction made of a path.
type change struct {
	zxid   int64
	exists bool
	data   string
	owner  int64 // session of an ephemeral
}

func hex(zxid int64) string { return fmt.Sprintf("0x%x", uint64(zxid)) }

// changes notes what a committed transaction changed. A request becomes one
// transaction at most.
func (t *truth) changes(x *txn) {
	if x.head.ClientID != 0 && x.head.Type != wire.OpCreateSession && x.head.Cxid != 0 {
		key := [2]int64{x.head.ClientID, int64(x.head.Cxid)}
		if other, twice := t.asked[key]; twice {
			t.w.fail("once", "request %d of session 0x%x became 0x%x and 0x%x", x.head.Cxid, x.head.ClientID, other, x.zxid)
		}
		t.asked[key] = x.zxid
	}
	if x.head.Type == wire.OpMulti {
		t.multi(x)
		return
	}
	t.change(x.zxid, x.head.Type, x.head.ClientID, x.body)
}

// multi notes the changes of a multi: of one that failed nothing is applied.
func (t *truth) multi(x *txn) {
	d := jute.NewDecoder(x.body)
	var subs []wire.SubTxn
	for n := d.Count(8); n > 0; n-- {
		sub := wire.NextSubTxn(&d)
		if sub.Type == wire.OpError {
			return
		}
		subs = append(subs, sub)
	}
	for _, sub := range subs {
		t.change(x.zxid, sub.Type, x.head.ClientID, sub.Data)
	}
}

func (t *truth) change(zxid int64, typ wire.Opcode, session int64, body []byte) {
	d := jute.NewDecoder(body)
	switch typ {
	case wire.OpCreate, wire.OpCreate2:
		var x wire.CreateTxn
		x.Decode(&d)
		c := change{zxid: zxid, exists: true, data: string(x.Data)}
		if x.Ephemeral {
			c.owner = session
			t.ephemerals[session] = append(t.ephemerals[session], string(x.Path))
		}
		t.note(string(x.Path), c)
	case wire.OpSetData:
		var x wire.SetDataTxn
		x.Decode(&d)
		t.note(string(x.Path), change{zxid, true, string(x.Data), t.now(string(x.Path)).owner})
	case wire.OpReconfig:
		var x wire.SetDataTxn
		x.Decode(&d)
		t.reconfigured(zxid, x.Data)
	case wire.OpDelete:
		var x wire.DeleteTxn
		x.Decode(&d)
		t.note(string(x.Path), change{zxid: zxid})
	case wire.OpCreateSession:
		t.begun[session] = true
		if p := &t.w.prof; p.local {
			if !p.upgrade {
				t.w.fail("local", "session 0x%x becomes one of the ensemble, which it must not", session)
			}
			t.w.met("local session upgraded")
		}
	case wire.OpCloseSession:
		for _, path := range t.ephemerals[session] {
			if c := t.now(path); c.exists && c.owner == session {
				t.note(path, change{zxid: zxid})
			}
		}
		delete(t.ephemerals, session)
	}
}

func (t *truth) note(path string, c change) { t.paths[path] = append(t.paths[path], c) }

// now is what a path is by the newest committed transaction.
func (t *truth) now(path string) change {
	if h := t.paths[path]; len(h) > 0 {
		return h[len(h)-1]
	}
	return change{}
}

// seen is what a path was as of a zxid.
func (t *truth) seen(path string, zxid int64) change {
	h := t.paths[path]
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].zxid <= zxid {
			return h[i]
		}
	}
	return change{}
}

// next is the first change of a path behind a zxid.
func (t *truth) next(path string, zxid int64) (change, bool) {
	h := t.paths[path]
	for i := range h {
		if h[i].zxid > zxid {
			return h[i], true
		}
	}
	return change{}, false
}
