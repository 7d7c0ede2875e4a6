package node

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// TestPipelineOrder sends reads and writes mixed and demands the replies in
// order, each read showing the write before it.
func TestPipelineOrder(t *testing.T) {
	s := start(t)
	c := s.connect()
	c.do(wire.OpCreate, create("/a", "0", 0), wire.CodeOK)
	const n = 400
	var b []byte
	for i := range n {
		b = append(b, c.request(wire.OpSetData, set("/a", fmt.Sprintf("%06d", i)))...)
		for range i % 3 {
			b = append(b, c.request(wire.OpGetData, get("/a", false))...)
		}
	}
	go c.nc.Write(b)
	xid := int32(1)
	for i := range n {
		xid++
		c.want(xid, wire.CodeOK)
		for range i % 3 {
			xid++
			if r := c.want(xid, wire.CodeOK); string(r.body[4:10]) != fmt.Sprintf("%06d", i) {
				t.Fatalf("read %d after write %d shows %q", xid, i, r.body[4:10])
			}
		}
	}
}

func TestAuthOvertakes(t *testing.T) {
	fs := vfs.NewFaulty(vfs.NewMem(), nil)
	s := startOn(t, fs, "/data")
	c := s.connect()
	gate := make(chan struct{})
	fs.SetRule(func(op vfs.Op) *vfs.Fault { // the disk stands still
		if op.Kind == vfs.OpSync && strings.Contains(op.Name, "log.") {
			<-gate
		}
		return nil
	})
	b := c.request(wire.OpCreate, create("/a", "", 0))
	b = append(b, c.request(wire.OpGetData, get("/a", false))...)
	b = append(b, c.requestAs(-4, wire.OpAuth, credentials("digest", "u:p"))...)
	c.raw(b)
	c.want(-4, wire.CodeOK)
	close(gate)
	c.want(1, wire.CodeOK)
	c.want(2, wire.CodeOK)
	fs.SetRule(nil)
}

// TestEventBeforeReply sets a node on one connection while others watch it:
// who has seen the new data by a read must have had the event before.
func TestEventBeforeReply(t *testing.T) {
	s := start(t)
	w := s.connect()
	w.do(wire.OpCreate, create("/a", "000000", 0), wire.CodeOK)
	const changes = 150
	var wg sync.WaitGroup
	for range 4 {
		c := s.connect()
		wg.Go(func() {
			armed, seen := false, ""
			for seen != fmt.Sprintf("%06d", changes) {
				c.raw(c.request(wire.OpGetData, get("/a", !armed)))
				fired := false
				r := c.reply()
				for ; r.Xid == wire.XidNotification; r = c.reply() {
					fired = true
				}
				now := string(r.body[4:10])
				if armed && !fired && now != seen {
					t.Errorf("saw %s after %s without an event", now, seen)
					return
				}
				seen, armed = now, !armed || !fired
			}
		})
	}
	for i := 1; i <= changes; i++ {
		w.do(wire.OpSetData, set("/a", fmt.Sprintf("%06d", i)), wire.CodeOK)
	}
	wg.Wait()
}

// TestManyClients has clients that work, vanish, do not read and resume, all
// at once; nothing may be left of them.
func TestManyClients(t *testing.T) {
	s := start(t, "globalOutstandingLimit=20", "tickTime=50", "minSessionTimeout=5000", "maxSessionTimeout=60000")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	setup := s.connect()
	setup.do(wire.OpCreate, create("/many", string(make([]byte, 3000)), 0), wire.CodeOK)
	setup.nc.Close()
	var wg sync.WaitGroup
	for k := range 24 {
		rnd := rand.New(rand.NewPCG(seed, uint64(k)))
		wg.Go(func() {
			for round := range 6 {
				c := s.connect()
				c.raw(c.request(wire.OpCreate, create(fmt.Sprintf("/many/%d-%d", k, round), "", 1)))
				var b []byte
				n := 1 + rnd.IntN(150)
				for range n {
					switch rnd.IntN(4) {
					case 0:
						b = append(b, c.request(wire.OpSetData, set("/many", string(make([]byte, rnd.IntN(3000)))))...)
					case 1:
						b = append(b, c.request(wire.OpGetData, get("/many", true))...)
					default:
						b = append(b, c.request(wire.OpGetData, get("/many", false))...)
					}
				}
				switch rnd.IntN(3) {
				case 0: // vanish in the midst, without reading
					c.raw(b[:rnd.IntN(len(b))])
					if rnd.IntN(2) == 0 {
						c.nc.SetLinger(0)
					}
				case 1: // read everything
					go c.nc.Write(b)
					for next := int32(1); next <= int32(n)+1; {
						if r := c.reply(); r.Xid != wire.XidNotification {
							if r.Xid != next {
								t.Errorf("reply to %d, want %d", r.Xid, next)
								return
							}
							next++
						}
					}
				case 2: // close the session behind all of it
					b = append(b, c.request(wire.OpCloseSession, nil)...)
					go c.nc.Write(b)
					for r := c.reply(); r.Xid != c.xid; r = c.reply() {
					}
					c.wantClosed()
				}
				c.nc.Close()
			}
		})
	}
	wg.Wait()
	s.leakFree()
	last := s.connect() // ids were given back and everything still works
	last.do(wire.OpExists, get("/many", false), wire.CodeOK)
}

