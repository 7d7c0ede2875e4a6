package clientport

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"zooid/test/certs"
)

// logged is a log that is read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// await waits for a text in the log.
func (l *logged) await(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); ; <-time.After(time.Millisecond) {
		l.mu.Lock()
		got := l.b.String()
		l.mu.Unlock()
		if strings.Contains(got, text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nothing of %q in the log: %s", text, got)
		}
	}
}

// secureEcho is an echo with a plain port, which may be unified, and one for TLS.
type secureEcho struct {
	*echo
	log    logged
	client *tls.Config
}

func listenTLS(t *testing.T, limits Limits, unified bool) *secureEcho {
	t.Helper()
	ca := certs.Authority(t, "ca")
	e := &secureEcho{echo: newEcho(limits), client: &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}}
	e.p.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "server").TLS()}}
	e.p.Unified = unified
	e.p.Log = slog.New(slog.NewTextHandler(&e.log, nil))
	for _, listen := range []func(string) error{e.p.Listen, e.p.ListenTLS} {
		if err := listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	e.serve(t)
	return e
}

// raw dials the port for TLS and says nothing.
func (e *secureEcho) raw(t *testing.T) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", e.p.SecureAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

// shake makes the handshake.
func (e *secureEcho) shake(t *testing.T, nc net.Conn) *tls.Conn {
	t.Helper()
	s := tls.Client(nc, e.client)
	if err := s.Handshake(); err != nil {
		t.Fatal(err)
	}
	return s
}

// talk opens a session and has frames answered.
func talk(t *testing.T, nc net.Conn) {
	t.Helper()
	for _, text := range []string{"hello", "r read", "w write"} {
		if _, err := nc.Write(framed([]byte(text))); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4+len(text))
		if _, err := io.ReadFull(nc, got); err != nil || string(got[4:]) != text {
			t.Fatalf("%q is answered %q, %v", text, got, err)
		}
	}
}

// hungUp waits for the end of what the server sends.
func hungUp(t *testing.T, nc net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, nc)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatal("the connection is not ended")
	}
}

func TestTLS(t *testing.T) {
	e := listenTLS(t, Limits{}, true)
	for name, dial := range map[string]func(*testing.T) net.Conn{
		"secure port": e.raw, "client port": func(t *testing.T) net.Conn { return e.dial(t) },
	} {
		s := e.shake(t, dial(t))
		talk(t, s)
		c := e.p.Conns()[0]
		if !c.Secure() || !c.Ready() || c.RemoteAddr() != s.LocalAddr().String() {
			t.Errorf("%s: secure %t, ready %t, address %s", name, c.Secure(), c.Ready(), c.RemoteAddr())
		}
		// The server ends it behind its last reply.
		if _, err := s.Write(framed([]byte("close"))); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(s); err != nil || string(rest[4:]) != "close" {
			t.Errorf("%s: %q and then %v", name, rest, err)
		}
		s.Close()
		e.settle(t)
		word := e.shake(t, dial(t))
		if _, err := word.Write([]byte("stmk")); err != nil {
			t.Fatal(err)
		}
		if _, err := word.Write([]byte("12345678")); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(word); err != nil || string(got) != "12345678" {
			t.Errorf("%s: a four-letter word is answered %q, %v", name, got, err)
		}
		word.Close()
		e.settle(t)
	}
	plain := e.dial(t)
	talk(t, plain)
	if e.p.Conns()[0].Secure() {
		t.Error("a plain client counts as secure")
	}
	if n := e.p.Metrics.NonMTLSLocalConnCount.Value(); n == 0 {
		t.Error("a plain client is not counted")
	}
}

