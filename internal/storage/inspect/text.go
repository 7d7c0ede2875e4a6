package inspect

import (
	"strings"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

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
		c.b.WriteString(csvEscapes.Replace(wire.JavaText(b)))
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