// TestGlobalLimitWakesOthers fills the limit by one connection whose requests
// wait for the disk; another with one request of its own under way must go on
// as soon as the first is answered, not only when it is answered itself.
func TestGlobalLimitHoldsBack(t *testing.T) {
	fs := vfs.NewFaulty(vfs.NewMem(), nil)
	s := startOn(t, fs, "/data", "globalOutstandingLimit=10")
	a, b := s.connect(), s.connect()
	gate := make(chan struct{})
	fs.SetRule(func(op vfs.Op) *vfs.Fault {
		if op.Kind == vfs.OpSync && strings.Contains(op.Name, "log.") {
			<-gate
		}
		return nil
	})
	var burst []byte
	for i := range 30 {
		burst = append(burst, a.request(wire.OpCreate, create(path(i), "", 0))...)
	}
	a.raw(burst)
	until(t, "the burst is taken", func() bool { return s.metrics.OutstandingRequests.Value() >= 30 })
	b.raw(b.request(wire.OpCreate, create("/b1", "", 0)))
	until(t, "the first request of b is taken", func() bool { return s.metrics.OutstandingRequests.Value() >= 31 })
	until(t, "both are held", func() bool { return s.port.Held() == 2 })
	b.raw(b.request(wire.OpCreate, create("/b2", "", 0)))
	a.raw(a.request(wire.OpCreate, create("/a2", "", 0)))
	if n := s.metrics.OutstandingRequests.Value(); n != 31 {
		t.Errorf("%d requests were read, the limit lets no more than 31 in", n)
	}
	close(gate)
	for i := range a.xid {
		a.want(i+1, wire.CodeOK)
	}
	b.want(1, wire.CodeOK)
	b.want(2, wire.CodeOK)
	fs.SetRule(nil)
	s.leakFreeAfter(a, b)
}

func (s *server) leakFreeAfter(clients ...*client) {
	s.t.Helper()
	for _, c := range clients {
		c.nc.Close()
	}
	s.leakFree()
}

// TestClientThatDoesNotRead asks for far more than it takes: the server stops
// reading from it, goes on with others, and keeps little for it.
func TestClientThatDoesNotRead(t *testing.T) {
	s := start(t)
	setup := s.connect()
	setup.do(wire.OpCreate, create("/big", string(make([]byte, 500_000)), 0), wire.CodeOK)
	lazy := s.connect()
	var b []byte
	const n = 200 // 100 MB, more than the sockets of both sides can hold
	for range n {
		b = append(b, lazy.request(wire.OpGetData, get("/big", false))...)
	}
	lazy.raw(b)
	lazyWrite := s.connect()
	lazyWrite.raw(lazyWrite.request(wire.OpSetData, set("/big", string(make([]byte, 500_000)))))
	for range 20 {
		setup.do(wire.OpExists, get("/big", false), wire.CodeOK)
	}
	if got := s.metrics.ResponseBytes.Value(); got > 60<<20 {
		t.Errorf("%d bytes of replies were made for a client that reads none", got)
	}
	for i := range int32(n) { // it gets all of it once it reads
		lazy.want(i+1, wire.CodeOK)
	}
	s.leakFreeAfter(setup, lazy, lazyWrite)
}

