package properties

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// More of it is compared with java.util.Properties in test/interop/properties.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []Entry
	}{
		{"a=b", []Entry{{"a", "b", 1}}},
		{"# no\n! no\n\n a : b c \n", []Entry{{"a", "b c ", 4}}},
		{"a=1\r\na=2\rb", []Entry{{"a", "1", 1}, {"a", "2", 2}, {"b", "", 3}}},
		{"a=x\\\n   y\nb=\\u00e9\\t\\q", []Entry{{"a", "xy", 1}, {"b", "\u00e9\tq", 3}}},
	} {
		if got, err := Read([]byte(c.in)); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v", c.in, got, err)
		}
	}
	var bad *BadEscape
	if _, err := Read([]byte("a=1\nb=\\u12")); !errors.As(err, &bad) || bad.Line != 2 {
		t.Errorf("a bad escape: %v", err)
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		in         string
		base, bits int
		want       int64
		problem    string
	}{
		{"-7", 10, 32, -7, ""},
		{"+7", 10, 32, 7, ""},
		{"1f", 16, 64, 31, ""},
		{"2147483648", 10, 32, 0, "too large a number"},
		{"1f", 10, 64, 0, "not a whole number"},
		{"", 10, 64, 0, "not a whole number"},
	} {
		if got, problem := Number(c.in, c.base, c.bits); got != c.want || problem != c.problem {
			t.Errorf("%q: %d, %q", c.in, got, problem)
		}
	}
}

func TestStringsAsInJava(t *testing.T) {
	if got := Trim("\x00\t a b\n "); got != "a b" {
		t.Errorf("trimmed to %q", got)
	}
	for in, want := range map[string][]string{"": {""}, "a": {"a"}, ":a::": {"", "a"}, "::": {""}, "a:b": {"a", "b"}} {
		if got := Split(in, ":"); !slices.Equal(got, want) {
			t.Errorf("%q splits into %q, want %q", in, got, want)
		}
	}
	if got := Printable("a\n\"b\\" + strings.Repeat("x", 300)); len(got) > 220 || !strings.HasPrefix(got, `a\n"b\x`) {
		t.Errorf("printed as %q", got)
	}
}