// TestTLSMuch: much goes both ways at once and nothing of it is lost, also when
// the client closes its direction behind it.
func TestTLSMuch(t *testing.T) {
	const frames, size = 3000, 4000
	e := listenTLS(t, Limits{}, false)
	e.p.Limits.MaxOutput = 8 << 20
	s := e.shake(t, e.raw(t))
	sent := make(chan error, 1)
	go func() {
		_, err := s.Write(framed([]byte("hello")))
		for i := 0; i < frames && err == nil; i++ {
			_, err = s.Write(numbered("rw"[i%2], i, size))
		}
		sent <- err
	}()
	if _, err := io.ReadFull(s, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4+size)
	for i := range frames {
		if _, err := io.ReadFull(s, got); err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
		if want := numbered("rw"[i%2], i, size); !bytes.Equal(got, want) {
			t.Fatalf("reply %d begins with %x, want %x", i, got[:9], want[:9])
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	hungUp(t, s)
	e.settle(t)
}

// TestTLSBadClients: those who do not speak TLS, or speak it where they should
// not, or stop in the middle, are ended with a line in the log, and others are
// served meanwhile.
func TestTLSBadClients(t *testing.T) {
	e := listenTLS(t, Limits{}, false)
	good := e.shake(t, e.raw(t))
	talk(t, good)
	plain := e.raw(t)
	if _, err := plain.Write(framed([]byte("hello, I am a client"))); err != nil {
		t.Fatal(err)
	}
	hungUp(t, plain)
	e.log.await(t, "the client does not speak TLS")
	distrust := tls.Client(e.raw(t), &tls.Config{ServerName: "localhost"})
	if err := distrust.Handshake(); err == nil {
		t.Error("a client trusts whom it does not know")
	}
	wrong := tls.Client(e.dial(t), e.client)
	if err := wrong.Handshake(); err == nil {
		t.Error("TLS on the plain port")
	}
	silent := e.raw(t)
	gone := e.raw(t)
	if _, err := gone.Write([]byte{tlsHandshake, 3, 1}); err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for end := time.Now().Add(patience); e.p.Metrics.UnsuccessfulHandshake.Value() < 3; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a handshake that breaks off is not counted")
		}
	}
	good.SetDeadline(time.Now().Add(patience))
	if _, err := good.Write(framed([]byte("r again"))); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(good, make([]byte, 11)); err != nil {
		t.Fatal(err)
	}
	e.p.Drain(patience) // the silent one does not keep it
	hungUp(t, silent)
	if n := e.p.Metrics.OutstandingTLSHandshake.Value(); n != 0 {
		t.Errorf("%d handshakes are under way", n)
	}
}

func TestTLSOnPlainPortIsLogged(t *testing.T) {
	e := listenTLS(t, Limits{}, false)
	if err := tls.Client(e.dial(t), e.client).Handshake(); err == nil {
		t.Error("TLS on the plain port")
	}
	e.log.await(t, "the client speaks TLS, and this is the plain client port")
}

// TestHandshakeLimits: no more handshakes than allowed are under way, and each
// port has its own count of connections, those in handshakes among them.
func TestHandshakeLimits(t *testing.T) {
	e := listenTLS(t, Limits{Handshakes: 1}, true)
	slow := e.raw(t)
	for end := time.Now().Add(patience); e.p.Metrics.OutstandingTLSHandshake.Value() == 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the handshake does not count")
		}
	}
	hungUp(t, e.raw(t))
	if err := tls.Client(e.dial(t), e.client).Handshake(); err == nil {
		t.Error("the limit is not that of the unified port too")
	}
	if n := e.p.Metrics.TLSHandshakeExceeded.Value(); n != 2 {
		t.Errorf("%d were refused", n)
	}
	talk(t, e.dial(t))
	slow.Close()
	e.settleHandshakes(t)
	talk(t, e.shake(t, e.raw(t)))

	for _, limits := range []Limits{{PerAddress: 2}, {Total: 2}} {
		few := listenTLS(t, limits, false)
		few.raw(t)
		talk(t, few.dial(t))
		talk(t, few.dial(t))
		talk(t, few.shake(t, few.raw(t)))
		hungUp(t, few.raw(t))
		hungUp(t, few.dial(t))
	}
}