// TestManyLargeReplies: a few bytes can ask for many; the server makes of them
// what the client takes, behind a write and with watches too.
func TestManyLargeReplies(t *testing.T) {
	const n, size = 500, 100 << 10
	s := start(t)
	setup := s.connect()
	setup.do(wire.OpCreate, create("/large", strings.Repeat("x", size), 0), wire.CodeOK)
	for _, watch := range []bool{false, true} {
		c := s.connect()
		var batch []byte
		if !watch {
			batch = c.request(wire.OpSetData, set("/large", strings.Repeat("y", size)))
		}
		for range n {
			batch = append(batch, c.request(wire.OpGetData, get("/large", watch))...)
		}
		c.raw(batch)
		until(t, "the first replies", func() bool {
			left := s.metrics.OutstandingRequests.Value()
			return left > 0 && left <= n-3
		})
		if left := s.metrics.OutstandingRequests.Value(); left < n/2 {
			t.Errorf("%d of %d replies are not made yet, though nobody has read any", left, n)
		}
		for xid := int32(1); xid <= c.xid; xid++ {
			if r := c.want(xid, wire.CodeOK); xid > 1 && len(r.body) != 4+size+68 {
				t.Fatalf("reply %d has %d bytes", xid, len(r.body))
			}
		}
		c.nc.Close()
	}
	s.leakFreeAfter(setup)
}

// TestStopUnderLoad stops a server under full load: what was acknowledged is
// there after the restart, what was read is answered, and it is quick.
func TestStopUnderLoad(t *testing.T) {
	s := start(t)
	var acked, unasked atomic.Int64
	var wg sync.WaitGroup
	const clients = 12
	highest := make([]int, clients)
	var conns [clients]*client
	for k := range conns {
		conns[k] = s.connect()
		conns[k].do(wire.OpCreate, create(path(k), "", 0), wire.CodeOK)
	}
	frozen := s.connect() // one that never reads and never closes
	var flood []byte
	for range 2000 {
		flood = append(flood, frozen.request(wire.OpGetData, get("/", false))...)
	}
	frozen.raw(flood)
	for k, c := range conns {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for i := 0; ; i++ {
				if _, err := c.nc.Write(c.request(wire.OpSetData, set(path(k), fmt.Sprint(i)))); err != nil {
					return
				}
			}
		}()
		go func() {
			defer wg.Done()
			for {
				b, err := c.tryFrame()
				if err != nil {
					if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("client %d: %v", k, err)
					}
					return
				}
				if r, err := parseReply(b); err != nil || r.Err != wire.CodeOK {
					unasked.Add(1)
				}
				highest[k]++
				acked.Add(1)
			}
		}()
	}
	until(t, "load", func() bool { return acked.Load() > 2000 })
	begin := time.Now()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %v after %d acknowledged writes", time.Since(begin), acked.Load())
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	wg.Wait()
	if unasked.Load() > 0 {
		t.Errorf("%d replies were no acknowledgements", unasked.Load())
	}
	again := startOn(t, s.fs, s.dir)
	c := again.connect()
	for k := range clients {
		r := c.do(wire.OpExists, get(path(k), false), wire.CodeOK)
		// version is the 6th field of a Stat: 32 bytes in
		version := int(r.body[32])<<24 | int(r.body[33])<<16 | int(r.body[34])<<8 | int(r.body[35])
		if version < highest[k] {
			t.Errorf("client %d had %d writes acknowledged, %d are there", k, highest[k], version)
		}
	}
}

func TestStopWithIdleClients(t *testing.T) {
	s := start(t)
	var all []*client
	for range 50 {
		all = append(all, s.connect())
	}
	waiting := s.dial() // it may not be accepted yet, and such a one is reset
	begin := time.Now()
	s.Stop()
	if took := time.Since(begin); took > 5*time.Second { // and not a session timeout
		t.Errorf("the stop took %v", took)
	}
	for _, c := range all {
		c.wantClosed()
	}
	waiting.wantGone()
	// Whoever has the port by now is not this server.
	if nc, err := net.Dial("tcp", s.Addr()); err == nil {
		nc.SetDeadline(time.Now().Add(time.Second))
		nc.Write([]byte("srvr"))
		if text, _ := io.ReadAll(nc); strings.Contains(string(text), "Zookeeper version") {
			t.Error("the port is still open")
		}
		nc.Close()
	}
}
