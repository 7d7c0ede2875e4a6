package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"zooid/internal/jute"
)

const javaQuorum = "testdata/java-quorum.txt"

// fields are the parts of a line that testdata/GoldenQuorum.java wrote.
type fields []string

func (f fields) bytes(t testing.TB, i int) []byte {
	switch f[i] {
	case "null":
		return nil
	case "-":
		return []byte{}
	}
	b, err := hex.DecodeString(f[i])
	if err != nil {
		t.Fatal(f, err)
	}
	return b
}

func (f fields) long(t testing.TB, i int) int64 {
	n, err := strconv.ParseInt(f[i], 10, 64)
	if err != nil {
		t.Fatal(f, err)
	}
	return n
}

func javaLines(t testing.TB, kind string) []fields {
	text, err := os.ReadFile(javaQuorum)
	if err != nil {
		t.Fatal(err)
	}
	var all []fields
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[0] == kind {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no line of kind %s", javaQuorum, kind)
	}
	return all
}

func (f fields) ids() []ID {
	switch f[4] {
	case "null":
		return nil
	case "-":
		return []ID{}
	}
	var ids []ID
	for _, one := range strings.Split(f[4], ",") {
		scheme, id, _ := strings.Cut(one, "=")
		ids = append(ids, ID{scheme, id})
	}
	return ids
}

// TestJavaQuorum holds every packet against the bytes of Apache's classes.
func TestJavaQuorum(t *testing.T) {
	types := javaLines(t, "type")
	for _, f := range types {
		if got := PacketType(f.long(t, 1)).String(); got != f[2] {
			t.Errorf("type %s is %q, want %q", f[1], got, f[2])
		}
	}
	if got := PacketType(len(types) + 1).String(); got != "unknown 20" {
		t.Errorf("type 20 is %q", got)
	}
	for _, f := range javaLines(t, "packet") {
		want := QuorumPacket{PacketType(f.long(t, 1)), f.long(t, 2), f.bytes(t, 3), f.ids()}
		raw := f.bytes(t, 5)
		if got := want.Append(nil); !bytes.Equal(got, raw) {
			t.Errorf("%v:\n% x\n% x", f, got, raw)
		}
		var got QuorumPacket
		if n, err := got.Decode(append(raw, 1, 2, 3), 1024); n != len(raw) || err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: decoded %+v, %d, %v", f, got, n, err)
		}
	}
	for _, f := range javaLines(t, "learner") {
		info := LearnerInfo{f.long(t, 1), int32(f.long(t, 2)), f.long(t, 3)}
		if got := info.Append(nil); !bytes.Equal(got, f.bytes(t, 4)) {
			t.Errorf("%v: % x", f, got)
		}
	}
	for _, f := range javaLines(t, "vote") {
		want := Notification{PeerState(f.long(t, 1)), f.long(t, 2), f.long(t, 3), f.long(t, 4), f.long(t, 5), int32(f.long(t, 6)), f.bytes(t, 7)}
		raw := f.bytes(t, 8)
		var got Notification
		if err := got.Decode(raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: decoded %+v, %v", f, got, err)
		}
		// What has 40 bytes carries a version that is not read.
		if got := want.Append(nil); len(raw) != 40 && !bytes.Equal(got, raw) {
			t.Errorf("%v:\n% x\n% x", f, got, raw)
		}
	}
	for _, f := range javaLines(t, "hello") {
		want := Hello{SID: f.long(t, 2), Addresses: strings.Split(f[3], "|"), Multiple: f[1] == "true"}
		if got := want.Append(nil); !bytes.Equal(got, f.bytes(t, 4)) {
			t.Errorf("%v: % x", f, got)
		}
		var got Hello
		if n, err := got.Decode(f.bytes(t, 4)); n != len(f.bytes(t, 4)) || err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: decoded %+v, %d, %v", f, got, n, err)
		}
	}
}

// TestJavaHello holds the verdicts over first messages against Apache's. What
// its parser lets through by accident, no server sends, and it is refused.
func TestJavaHello(t *testing.T) {
	accidents := map[string]bool{":1": true, "[]:1": true, "a:+1": true, "a:000065535": true, "|": true, "[::1]x1": true}
	for _, f := range javaLines(t, "parse") {
		raw := f.bytes(t, 2)
		var h Hello
		_, err := h.Decode(raw)
		if want := f[1] == "good" && !accidents[string(raw[20:])]; (err == nil) != want || err != nil && err != ErrHello {
			t.Errorf("%q: %+v, %v; Apache's verdict is %s", raw[20:], h, err, f[1])
		}
	}
	old := Hello{SID: 7}
	var got Hello
	if n, err := got.Decode(append(old.Append(nil), 0)); n != 8 || err != nil || got.SID != 7 || got.Addresses != nil {
		t.Errorf("the message of 3.4: %+v, %d, %v", got, n, err)
	}
}

