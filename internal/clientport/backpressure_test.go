package clientport

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"
)

// numbered is a frame of size bytes that begins with kind and a number.
func numbered(kind byte, n, size int) []byte {
	body := make([]byte, size)
	body[0] = kind
	binary.BigEndian.PutUint32(body[1:], uint32(n))
	return framed(body)
}

// TestSlowReader: a client that sends far more than the sockets hold before it
// reads gets every reply, in order, and the server reads no further ahead of it
// than it should. Reads and writes take different ways to the same output.
func TestSlowReader(t *testing.T) {
	const frames, size = 12000, 4000 // 48 MB: more than any socket buffer
	for _, kind := range []byte{'r', 'w'} {
		e := listen(t, Limits{})
		e.p.Limits.MaxOutput = 8 << 20
		nc := e.dial(t)
		sent := make(chan error, 1)
		go func() {
			_, err := nc.Write(framed([]byte("hello")))
			for i := 0; i < frames && err == nil; i++ {
				_, err = nc.Write(numbered(kind, i, size))
			}
			sent <- err
		}()
		if _, err := io.ReadFull(nc, make([]byte, 9)); err != nil {
			t.Fatal(err)
		}
		c := e.p.Conns()[0]
		for before := int64(-1); c.Received.Load() != before; { // until it reads no more
			before = c.Received.Load()
			<-time.After(50 * time.Millisecond)
		}
		if n := c.Received.Load(); n == frames+1 {
			t.Fatalf("%c: all %d requests were read of a client that takes no reply", kind, n)
		}
		got := make([]byte, 4+size)
		for i := range frames {
			if _, err := io.ReadFull(nc, got); err != nil {
				t.Fatalf("%c: reply %d: %v", kind, i, err)
			}
			if want := numbered(kind, i, size); !bytes.Equal(got, want) {
				t.Fatalf("%c: reply %d begins with %x, want %x", kind, i, got[:9], want[:9])
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		nc.Close()
		e.settle(t)
	}
}

// TestCloseBringsReplies: what is due is written before the end, to a client
// that reads late too; one that does not read at all is not waited for.
func TestCloseBringsReplies(t *testing.T) {
	e := listen(t, Limits{})
	e.p.Limits.MaxOutput = 64 << 20
	for _, reads := range []bool{true, false} {
		nc := e.dial(t)
		nc.Write(framed([]byte("hello")))
		if _, err := io.ReadFull(nc, make([]byte, 9)); err != nil {
			t.Fatal(err)
		}
		const events, size = 4000, 4000
		c := e.p.Conns()[0]
		for i := range events {
			e.mu.Lock()
			e.out[c.ID()] = append(e.out[c.ID()], numbered('e', i, size)...)
			e.mu.Unlock()
		}
		c.Deliver(e)
		c.CloseAfterFlush()
		if reads {
			all, err := io.ReadAll(nc)
			if want := events * (4 + size); err != nil || len(all) != want {
				t.Fatalf("%d bytes (%v), want %d", len(all), err, want)
			}
			nc.Close()
		}
		e.settle(t)
	}
}

// TestHeldBack: connections above the global limit wait, and go on once the
// others are answered.
func TestHeldBack(t *testing.T) {
	e := listen(t, Limits{})
	e.p.Limits.Outstanding = 1
	e.silent.Store(true)
	nc := e.dial(t)
	nc.Write(framed([]byte("hello")))
	if _, err := io.ReadFull(nc, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		nc.Write(numbered('w', i, 10))
		for end := time.Now().Add(patience); e.p.Metrics.OutstandingRequests.Value() < min(int64(i+1), 2); {
			if time.Now().After(end) {
				t.Fatal("a request is not read")
			}
			<-time.After(time.Millisecond)
		}
	}
	for end := time.Now().Add(patience); e.p.Held() == 0; {
		if time.Now().After(end) {
			t.Fatal("the connection is not held")
		}
		<-time.After(time.Millisecond)
	}
	e.silent.Store(false)
	e.answer(e.p.Conns()[0])
	got := make([]byte, 14)
	for i := range 3 {
		if _, err := io.ReadFull(nc, got); err != nil {
			t.Fatal(err)
		}
		if want := numbered('w', i, 10); !bytes.Equal(got, want) {
			t.Fatalf("reply %d is %x, want %x", i, got, want)
		}
	}
}
