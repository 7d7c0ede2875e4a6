package tree

import "math/bits"

// pool hands out slot numbers in chunks of 1<<shift slots, at most 1024 each.
// It keeps the books only: whoever owns the pool holds the memory of each
// chunk beside it, makes it when take says so and drops it when give says so.
// An empty chunk is given back, but for one that is kept so that a create and
// a delete in turn do not make garbage.
type pool struct {
	shift  uint32
	used   int
	idle   int // chunks with memory and no used slot: 0 or 1
	chunks []poolChunk
	open   []uint32 // chunks that may have a free slot; the last is filled first
	bare   []uint32 // chunks without memory
}

type poolChunk struct {
	taken  [16]uint64 // one bit a slot
	used   uint16
	hint   uint8 // no word before this one has a free slot
	memory bool
	listed bool // in open
}

// take returns a free slot; fresh asks the owner to make the memory of its
// chunk first.
func (p *pool) take() (slot uint32, fresh bool) {
	i, fresh := p.openChunk()
	c := &p.chunks[i]
	if c.used == 0 {
		p.idle--
	}
	w := int(c.hint)
	for c.taken[w] == ^uint64(0) {
		w++
	}
	bit := bits.TrailingZeros64(^c.taken[w])
	c.hint = uint8(w)
	c.taken[w] |= 1 << bit
	c.used++
	p.used++
	return i<<p.shift | uint32(w<<6|bit), fresh
}

// openChunk returns a chunk with a free slot.
func (p *pool) openChunk() (i uint32, fresh bool) {
	for len(p.open) > 0 {
		i = p.open[len(p.open)-1]
		c := &p.chunks[i]
		if c.memory && uint32(c.used) < 1<<p.shift {
			return i, false
		}
		p.open = p.open[:len(p.open)-1]
		c.listed = false
		if !c.memory {
			p.bare = append(p.bare, i)
		}
	}
	if n := len(p.bare); n > 0 {
		i, p.bare = p.bare[n-1], p.bare[:n-1]
	} else {
		i = uint32(len(p.chunks))
		p.chunks = append(p.chunks, poolChunk{})
	}
	c := &p.chunks[i]
	c.memory, c.listed, c.hint = true, true, 0
	p.open = append(p.open, i)
	p.idle++
	return i, true
}

// give takes a slot back; release tells the owner to drop the memory of the
// slot's chunk.
func (p *pool) give(slot uint32) (release bool) {
	i := slot >> p.shift
	c := &p.chunks[i]
	in := slot & (1<<p.shift - 1)
	c.taken[in>>6] &^= 1 << (in & 63)
	c.hint = min(c.hint, uint8(in>>6))
	c.used--
	p.used--
	if !c.listed {
		c.listed = true
		p.open = append(p.open, i)
	}
	if c.used > 0 {
		return false
	}
	if p.idle > 0 {
		c.memory = false
		return true
	}
	p.idle++
	return false
}

// taken reports whether the slot is in use.
func (p *pool) taken(slot uint32) bool {
	i := slot >> p.shift
	if int(i) >= len(p.chunks) {
		return false
	}
	in := slot & (1<<p.shift - 1)
	return p.chunks[i].taken[in>>6]>>(in&63)&1 != 0
}

// slots returns a number that no slot in use reaches.
func (p *pool) slots() uint32 { return uint32(len(p.chunks)) << p.shift }

const (
	slabShift = 10
	slabSize  = 1 << slabShift
)

// slab holds values without pointers in chunks of 1024, found by their index,
// so that the garbage collector sees one object for a thousand of them and a
// pointer to a value stays good while the slab grows. Index 0 is never handed
// out: it means none.
type slab[T any] struct {
	pool
	chunks []*[slabSize]T
}

func newSlab[T any]() slab[T] {
	s := slab[T]{pool: pool{shift: slabShift}}
	s.alloc() // index 0
	return s
}

// at returns the value of an index that alloc gave.
func (s *slab[T]) at(i uint32) *T { return &s.chunks[i>>slabShift][i&(slabSize-1)] }

// alloc returns the index of a zero value.
func (s *slab[T]) alloc() uint32 {
	i, fresh := s.take()
	var zero T
	if fresh {
		c := int(i >> slabShift)
		for len(s.chunks) <= c {
			s.chunks = append(s.chunks, nil)
		}
		s.chunks[c] = new([slabSize]T)
		s.chunks[c][0] = zero // so that the first thing there is no read: see index.clear
	} else {
		*s.at(i) = zero
	}
	return i
}

// free gives an index back.
func (s *slab[T]) free(i uint32) {
	if s.give(i) {
		s.chunks[i>>slabShift] = nil
	}
}

// count returns the number of values in use.
func (s *slab[T]) count() int { return s.used - 1 }
