// Package properties reads text as the Java library does that ZooKeeper's
// configuration goes through: java.util.Properties files, numbers, String.trim
// and String.split.
//
// Package config reads zoo.cfg with it and package ensemble the configuration
// text that servers send each other, so it stands below both. It must never
// know what a key means.
package properties

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// An Entry is one key with its value as a java.util.Properties file holds it.
type Entry struct {
	// Key and Value are unescaped but not trimmed. Bytes of the file stand in
	// them as they are, so UTF-8 text stays UTF-8; a \uXXXX escape stands as
	// the UTF-8 form of its character.
	Key, Value string
	// Line is the line, counted from 1, on which the key starts.
	Line int
}

// A BadEscape is the one mistake that such a file can hold: a \u that is not
// followed by four hexadecimal digits.
type BadEscape struct {
	Line int    // of the key, counted from 1
	Text string // what is wrong and what to write
}

// Error is the text alone: the caller knows the file and the line.
func (e *BadEscape) Error() string { return e.Text }

// Read reads text by the rules of java.util.Properties.load: the
// separators '=', ':' and blank, comments that start with '#' or '!', a
// backslash that continues a line (whose leading blanks then do not count),
// the escapes \t \n \r \f and \uXXXX, and a backslash before any other
// character, which goes away. Lines end with \n, \r or both. Entries come in
// the order of the file, with a key that is given twice in it twice.
//
// The error is a *BadEscape.
func Read(text []byte) ([]Entry, error) {
	var entries []Entry
	r := lineReader{text: text, line: 1}
	for r.next() {
		key, value := splitEntry(r.logical)
		k, ok := unescape(key)
		if !ok {
			return nil, badEscape(r.start, key)
		}
		v, ok := unescape(value)
		if !ok {
			return nil, badEscape(r.start, value)
		}
		entries = append(entries, Entry{Key: k, Value: v, Line: r.start})
	}
	return entries, nil
}

// Without returns text without the entries whose keys drop names; comments and
// all other lines stay as they are. A key that cannot be read stays.
func Without(text []byte, drop func(key string) bool) []byte {
	var out []byte
	kept := 0
	r := lineReader{text: text, line: 1}
	for r.next() {
		raw, _ := splitEntry(r.logical)
		if key, ok := unescape(raw); ok && drop(key) {
			out = append(out, text[kept:r.from]...)
			kept = r.at
		}
	}
	return append(out, text[kept:]...)
}

func badEscape(line int, part []byte) error {
	return &BadEscape{
		Line: line,
		Text: `"` + Printable(string(part)) + `": \u must be followed by four hexadecimal digits; ` +
			`write \\ where a backslash is meant`,
	}
}

// A lineReader gathers logical lines: natural lines without comments and blank
// lines, joined where a backslash ends one.
type lineReader struct {
	text    []byte
	at      int    // next byte to read
	line    int    // line of that byte
	logical []byte // the logical line that next found
	start   int    // the line on which it starts
	from    int    // the byte at which that line starts
}

// next gathers the next logical line and reports whether there was one.
func (r *lineReader) next() bool {
	r.logical = r.logical[:0]
	continued := false
	for r.at < len(r.text) {
		if len(r.logical) == 0 {
			r.from = r.at
		}
		r.skipBlanks()
		if r.at == len(r.text) {
			break
		}
		if len(r.logical) == 0 {
			if c := r.text[r.at]; c == '#' || c == '!' {
				r.restOfLine()
				r.endOfLine()
				continued = false
				continue
			}
			r.start = r.line
		}
		piece := r.restOfLine()
		escaped := oddBackslashes(piece)
		if escaped {
			piece = piece[:len(piece)-1]
		}
		r.logical = append(r.logical, piece...)
		end := r.endOfLine()
		switch {
		case escaped && r.at == len(r.text) && end < 2:
			// Java takes the end of the file for the end of the line, and so
			// finds an entry with an empty key behind a lone backslash, though
			// not when \r\n stands between the two.
			return true
		case !escaped && len(r.logical) > 0:
			return true
		}
		continued = escaped
	}
	return continued && len(r.logical) > 0
}

// skipBlanks skips what Properties takes for white space within a line.
func (r *lineReader) skipBlanks() {
	for r.at < len(r.text) && isBlank(r.text[r.at]) {
		r.at++
	}
}

// restOfLine returns the bytes up to the end of the natural line.
func (r *lineReader) restOfLine() []byte {
	rest := r.text[r.at:]
	if i := bytes.IndexAny(rest, "\r\n"); i >= 0 {
		rest = rest[:i]
	}
	r.at += len(rest)
	return rest
}

// endOfLine steps over one line end, if there is one, and returns how many
// bytes it has.
func (r *lineReader) endOfLine() int {
	from := r.at
	if from == len(r.text) {
		return 0
	}
	if r.text[r.at] == '\r' && r.at+1 < len(r.text) && r.text[r.at+1] == '\n' {
		r.at++
	}
	r.at++
	r.line++
	return r.at - from
}

func oddBackslashes(b []byte) bool {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

// splitEntry cuts a logical line at its first unescaped separator: blanks with
// at most one '=' or ':' among them.
func splitEntry(line []byte) (key, value []byte) {
	end, escaped := 0, false
	for end < len(line) {
		c := line[end]
		if !escaped && (c == '=' || c == ':' || isBlank(c)) {
			break
		}
		escaped = c == '\\' && !escaped
		end++
	}
	from, separated := end, false
	for from < len(line) {
		c := line[from]
		if !isBlank(c) {
			if separated || c != '=' && c != ':' {
				break
			}
			separated = true
		}
		from++
	}
	return line[:end], line[from:]
}

// unescape resolves the escapes of a key or value; ok is false when a \u is
// not followed by four hexadecimal digits.
func unescape(b []byte) (s string, ok bool) {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b), true
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		if i == len(b) {
			break
		}
		switch b[i] {
		case 't':
			out = append(out, '\t')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 'f':
			out = append(out, '\f')
		case 'u':
			r, n, ok := unicodeEscape(b[i+1:])
			if !ok {
				return "", false
			}
			out = utf8.AppendRune(out, r)
			i += n
		default:
			out = append(out, b[i])
		}
	}
	return string(out), true
}

// unicodeEscape reads what follows a \u: four digits, and when they are the
// first half of a surrogate pair the escape of the second half as well. It
// returns the character and the number of bytes that it took. Half a pair,
// which UTF-8 cannot hold, becomes what Java makes of it when it writes it out.
func unicodeEscape(b []byte) (r rune, n int, ok bool) {
	unit, ok := hex4(b)
	if !ok {
		return 0, 0, false
	}
	if !utf16.IsSurrogate(unit) {
		return unit, 4, true
	}
	if len(b) >= 10 && b[4] == '\\' && b[5] == 'u' {
		if low, ok := hex4(b[6:]); ok {
			if pair := utf16.DecodeRune(unit, low); pair != utf8.RuneError {
				return pair, 10, true
			}
		}
	}
	return '?', 4, true
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
