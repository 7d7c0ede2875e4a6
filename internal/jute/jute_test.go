package jute

import (
	"bytes"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	b := AppendBool(nil, true)
	b = AppendInt(b, -2)
	b = AppendLong(b, -3)
	b = AppendBuffer(b, nil)
	b = AppendBuffer(b, []byte{})
	b = AppendString(b, "zk")
	want := []byte{1, 255, 255, 255, 254, 255, 255, 255, 255, 255, 255, 255, 253,
		255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 2, 'z', 'k'}
	if !bytes.Equal(b, want) {
		t.Fatalf("encoded % x, want % x", b, want)
	}
	d := NewDecoder(b)
	if !d.Bool() || d.Int() != -2 || d.Long() != -3 {
		t.Fatal("scalars differ")
	}
	if null := d.Buffer(); null != nil {
		t.Fatal("null buffer is not nil")
	}
	if empty := d.Buffer(); empty == nil || len(empty) != 0 {
		t.Fatal("empty buffer is not empty and non-nil")
	}
	if d.String() != "zk" || d.Len() != 0 || d.Err() != nil {
		t.Fatal("string or end differs", d.Err())
	}
}

func TestBadInput(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		read func(*Decoder)
		want error
	}{
		{"short int", []byte{0, 0}, func(d *Decoder) { d.Int() }, ErrShort},
		{"negative length", []byte{255, 255, 255, 254}, func(d *Decoder) { d.Buffer() }, ErrLength},
		{"length past the end", []byte{0, 0, 0, 9, 1}, func(d *Decoder) { d.Text() }, ErrLength},
		{"count past the end", []byte{0, 0, 0, 9, 1}, func(d *Decoder) { d.Count(4) }, ErrLength},
	} {
		d := NewDecoder(c.in)
		c.read(&d)
		if d.Err() != c.want {
			t.Errorf("%s: error %v, want %v", c.name, d.Err(), c.want)
		}
		if d.Long() != 0 || d.Err() != c.want {
			t.Errorf("%s: the first failure does not stick", c.name)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 'a', 'b'}, []byte{4, 2})
	f.Fuzz(func(t *testing.T, in, script []byte) {
		d := NewDecoder(in)
		for _, op := range script {
			switch op % 6 {
			case 0:
				d.Bool()
			case 1:
				d.Int()
			case 2:
				d.Long()
			case 3:
				if p := d.Buffer(); len(p) > len(in) {
					t.Fatal("more bytes than the input has")
				}
			case 4:
				d.Text()
			case 5:
				if n := d.Count(1); n > len(in) {
					t.Fatal("a count that the input cannot hold")
				}
			}
		}
		if d.Offset()+d.Len() != len(in) {
			t.Fatal("offset and rest do not add up")
		}
	})
}
