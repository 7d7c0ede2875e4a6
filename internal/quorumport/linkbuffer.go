package quorumport

import (
	"math/bits"
	"sync"

	"zooid/internal/wire"
)

// Buffer is memory for packets, used again through a pool: what a link reads,
// with the packets that were cut from it, or what waits to be written.
type Buffer struct {
	b       []byte
	packets []wire.QuorumPacket
}

const (
	smallestBuffer = 4 << 10 // bytes; each class is twice the one before
	bufferClasses  = 10      // up to 2 MB; what is larger is left to the collector
)

var bufferPools [bufferClasses]sync.Pool

// bufferClass is the smallest class that holds n bytes, bufferClasses if none.
func bufferClass(n int) int {
	return min(bits.Len(uint(max(n, 1)-1)/smallestBuffer), bufferClasses)
}

func takeBuffer(n int) *Buffer {
	class := bufferClass(n)
	if class == bufferClasses {
		return &Buffer{b: make([]byte, n)}
	}
	if m, ok := bufferPools[class].Get().(*Buffer); ok {
		return m
	}
	return &Buffer{b: make([]byte, smallestBuffer<<class)}
}

// Recycle gives the memory of a batch back, and with it the batch and the data
// of its packets. It takes nil.
func Recycle(m *Buffer) {
	if m == nil {
		return
	}
	clear(m.packets) // identities are memory of their own
	m.packets = m.packets[:0]
	if class := bufferClass(len(m.b)); class < bufferClasses && len(m.b) == smallestBuffer<<class {
		bufferPools[class].Put(m)
	}
}
