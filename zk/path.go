package zk

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// PathError says what is wrong with a path. It is an ErrBadArguments.
type PathError struct {
	Path   string
	Reason string // in the words of Apache's client
}

// Error implements error.
func (e *PathError) Error() string { return e.Reason }

// Unwrap returns ErrBadArguments.
func (e *PathError) Unwrap() error { return ErrBadArguments }

// ValidatePath reports, as a *PathError, why a path is not one of a znode. The
// rules are those of ZooKeeper's PathUtils; bytes that are not UTF-8 are
// refused like the characters that it forbids.
func ValidatePath(path string) error {
	switch {
	case path == "":
		return &PathError{path, "Path length must be > 0"}
	case path[0] != '/':
		return &PathError{path, "Path must start with / character"}
	case path == "/":
		return nil
	case path[len(path)-1] == '/':
		return &PathError{path, "Path must not end with / character"}
	}
	if reason := badSegment(path); reason != "" {
		return &PathError{path, fmt.Sprintf("Invalid path string \"%s\" caused by %s", path, reason)}
	}
	return nil
}

// badSegment looks for the first flaw behind the leading slash. Positions
// count UTF-16 units, as Apache's client counts them.
func badSegment(path string) string {
	at := 1
	for i := 1; i < len(path); {
		r, size := utf8.DecodeRuneInString(path[i:])
		switch {
		case r == 0:
			return fmt.Sprintf("null character not allowed @%d", at)
		case r == '/' && path[i-1] == '/':
			return fmt.Sprintf("empty node name specified @%d", at)
		case r == '.' && (i+1 == len(path) || path[i+1] == '/') &&
			(path[i-1] == '/' || strings.HasSuffix(path[:i], "/.")):
			return fmt.Sprintf("relative paths not allowed @%d", at)
		case forbidden(r):
			return fmt.Sprintf("invalid character @%d", at)
		}
		i += size
		at++
	}
	return ""
}

// forbidden reports the characters that no path may hold. Those above U+FFFF
// are surrogate pairs in Java's strings, hence forbidden with the surrogates.
func forbidden(r rune) bool {
	return r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0
}

// validateCreate checks the path of a create. A sequence number follows that
// of a sequential one, so that it may end in a slash.
func validateCreate(path string, mode CreateMode) error {
	if mode.sequential() {
		if path == "" {
			return ValidatePath(path)
		}
		return ValidatePath(path + "1")
	}
	return ValidatePath(path)
}

// serverPath puts the chroot in front of a path.
func (c *Client) serverPath(path string) string {
	if c.chroot == "" {
		return path
	}
	if path == "/" {
		return c.chroot
	}
	return c.chroot + path
}

// clientPath takes the chroot off a path of the server. /zookeeper, where the
// configuration lives, is the one subtree that a chroot does not hide.
func (c *Client) clientPath(path string) string {
	if c.chroot == "" {
		return path
	}
	rest, ok := strings.CutPrefix(path, c.chroot)
	switch {
	case !ok:
		return path
	case rest == "":
		return "/"
	case rest[0] != '/':
		return path
	}
	return rest
}
