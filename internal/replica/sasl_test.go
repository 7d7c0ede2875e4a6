package replica

import (
	"bytes"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/sasl"
	"zooid/internal/wire"
)

func saslConfig() Config {
	cfg := testConfig()
	cfg.Auth.SASL, cfg.Auth.SuperUsers = true, []string{"root"}
	cfg.SASL = &SASL{Password: func(user string) (string, bool) {
		password, ok := map[string]string{"bob": "secret", "root": "toor"}[user]
		return password, ok
	}}
	return cfg
}

// token sends a SASL token and returns the reply; nil once the connection is
// closed.
func (f *fixture) token(c ConnID, token []byte) (wire.Code, []byte) {
	f.t.Helper()
	f.next[c]++
	f.step(Event{Kind: ClientBatch, Conn: c, Frames: frame(f.next[c], wire.OpSASL, jute.AppendBuffer(nil, token))})
	frames := f.frames(c)
	if len(frames) != 1 {
		f.t.Fatalf("%d replies to a token", len(frames))
	}
	h, body := split(frames[0])
	if h.Xid != f.next[c] || h.Zxid != 0 {
		f.t.Fatalf("reply with xid %d, zxid %d", h.Xid, h.Zxid)
	}
	d := jute.NewDecoder(body)
	return h.Err, d.Buffer()
}

// login goes through an exchange and returns what ends it.
func (f *fixture) login(c ConnID, user, password string) (wire.Code, []byte) {
	f.t.Helper()
	client := sasl.NewDigestClient(sasl.ClientProtocol, sasl.ClientServerName, user, password, []byte("cnonce"))
	_, challenge := f.token(c, []byte{})
	response, _, err := client.Step(challenge)
	if err != nil {
		f.t.Fatal(err)
	}
	code, last := f.token(c, response)
	if code == wire.CodeOK && last != nil {
		if _, done, err := client.Step(last); err != nil || !done {
			f.t.Fatalf("the server is not believed: %v", err)
		}
	}
	return code, last
}

func TestSASL(t *testing.T) {
	f := newFixture(t, saslConfig())
	f.connect(1, 5000)
	if code, last := f.login(1, "bob", "secret"); code != wire.CodeOK || last == nil {
		t.Fatalf("login: %v, %q", code, last)
	}
	if l := f.fx.Logins; len(l) != 1 || l[0].User != "bob" || l[0].Why != "" || l[0].Conn != 1 || l[0].Session == 0 {
		t.Errorf("logins %+v", l)
	}
	own := wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermAll, ID: wire.ID{Scheme: "sasl", ID: "bob"}}})
	f.must(1, wire.OpCreate, &wire.CreateRequest{Path: []byte("/bob"), ACL: own})
	f.must(1, wire.OpGetData, readReq("/bob", false))

	f.connect(2, 5000)
	if h, _ := f.call(2, wire.OpGetData, readReq("/bob", false)); h.Err != wire.CodeNoAuth {
		t.Errorf("whoever reads it gets %v", h.Err)
	}
	f.login(2, "root", "toor")
	f.must(2, wire.OpGetData, readReq("/bob", false))

	// A second exchange on a connection is none.
	if code, answer := f.token(2, []byte{}); code != wire.CodeAuthFailed || answer != nil || f.shut[2] == "" {
		t.Errorf("a second exchange: %v, %q, closed %q", code, answer, f.shut[2])
	}
}

func TestSASLFails(t *testing.T) {
	for _, x := range []struct {
		keep, required bool
		code           wire.Code
		closed         bool
	}{
		{false, false, wire.CodeAuthFailed, true},
		{true, false, wire.CodeOK, false},
		{false, true, wire.CodeSessionClosedRequireSASLAuth, true},
		{true, true, wire.CodeSessionClosedRequireSASLAuth, true},
	} {
		cfg := saslConfig()
		cfg.SASL.KeepFailed = x.keep
		if x.required {
			cfg.EnforceAuth = []string{"digest", "sasl"}
		}
		f := newFixture(t, cfg)
		f.connect(1, 5000)
		code, answer := f.login(1, "bob", "wrong")
		if code != x.code || answer != nil || (f.shut[1] != "") != x.closed {
			t.Errorf("%+v: %v, %q, closed %q", x, code, answer, f.shut[1])
		}
		l := f.fx.Logins
		if len(l) != 1 || l[0].User != "" || !strings.Contains(l[0].Why, `"bob"`) || strings.Contains(l[0].Why, "secret") {
			t.Errorf("logins %+v", l)
		}
		if n := f.r.Stats().AuthFailed; n != 1 {
			t.Errorf("%d failures are counted", n)
		}
	}
}

// What came before a client has authenticated waits, and the token does not.
func TestSASLOvertakes(t *testing.T) {
	f := newFixture(t, saslConfig())
	f.connect(1, 5000)
	f.send(1, wire.OpCreate, createReq("/a", "", 0))
	if code, challenge := f.token(1, []byte{}); code != wire.CodeOK || !bytes.Contains(challenge, []byte("nonce=")) {
		t.Errorf("%v, %q", code, challenge)
	}
	f.durable()
	if got := describe(f.frames(1)); len(got) != 1 || got[0] != "1:0" {
		t.Errorf("got %v", got)
	}
}

func TestSASLNonces(t *testing.T) {
	seen := map[string]bool{}
	for seed := range byte(2) {
		cfg := saslConfig()
		cfg.SASL.Secret[0] = seed
		f := newFixture(t, cfg)
		for c := ConnID(1); c <= 3; c++ {
			f.connect(c, 5000)
			_, challenge := f.token(c, []byte{})
			if seen[string(challenge)] {
				t.Errorf("challenge %s comes twice", challenge)
			}
			seen[string(challenge)] = true
		}
	}
}

func TestWithoutSASL(t *testing.T) {
	f := newFixture(t, testConfig())
	f.connect(1, 5000)
	for range 2 {
		if code, answer := f.token(1, []byte("x")); code != wire.CodeOK || answer != nil {
			t.Errorf("%v, %q", code, answer)
		}
	}
	f.step(Event{Kind: ClientBatch, Conn: 1, Frames: frame(9, wire.OpSASL, jute.AppendBuffer(nil, nil))})
	if f.shut[1] == "" {
		t.Error("a null token does not end the connection")
	}
}
