package loadgen

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// A template with a key put in is the request that the records would make.
func TestTemplates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := layout{root: rapid.StringMatching(`(/[a-z-]{1,9}){1,3}`).Draw(t, "root"), keys: maxKeys}
		key := rapid.IntRange(0, maxKeys-1).Draw(t, "key")
		xid := rapid.Int32Range(1, 1<<31-1).Draw(t, "xid")
		data := payload(rapid.IntRange(0, 50).Draw(t, "size"))
		name := []byte(y.key(key))
		get := wire.PathWatchRequest{Path: name}
		set := wire.SetDataRequest{Path: name, Data: data, Version: -1}
		create := wire.CreateRequest{Path: name, Data: data, ACL: wire.OpenACL}
		del := wire.PathVersionRequest{Path: name, Version: -1}
		for _, c := range []struct {
			template
			op   wire.Opcode
			want []byte
		}{
			{readTemplate(y), wire.OpGetData, get.Append(nil)},
			{writeTemplate(y, data), wire.OpSetData, set.Append(nil)},
			{createTemplate(y, data), wire.OpCreate, create.Append(nil)},
			{deleteTemplate(y), wire.OpDelete, del.Append(nil)},
		} {
			h := wire.RequestHeader{Xid: xid, Type: c.op}
			want := appendFrame([]byte("before"), &h, c.want)
			if got := c.append([]byte("before"), xid, key); !bytes.Equal(got, want) {
				t.Fatalf("%v of key %d:\n%q, want\n%q", c.op, key, got, want)
			}
		}
	})
}

func TestLayoutKeepsListsShort(t *testing.T) {
	y := layout{root: "/r", keys: 25001}
	if y.parents() != 3 || y.key(25000) != "/r/p0002/k5000" || y.parent(2) != "/r/p0002" {
		t.Errorf("%d parents, last key %s", y.parents(), y.key(25000))
	}
	if FillKey("/a", 10001) != "/a/fill/p0001/k0001" {
		t.Error(FillKey("/a", 10001))
	}
	for name, want := range map[string]int{"p0012": 12, "p12": -1, "k0012": -1, "p00x2": -1, "p00012": -1} {
		if got := number(name, 'p', 4); got != want {
			t.Errorf("number(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestMixKeepsTheShare(t *testing.T) {
	y := layout{root: "/r", keys: 7}
	for _, share := range []float64{0, 0.25, 0.9, 1} {
		m := newMix(y, nil, share)
		c := &conn{random: newRandom(1)}
		reads, seen := 0, map[string]bool{}
		const n = 20000
		var b []byte
		for range n {
			var kind uint8
			b, kind = m.append(b[:0], c, 1)
			d := jute.NewDecoder(b[12:])
			seen[d.String()] = true
			if kind == kindRead {
				reads++
			}
		}
		if got := float64(reads) / n; got < share-0.02 || got > share+0.02 {
			t.Errorf("share of reads %v, want %v", got, share)
		}
		if len(seen) != 7 {
			t.Errorf("%d of 7 keys are used", len(seen))
		}
	}
}

// Requests are answered in order; the ring must give their stamps back so, also
// while it grows and when xids begin anew.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c conn
		c.xid = rapid.SampledFrom([]int32{0, 1<<31 - 20}).Draw(t, "xid")
		c.expect = c.xid
		var model []stamp
		var xids []int32
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "pop") == 0 && len(model) > 0 {
				if _, ok := c.pop(xids[0] + 1); ok {
					t.Fatalf("xid %d was taken, but %d is due", xids[0]+1, xids[0])
				}
				got, ok := c.pop(xids[0])
				if !ok || got != model[0] {
					t.Fatalf("pop(%d) = %v, %v, want %v", xids[0], got, ok, model[0])
				}
				model, xids = model[1:], xids[1:]
				continue
			}
			s := stamp{int64(i), uint8(i % 2)}
			xids = append(xids, c.nextXid())
			c.push(s.at, s.kind)
			model = append(model, s)
		}
		if c.inflight() != len(model) {
			t.Fatalf("%d in flight, want %d", c.inflight(), len(model))
		}
	})
}
