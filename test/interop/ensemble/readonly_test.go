package ensemble

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
	"zooid/zk"
)

// TestReadOnly: a member that has lost its quorum serves clients that only read,
// until there is a quorum again. Apache's server has sessions for them with
// localSessionsEnabled only.
func TestReadOnly(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		for _, lines := range [][]string{nil, {"localSessionsEnabled=true", "localSessionsUpgradingEnabled=true"}} {
			t.Run(fmt.Sprintf("local sessions %v", lines != nil), func(t *testing.T) { readOnly(t, kinds, lines) })
		}
	})
}

func readOnly(t *testing.T, kinds []harness.Kind, lines []string) {
	e := harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: kinds, Lines: lines, Properties: []string{"readonlymode.enabled=true"}})
	create(t, dial(t, e.ClientAddrs()), "/kept", "data", zk.Persistent)
	for _, alone := range []*harness.Member{e.Leader(), e.Followers()[0]} {
		if lines == nil && alone.Kind() == harness.Java {
			continue
		}
		e.WaitRoles()
		c, s := open(t, alone, sessionTimeout)
		call(t, c, raw.OpCreate, raw.Create("/ephemeral", nil, raw.World, ephemeral))
		call(t, c, raw.OpSync, raw.Path("/"))
		others := slices.DeleteFunc(e.Members(), func(m *harness.Member) bool { return m == alone })
		e.Kill(others...)
		waitReadOnly(t, alone)
		if !c.Closed() {
			t.Errorf("member %d (%s) keeps the client that it had with a quorum", alone.ID, alone.Kind())
		}
		checkReadOnly(t, alone, s)
		reader := dial(t, e.ClientAddrs(), zk.WithReadOnly())
		if data, _, err := reader.Get(within(t), "/kept"); err != nil || string(data) != "data" || reader.State() != zk.StateConnectedReadOnly {
			t.Errorf("our client in read-only mode: %q, %v, %v", data, err, reader.State())
		}
		if _, err := reader.Set(within(t), "/kept", nil, -1); !errors.Is(err, zk.ErrNotReadOnly) {
			t.Errorf("our client writes in read-only mode: %v", err)
		}
		staying, err := raw.Dial(alone.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer staying.Close()
		if _, err := staying.Handshake(readOnlyRequest(0)); err != nil {
			t.Fatal(err)
		}
		e.Launch(others...)
		e.WaitRoles()
		if !staying.Closed() {
			t.Errorf("member %d (%s) keeps a client of read-only mode", alone.ID, alone.Kind())
		}
		harness.Until(t, "our client writes again", nil, func() bool {
			_, err := reader.Set(within(t), "/kept", []byte("data"), -1)
			return err == nil
		})
		c = resume(t, alone, s)
		call(t, c, raw.OpDelete, raw.PathInt("/ephemeral", -1))
		call(t, c, raw.OpCloseSession, nil)
	}
	checkEqual(t, e)
}

func waitReadOnly(t *testing.T, m *harness.Member) {
	t.Helper()
	harness.Until(t, fmt.Sprintf("member %d (%s) serves read-only", m.ID, m.Kind()), m.Done(), func() bool { return m.Role() == "read-only" })
}

func readOnlyRequest(session int64) raw.ConnectRequest {
	return raw.ConnectRequest{Timeout: 10_000, SessionID: session, Passwd: raw.SessionPassword(session), ReadOnly: true}
}

const codeNotReadOnly = -119

