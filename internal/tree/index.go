package tree

import (
	"encoding/binary"
	"math/bits"
)

// hasher is a keyed hash of byte strings. The keys come from a secret seed, so
// that clients cannot make names that fall into one bucket.
type hasher struct{ k0, k1, k2 uint64 }

func newHasher(seed uint64) hasher {
	next := func() uint64 {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	return hasher{next(), next(), next()}
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// sum hashes p: one 64 by 64 bit multiplication for each 16 bytes and one more.
func (h *hasher) sum(p []byte) uint32 {
	n := uint64(len(p))
	acc := h.k0
	for len(p) > 16 {
		acc = mix(binary.LittleEndian.Uint64(p)^h.k1, binary.LittleEndian.Uint64(p[8:])^acc)
		p = p[16:]
	}
	var a, b uint64
	switch l := len(p); {
	case l >= 8:
		a, b = binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[l-8:])
	case l >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(p)), uint64(binary.LittleEndian.Uint32(p[l-4:]))
	case l > 0:
		a = uint64(p[0])<<16 | uint64(p[l/2])<<8 | uint64(p[l-1])
	}
	return h.pair(mix(a^h.k1, b^acc), n)
}

// pair hashes two numbers.
func (h *hasher) pair(a, b uint64) uint32 {
	v := mix(a^h.k2, b^h.k0)
	return uint32(v ^ v>>32)
}

// index finds entries of a slab by a 32-bit hash with linear hashing: buckets
// are split or merged one at a time, with each insert or delete, so that it
// never stalls to grow. Chains run through the entries themselves.
type index struct {
	chunks []*[slabSize]uint32
	n      uint32 // buckets
	mask   uint32 // smallest 1<<k - 1 with n <= 1<<k
	count  uint32 // entries

	hash func(entry uint32) uint32  // the hash of an entry
	next func(entry uint32) *uint32 // its chain
}

func newIndex(hash func(uint32) uint32, next func(uint32) *uint32) index {
	return index{chunks: []*[slabSize]uint32{new([slabSize]uint32)}, n: slabSize, mask: slabSize - 1, hash: hash, next: next}
}

// bucket returns the first entry of the chain that may hold hash h.
func (x *index) bucket(h uint32) *uint32 {
	i := h & x.mask
	if i >= x.n {
		i &= x.mask >> 1
	}
	return &x.chunks[i>>slabShift][i&(slabSize-1)]
}

func (x *index) insert(h, entry uint32) {
	b := x.bucket(h)
	*x.next(entry) = *b
	*b = entry
	if x.count++; x.count > x.n {
		x.split()
	}
}

func (x *index) remove(h, entry uint32) {
	p := x.bucket(h)
	for *p != entry {
		p = x.next(*p)
	}
	*p = *x.next(entry)
	if x.count--; x.n > slabSize && x.count < x.n/2 {
		x.merge()
	}
}

// rebuild makes the index anew for count entries, which come one after the
// other, with so many buckets.
func (x *index) rebuild(count, buckets int, entries func(yield func(entry uint32) bool)) {
	x.clear(count, buckets)
	for entry := range entries {
		b := x.bucket(x.hash(entry))
		*x.next(entry) = *b
		*b = entry
	}
}

// build is rebuild for entries below limit of which one may come twice: it calls
// twin with each pair that has the same hash. Hashes and chains stand close
// together meanwhile, as fetching them from where they belong would cost most.
func (x *index) build(count int, limit uint32, entries func(yield func(entry uint32) bool), twin func(a, b uint32)) {
	x.clear(count, count)
	type link struct{ hash, next uint32 }
	links := make([]link, limit)
	for entry := range entries {
		h := x.hash(entry)
		b := x.bucket(h)
		for e := *b; e != 0; e = links[e].next {
			if links[e].hash == h {
				twin(e, entry)
			}
		}
		links[entry] = link{h, *b}
		*x.next(entry) = *b
		*b = entry
	}
}

// clear leaves no entry in so many buckets; count are to come.
func (x *index) clear(count, buckets int) {
	x.n = max(uint32(buckets), slabSize)
	x.mask = 1<<bits.Len32(x.n-1) - 1
	x.chunks = make([]*[slabSize]uint32, (x.n+slabSize-1)>>slabShift)
	for i := range x.chunks {
		x.chunks[i] = new([slabSize]uint32)
		// Fresh memory that is read before it is written costs two page faults, the
		// second of which stops the other processors.
		clear(x.chunks[i][:])
	}
	x.count = uint32(count)
}

// split moves what belongs there from one bucket to a new last one.
func (x *index) split() {
	i := x.n
	if i > x.mask {
		x.mask = x.mask<<1 | 1
	}
	if c := int(i >> slabShift); c == len(x.chunks) {
		x.chunks = append(x.chunks, new([slabSize]uint32))
	}
	from := x.bucket(i & (x.mask >> 1))
	x.n++
	to := &x.chunks[i>>slabShift][i&(slabSize-1)]
	for *from != 0 {
		e := *from
		next := x.next(e)
		if x.hash(e)&x.mask == i {
			*from, *next, *to = *next, *to, e
		} else {
			from = next
		}
	}
}

// merge puts the last bucket in front of the one that it was split from.
func (x *index) merge() {
	x.n--
	last := &x.chunks[x.n>>slabShift][x.n&(slabSize-1)]
	if *last != 0 {
		tail := *last
		for *x.next(tail) != 0 {
			tail = *x.next(tail)
		}
		to := x.bucket(x.n)
		*x.next(tail), *to, *last = *to, *last, 0
	}
	if x.n == x.mask>>1+1 {
		x.mask >>= 1
	}
	if c := int(x.n >> slabShift); x.n&(slabSize-1) == 0 && c+1 < len(x.chunks) {
		// One chunk is kept beyond the end, for the way back up.
		x.chunks[c+1] = nil
		x.chunks = x.chunks[:c+1]
	}
}
