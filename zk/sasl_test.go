package zk

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zooid/internal/jute"
	"zooid/internal/sasl"
	"zooid/internal/wire"
)

// guard has a fake server authenticate bob, as one of ZooKeeper does.
func (s *fakeServer) guard(password string) {
	exchanges := map[*fakeConn]*sasl.DigestServer{}
	var mu sync.Mutex
	s.answer = func(c *fakeConn, r fakeRequest) *fakeReply {
		if r.op != wire.OpSASL {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if exchanges[c] == nil {
			exchanges[c] = sasl.NewDigestServer(sasl.ClientProtocol, sasl.ClientServerName,
				func(user string) (string, bool) { return password, user == "bob" }, []byte("nonce"))
		}
		d := jute.NewDecoder(r.body)
		answer, _, err := exchanges[c].Step(d.Buffer())
		if err != nil {
			return &fakeReply{code: ErrAuthFailed, end: true}
		}
		return &fakeReply{body: jute.AppendBuffer(nil, answer)}
	}
}

func TestSASL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:1")
		n.servers["a:1"].guard("secret")
		var states []string
		c, err := Dial(t.Context(), "a:1", WithDialer(n.dial), WithSASLDigest("bob", "secret"),
			WithEventHandler(func(e Event) { states = append(states, e.State.String()) }))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Get(t.Context(), "/x"); err != nil {
			t.Fatal(err)
		}
		// The next connection authenticates anew, before anything else is sent.
		n.servers["a:1"].breakAll()
		if _, _, err := c.Get(t.Context(), "/x"); err != nil {
			t.Fatal(err)
		}
		if got := n.asked(wire.OpSASL); len(got) != 4 {
			t.Errorf("%d tokens, want 4", len(got))
		}
		c.Close()
		synctest.Wait()
		want := "SyncConnected SaslAuthenticated Disconnected SyncConnected SaslAuthenticated Closed"
		if got := strings.Join(states, " "); got != want {
			t.Errorf("states %s, want %s", got, want)
		}
	})
}

func TestSASLRefused(t *testing.T) {
	for name, x := range map[string]struct {
		answer func(c *fakeConn, r fakeRequest) *fakeReply
		says   string
	}{
		"wrong password": {nil, `user "bob" or the password is wrong`},
		"required": {func(*fakeConn, fakeRequest) *fakeReply {
			return &fakeReply{code: ErrAuthRequired, end: true}
		}, "requires SASL"},
		"no SASL": {func(*fakeConn, fakeRequest) *fakeReply {
			return &fakeReply{body: jute.AppendBuffer(nil, nil)}
		}, "does not offer SASL"},
		"no challenge": {func(*fakeConn, fakeRequest) *fakeReply {
			return &fakeReply{body: jute.AppendBuffer(nil, []byte("hello"))}
		}, "algorithm is missing"},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newFakeNet(t, "a:1")
			n.servers["a:1"].guard("other")
			if x.answer != nil {
				n.servers["a:1"].answer = x.answer
			}
			var states []State
			c, err := New("a:1", WithDialer(n.dial), WithSASLDigest("bob", "secret"),
				WithEventHandler(func(e Event) { states = append(states, e.State) }))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = c.Get(t.Context(), "/x")
			if !errors.Is(err, ErrAuthFailed) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", name, err)
			}
			if err := c.Err(); !errors.Is(err, ErrAuthFailed) {
				t.Errorf("%s: the client ended with %v", name, err)
			}
			c.Close()
			synctest.Wait()
			if want := []State{StateConnected, StateAuthFailed}; !slices.Equal(states, want) {
				t.Errorf("%s: states %v, want %v", name, states, want)
			}
			if got := n.asked(wire.OpGetData); len(got) != 0 {
				t.Errorf("%s: a request went out", name)
			}
		})
	}
}

// A server that breaks off or says nothing is left for another.
func TestSASLBreaks(t *testing.T) {
	for name, answer := range map[string]func(*fakeConn, fakeRequest) *fakeReply{
		"closes":     func(*fakeConn, fakeRequest) *fakeReply { return &fakeReply{none: true, end: true} },
		"is silent":  func(*fakeConn, fakeRequest) *fakeReply { return &fakeReply{none: true} },
		"wrong xid":  func(*fakeConn, fakeRequest) *fakeReply { return &fakeReply{xid: 77} },
		"no token":   func(*fakeConn, fakeRequest) *fakeReply { return &fakeReply{} },
		"long frame": func(*fakeConn, fakeRequest) *fakeReply { return &fakeReply{body: make([]byte, maxSASLAnswer)} },
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newFakeNet(t, "a:1")
			n.servers["a:1"].answer = answer
			c, err := New("a:1", WithDialer(n.dial), WithSASLDigest("bob", "secret"))
			if err != nil {
				t.Fatal(err)
			}
			pass(5 * time.Second)
			if err := c.Err(); err != nil {
				t.Errorf("%s: the client is over: %v", name, err)
			}
			n.mu.Lock()
			n.servers["a:1"].guard("secret")
			n.mu.Unlock()
			if _, _, err := c.Get(t.Context(), "/x"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			c.Close()
		})
	}
}