// checkReadOnly looks at a member without a quorum that has a session of the
// ensemble.
func checkReadOnly(t *testing.T, m *harness.Member, s raw.Session) {
	t.Helper()
	if out := m.FourLetter("isro"); out != "ro" {
		t.Errorf("isro of member %d (%s): %q", m.ID, m.Kind(), out)
	}
	if out := m.Metric("zk_server_state"); out != "read-only" {
		t.Errorf("mntr of member %d (%s): %q", m.ID, m.Kind(), out)
	}
	for what, req := range map[string]raw.ConnectRequest{
		"a client that may write":   {Timeout: 10_000, Passwd: make([]byte, 16)},
		"a client before 3.4":       {Timeout: 10_000, Passwd: make([]byte, 16), Old: true},
		"a client that saw more":    {Timeout: 10_000, Passwd: make([]byte, 16), ReadOnly: true, LastZxidSeen: 1 << 62},
		"a session of the ensemble": readOnlyRequest(s.ID),
	} {
		c, err := raw.Dial(m.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Handshake(req); !errors.Is(err, io.EOF) {
			t.Errorf("%s at member %d (%s) gets %+v, %v", what, m.ID, m.Kind(), got, err)
		}
		c.Close()
	}
	c, err := raw.Dial(m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	own, err := c.Handshake(readOnlyRequest(0))
	if err != nil || !own.ReadOnly || own.ID == 0 {
		t.Fatalf("a client that only reads gets %+v, %v", own, err)
	}
	call(t, c, raw.OpPing, nil)
	r := call(t, c, raw.OpGetData, raw.PathBool("/kept", true))
	if data := string(r.Body.Buf()); data != "data" {
		t.Errorf("member %d (%s) reads %q", m.ID, m.Kind(), data)
	}
	for _, q := range []struct {
		op   int32
		body raw.Bytes
	}{
		{raw.OpCreate, raw.Create("/x", nil, raw.World, 0)}, {raw.OpCreate2, raw.Create("/x", nil, raw.World, 1)},
		{raw.OpCreateContainer, raw.Create("/x", nil, raw.World, 4)}, {raw.OpCreateTTL, raw.CreateTTL("/x", nil, raw.World, 5, 100)},
		{raw.OpDelete, raw.PathInt("/kept", -1)}, {raw.OpSetData, raw.SetData("/kept", nil, -1)}, {raw.OpSetData, nil},
		{raw.OpSetACL, raw.SetACL("/kept", raw.World, -1)}, {raw.OpMulti, raw.Multi()}, {raw.OpSync, raw.Path("/")},
	} {
		got, err := c.Call(q.op, q.body)
		if err != nil || got.Err != codeNotReadOnly || got.Zxid != r.Zxid || len(got.Body.Rest) > 0 {
			t.Errorf("member %d (%s): %s: code %d zxid 0x%x, %v", m.ID, m.Kind(), raw.OpName(q.op), got.Err, got.Zxid, err)
		}
	}
	again, err := raw.Dial(m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.Handshake(readOnlyRequest(own.ID)); err != nil || got.ID != own.ID || !got.ReadOnly || !c.Closed() {
		t.Errorf("member %d (%s): the session goes on: %+v, %v", m.ID, m.Kind(), got, err)
	}
	call(t, again, raw.OpCloseSession, nil)
	if !again.Closed() {
		t.Errorf("member %d (%s) keeps the connection of a closed session", m.ID, m.Kind())
	}
}

// TestReadOnlyClients: kazoo and Apache's Java client go into read-only mode and
// out of it.
func TestReadOnlyClients(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: kinds, Properties: []string{"readonlymode.enabled=true"},
			Lines: []string{"localSessionsEnabled=true", "localSessionsUpgradingEnabled=true"}})
		outage := func(order string) error {
			if order != "outage" {
				return obey(e, order)
			}
			e.Kill(e.Leader(), e.Followers()[0])
			waitReadOnly(t, e.Alive()[0])
			return nil
		}
		t.Run("kazoo", func(t *testing.T) {
			harness.Converse(t, kazooProgram(t, "kazoo_readonly.py", e.ClientAddrs(), "read_only_mode"), outage)
		})
		t.Run("java", func(t *testing.T) {
			harness.Converse(t, javaSuite("ReadOnlySuite")(t, e.ClientAddrs(), "ReadOnlyMode"), outage)
		})
	})
}
