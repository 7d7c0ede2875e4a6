package properties

import (
	"errors"
	"strconv"
	"strings"
)

// Trim cuts what java.lang.String.trim cuts: everything up to the blank.
func Trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
}

// Split splits as java.lang.String.split does, which drops empty parts at the
// end. There is always at least one part.
func Split(s, separator string) []string {
	parts := strings.Split(s, separator)
	for len(parts) > 1 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// Number reads a number of so many bits as Integer.parseInt and
// Long.parseLong do, in the given base. The problem, if there is one, says
// what the value is instead: "too large a number" or "not a whole number".
func Number(value string, base, bits int) (n int64, problem string) {
	n, err := strconv.ParseInt(value, base, bits)
	switch {
	case err == nil:
		return n, ""
	case errors.Is(err, strconv.ErrRange):
		return 0, "too large a number"
	default:
		return 0, "not a whole number"
	}
}

// Printable renders text from a file so that it can stand in one line of a log
// or terminal: control characters and bytes that are no UTF-8 are escaped, and
// what is very long is cut.
func Printable(s string) string {
	const longest = 200
	cut := ""
	if len(s) > longest {
		s, cut = s[:longest], "..."
	}
	quoted := strconv.Quote(s)
	plain := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	return strings.ReplaceAll(plain, `\\`, `\`) + cut
}
