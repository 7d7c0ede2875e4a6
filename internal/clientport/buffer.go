package clientport

import "sync"

// Buffer is memory for incoming frames, used again through a pool.
type Buffer struct {
	b []byte
}

// bufferSize fits a deep pipeline of ordinary requests.
const bufferSize = 16 << 10

// maxPooled is the largest buffer, in bytes, that goes back into a pool.
const maxPooled = 256 << 10

var buffers = sync.Pool{New: func() any { return &Buffer{b: make([]byte, bufferSize)} }}

// Recycle gives the memory of a batch back.
func Recycle(m *Buffer) {
	if m != nil && len(m.b) == bufferSize {
		buffers.Put(m)
	}
}

// outputs holds output buffers while no connection has anything to say.
var outputs = sync.Pool{New: func() any { return new([]byte) }}

func takeOutput() []byte {
	p := outputs.Get().(*[]byte)
	b := *p
	*p = nil
	shells.Put(p)
	if b == nil {
		b = make([]byte, 0, 4<<10)
	}
	return b[:0]
}

// shells are the empty slice headers in which output buffers travel into their
// pool, so that putting one there makes no garbage.
var shells = sync.Pool{New: func() any { return new([]byte) }}

func putOutput(b []byte) {
	if cap(b) == 0 || cap(b) > maxPooled {
		return
	}
	p := shells.Get().(*[]byte)
	*p = b[:0]
	outputs.Put(p)
}
