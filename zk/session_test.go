package zk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// journal collects the events of a client.
type journal struct {
	mu     sync.Mutex
	events []Event
}

func (j *journal) add(e Event) {
	j.mu.Lock()
	j.events = append(j.events, e)
	j.mu.Unlock()
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var words []string
	for _, e := range j.events {
		if e.Type == EventSession {
			words = append(words, e.State.String())
		} else {
			words = append(words, e.Type.String()+e.Path)
		}
	}
	return strings.Join(words, " ")
}

func (j *journal) want(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	if got := j.String(); got != want {
		t.Errorf("events: %s\nwant:   %s", got, want)
	}
}

// start makes a client of the fake net.
func (n *fakeNet) start(servers string, opts ...Option) (*Client, *journal) {
	n.t.Helper()
	j := new(journal)
	opts = append([]Option{WithDialer(n.dial), WithEventHandler(j.add)}, opts...)
	c, err := New(servers, opts...)
	if err != nil {
		n.t.Fatal(err)
	}
	return c, j
}

// elapsed runs f and returns the time that it took in the bubble.
func elapsed(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}

func TestSessionLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, j := n.start("a")
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.SessionID() != 0x101 || c.State() != StateConnected || c.Server() != "a:2181" {
			t.Errorf("session %x, %v at %q", c.SessionID(), c.State(), c.Server())
		}
		data, stat, err := c.Get(t.Context(), "/x")
		if string(data) != "data" || stat.Version != 3 || err != nil {
			t.Errorf("get: %q %+v %v", data, stat, err)
		}
		c.Close()
		c.Close()
		j.want(t, "SyncConnected Closed")
		if _, _, err := c.Get(t.Context(), "/x"); !errors.Is(err, ErrClosed) {
			t.Errorf("get after close: %v", err)
		}
		if len(n.ended) != 1 || c.Err() != ErrClosed {
			t.Errorf("ended %x, %v", n.ended, c.Err())
		}
		<-c.Done()
	})
}

func TestDialFailsWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		took := elapsed(func() {
			_, err := Dial(ctx, "a,b", WithDialer(n.dial))
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errRefused) {
				t.Errorf("dial: %v", err)
			}
		})
		if took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestQueuedCallsWaitASessionTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c, _ := n.start("a,b", WithSessionTimeout(4*time.Second))
		defer c.Close()
		pass(time.Second)
		took := elapsed(func() {
			_, _, err := c.Get(t.Context(), "/x")
			if !errors.Is(err, ErrConnectionLoss) || !errors.Is(err, errRefused) {
				t.Errorf("get: %v", err)
			}
		})
		if took != 4*time.Second {
			t.Errorf("took %v", took)
		}
		// A later call has its own time, and a server that comes up serves it.
		go func() {
			pass(2 * time.Second)
			n.add("b:2181")
		}()
		if _, _, err := c.Get(t.Context(), "/x"); err != nil {
			t.Error(err)
		}
	})
}

func TestFailFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c, _ := n.start("a,b,c", WithFailFast())
		defer c.Close()
		took := elapsed(func() {
			if _, _, err := c.Get(t.Context(), "/x"); !errors.Is(err, ErrConnectionLoss) {
				t.Errorf("get: %v", err)
			}
		})
		if took > 5*time.Second || len(n.dials) < 3 {
			t.Errorf("took %v, dialled %v", took, n.dials)
		}
	})
}

func TestBackoffGrowsWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		var at []time.Time
		c, _ := n.start("a", WithBackoff(100*time.Millisecond, 2*time.Second),
			WithAttemptHook(func(string, error) { at = append(at, time.Now()) }))
		pass(20 * time.Second)
		c.Close()
		pause := 100 * time.Millisecond
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < pause/2 || gap > pause {
				t.Errorf("pause %d was %v, want %v to %v", i, gap, pause/2, pause)
			}
			pause = min(2*pause, 2*time.Second)
		}
		if len(at) < 12 || len(at) > 24 {
			t.Errorf("%d attempts in 20 s", len(at))
		}
	})
}

func TestReconnectKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181", "b:2181", "c:2181")
		c, j := n.start("a,b,c")
		defer c.Close()
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		id, first := c.SessionID(), c.Server()
		n.remove(first)
		if _, _, err := c.Get(t.Context(), "/x"); err != nil && !errors.Is(err, ErrConnectionLoss) {
			t.Fatal(err)
		}
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.SessionID() != id || c.Server() == first {
			t.Errorf("session %x at %s, was %x at %s", c.SessionID(), c.Server(), id, first)
		}
		j.want(t, "SyncConnected Disconnected SyncConnected")
	})
}

func TestIdleSessionIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, j := n.start("a", WithSessionTimeout(9*time.Second))
		defer c.Close()
		pass(30*time.Second + time.Millisecond)
		if pings := len(n.asked(wire.OpPing)); pings != 10 {
			t.Errorf("%d pings in 30 s", pings)
		}
		j.want(t, "SyncConnected")
	})
}

func TestSilentServerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		n.servers["a:2181"].deaf = true
		c, _ := n.start("a", WithSessionTimeout(9*time.Second))
		defer c.Close()
		took := elapsed(func() {
			_, _, err := c.Get(t.Context(), "/x")
			if !errors.Is(err, ErrConnectionLoss) || !errors.Is(err, errSilent) {
				t.Errorf("get: %v", err)
			}
		})
		if took != 6*time.Second {
			t.Errorf("took %v, want two thirds of the timeout", took)
		}
	})
}

func TestHandshakesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181", "b:2181", "c:2181", "d:2181")
		n.servers["a:2181"].silent = true
		n.servers["b:2181"].reject = true
		n.servers["c:2181"].readOnly = true
		c, _ := n.start("a,b,c,d", WithSessionTimeout(8*time.Second))
		defer c.Close()
		took := elapsed(func() {
			if err := c.Wait(t.Context()); err != nil || c.Server() != "d:2181" {
				t.Errorf("at %q: %v", c.Server(), err)
			}
		})
		if took > 2*time.Second {
			t.Errorf("took %v: the silent server has a quarter of the timeout", took)
		}
	})
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, j := n.start("a")
		_, _, ch, err := c.GetW(t.Context(), "/x")
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.AddWatch(t.Context(), "/y", WatchRecursive)
		if err != nil {
			t.Fatal(err)
		}
		n.expire(c.SessionID())
		n.servers["a:2181"].breakAll()
		e, open := <-ch
		if e.State != StateExpired || e.Err != ErrSessionExpired || !open {
			t.Errorf("watch event %+v", e)
		}
		if _, open := <-ch; open {
			t.Error("the channel is not closed")
		}
		if e, err := w.Next(t.Context()); e.State != StateExpired || err != nil {
			t.Errorf("next: %+v %v", e, err)
		}
		if _, err := w.Next(t.Context()); err != ErrSessionExpired {
			t.Errorf("next: %v", err)
		}
		if _, _, err := c.Get(t.Context(), "/x"); !errors.Is(err, ErrSessionExpired) {
			t.Errorf("get: %v", err)
		}
		<-c.Done()
		c.Close()
		j.want(t, "SyncConnected Disconnected Expired")
	})
}

func TestCredentialsComeAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, _ := n.start("a", WithAuth("digest", []byte("u:p")))
		if err := c.AddAuth(t.Context(), "digest", []byte("v:q")); err != nil {
			t.Fatal(err)
		}
		if err := c.AddAuth(t.Context(), "digest", []byte("v:q")); err != nil {
			t.Fatal(err)
		}
		n.servers["a:2181"].breakAll()
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Close()
		var sent []string
		for _, r := range n.asked(wire.OpAuth) {
			var p wire.AuthPacket
			d := jute.NewDecoder(r.body)
			p.Decode(&d)
			sent = append(sent, string(p.Auth))
		}
		if !slices.Equal(sent, []string{"u:p", "v:q", "u:p", "v:q"}) {
			t.Errorf("sent %v", sent)
		}
	})
}

func TestAuthFailureEndsTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		n.servers["a:2181"].answer = func(_ *fakeConn, r fakeRequest) *fakeReply {
			if r.op == wire.OpAuth {
				return &fakeReply{code: ErrAuthFailed, end: true}
			}
			return nil
		}
		c, j := n.start("a")
		if err := c.AddAuth(t.Context(), "nonsense", nil); !errors.Is(err, ErrAuthFailed) {
			t.Errorf("addauth: %v", err)
		}
		<-c.Done()
		if _, _, err := c.Get(t.Context(), "/x"); !errors.Is(err, ErrAuthFailed) {
			t.Errorf("get: %v", err)
		}
		c.Close()
		j.want(t, "SyncConnected AuthFailed")
	})
}

func TestCancelledCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c, _ := n.start("a")
		defer c.Close()
		// Not sent yet: never sent.
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if _, err := c.Set(ctx, "/x", nil, -1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("set: %v", err)
			}
			cancel()
		}
		c.mu.Lock()
		waiting := len(c.queue)
		c.mu.Unlock()
		if waiting > 40 {
			t.Errorf("%d calls left behind", waiting)
		}
		s := n.add("a:2181")
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sent := n.asked(wire.OpSetData); len(sent) != 0 {
			t.Errorf("%d cancelled requests were sent", len(sent))
		}
		// On its way: the answer is thrown away, the next one finds its caller.
		s.answer = func(_ *fakeConn, r fakeRequest) *fakeReply {
			if r.op == wire.OpGetData {
				pass(time.Second)
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, _, err := c.Get(ctx, "/x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("get: %v", err)
		}
		if ok, stat, err := c.Exists(t.Context(), "/x"); !ok || stat.Czxid != 7 || err != nil {
			t.Errorf("exists: %v %+v %v", ok, stat, err)
		}
	})
}

func TestCloseLetsAnswersIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		n.servers["a:2181"].answer = func(_ *fakeConn, r fakeRequest) *fakeReply {
			pass(100 * time.Millisecond)
			return nil
		}
		c, _ := n.start("a")
		got := make(chan error, 3)
		for range 3 {
			go func() {
				_, _, err := c.Get(t.Context(), "/x")
				got <- err
			}()
		}
		synctest.Wait()
		c.Close()
		for range 3 {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		n.servers["a:2181"].deaf = true
		c, _ := n.start("a", WithSessionTimeout(9*time.Second))
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := elapsed(func() { c.Close() }); took != 3*time.Second {
			t.Errorf("close took %v", took)
		}
		c, _ = n.start("b")
		if took := elapsed(func() { c.Close() }); took != 0 {
			t.Errorf("close without a connection took %v", took)
		}
	})
}

func TestDetachAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, _ := n.start("a")
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Detach()
		d, _ := n.start("a", WithSession(c.SessionID(), c.Password()))
		if err := d.Wait(t.Context()); err != nil || d.SessionID() != c.SessionID() {
			t.Errorf("session %x, was %x: %v", d.SessionID(), c.SessionID(), err)
		}
		d.Close()
		e, j := n.start("a", WithSession(d.SessionID(), d.Password()))
		if err := e.Wait(t.Context()); !errors.Is(err, ErrSessionExpired) {
			t.Errorf("a session that is over: %v", err)
		}
		e.Close()
		j.want(t, "Expired")
	})
}

func TestReadOnlyClientReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		a := n.servers["a:2181"]
		a.readOnly, a.isro = true, "ro"
		c, j := n.start("a,b", WithReadOnly())
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		local := c.SessionID()
		pass(10 * time.Second)
		n.put("b:2181", &fakeServer{isro: "rw"})
		pass(30 * time.Second)
		if c.State() != StateConnected || c.Server() != "b:2181" || c.SessionID() == local {
			t.Errorf("%v at %q", c.State(), c.Server())
		}
		c.Close()
		j.want(t, "ConnectedReadOnly Disconnected SyncConnected Closed")
	})
}

func TestConfusedServers(t *testing.T) {
	for name, answer := range map[string]func(*fakeConn, fakeRequest) *fakeReply{
		"another xid": func(_ *fakeConn, r fakeRequest) *fakeReply { return &fakeReply{xid: r.xid + 1} },
		"twice": func(c *fakeConn, r fakeRequest) *fakeReply {
			c.reply(r, &fakeReply{})
			return &fakeReply{}
		},
		"a huge frame": func(c *fakeConn, _ fakeRequest) *fakeReply {
			c.Write([]byte{0x7f, 0, 0, 0})
			c.Write(make([]byte, 64))
			return &fakeReply{none: true}
		},
		"a negative length": func(c *fakeConn, _ fakeRequest) *fakeReply {
			c.Write([]byte{0xff, 0, 0, 0})
			c.Write(make([]byte, 64))
			return &fakeReply{none: true}
		},
		"a hang-up": func(*fakeConn, fakeRequest) *fakeReply { return &fakeReply{none: true, end: true} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNet(t, "a:2181")
				n.servers["a:2181"].answer = func(c *fakeConn, r fakeRequest) *fakeReply {
					if r.op != wire.OpGetData {
						return nil
					}
					return answer(c, r)
				}
				c, j := n.start("a")
				if err := c.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Get(t.Context(), "/x"); err == nil && name != "twice" {
					t.Error("the answer was taken")
				}
				if _, _, err := c.Exists(t.Context(), "/x"); err != nil && !errors.Is(err, ErrConnectionLoss) {
					t.Error(err)
				}
				if err := c.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				c.Close()
				j.want(t, "SyncConnected Disconnected SyncConnected Closed")
			})
		})
	}
}

func TestTooLargeIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, j := n.start("a")
		if _, err := c.Set(t.Context(), "/x", make([]byte, 1<<20), -1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("set: %v", err)
		}
		if _, err := c.Set(t.Context(), "/x", make([]byte, 1<<20-100), -1); err != nil {
			t.Errorf("set: %v", err)
		}
		c.Close()
		j.want(t, "SyncConnected Closed")
	})
}

func TestManyCallersShareOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t, "a:2181")
		c, _ := n.start("a")
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				path := fmt.Sprintf("/n%d", i)
				if got, err := c.Create(t.Context(), path, nil, Persistent, nil); got != path || err != nil {
					t.Errorf("create %s: %s %v", path, got, err)
				}
			})
		}
		wg.Wait()
		c.Close()
		if len(n.dials) != 1 {
			t.Errorf("dialled %v", n.dials)
		}
	})
}
