package storage

import (
	"hash/adler32"
	"math/rand/v2"
	"testing"
)

func TestChecksum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	p := make([]byte, 40_000)
	for i := range p {
		p[i] = byte(rng.Uint32())
		if i > 20_000 {
			p[i] = 0xff // the largest sums
		}
	}
	for n := 0; n <= len(p); n += 1 + n/3 {
		for _, b := range [][]byte{p[:n], p[len(p)-n:]} {
			if got, want := checksum(1, b), adler32.Checksum(b); got != want {
				t.Fatalf("%d bytes: 0x%x, want 0x%x", n, got, want)
			}
		}
		k := rng.IntN(n + 1)
		if got, want := checksum(checksum(1, p[:k]), p[k:n]), adler32.Checksum(p[:n]); got != want {
			t.Fatalf("%d and %d bytes: 0x%x, want 0x%x", k, n-k, got, want)
		}
	}
}
