package clientport

import "encoding/binary"

// largeMark is a large request that is handed to the core: it counts until
// the request with its number is answered.
type largeMark struct {
	number int64
	bytes  int64
}

// fitsLarge reports whether a frame of n bytes may be taken in addition to
// those in flight and to ahead bytes of large frames before it.
func (p *Port) fitsLarge(n, ahead int) bool {
	return p.largeInFlight.Load()+int64(ahead+n) <= p.Limits.LargeRequestBytes
}

// markLarge counts the large ones among frames that are about to be handed
// over, the first of which has the given number.
func (c *Conn) markLarge(frames []byte, number int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; len(frames) > 0; number++ {
		n := int(binary.BigEndian.Uint32(frames))
		if n > c.port.Limits.LargeRequest {
			c.port.largeInFlight.Add(int64(n))
			c.large = append(c.large, largeMark{number, int64(n)})
		}
		frames = frames[4+n:]
	}
}

// freeLarge takes the large requests up to a number off the count; c.mu is
// held.
func (c *Conn) freeLarge(number int64) {
	k := 0
	for k < len(c.large) && c.large[k].number <= number {
		c.port.largeInFlight.Add(-c.large[k].bytes)
		k++
	}
	c.large = c.large[:copy(c.large, c.large[k:])]
}
