package tree

import (
	"fmt"
	"testing"

	"zooid/internal/wire"
)

// quotaWriter has a quota on /a with the given limits.
func quotaWriter(limits string) *writer {
	w := walkWriter()
	w.create([]byte("/zookeeper/quota/a"), nil)
	w.create([]byte("/zookeeper/quota/a/zookeeper_limits"), []byte(limits))
	w.create([]byte("/zookeeper/quota/a/zookeeper_stats"), []byte("count=0,bytes=0"))
	return w
}

func (w *writer) text(path string) string { return string(w.Data(w.Lookup([]byte(path)))) }

func TestQuotaStats(t *testing.T) {
	const stats = "/zookeeper/quota/a/zookeeper_stats"
	w := quotaWriter("count=-1,bytes=-1")
	var before, after wire.Stat
	w.Stat(w.Lookup([]byte(stats)), &before)
	digest := w.Digest()
	step := func(what, want string) {
		t.Helper()
		if got := w.text(stats); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		checkTree(t, w.Tree)
	}
	step("counted at once, itself included", "count=3,bytes=3")
	w.create([]byte("/a/3"), []byte("12345"))
	step("create", "count=4,bytes=8")
	w.set([]byte("/a/3"), nil)
	step("set to null", "count=4,bytes=3")
	w.set([]byte("/a"), []byte("12345678"))
	step("set of the node itself", "count=4,bytes=10")
	w.remove([]byte("/a/3"))
	step("delete", "count=3,bytes=10")
	w.create([]byte("/ab"), []byte("1"))
	w.set([]byte("/b/1"), []byte("123"))
	step("elsewhere", "count=3,bytes=10")
	w.set([]byte(stats), []byte("count=100,bytes=5=;z=2;a=1"))
	w.create([]byte("/a/3"), nil)
	step("other keys stay, in order", "count=101,bytes=5=;a=1;z=2")
	w.set([]byte(stats), []byte("rubbish"))
	w.create([]byte("/a/4"), nil)
	step("what cannot be read stays", "rubbish")
	w.set([]byte(stats), nil)
	w.create([]byte("/a/5"), []byte("1"))
	step("nothing counts from -1", "count=0,bytes=0")
	w.remove([]byte(stats))
	w.create([]byte("/a/6"), nil)
	w.create([]byte(stats), nil)
	step("counted anew", "count=7,bytes=11")
	w.remove([]byte("/zookeeper/quota/a/zookeeper_limits"))
	w.create([]byte("/a/7"), nil)
	step("without limits", "count=7,bytes=11")

	w = quotaWriter("count=-1,bytes=-1")
	w.create([]byte("/a/3"), []byte("12345"))
	if w.Stat(w.Lookup([]byte(stats)), &after); after.Version != before.Version || after.Mzxid != before.Mzxid {
		t.Errorf("the rewrite shows: %+v", after)
	}
	w.remove([]byte("/a/3"))
	if w.Digest() == digest {
		t.Error("pzxid of /a has changed, and the digest has not")
	}
}

