package wire

import "unicode/utf8"

// ValidPath reports whether p may name a znode: it begins with a slash, does
// not end with one (the root aside), has no empty, "." or ".." part, and none
// of the characters that ZooKeeper forbids. Supplementary characters and bytes
// that are no UTF-8 are refused, as Java sees them as surrogates and U+FFFD
// (PathUtils.validatePath).
func ValidPath(p []byte) bool {
	if len(p) == 0 || p[0] != '/' {
		return false
	}
	if len(p) == 1 {
		return true
	}
	part := 1 // where the current part begins
	for i := 1; i <= len(p); i++ {
		if i == len(p) || p[i] == '/' {
			if !validPart(p[part:i]) {
				return false
			}
			part = i + 1
			continue
		}
		if c := p[i]; c < 0x20 || c == 0x7f {
			return false
		} else if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(p[i:])
			if forbiddenRune(r) {
				return false
			}
			i += n - 1
		}
	}
	return true
}

func validPart(s []byte) bool {
	switch len(s) {
	case 0:
		return false
	case 1:
		return s[0] != '.'
	case 2:
		return s[0] != '.' || s[1] != '.'
	}
	return true
}

// forbiddenRune covers what is not ASCII; utf8.RuneError is U+FFFD and falls
// into the last range.
func forbiddenRune(r rune) bool {
	return r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0
}
