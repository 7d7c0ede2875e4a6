package ensemble

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
	"zooid/zk"
)

// TestLocalSessions: a session that only its member knows takes no transaction
// and is worth nothing anywhere else. Whether it may become a session of the
// ensemble is an option.
func TestLocalSessions(t *testing.T) {
	type promise struct {
		name string
		hold func(t *testing.T, e *harness.Ensemble)
	}
	always := []promise{
		{"sessions come and go without a transaction", localWithoutTxns},
		{"a local session writes", localWrites},
		{"a local session goes on at its member and at no other", localStays},
		{"a silent local session expires at its member", localExpires},
		{"a closeSession is answered in its turn", localCloseInTurn},
		{"dump and mntr tell local from global sessions", localShown},
	}
	run := func(t *testing.T, kinds []harness.Kind, lines []string, promises []promise) {
		e := harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: kinds, Lines: append(lines, "localSessionsEnabled=true")})
		for _, p := range append(promises, always...) {
			t.Run(p.name, func(t *testing.T) { p.hold(t, e) })
		}
		t.Run("all members hold the same tree", func(t *testing.T) { checkEqual(t, e) })
	}
	each(t, func(t *testing.T, kinds []harness.Kind) {
		t.Run("for ever", func(t *testing.T) {
			run(t, kinds, nil, []promise{{"it creates no ephemeral", localRefused}})
		})
		t.Run("until an ephemeral is created", func(t *testing.T) {
			run(t, kinds, []string{"localSessionsUpgradingEnabled=true"}, []promise{
				{"it becomes one of the ensemble with its first ephemeral", localUpgraded},
				{"it becomes one of the ensemble in the middle of a pipeline", localUpgradedInLine},
				{"one of the ensemble expires as such", upgradedExpires},
			})
		})
	})
}

func localWithoutTxns(t *testing.T, e *harness.Ensemble) {
	before := e.Leader().Zxid()
	for _, m := range e.Members() {
		c, s := open(t, m, sessionTimeout)
		if owner := byte(uint64(s.ID) >> 56); int(owner) != m.ID {
			t.Errorf("session 0x%x of member %d", s.ID, m.ID)
		}
		call(t, c, raw.OpPing, nil)
		call(t, c, raw.OpCloseSession, nil)
		if !c.Closed() {
			t.Errorf("member %d (%s) keeps the connection of a closed session", m.ID, m.Kind())
		}
		refusedBy(t, e, s, "a local session that was closed")
	}
	if after := e.Leader().Zxid(); after != before {
		t.Errorf("the last zxid was %s and is %s", before, after)
	}
}

func localWrites(t *testing.T, e *harness.Ensemble) {
	for _, m := range e.Members() {
		c, _ := open(t, m, sessionTimeout)
		path := fmt.Sprintf("/local-writes-%d", m.ID)
		call(t, c, raw.OpCreate, raw.Create(path, nil, raw.World, 0))
		call(t, c, raw.OpSetData, raw.SetData(path, []byte("x"), 0))
		call(t, c, raw.OpSetACL, raw.SetACL(path, raw.World, -1))
		call(t, c, raw.OpCreateContainer, raw.Create(path+"/c", nil, raw.World, 4))
		call(t, c, raw.OpMulti, raw.Multi(raw.MultiOp{Op: raw.OpDelete, Body: raw.PathInt(path+"/c", -1)},
			raw.MultiOp{Op: raw.OpCheck, Body: raw.PathInt(path, 1)}))
		call(t, c, raw.OpDelete, raw.PathInt(path, 1))
		call(t, c, raw.OpSync, raw.Path("/"))
		call(t, c, raw.OpCloseSession, nil)
	}
}

func localStays(t *testing.T, e *harness.Ensemble) {
	tour(e, func(from, to *harness.Member) {
		c, s := open(t, from, sessionTimeout)
		call(t, c, raw.OpExists, raw.PathBool("/", false))
		c.Close()
		if _, got, err := raw.Resume(to.Addr(), s); err == nil || got.ID != 0 {
			t.Errorf("a local session of member %d (%s) goes on at member %d (%s)", from.ID, from.Kind(), to.ID, to.Kind())
		}
		c = resume(t, from, s)
		call(t, c, raw.OpCreate, raw.Create(fmt.Sprintf("/local-stays-%d-%d", from.ID, to.ID), nil, raw.World, 0))
		call(t, c, raw.OpCloseSession, nil)
	})
}

