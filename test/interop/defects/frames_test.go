package defects

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

// silentlyClosed are byte strings, sent on a connection without a session,
// upon which the server closes without a word.
var silentlyClosed = []struct {
	name  string
	bytes []byte
}{
	{"negative length", raw.Bytes(nil).Int(-1)},
	{"lowest length", raw.Bytes(nil).Int(-2147483648)},
	{"length just over jute.maxbuffer", raw.Bytes(nil).Int(1048576)},
	{"highest length", raw.Bytes(nil).Int(2147483647)},
	{"short handshake", append(raw.Bytes(nil).Int(5), make([]byte, 5)...)},
	{"handshake with a huge password", framed(raw.Bytes(nil).Int(0).Long(0).Int(30000).Long(0).Int(1 << 30))},
	{"HTTP", []byte("GET / HTTP/1.1\r\nHost: zoo\r\n\r\n")},
	{"TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "0123456789abcdef0123456789abcdef")},
}

func framed(b []byte) []byte { return append(raw.Bytes(nil).Int(int32(len(b))), b...) }

// TestMalformedFrames: none of these brings an answer, and none disturbs a
// session beside it.
func TestMalformedFrames(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{})
	beside := connect(t, s)
	for _, c := range silentlyClosed {
		conn, err := raw.Dial(s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		// The server may close before all is written.
		_ = conn.SendRaw(c.bytes)
		if frame, err := conn.Recv(); err != io.EOF {
			t.Errorf("%s: %x, %v; want the end of the connection", c.name, frame, err)
		}
		conn.Close()
	}
	for _, length := range []int32{-1, 0, 3, 7, 1048576, 2147483647} {
		conn := connect(t, s)
		if err := conn.SendRaw(append(raw.Bytes(nil).Int(length), make([]byte, max(0, min(length, 100)))...)); err != nil {
			t.Fatal(err)
		}
		if frame, err := conn.Recv(); err != io.EOF {
			t.Errorf("request length %d: %x, %v; want the end of the connection", length, frame, err)
		}
	}
	must(t, beside, raw.OpCreate, raw.Create("/alive", nil, raw.World, 0), 0)
}

// TestLargestFrame: a frame of exactly jute.maxbuffer is served, one byte more
// ends the connection.
func TestLargestFrame(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{})
	const limit = 1048575
	overhead := len(raw.Frame(0, raw.OpCreate, raw.Create("/big", []byte{}, raw.World, 0)))
	c := connect(t, s)
	must(t, c, raw.OpCreate, raw.Create("/big", bytes.Repeat([]byte("x"), limit-overhead), raw.World, 0), 0)
	// The server closes with bytes unread, so the write itself may fail.
	_, err := c.Call(raw.OpSetData, raw.SetData("/big", bytes.Repeat([]byte("y"), limit), -1))
	if err != io.EOF {
		t.Errorf("a frame over jute.maxbuffer: %v, want the end of the connection", err)
	}
	r := must(t, connect(t, s), raw.OpGetData, raw.PathBool("/big", false), 0)
	if got := r.Body.Buf(); len(got) != limit-overhead || got[0] != 'x' {
		t.Errorf("%d bytes came back, want %d", len(got), limit-overhead)
	}
}

// TestSecondConnectRequest: on a connection that has its session, another
// handshake is a request of type 0.
func TestSecondConnectRequest(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{})
	c := connect(t, s)
	if err := c.Send(raw.ConnectRequest{Timeout: 30000, Passwd: make([]byte, 16)}.Bytes()); err != nil {
		t.Fatal(err)
	}
	frame, err := c.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if r := raw.ParseReply(frame); r.Err != raw.ErrUnimplemented || r.Zxid != -1 {
		t.Errorf("code %d zxid %d, want -6 and -1", r.Err, r.Zxid)
	}
	if !c.Closed() {
		t.Error("the connection stays open")
	}
}

// TestSlowLoris: connections that open and say nothing, or trickle a byte now
// and then, are dropped, and meanwhile nobody else is held up.
func TestSlowLoris(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{Lines: []string{"maxClientCnxns=0"},
		Properties: []string{"zookeeper.nio.sessionlessCnxnTimeout=1000"}})
	const crowd = 200
	var idle []*raw.Conn
	for i := range crowd {
		c, err := raw.Dial(s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
		if i%2 == 0 {
			if err := c.SendRaw([]byte{0, 0}); err != nil {
				t.Fatal(err)
			}
		}
	}
	beside := connect(t, s)
	began := time.Now()
	must(t, beside, raw.OpCreate, raw.Create("/beside", nil, raw.World, 0), 0)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a request beside the crowd took %s", took)
	}
	for i, c := range idle {
		if !c.Closed() {
			t.Fatalf("connection %d is still open", i)
		}
	}
	if harness.UnderTest() == harness.Java {
		return // each byte that trickles in buys the connection more time there
	}
	// One byte every 50 ms never ends a handshake: that must not keep it.
	slow, err := raw.Dial(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	bait := framed(make([]byte, 1000))
	for i := 0; ; i++ {
		if i == len(bait) {
			t.Fatal("a handshake of 1000 trickled bytes was waited for")
		}
		if err := slow.SendRaw(bait[i : i+1]); err != nil {
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.Done():
			t.Fatal("the server died")
		}
	}
	must(t, beside, raw.OpPing, nil, 0)
}

// TestRandomFrames: random bytes, before and after a handshake, bare and
// framed; the server outlives them and keeps what it had.
func TestRandomFrames(t *testing.T) {
	harness.Ring(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := harness.Start(t, harness.Options{Lines: []string{"maxClientCnxns=0"}})
	beside := connect(t, s)
	must(t, beside, raw.OpCreate, raw.Create("/kept", []byte("k"), raw.World, 0), 0)
	for i := range 400 {
		noise := make([]byte, 8+rng.IntN(300))
		for j := range noise {
			noise[j] = byte(rng.Uint32())
		}
		if i%4 > 0 {
			noise = framed(noise)
		}
		c, err := raw.Dial(s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if i%4 > 1 {
			if _, err := c.Handshake(raw.ConnectRequest{Timeout: 4000, Passwd: make([]byte, 16)}); err != nil {
				t.Fatal(err)
			}
			if i%4 == 3 { // a known type with a body of noise
				copy(noise[8:], raw.Bytes(nil).Int(1+rng.Int32N(22)))
			}
		}
		_ = c.SendRaw(noise) // refused half-way is as good
		c.Close()
	}
	r := must(t, beside, raw.OpGetData, raw.PathBool("/kept", false), 0)
	if got := r.Body.Buf(); string(got) != "k" {
		t.Errorf("/kept holds %q", got)
	}
	survives(t, s, fmt.Sprintf("random frames of seed %d", seed))
}
