package storage

import "encoding/binary"

// adlerMod is the modulus of both halves of an Adler-32 sum.
const adlerMod = 65521

// adlerChunk is how many bytes can be added before a half must be reduced; a
// multiple of 8. 64-bit halves would allow far more.
const adlerChunk = 5552

// checksum continues an Adler-32 sum (1 for none yet) with p. The standard
// library cannot continue a sum, which a snapshot's running seals need, and
// takes one byte at a time: this takes eight, as four 16-bit lanes of even
// and four of odd bytes in one register each, and is half as fast again.
func checksum(sum uint32, p []byte) uint32 {
	const (
		lanes = 0x00ff00ff00ff00ff
		// Multiplying by these puts a sum of the lanes, each times its factor,
		// into the highest lane: plain for the low half of Adler-32, and times
		// 8 down to 1 by place for the high half.
		plain  = 0x0001000100010001
		byEven = 0x0008000600040002
		byOdd  = 0x0007000500030001
	)
	a, b := uint64(sum&0xffff), uint64(sum>>16)
	for len(p) >= 8 {
		chunk := p[:min(len(p)&^7, adlerChunk)]
		p = p[len(chunk):]
		for len(chunk) >= 8 {
			x := binary.LittleEndian.Uint64(chunk)
			chunk = chunk[8:]
			even, odd := x&lanes, x>>8&lanes
			b += 8*a + even*byEven>>48 + odd*byOdd>>48
			a += (even + odd) * plain >> 48
		}
		a %= adlerMod
		b %= adlerMod
	}
	for _, c := range p {
		a += uint64(c)
		b += a
	}
	return uint32(b%adlerMod<<16 | a%adlerMod)
}

// Checksum returns the Adler-32 sum of p, as it stands before a log entry.
func Checksum(p []byte) uint32 { return checksum(1, p) }