func localExpires(t *testing.T, e *harness.Ensemble) {
	const timeout = 2 * time.Second
	began := time.Now()
	var silent []*raw.Conn
	var sessions []raw.Session
	for _, m := range e.Members() {
		c, s := open(t, m, timeout)
		silent, sessions = append(silent, c), append(sessions, s)
	}
	for i, m := range e.Members() {
		if !silent[i].Closed() {
			t.Errorf("member %d (%s) leaves the connection of an expired session open", m.ID, m.Kind())
		}
		if lived := time.Since(began); lived < timeout {
			t.Errorf("member %d (%s): expired after %v, the timeout is %v", m.ID, m.Kind(), lived, timeout)
		}
		refusedBy(t, e, sessions[i], fmt.Sprintf("a local session of member %d that has expired", m.ID))
	}
}

// localCloseInTurn has a write in front of the closeSession.
func localCloseInTurn(t *testing.T, e *harness.Ensemble) {
	for _, m := range e.Members() {
		c, _ := open(t, m, sessionTimeout)
		path := fmt.Sprintf("/local-close-%d", m.ID)
		if err := c.Send(raw.Frame(1, raw.OpCreate, raw.Create(path, nil, raw.World, 0)), raw.Frame(2, raw.OpCloseSession, nil)); err != nil {
			t.Fatal(err)
		}
		for xid := int32(1); xid <= 2; xid++ {
			frame, err := c.Recv()
			if err != nil {
				t.Fatalf("member %d (%s): reply %d: %v", m.ID, m.Kind(), xid, err)
			}
			if r := raw.ParseReply(frame); r.Xid != xid || r.Err != 0 {
				t.Errorf("member %d (%s): reply to %d with code %d, want that to %d", m.ID, m.Kind(), r.Xid, r.Err, xid)
			}
		}
		if !c.Closed() {
			t.Errorf("member %d (%s) keeps the connection", m.ID, m.Kind())
		}
	}
}

func localShown(t *testing.T, e *harness.Ensemble) {
	for _, m := range e.Members() {
		c, s := open(t, m, sessionTimeout)
		id := fmt.Sprintf("0x%x", uint64(s.ID))
		local, global, ok := strings.Cut(m.FourLetter("dump"), "Global Session")
		if !ok || !strings.Contains(local, "Local Session") || !strings.Contains(local, id) || strings.Contains(global[:strings.Index(global, "ephemeral")], id) {
			t.Errorf("dump of member %d (%s) with the local session %s: %s", m.ID, m.Kind(), id, m.FourLetter("dump"))
		}
		with := localCount(t, m)
		call(t, c, raw.OpCloseSession, nil)
		if without := localCount(t, m); with != without+1 {
			t.Errorf("mntr of member %d (%s) shows %d local sessions, and %d without one of them", m.ID, m.Kind(), with, without)
		}
	}
}

func localCount(t *testing.T, m *harness.Member) int {
	t.Helper()
	n, err := strconv.Atoi(m.Metric("zk_local_sessions"))
	if err != nil {
		t.Fatalf("mntr of member %d (%s): %v", m.ID, m.Kind(), err)
	}
	return n
}

// localRefused: the leader gives its own clients another code in a multi than a
// learner does, as the learner's reason does not travel with the request.
func localRefused(t *testing.T, e *harness.Ensemble) {
	leader := e.Leader()
	for _, m := range e.Members() {
		c, _ := open(t, m, sessionTimeout)
		path := fmt.Sprintf("/local-refused-%d", m.ID)
		for _, flags := range []int32{1, 3} {
			for _, op := range []int32{raw.OpCreate, raw.OpCreate2} {
				if r, err := c.Call(op, raw.Create(path, nil, raw.World, flags)); err != nil || r.Err != codeEphemeralOnLocal || len(r.Body.Rest) > 0 {
					t.Errorf("member %d (%s): %s with flags %d: %v, code %d", m.ID, m.Kind(), raw.OpName(op), flags, err, r.Err)
				}
			}
		}
		want := int32(codeSessionExpired)
		if m == leader {
			want = codeEphemeralOnLocal
		}
		r := call(t, c, raw.OpMulti, raw.Multi(
			raw.MultiOp{Op: raw.OpCreate, Body: raw.Create(path+"-m", nil, raw.World, 0)},
			raw.MultiOp{Op: raw.OpCreate, Body: raw.Create(path+"-e", nil, raw.World, 1)},
			raw.MultiOp{Op: raw.OpCreate, Body: raw.Create(path+"-n", nil, raw.World, 0)}))
		for i, code := range []int32{0, want, -2} {
			typ, done, head, body := r.Body.Int(), r.Body.Bool(), r.Body.Int(), r.Body.Int()
			if typ != -1 || done || head != code || body != code {
				t.Errorf("member %d (%s): result %d of the multi: %d %d, want %d", m.ID, m.Kind(), i, head, body, code)
			}
		}
		call(t, c, raw.OpCreate, raw.Create(path, nil, raw.World, 0))
		call(t, c, raw.OpCloseSession, nil)
	}
}

