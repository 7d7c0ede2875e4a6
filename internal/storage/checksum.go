package storage

import "hash/adler32"

// checksum continues an Adler-32 sum (1 for none yet) with p.
func checksum(sum uint32, p []byte) uint32 {
	if sum == 1 {
		return adler32.Checksum(p)
	}
	const mod = 65521
	// The standard library has no way to continue from a sum: combine it with
	// the sum of p alone, as zlib's adler32_combine does.
	next := adler32.Checksum(p)
	n := uint32(len(p) % mod)
	a1, b1 := sum&0xffff, sum>>16
	a2, b2 := next&0xffff, next>>16
	a := (a1 + a2 + mod - 1) % mod
	b := (b1 + b2 + n*a1%mod + mod - n) % mod
	return b<<16 | a
}
