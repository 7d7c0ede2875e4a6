package sasl

import (
	"fmt"
	"slices"
	"strings"
)

// The directives of challenges and responses (RFC 2831, 2.1.1 and 2.1.2) that
// either side reads. Others are ignored: auth-param, and as Java does nc, which
// is part of what the response is a hash of.
const (
	dirRealm = iota
	dirQop
	dirAlgorithm
	dirNonce
	dirMaxbuf
	dirCharset
	dirUsername
	dirCnonce
	dirURI
	dirResponse
	dirAuthzid
	dirRspauth
	directiveCount
)

var directiveNames = [directiveCount]string{
	"realm", "qop", "algorithm", "nonce", "maxbuf", "charset", "username",
	"cnonce", "digest-uri", "response", "authzid", "rspauth",
}

// directives are the values of one message; nil where it has none.
type directives struct {
	value  [directiveCount][]byte
	realms [][]byte // all of them: only a challenge may have more than one
}

// parseDirectives reads a message as Java does: elements key=value or
// key="value" behind commas or white space, keys in any case, \c in quotes
// for c; a last key may have no value. Only realm may come again, and only
// where severalRealms is set.
func parseDirectives(text []byte, severalRealms bool) (*directives, error) {
	d := &directives{}
	for rest := skipSpace(text); len(rest) > 0; {
		if rest[0] == ',' {
			rest = skipSpace(rest[1:])
			continue
		}
		key, after, err := cutKey(rest)
		if err != nil {
			return nil, err
		}
		value, after, err := cutValue(key, after)
		if err != nil {
			return nil, err
		}
		if err := d.add(key, value, severalRealms); err != nil {
			return nil, err
		}
		rest = after
	}
	return d, nil
}

// cutKey takes the key and its equals sign off the front.
func cutKey(text []byte) (key string, rest []byte, err error) {
	end := slices.IndexFunc(text, func(c byte) bool { return c == '=' || c == ',' || isSpace(c) })
	if end < 0 {
		return string(text), nil, nil
	}
	if end == 0 {
		return "", nil, fmt.Errorf("a directive has no name in front of its value, at %s", shown(text))
	}
	rest = skipSpace(text[end:])
	if text[end] == ',' || len(rest) == 0 || rest[0] != '=' {
		return "", nil, fmt.Errorf("directive %s is not followed by =", shown(text[:end]))
	}
	if rest = skipSpace(rest[1:]); len(rest) == 0 {
		return "", nil, fmt.Errorf("directive %s has no value", shown(text[:end]))
	}
	return string(text[:end]), rest, nil
}

// cutValue takes the value and what separates it from the next element off
// the front.
func cutValue(key string, text []byte) (value, rest []byte, err error) {
	if len(text) == 0 || text[0] != '"' {
		end := slices.IndexFunc(text, func(c byte) bool { return c == ',' || isSpace(c) })
		if end < 0 {
			return append([]byte{}, text...), nil, nil
		}
		return text[:end], skipSpace(text[end+1:]), nil
	}
	value = []byte{}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			value = append(value, text[i])
		case c == '\\':
			return nil, nil, fmt.Errorf("directive %s ends within its quotes", shown([]byte(key)))
		case c != '"':
			value = append(value, c)
		case i+1 == len(text):
			return value, nil, nil
		case text[i+1] != ',' && !isSpace(text[i+1]):
			return nil, nil, fmt.Errorf("directive %s is not followed by a comma", shown([]byte(key)))
		default:
			return value, skipSpace(text[i+2:]), nil
		}
	}
	return nil, nil, fmt.Errorf("directive %s ends within its quotes", shown([]byte(key)))
}

func (d *directives) add(key string, value []byte, severalRealms bool) error {
	i := slices.IndexFunc(directiveNames[:], func(name string) bool { return strings.EqualFold(name, key) })
	if i < 0 {
		return nil
	}
	if d.value[i] != nil && (i != dirRealm || !severalRealms) {
		return fmt.Errorf("directive %s stands more than once", directiveNames[i])
	}
	if i == dirRealm {
		d.realms = append(d.realms, value)
	}
	if d.value[i] == nil {
		d.value[i] = value
	}
	return nil
}

// need returns the value of a directive that a message must have.
func (d *directives) need(i int) ([]byte, error) {
	if d.value[i] == nil {
		return nil, fmt.Errorf("directive %s is missing", directiveNames[i])
	}
	return d.value[i], nil
}

// quoted appends name="value" with the characters escaped that end a quote.
func quoted(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, '=', '"')
	for _, c := range value {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func skipSpace(text []byte) []byte {
	for len(text) > 0 && isSpace(text[0]) {
		text = text[1:]
	}
	return text
}

// shown quotes what a stranger sent for a message, cut to a line.
func shown(text []byte) string {
	const most = 40
	if len(text) > most {
		return fmt.Sprintf("%q...", text[:most])
	}
	return fmt.Sprintf("%q", text)
}