const (
	codeSessionExpired   = -112
	codeEphemeralOnLocal = -120
)

func localUpgraded(t *testing.T, e *harness.Ensemble) {
	tour(e, func(from, to *harness.Member) {
		path := fmt.Sprintf("/upgraded-%d-%d", from.ID, to.ID)
		for _, multi := range []bool{false, true} {
			c, s := open(t, from, sessionTimeout)
			op, body := int32(raw.OpCreate), raw.Create(path, nil, raw.World, ephemeral)
			if multi {
				body = raw.Multi(raw.MultiOp{Op: raw.OpCreate, Body: raw.Create(path+"-p", nil, raw.World, 0)}, raw.MultiOp{Op: raw.OpCreate2, Body: body})
				op = raw.OpMulti
			}
			call(t, c, op, body)
			r := call(t, c, raw.OpExists, raw.PathBool(path, false))
			if owner := r.Body.Stat().EphemeralOwner; owner != s.ID {
				t.Errorf("%s belongs to 0x%x, want 0x%x", path, owner, s.ID)
			}
			c.Close()
			c = resume(t, to, s)
			call(t, c, raw.OpCreate, raw.Create(path+"-2", nil, raw.World, ephemeral))
			call(t, c, raw.OpCloseSession, nil)
			harness.Until(t, "the ephemerals are gone", from.Done(), func() bool {
				c, _ := open(t, from, sessionTimeout)
				r, err := c.Call(raw.OpExists, raw.PathBool(path, false))
				if err != nil {
					t.Fatal(err)
				}
				call(t, c, raw.OpCloseSession, nil)
				return r.Err != 0
			})
			refusedBy(t, e, s, "an upgraded session that was closed")
		}
	})
}

// localUpgradedInLine sends all without waiting for a reply.
func localUpgradedInLine(t *testing.T, e *harness.Ensemble) {
	for _, m := range e.Members() {
		c, s := open(t, m, sessionTimeout)
		path := fmt.Sprintf("/in-line-%d", m.ID)
		ops := [][]byte{
			raw.Frame(1, raw.OpCreate, raw.Create(path, nil, raw.World, 0)),
			raw.Frame(2, raw.OpCreate, raw.Create(path+"-e", nil, raw.World, ephemeral)),
			raw.Frame(3, raw.OpExists, raw.PathBool(path+"-e", false)),
			raw.Frame(4, raw.OpCreate, raw.Create(path+"-e2", nil, raw.World, ephemeral)),
			raw.Frame(5, raw.OpDelete, raw.PathInt(path, -1)),
			raw.Frame(6, raw.OpExists, raw.PathBool(path+"-e2", false)),
			raw.Frame(7, raw.OpCloseSession, nil),
		}
		if err := c.Send(ops...); err != nil {
			t.Fatal(err)
		}
		for i := range ops {
			frame, err := c.Recv()
			if err != nil {
				t.Fatalf("member %d (%s): reply %d: %v", m.ID, m.Kind(), i+1, err)
			}
			r := raw.ParseReply(frame)
			if r.Xid != int32(i+1) || r.Err != 0 {
				t.Fatalf("member %d (%s): reply to %d with code %d, want that to %d", m.ID, m.Kind(), r.Xid, r.Err, i+1)
			}
			if i == 2 || i == 5 {
				if owner := r.Body.Stat().EphemeralOwner; owner != s.ID {
					t.Errorf("member %d (%s): owner 0x%x, want 0x%x", m.ID, m.Kind(), owner, s.ID)
				}
			}
		}
		refusedBy(t, e, s, "an upgraded session that was closed in line")
	}
}

func upgradedExpires(t *testing.T, e *harness.Ensemble) {
	const timeout = 2 * time.Second
	watchers := dialEach(t, e)
	for _, m := range e.Members() {
		c, s := open(t, m, timeout)
		path := fmt.Sprintf("/upgraded-silent-%d", m.ID)
		call(t, c, raw.OpCreate, raw.Create(path, nil, raw.World, ephemeral))
		heard := time.Now()
		for _, events := range watchDeletion(t, watchers, path) {
			if ev := await(t, events, "expiry of the session"); ev.Type != zk.EventNodeDeleted || time.Since(heard) < timeout {
				t.Errorf("member %d (%s): %v %v after %v, the timeout is %v", m.ID, m.Kind(), ev.Type, ev.Err, time.Since(heard), timeout)
			}
		}
		if !c.Closed() {
			t.Errorf("member %d (%s) leaves the connection of an expired session open", m.ID, m.Kind())
		}
		refusedBy(t, e, s, "an upgraded session that has expired")
	}
}