// settleHandshakes waits for the end of handshakes.
func (e *secureEcho) settleHandshakes(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); e.p.Metrics.OutstandingTLSHandshake.Value() != 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the handshake does not end")
		}
	}
}

// TestTLSDescriptors: TLS clients, of three descriptors each, get none from the
// limit on, and are taken again once some are back.
func TestTLSDescriptors(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	top := int(f.Fd()) + 40
	f.Close()
	e := listenTLS(t, Limits{Descriptors: top}, false)
	serves := func(nc net.Conn) bool {
		s := tls.Client(nc, e.client)
		if _, err := s.Write(framed([]byte("hello"))); err != nil {
			return false
		}
		_, err := io.ReadFull(s, make([]byte, 9))
		return err == nil
	}
	var all []net.Conn
	good := 0
	for range top {
		nc := e.raw(t)
		all = append(all, nc)
		if serves(nc) {
			good++
		}
	}
	for _, c := range e.p.Conns() {
		c.mu.Lock()
		if c.fd >= top {
			t.Errorf("a client has descriptor %d, and %d is the limit", c.fd, top)
		}
		c.mu.Unlock()
	}
	if good == 0 || good == len(all) {
		t.Fatalf("%d of %d are served", good, len(all))
	}
	for _, nc := range all {
		nc.Close()
	}
	e.settle(t)
	if !serves(e.raw(t)) {
		t.Error("nobody is taken though descriptors are back")
	}
}

// TestTLSCrowd: clients that come all at once and break off wherever they are
// leave nothing behind, and those who stay get what they are due.
func TestTLSCrowd(t *testing.T) {
	e := listenTLS(t, Limits{}, true)
	var crowd sync.WaitGroup
	for i := range 120 {
		crowd.Go(func() {
			addr := e.p.SecureAddr()
			if i%2 == 0 {
				addr = e.p.Addr()
			}
			raw, err := net.Dial("tcp", addr.String())
			if err != nil {
				t.Error(err)
				return
			}
			defer raw.Close()
			raw.SetDeadline(time.Now().Add(patience))
			if i%5 == 0 { // within the handshake
				_, _ = raw.Write([]byte{tlsHandshake, 3, 1, 2, 0, 1}[:1+i%6])
				return
			}
			s := tls.Client(raw, e.client)
			if _, err := s.Write(framed([]byte("hello"))); err != nil {
				t.Errorf("%d: %v", i, err)
				return
			}
			if i%5 == 1 { // before the answer
				return
			}
			for n := range 20 {
				frame := numbered("rw"[n%2], n, 4000)
				if _, err := s.Write(frame); err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
			}
			if i%5 == 2 { // with answers on their way
				return
			}
			if _, err := io.ReadFull(s, make([]byte, 9+20*4004)); err != nil {
				t.Errorf("%d: %v", i, err)
				return
			}
			if _, err := s.Write(framed([]byte("close"))); err != nil {
				t.Errorf("%d: %v", i, err)
				return
			}
			if got, err := io.ReadAll(s); err != nil || len(got) != 9 {
				t.Errorf("%d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	crowd.Wait()
	e.settle(t)
	e.p.Drain(patience)
	if n := e.p.Metrics.OutstandingTLSHandshake.Value(); n != 0 || len(e.p.relays) != 0 {
		t.Errorf("%d handshakes and %d relays are left", n, len(e.p.relays))
	}
}

// TestTLSUnread: a client that does not read what it is sent is cut off, and
// nothing is left of it.
func TestTLSUnread(t *testing.T) {
	e := listenTLS(t, Limits{}, false)
	s := e.shake(t, e.raw(t))
	talk(t, s)
	c, event := e.p.Conns()[0], framed(make([]byte, 4000))
	for i := 0; !c.Dead(); i++ {
		if i > 1<<16 {
			t.Fatal("it may leave 256 MB unread")
		}
		e.reply(c, event, 0)
	}
	e.settle(t)
	e.p.Drain(patience)
	if len(e.p.relays) != 0 {
		t.Error("a relay is left")
	}
}
