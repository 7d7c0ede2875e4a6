package tree

import "math/bits"

// blobs keeps byte strings without a pointer each: strings of up to 4 KiB lie
// in slots of 56 sizes, each size in chunks of its own that the garbage
// collector does not look into; longer ones are plain slices. A slot is at
// most an eighth larger than what it holds (below 64 bytes: 8 bytes).
type blobs struct {
	classes [blobClasses]blobClass
	large   [][]byte
	free    []uint32 // unused indexes of large
}

type blobClass struct {
	pool
	size   uint32
	chunks [][]byte
}

// blob names one string: its class in the upper bits, its slot in the others.
type blob uint32

const (
	blobClasses   = 56
	blobSlotBits  = 26
	blobSlotMask  = 1<<blobSlotBits - 1
	blobLarge     = 63 // the class of plain slices
	blobSmallMax  = 4096
	blobTightSize = 128 // up to here sizes are 8 apart, above eight to a doubling
)

func (s *blobs) init() {
	for i := range s.classes {
		c := &s.classes[i]
		// The slots of a chunk fill whole pages of the allocator exactly.
		switch {
		case i < 16:
			c.size, c.shift = uint32(i+1)*8, 10
		default:
			k := uint32(i-16) / 8
			c.size = blobTightSize<<k + uint32(i-16)%8*(16<<k) + 16<<k
			c.shift = 9 - k
		}
	}
}

// blobClassOf returns the class for n bytes, 0 < n <= blobSmallMax.
func blobClassOf(n int) int {
	if n <= blobTightSize {
		return (n+7)/8 - 1
	}
	k := bits.Len(uint(n-1)) - 8
	step := 16 << k
	return 16 + 8*k + (n-blobTightSize<<k+step-1)/step - 1
}

// alloc returns a slot for n > 0 bytes; its bytes are of any content.
func (s *blobs) alloc(n int) blob {
	if n > blobSmallMax {
		return s.allocLarge(n)
	}
	i := blobClassOf(n)
	c := &s.classes[i]
	slot, fresh := c.take()
	if slot > blobSlotMask {
		panic("tree: more than 67 million strings of one size class")
	}
	if fresh {
		j := int(slot >> c.shift)
		for len(c.chunks) <= j {
			c.chunks = append(c.chunks, nil)
		}
		c.chunks[j] = make([]byte, c.size<<c.shift)
	}
	return blob(uint32(i)<<blobSlotBits | slot)
}

func (s *blobs) allocLarge(n int) blob {
	b := make([]byte, n)
	if last := len(s.free) - 1; last >= 0 {
		i := s.free[last]
		s.free = s.free[:last]
		s.large[i] = b
		return blob(blobLarge<<blobSlotBits | i)
	}
	s.large = append(s.large, b)
	return blob(blobLarge<<blobSlotBits | uint32(len(s.large)-1))
}

// bytes returns the whole slot.
func (s *blobs) bytes(b blob) []byte {
	i, slot := b>>blobSlotBits, uint32(b&blobSlotMask)
	if i == blobLarge {
		return s.large[slot]
	}
	c := &s.classes[i]
	off := slot & (1<<c.shift - 1) * c.size
	return c.chunks[slot>>c.shift][off : off+c.size : off+c.size]
}

// fits reports whether n bytes belong where b is.
func (s *blobs) fits(b blob, n int) bool {
	i := int(b >> blobSlotBits)
	if i == blobLarge {
		have := len(s.large[b&blobSlotMask])
		return n > blobSmallMax && n <= have && n >= have-have/8
	}
	return n <= blobSmallMax && blobClassOf(n) == i
}

// release gives the slot back.
func (s *blobs) release(b blob) {
	i, slot := b>>blobSlotBits, uint32(b&blobSlotMask)
	if i == blobLarge {
		s.large[slot] = nil
		s.free = append(s.free, slot)
		return
	}
	c := &s.classes[i]
	if c.give(slot) {
		c.chunks[slot>>c.shift] = nil
	}
}