// Only the longest prefix is counted, and / has no quota.
func TestQuotaNesting(t *testing.T) {
	w := quotaWriter("count=-1,bytes=-1")
	w.create([]byte("/zookeeper/quota/zookeeper_limits"), []byte("count=1"))
	w.create([]byte("/zookeeper/quota/zookeeper_stats"), []byte("count=1"))
	w.create([]byte("/zookeeper/quota/a/1"), nil)
	w.create([]byte("/zookeeper/quota/a/1/zookeeper_limits"), []byte("count=9,bytes=9"))
	w.create([]byte("/zookeeper/quota/a/1/zookeeper_stats"), nil)
	w.create([]byte("/a/1/x"), []byte("123"))
	for path, want := range map[string]string{
		"/zookeeper/quota/a/zookeeper_stats":   "count=3,bytes=3",
		"/zookeeper/quota/a/1/zookeeper_stats": "count=2,bytes=4",
		"/zookeeper/quota/zookeeper_stats":     "count=1",
	} {
		if got := w.text(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	b, _ := w.BeginWalk().Next(nil, 1<<20)
	l := NewLoader(Options{Digest: true})
	loadNodes(t, l, b)
	tr, err := l.Finish(w.zxid)
	if err != nil {
		t.Fatal(err)
	}
	checkTree(t, tr)
	w.Tree = tr
	for path, want := range map[string]string{
		"/zookeeper/quota/a/zookeeper_stats":   "count=4,bytes=6",
		"/zookeeper/quota/a/1/zookeeper_stats": "count=2,bytes=4",
	} {
		if got := w.text(path); got != want {
			t.Errorf("loaded, %s: %q, want %q", path, got, want)
		}
	}
	w.create([]byte("/a/2/y"), nil)
	if got := w.text("/zookeeper/quota/a/zookeeper_stats"); got != "count=5,bytes=6" {
		t.Errorf("counting goes on from %q", got)
	}
}

func TestQuotaCheck(t *testing.T) {
	for _, c := range []struct {
		limits      string
		path        string
		count, size int64
		want        string
	}{
		{"count=3,bytes=-1", "/a/n", 1, 0, "nodes soft 4 of 3"},
		{"count=4,bytes=-1", "/a/n", 1, 0, ""},
		{"count=3,bytes=-1", "/a/1", 0, 10, ""},
		{"count=3,bytes=-1", "/b/n", 1, 0, ""},
		{"count=3,bytes=-1", "/ab", 1, 0, ""},
		{"count=-1,bytes=5", "/a/n", 1, 3, "bytes soft 6 of 5"},
		{"count=-1,bytes=5", "/a/1", 0, 0, ""},
		{"count=-1,bytes=2", "/a/1", 0, -1, ""},
		{"count=-1,bytes=1", "/a/1", 0, -1, "bytes soft 2 of 1"},
		{"count=-1,bytes=-1=;countHardLimit=3", "/a/n", 1, 0, "nodes hard 4 of 3"},
		{"count=1,bytes=-1=;countHardLimit=9", "/a/n", 1, 0, ""},
		{"count=3,bytes=-1=;byteHardLimit=4", "/a/n", 1, 2, "bytes hard 5 of 4"},
		{"count=-1,bytes=-1=;byteHardLimit=4;countHardLimit=3", "/a/n", 1, 2, "nodes hard 4 of 3"},
		{"", "/a/n", 1, 2, ""},
		{"rubbish", "/a/n", 1, 2, ""},
	} {
		w := quotaWriter(c.limits)
		got := ""
		if b, over := w.QuotaCheck([]byte(c.path), c.count, c.size); over {
			kind, hard := "nodes", "soft"
			if b.Bytes {
				kind = "bytes"
			}
			if b.Hard {
				hard = "hard"
			}
			got = fmt.Sprintf("%s %s %d of %d", kind, hard, b.Value, b.Limit)
			if string(b.Prefix) != "/a" {
				t.Errorf("prefix %q", b.Prefix)
			}
		}
		if got != c.want {
			t.Errorf("%q, %d nodes and %d bytes at %s: %q, want %q", c.limits, c.count, c.size, c.path, got, c.want)
		}
	}
}

// The texts that StatsTrack reads and refuses.
func TestParseTrack(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "{-1 -1 -1 -1} true",
		"count=1,bytes=2":                     "{1 2 -1 -1} true",
		"bytes=2":                             "{-1 2 -1 -1} true",
		"count=1,bytes=2=;byteHardLimit=5":    "{1 2 -1 5} true",
		"count=1;;,bytes=2;countHardLimit=+7": "{1 2 7 -1} true",
		"count==5,bytes=1":                    "{-1 1 -1 -1} true",
		"count=1,count=2":                     "{2 -1 -1 -1} true",
		"count=-9223372036854775808,":         "{-9223372036854775808 -1 -1 -1} true",
		"count=":                              "false",
		"count":                               "false",
		",count=1":                            "false",
		"count=x":                             "false",
		"count=9223372036854775808":           "false",
		"count=-":                             "false",
	} {
		x, ok := parseTrack([]byte(text))
		got := "false"
		if ok {
			got = fmt.Sprint(x, ok)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestNamespace(t *testing.T) {
	for path, want := range map[string]string{"/": "", "": "", "/a": "a", "/a/b": "a", "/ab/": "ab"} {
		if got := string(Namespace([]byte(path))); got != want {
			t.Errorf("%q: %q", path, got)
		}
	}
	if Namespace([]byte("/")) != nil {
		t.Error("the root has none")
	}
}
