package wire

import (
	"strings"
	"unicode/utf8"
)

// JavaText decodes bytes as Java's new String does: each malformed sequence
// becomes one U+FFFD, so that both servers see the same text.
func JavaText(data []byte) string {
	if utf8.Valid(data) {
		return string(data)
	}
	var b strings.Builder
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			n = malformedLen(data)
		}
		b.WriteRune(r)
		data = data[n:]
	}
	return b.String()
}

// malformedLen returns how many bytes at the front of b, which do not decode,
// Java counts as one malformed sequence: the longest beginning of a valid one,
// an encoded surrogate as a whole, or else a single byte.
func malformedLen(b []byte) int {
	size, low, high := 3, byte(0x80), byte(0xbf)
	switch c := b[0]; {
	case c == 0xe0:
		low = 0xa0
	case c > 0xe0 && c <= 0xef:
	case c >= 0xf0 && c <= 0xf4:
		size = 4
		if c == 0xf0 {
			low = 0x90
		}
		if c == 0xf4 {
			high = 0x8f
		}
	default:
		return 1
	}
	if len(b) < 2 || b[1] < low || b[1] > high {
		return 1
	}
	n := 2
	for n < size && n < len(b) && b[n]&0xc0 == 0x80 {
		n++
	}
	return n
}

// JavaEcho returns the bytes with which Apache's server sends a string back
// that it was sent: malformed parts as U+FFFD, and each half of a surrogate
// pair encoded on its own (BinaryOutputArchive.stringToByteBuffer). Strings
// without such parts, which is all that can name a znode, come back as they
// are.
func JavaEcho(p []byte) []byte {
	plain := true
	for _, c := range p {
		if c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return p
	}
	var out []byte
	for _, r := range JavaText(p) {
		if r < 0x10000 {
			out = utf8.AppendRune(out, r)
			continue
		}
		r -= 0x10000
		for _, half := range [2]rune{0xd800 + r>>10, 0xdc00 + r&0x3ff} {
			out = append(out, 0xe0|byte(half>>12), 0x80|byte(half>>6)&0x3f|0x80, 0x80|byte(half)&0x3f)
		}
	}
	return out
}

// JavaACLs returns an encoded vector with its strings as Apache's server stores
// them (JavaEcho); the vector itself when that changes nothing.
func JavaACLs(raw []byte) []byte {
	ascii := true
	for _, c := range raw {
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return raw
	}
	acls, err := DecodeACLs(raw)
	if err != nil || acls == nil {
		return raw
	}
	for i := range acls {
		acls[i].ID.Scheme = string(JavaEcho([]byte(acls[i].ID.Scheme)))
		acls[i].ID.ID = string(JavaEcho([]byte(acls[i].ID.ID)))
	}
	return AppendACLs(nil, acls)
}
