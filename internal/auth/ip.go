package auth

import (
	"net/netip"
	"strconv"
	"strings"
)

// HostAddress returns an address in the text of Java's getHostAddress, which
// is the id of the scheme ip: IPv6 in eight groups without leading zeros and
// never shortened, a mapped IPv4 address as IPv4.
func HostAddress(a netip.Addr) string {
	a = a.Unmap()
	if !a.Is6() {
		return a.String()
	}
	var b strings.Builder
	raw := a.As16()
	for i := 0; i < len(raw); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strconv.FormatUint(uint64(raw[i])<<8|uint64(raw[i+1]), 16))
	}
	if z := a.Zone(); z != "" {
		b.WriteString("%" + z)
	}
	return b.String()
}

// validIP accepts address[/bits].
func validIP(id []byte) bool {
	_, _, ok := parseNet(id)
	return ok
}

// matchIP reports whether the connection's address id lies in the network
// entry, address[/bits]. Both have to be of one family.
func matchIP(id string, entry []byte) bool {
	acl, bits, ok := parseNet(entry)
	if !ok {
		return false
	}
	remote, ok := parseAddr(id)
	if !ok || remote.size != acl.size {
		return false
	}
	for i := range acl.size {
		mask := byte(0xff)
		if rest := bits - 8*i; rest < 8 {
			mask = ^byte(0xff >> max(rest, 0))
		}
		if acl.bytes[i]&mask != remote.bytes[i]&mask {
			return false
		}
	}
	return true
}

// addr is an address of 4 or 16 bytes.
type addr struct {
	bytes [16]byte
	size  int
}

// parseNet reads address[/bits]; without bits the whole address counts.
func parseNet[T string | []byte](s T) (a addr, bits int, ok bool) {
	host, tail, hasBits := cut(s, '/')
	if a, ok = parseAddr(host); !ok {
		return a, 0, false
	}
	bits = 8 * a.size
	if hasBits {
		if bits, ok = parseInt(tail, 10); !ok || bits < 0 || bits > 8*a.size {
			return a, 0, false
		}
	}
	return a, bits, true
}

// parseAddr reads an address by the rules of IPAuthenticationProvider, which
// are laxer than netip's: groups may have a sign and leading zeros.
func parseAddr[T string | []byte](s T) (a addr, ok bool) {
	for i := range len(s) {
		if s[i] == ':' {
			return parseV6(s)
		}
	}
	return parseV4(s)
}

func parseV4[T string | []byte](s T) (a addr, ok bool) {
	a.size = 4
	more := true
	for i := range 4 {
		var part T
		if !more {
			return a, false
		}
		part, s, more = cut(s, '.')
		v, ok := parseInt(part, 10)
		if !ok || v < 0 || v > 255 {
			return a, false
		}
		a.bytes[i] = byte(v)
	}
	return a, !more
}

// parseV6 reads groups of up to four hexadecimal digits with at most one "::".
func parseV6[T string | []byte](s T) (a addr, ok bool) {
	a.size = 16
	head, tail, gap := s, s[:0], false
	for i := 0; i+1 < len(s); i++ {
		if s[i] == ':' && s[i+1] == ':' {
			head, tail, gap = s[:i], s[i+2:], true
			break
		}
	}
	if gap && hasGap(tail) {
		return a, false
	}
	nh, nt := groups(head), groups(tail)
	if !gap && nh != 8 || gap && nh+nt >= 8 {
		return a, false
	}
	return a, parseGroups(&a, 0, head) && parseGroups(&a, 16-2*nt, tail)
}

func hasGap[T string | []byte](s T) bool {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == ':' && s[i+1] == ':' {
			return true
		}
	}
	return false
}

// groups counts the groups between colons; an empty text has none.
func groups[T string | []byte](s T) int {
	if len(s) == 0 {
		return 0
	}
	n := 1
	for i := range len(s) {
		if s[i] == ':' {
			n++
		}
	}
	return n
}

func parseGroups[T string | []byte](a *addr, at int, s T) bool {
	for more := len(s) > 0; more; at += 2 {
		var part T
		part, s, more = cut(s, ':')
		if len(part) == 0 || len(part) > 4 {
			return false
		}
		v, ok := parseInt(part, 16)
		if !ok {
			return false
		}
		a.bytes[at], a.bytes[at+1] = byte(v>>8), byte(v)
	}
	return true
}

func cut[T string | []byte](s T, sep byte) (before, after T, found bool) {
	for i := range len(s) {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, s[:0], false
}

// parseInt reads a number as Java's Integer.parseInt does: an optional sign
// and at least one digit, within 32 bits.
func parseInt[T string | []byte](s T, base int) (int, bool) {
	neg := false
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		neg, s = s[0] == '-', s[1:]
	}
	if len(s) == 0 {
		return 0, false
	}
	v := 0
	for i := range len(s) {
		digit := 99
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digit = int(c - '0')
		case c >= 'a' && c <= 'f':
			digit = int(c-'a') + 10
		case c >= 'A' && c <= 'F':
			digit = int(c-'A') + 10
		}
		if digit >= base {
			return 0, false
		}
		if v = v*base + digit; v > 1<<31 {
			return 0, false
		}
	}
	if neg {
		v = -v
	}
	return v, v <= 1<<31-1
}