func TestLearnerInfoSizes(t *testing.T) {
	whole := (&LearnerInfo{3, LearnerProtocol, 5}).Append(nil)
	for _, c := range []struct {
		data []byte
		want LearnerInfo
		err  error
	}{
		{nil, LearnerInfo{}, ErrNoLearnerInfo},
		{[]byte{}, LearnerInfo{}, jute.ErrShort},
		{whole[:7], LearnerInfo{}, jute.ErrShort},
		{whole[:8], LearnerInfo{3, 1, 0}, nil},
		{whole[:11], LearnerInfo{3, 1, 0}, nil},
		{whole[:12], LearnerInfo{3, LearnerProtocol, 0}, nil},
		{whole[:19], LearnerInfo{3, LearnerProtocol, 0}, nil},
		{whole, LearnerInfo{3, LearnerProtocol, 5}, nil},
		{append(whole, 1), LearnerInfo{3, LearnerProtocol, 5}, nil},
	} {
		var got LearnerInfo
		if err := got.Decode(c.data); err != c.err || got != c.want {
			t.Errorf("%d bytes: %+v, %v; want %+v, %v", len(c.data), got, err, c.want, c.err)
		}
	}
}

func TestNotificationSizes(t *testing.T) {
	config := []byte("version=0")
	whole := (&Notification{Following, 3, 5<<32 | 1, 7, 9, NotificationVersion, config}).Append(nil)
	plain := append([]byte{}, whole...)
	jute.PutInt(plain[36:], 1)
	negative := append([]byte{}, whole...)
	jute.PutInt(negative[40:], -1)
	full := Notification{Following, 3, 5<<32 | 1, 7, 9, NotificationVersion, config}
	for _, c := range []struct {
		name string
		in   []byte
		want *Notification
	}{
		{"nothing", nil, nil},
		{"too short", whole[:27], nil},
		{"without a peer epoch", whole[:28], &Notification{Following, 3, 5<<32 | 1, 7, 5, 0, nil}},
		{"half a peer epoch", whole[:32], nil},
		{"3.4.0 to 3.4.5", whole[:36], nil},
		{"half a version", whole[:38], nil},
		{"3.4.6", whole[:40], &Notification{Following, 3, 5<<32 | 1, 7, 9, 0, nil}},
		{"half a length", whole[:42], nil},
		{"version 1 and more bytes", plain[:41], &Notification{Following, 3, 5<<32 | 1, 7, 9, 1, nil}},
		{"cut configuration", whole[:len(whole)-1], nil},
		{"negative length", negative, nil},
		{"whole", whole, &full},
		{"bytes behind it", append(append([]byte{}, whole...), 1, 2), &full},
	} {
		var got Notification
		err := got.Decode(c.in)
		switch {
		case c.want == nil && (err != ErrNotification || !reflect.DeepEqual(got, Notification{})):
			t.Errorf("%s: %+v, %v", c.name, got, err)
		case c.want != nil && (err != nil || !reflect.DeepEqual(got, *c.want)):
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

// TestStreamInPieces feeds the decoders byte by byte: each must ask for more
// until all is there, and for no more than there is.
func TestStreamInPieces(t *testing.T) {
	packet := QuorumPacket{PacketRequest, -1, []byte("abc"), []ID{{"ip", "::1"}, {"", ""}}}
	hello := Hello{SID: AnonymousSID, Addresses: []string{"a:1", "[::1]:2"}, Multiple: true}
	for name, c := range map[string]struct {
		raw    []byte
		decode func(in []byte) (int, error)
	}{
		"packet": {packet.Append(nil), func(in []byte) (int, error) { return new(QuorumPacket).Decode(in, 100) }},
		"hello":  {hello.Append(nil), func(in []byte) (int, error) { return new(Hello).Decode(in) }},
	} {
		for n := range c.raw {
			if need, err := c.decode(c.raw[:n]); err != jute.ErrShort || need <= n || need > len(c.raw) {
				t.Errorf("%s: %d of %d bytes: %d, %v", name, n, len(c.raw), need, err)
			}
		}
		if n, err := c.decode(c.raw); n != len(c.raw) || err != nil {
			t.Errorf("%s: all bytes: %d, %v", name, n, err)
		}
	}
}

func TestPacketBounds(t *testing.T) {
	head := jute.AppendLong(jute.AppendInt(nil, 1), 1)
	noData := jute.AppendInt(append([]byte{}, head...), -1)
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"data at the bound", jute.AppendInt(head[:12:12], 16), jute.ErrShort},
		{"data over the bound", jute.AppendInt(head[:12:12], 17), jute.ErrLength},
		{"negative data", jute.AppendInt(head[:12:12], -2), jute.ErrLength},
		{"two identities", jute.AppendInt(noData[:16:16], 2), jute.ErrShort},
		{"three identities", jute.AppendInt(noData[:16:16], 3), jute.ErrLength},
		{"most identities", jute.AppendInt(noData[:16:16], 1<<31-1), jute.ErrLength},
		{"a long scheme", jute.AppendInt(jute.AppendInt(noData[:16:16], 1), 17), jute.ErrLength},
		{"long together", append(jute.AppendString(jute.AppendInt(noData[:16:16], 1), "123456789"), 0, 0, 0, 0), jute.ErrLength},
		{"any negative count", jute.AppendInt(noData[:16:16], -7), nil},
	} {
		var p QuorumPacket
		if _, err := p.Decode(c.in, 16); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() {
		var p QuorumPacket
		if _, err := p.Decode(jute.AppendInt(noData[:16:16], -1), 16); err != nil {
			t.Fatal(err)
		}
	}); allocs > 2 {
		t.Errorf("%v allocations for a packet without identities", allocs)
	}
}

func TestStateNames(t *testing.T) {
	got := fmt.Sprint(Looking, Following, Leading, Observing, PeerState(4), PeerState(-1))
	if want := "LOOKING FOLLOWING LEADING OBSERVING unknown 4 unknown -1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzQuorumPacket decodes any bytes as a packet and as a first message: no
// panic, an honest demand for more, and what decodes is stable.
func FuzzQuorumPacket(f *testing.F) {
	for _, kind := range []string{"packet", "hello", "parse"} {
		for _, line := range javaLines(f, kind) {
			f.Add(line.bytes(f, len(line)-1))
		}
	}
	const most = 1 << 12
	f.Fuzz(func(t *testing.T, in []byte) {
		var p QuorumPacket
		switch n, err := p.Decode(in, most); err {
		case jute.ErrShort:
			if n <= len(in) || n > 2*most+20 {
				t.Fatalf("%d bytes: wants %d", len(in), n)
			}
		case nil:
			var again QuorumPacket
			raw := p.Append(nil)
			if m, err := again.Decode(raw, most); m != len(raw) || err != nil || !reflect.DeepEqual(again, p) || n > len(in) {
				t.Fatalf("%+v became %+v, %v", p, again, err)
			}
		}
		var h Hello
		switch n, err := h.Decode(in); err {
		case jute.ErrShort:
			if n <= len(in) || n > maxHelloText+20 {
				t.Fatalf("%d bytes: wants %d", len(in), n)
			}
		case nil:
			var again Hello
			if _, err := again.Decode(h.Append(nil)); err != nil || !reflect.DeepEqual(again, h) {
				t.Fatalf("%+v became %+v, %v", h, again, err)
			}
		}
	})
}

// FuzzNotification decodes any bytes: no panic, and what decodes says the same
// when it is sent on in the form of today.
func FuzzNotification(f *testing.F) {
	for _, line := range javaLines(f, "vote") {
		f.Add(line.bytes(f, 8))
		f.Add(line.bytes(f, 8)[:28])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var n Notification
		if n.Decode(in) != nil {
			return
		}
		n.Version = NotificationVersion
		if n.Config == nil {
			n.Config = []byte{}
		}
		var again Notification
		if err := again.Decode(n.Append(nil)); err != nil || !reflect.DeepEqual(again, n) {
			t.Fatalf("%+v became %+v, %v", n, again, err)
		}
		var l LearnerInfo
		if l.Decode(in) == nil {
			var again LearnerInfo
			if err := again.Decode(l.Append(nil)); err != nil || again != l {
				t.Fatalf("%+v became %+v, %v", l, again, err)
			}
		}
	})
}
