package inspect

import (
	"strings"
	"unicode/utf8"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// javaText turns bytes into the text that Java makes of them: each ill-formed
// piece of UTF-8 becomes one replacement character, and its length is that of
// the longest beginning of a character; a surrogate is one piece.
func javaText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = illFormed(b)
		}
		s.WriteRune(r)
		b = b[n:]
	}
	return s.String()
}

// illFormed returns the length of the ill-formed piece at the front of b.
func illFormed(b []byte) int {
	low, high, n := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		n = 2
	case c >= 0xe0 && c <= 0xef:
		n = 3
		if c == 0xe0 {
			low = 0xa0
		}
	case c >= 0xf0 && c <= 0xf4:
		n = 4
		if c == 0xf0 {
			low = 0x90
		}
		if c == 0xf4 {
			high = 0x8f
		}
	default:
		return 1
	}
	k := 1
	for ; k < n && k < len(b) && b[k] >= low && b[k] <= high; k++ {
		low, high = 0x80, 0xbf
	}
	return k
}

// csv is the text form of a record (CsvOutputArchive): fields with commas,
// strings after an apostrophe, vectors in v{}, records inside others in s{}.
type csv struct {
	b     strings.Builder
	first bool
}

func newCSV() *csv { return &csv{first: true} }

func (c *csv) comma() {
	if !c.first {
		c.b.WriteByte(',')
	}
	c.first = false
}

func (c *csv) raw(s string) {
	c.comma()
	c.b.WriteString(s)
}

var csvEscapes = strings.NewReplacer("\x00", "%00", "\n", "%0A", "\r", "%0D", ",", "%2C", "}", "%7D", "%", "%25")

// text writes a string; nil writes nothing.
func (c *csv) text(b []byte) {
	c.comma()
	if b != nil {
		c.b.WriteByte('\'')
		c.b.WriteString(csvEscapes.Replace(javaText(b)))
	}
}

func (c *csv) open(kind string) {
	c.comma()
	c.b.WriteString(kind + "{")
	c.first = true
}

func (c *csv) close() {
	c.b.WriteByte('}')
	c.first = false
}

// acl writes one entry; inside a record it is wrapped, alone it ends a line.
func (c *csv) acl(a wire.ACLView, inside bool) {
	if inside {
		c.open("s")
	}
	c.raw(decimal(int64(a.Perms)))
	c.open("s")
	c.text(a.Scheme)
	c.text(a.ID)
	c.close()
	if inside {
		c.close()
	}
}

// aclList shows an encoded vector as Java shows a list of records.
func aclList(raw []byte) string {
	d := jute.NewDecoder(raw)
	n := d.Count(1)
	if n < 0 {
		return "null"
	}
	var s strings.Builder
	s.WriteByte('[')
	for i := range n {
		if i > 0 {
			s.WriteString(", ")
		}
		c := newCSV()
		c.acl(wire.NextACL(&d), false)
		s.WriteString(c.b.String() + "\n")
	}
	s.WriteByte(']')
	return s.String()
}
