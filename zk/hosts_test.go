package zk

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseServers(t *testing.T) {
	for _, c := range []struct {
		in     string
		addrs  string
		chroot string
		err    string
	}{
		{"a", "a:2181", "", ""},
		{"a:1,b:2", "a:1 b:2", "", ""},
		{"a, b ,,c:", "a:2181 b:2181 c:2181", "", ""},
		{"a:1/", "a:1", "", ""},
		{"a:1,b/app/one", "a:1 b:2181", "/app/one", ""},
		{"[::1]:1,[fe80::1]", "[::1]:1 [fe80::1]:2181", "", ""},
		{"", "", "", "no host:port"},
		{"/app", "", "", "no host:port"},
		{"a:x", "", "", "port"},
		{"a:0", "", "", "port"},
		{"a:65536", "", "", "port"},
		{":2181", "", "", "names no host"},
		{"[::1", "", "", "bracket"},
		{"a/app/", "", "", "must not end with /"},
		{"a/app//b", "", "", "empty node name"},
	} {
		addrs, chroot, err := ParseServers(c.in)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if got := strings.Join(addrs, " "); got != c.addrs || chroot != c.chroot || err != nil {
			t.Errorf("%q: %s %q %v", c.in, got, chroot, err)
		}
	}
}

func TestHostListGoesRound(t *testing.T) {
	l := NewHostList([]string{"a", "b", "c"})
	var order []string
	var rounds []bool
	for range 7 {
		addr, round := l.Next()
		order, rounds = append(order, addr), append(rounds, round)
	}
	if !slices.Equal(order[:3], order[3:6]) || order[0] != order[6] || order[0] == order[1] {
		t.Errorf("order %v", order)
	}
	if want := []bool{false, false, false, true, false, false, true}; !slices.Equal(rounds, want) {
		t.Errorf("rounds %v", rounds)
	}
	// The two others come before the one that was just lost.
	l.Connected()
	for i, want := range []bool{false, false, true} {
		if _, round := l.Next(); round != want {
			t.Errorf("attempt %d after a loss: round %v", i, round)
		}
	}
}

func TestDialResolvesEachTime(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	// localhost may stand for ::1 too, where nobody listens.
	for range 4 {
		conn, err := dialHost(ctx, "localhost:"+port)
		check(t, err)
		conn.Close()
	}
	if _, err := dialHost(ctx, "no-such-host.invalid:2181"); err == nil {
		t.Error("a name that does not exist was dialled")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := New("a", WithSessionTimeout(0)); err == nil {
		t.Error("a session timeout of 0 was taken")
	}
	if _, err := New("a:b"); err == nil {
		t.Error("a port of b was taken")
	}
}

func TestValidatePath(t *testing.T) {
	for path, reason := range map[string]string{
		"/": "", "/a": "", "/a/b.c": "", "/a/...": "", "/..a": "", "/a..": "", "/é中": "",
		"":            "Path length must be > 0",
		"a":           "Path must start with / character",
		"/a/":         "Path must not end with / character",
		"/a//b":       `Invalid path string "/a//b" caused by empty node name specified @3`,
		"//":          "Path must not end with / character",
		"/a/./b":      `Invalid path string "/a/./b" caused by relative paths not allowed @3`,
		"/a/../b":     `Invalid path string "/a/../b" caused by relative paths not allowed @4`,
		"/..":         `Invalid path string "/.." caused by relative paths not allowed @2`,
		"/.":          `Invalid path string "/." caused by relative paths not allowed @1`,
		"/a\x00b":     "Invalid path string \"/a\x00b\" caused by null character not allowed @2",
		"/é\x01":      "Invalid path string \"/é\x01\" caused by invalid character @2",
		"/\u007f":     "Invalid path string \"/\u007f\" caused by invalid character @1",
		"/\ue000":     "Invalid path string \"/\ue000\" caused by invalid character @1",
		"/\ufff0":     "Invalid path string \"/\ufff0\" caused by invalid character @1",
		"/\U0001f600": "Invalid path string \"/\U0001f600\" caused by invalid character @1",
		"/\xff":       "Invalid path string \"/\xff\" caused by invalid character @1",
	} {
		err := ValidatePath(path)
		switch {
		case reason == "" && err != nil:
			t.Errorf("%q: %v", path, err)
		case reason != "" && (err == nil || err.Error() != reason || !errors.Is(err, ErrBadArguments)):
			t.Errorf("%q: %v, want %s", path, err, reason)
		}
	}
	if err := validateCreate("/a/", PersistentSequential); err != nil {
		t.Errorf("a sequential create below /a/: %v", err)
	}
	if err := validateCreate("", PersistentSequential); err == nil {
		t.Error("a sequential create of nothing was taken")
	}
}
