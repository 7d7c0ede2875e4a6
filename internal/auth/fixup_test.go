package auth

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// vector has n entries, each with permissions of its own, times times.
func vector(scheme, id string, n, times int) []byte {
	b := jute.AppendInt(nil, int32(n*times))
	for i := range n * times {
		b = jute.AppendInt(b, int32(i%n))
		b = jute.AppendString(jute.AppendString(b, scheme), id)
	}
	return b
}

// TestFixupOfManyEntries: a vector as long as a request can be does not keep all
// others waiting.
func TestFixupOfManyEntries(t *testing.T) {
	const n = 40_000
	in := vector("world", "anyone", n, 1)
	done := make(chan bool, 1)
	go func() {
		out, code := usual.Fixup(in, nil, 0)
		done <- code == wire.CodeOK && bytes.Equal(out, in)
	}()
	select {
	case ok := <-done:
		if !ok {
			t.Error("changed or refused")
		}
	case <-time.After(8 * time.Second): // milliseconds, or half a minute
		t.Fatal("it takes too long")
	}
	if out, code := usual.Fixup(vector("world", "anyone", n/2, 2), nil, 0); code != wire.CodeOK ||
		!bytes.Equal(out, vector("world", "anyone", n/2, 1)) {
		t.Error("duplicates are left, or something else is not")
	}
}

// TestFixupLimit: what is too long is refused, and only that.
func TestFixupLimit(t *testing.T) {
	var ids []wire.ID
	for i := range 100 {
		ids = append(ids, wire.ID{Scheme: "digest", ID: fmt.Sprintf("user%02d:secret", i)})
	}
	for _, in := range [][]byte{vector("world", "anyone", 3, 1), vector("world", "anyone", 3, 2), vector("auth", "", 5, 1)} {
		out, code := usual.Fixup(in, ids, 0)
		if code != wire.CodeOK {
			t.Fatal(code)
		}
		if again, code := usual.Fixup(in, ids, len(out)); code != wire.CodeOK || !bytes.Equal(again, out) {
			t.Errorf("%d bytes of as many: %v", len(out), code)
		}
		if _, code := usual.Fixup(in, ids, len(out)-1); code != wire.CodeInvalidACL {
			t.Errorf("%d bytes of one less: %v", len(out), code)
		}
	}
}
