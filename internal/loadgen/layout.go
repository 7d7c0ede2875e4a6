package loadgen

import (
	"encoding/binary"
	"fmt"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// childrenPerParent keeps every list of children well below a frame's limit,
// even with a million znodes.
const childrenPerParent = 10000

// layout names the znodes of a run: key i is root/pXXXX/kXXXX, with at most
// childrenPerParent keys below a parent. Names have one length, so that a
// request is a template with eight digits put in.
type layout struct {
	root string
	keys int
}

func (y layout) parents() int { return (y.keys + childrenPerParent - 1) / childrenPerParent }

func (y layout) parent(i int) string { return fmt.Sprintf("%s/p%04d", y.root, i) }

func (y layout) key(i int) string {
	return fmt.Sprintf("%s/p%04d/k%04d", y.root, i/childrenPerParent, i%childrenPerParent)
}

// template is a whole request frame, length and header included, whose xid and
// key are still open.
type template struct {
	frame  []byte
	digits int // offset of the first digit of the parent's number
}

const (
	xidOffset  = 4  // behind the frame length
	pathOffset = 16 // behind length, header and the path's own length
	keyDigits  = 6  // from the parent's digits to those of the key: "XXXX/k"
)

// newTemplate builds a frame for op on a key of the layout; rest is what
// stands behind the path.
func newTemplate(y layout, op wire.Opcode, rest []byte) template {
	b := make([]byte, 4, 128+len(rest))
	h := wire.RequestHeader{Type: op}
	b = h.Append(b)
	b = jute.AppendString(b, y.key(0))
	b = append(b, rest...)
	jute.PutInt(b, int32(len(b)-4))
	return template{frame: b, digits: pathOffset + len(y.root) + len("/p")}
}

// append appends the request for one key.
func (t *template) append(b []byte, xid int32, key int) []byte {
	start := len(b)
	b = append(b, t.frame...)
	f := b[start:]
	binary.BigEndian.PutUint32(f[xidOffset:], uint32(xid))
	d := f[t.digits:]
	putDigits(d, uint32(key/childrenPerParent))
	putDigits(d[keyDigits:], uint32(key%childrenPerParent))
	return b
}

// putDigits writes v < 10000 as four decimal digits.
func putDigits(b []byte, v uint32) {
	_ = b[3]
	hi, lo := v/100, v%100
	b[0], b[1] = byte('0'+hi/10), byte('0'+hi%10)
	b[2], b[3] = byte('0'+lo/10), byte('0'+lo%10)
}

func readTemplate(y layout) template {
	return newTemplate(y, wire.OpGetData, jute.AppendBool(nil, false))
}

func writeTemplate(y layout, data []byte) template {
	return newTemplate(y, wire.OpSetData, jute.AppendInt(jute.AppendBuffer(nil, data), -1))
}

func createTemplate(y layout, data []byte) template {
	rest := append(jute.AppendBuffer(nil, data), wire.OpenACL...)
	return newTemplate(y, wire.OpCreate, jute.AppendInt(rest, 0))
}

func deleteTemplate(y layout) template {
	return newTemplate(y, wire.OpDelete, jute.AppendInt(nil, -1))
}

// payload returns size bytes of printable text without a pattern.
func payload(size int) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := make([]byte, size)
	r := newRandom(uint64(size))
	for i := range b {
		b[i] = letters[r.next()>>58]
	}
	return b
}

// random is splitmix64: a state of one word, so that every connection has its own.
type random uint64

func newRandom(seed uint64) random { return random(seed*0x9e3779b97f4a7c15 + 0x1234567) }

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n) from 32 random bits.
func below(bits uint32, n int) int { return int(uint64(bits) * uint64(n) >> 32) }
