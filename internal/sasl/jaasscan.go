package sasl

import "strings"

// tokenKind is what java.io.StreamTokenizer, set up as Java's ConfigFile sets
// it up, makes of the characters of a JAAS file.
type tokenKind int

const (
	tokenEnd    tokenKind = iota
	tokenWord             // bare
	tokenString           // in double quotes
	tokenOther            // one character, a number, or text in single quotes
)

type token struct {
	kind tokenKind
	text string
	line int
}

// describe names a token in a message. Strings are not shown: they may be
// passwords.
func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the file"
	case tokenString:
		return "a text in quotes"
	}
	return "'" + t.text + "'"
}

// scanner cuts a JAAS file into tokens.
type scanner struct {
	text []rune
	at   int
	line int
}

func newScanner(text []byte) *scanner {
	return &scanner{text: []rune(string(text)), line: 1}
}

// peek is the next character, -1 at the end.
func (s *scanner) peek() rune {
	if s.at == len(s.text) {
		return -1
	}
	return s.text[s.at]
}

// skip passes over one character and counts lines.
func (s *scanner) skip() {
	c := s.text[s.at]
	s.at++
	if c == '\n' || c == '\r' && s.peek() != '\n' {
		s.line++
	}
}

func (s *scanner) next() token {
	for {
		c := s.peek()
		switch {
		case c < 0:
			return token{kind: tokenEnd, line: s.line}
		case c <= ' ':
			s.skip()
		case c == '/':
			s.comment()
		case c == '"':
			line := s.line
			return token{kind: tokenString, text: s.quote(), line: line}
		case c == '\'':
			line := s.line
			s.quote()
			return token{kind: tokenOther, text: "'", line: line}
		case isNumeric(c):
			return s.number()
		case isWord(c):
			start := s.at
			for c := s.peek(); isWord(c) || isNumeric(c); c = s.peek() {
				s.at++
			}
			return token{kind: tokenWord, text: string(s.text[start:s.at]), line: s.line}
		default:
			s.at++
			return token{kind: tokenOther, text: string(c), line: s.line}
		}
	}
}

// comment passes over /* */, or to the end of the line: for Java a single
// slash begins a comment as well, and if it is the last of its line the next
// line is the comment.
func (s *scanner) comment() {
	s.at++
	if s.peek() != '*' {
		if s.peek() >= 0 {
			s.skip()
		}
		for c := s.peek(); c >= 0 && c != '\n' && c != '\r'; c = s.peek() {
			s.at++
		}
		return
	}
	s.at++
	for star := false; s.peek() >= 0; {
		c := s.peek()
		s.skip()
		if star && c == '/' {
			return
		}
		star = c == '*'
	}
}

// quote reads a text in quotes, with the escapes of C. The end of the line
// ends it as well, as it does for Java.
func (s *scanner) quote() string {
	closing := s.peek()
	s.at++
	var b strings.Builder
	for {
		c := s.peek()
		switch {
		case c < 0 || c == '\n' || c == '\r':
			return b.String()
		case c == closing:
			s.at++
			return b.String()
		case c != '\\':
			b.WriteRune(c)
			s.at++
		default:
			s.at++
			b.WriteString(s.escape())
		}
	}
}

var escapes = map[rune]string{'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// escape reads what stands behind a backslash: a letter of C, up to three
// octal digits of which the first is at most 3 when there are three, or any
// other character for itself.
func (s *scanner) escape() string {
	c := s.peek()
	if c < 0 {
		return ""
	}
	if c < '0' || c > '7' {
		s.skip()
		if text, known := escapes[c]; known {
			return text
		}
		return string(c)
	}
	most := 2
	if c <= '3' {
		most = 3
	}
	value := rune(0)
	for range most {
		c := s.peek()
		if c < '0' || c > '7' {
			break
		}
		value = value<<3 + c - '0'
		s.at++
	}
	return string(value)
}

// number reads what Java takes for a number, which has no place in a JAAS
// file; a minus without digits is a character.
func (s *scanner) number() token {
	start := s.at
	s.at++
	if s.text[start] == '-' && (!isNumeric(s.peek()) || s.peek() == '-') {
		return token{kind: tokenOther, text: "-", line: s.line}
	}
	dot := s.text[start] == '.'
	for c := s.peek(); c >= '0' && c <= '9' || c == '.' && !dot; c = s.peek() {
		dot = dot || c == '.'
		s.at++
	}
	return token{kind: tokenOther, text: string(s.text[start:s.at]), line: s.line}
}

func isNumeric(c rune) bool { return c >= '0' && c <= '9' || c == '.' || c == '-' }

func isWord(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '$' || c == '_' || c == '*' || c >= 160
}
