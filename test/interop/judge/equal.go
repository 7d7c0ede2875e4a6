package judge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/script"
	"zooid/zk"
)

// Equal fails unless all living members have the same tree: every znode
// with its data, its Stat and its ACL, the last zxid and the digests of the
// tree on the way. Nothing may be writing.
func Equal(t testing.TB, e *harness.Ensemble) {
	t.Helper()
	Trees(t, e)
	Digests(t, e)
}

// Trees is Equal without the digests on the way.
func Trees(t testing.TB, e *harness.Ensemble) {
	t.Helper()
	members := e.Alive()
	var first []string
	for i, m := range members {
		lines := dump(t, m)
		if i == 0 {
			first = lines
			continue
		}
		nameA, nameB := fmt.Sprintf("m%d", members[0].ID), fmt.Sprintf("m%d", m.ID)
		if diff := script.DiffLines(first, lines, nameA, nameB); diff != "" {
			t.Errorf("members %d (%s) and %d (%s) have different trees:\n%s",
				members[0].ID, members[0].Kind(), m.ID, m.Kind(), diff)
		}
	}
	Zxids(t, e)
}

// Zxids waits until all living members are at the same zxid: the last
// commits may still be under way to some.
func Zxids(t testing.TB, e *harness.Ensemble) {
	t.Helper()
	var seen []string
	same := harness.Eventually(nil, func() bool {
		seen = nil
		for _, m := range e.Alive() {
			seen = append(seen, m.Zxid())
		}
		return seen[0] != "" && len(slices.Compact(slices.Clone(seen))) == 1
	})
	if !same {
		t.Errorf("the members stay at different zxids: %v", seen)
	}
}

// Digests compares the history of digests (one for every 128th zxid) and
// asks each member whether it ever computed another digest than the leader.
//
// They say nothing once a leader of Apache's has sent a snapshot: it goes on
// applying txns while it writes one, and the learner then meets them again, so
// that its digests differ for a while though its tree ends up the same.
func Digests(t testing.TB, e *harness.Ensemble) {
	t.Helper()
	for _, m := range e.Alive() {
		if m.Kind() == harness.Java && m.Metric("zk_snap_count") != "0" {
			return
		}
	}
	at := map[string]string{}
	for _, m := range e.Alive() {
		for _, line := range strings.Split(m.FourLetter("hash"), "\n") {
			zxid, digest, ok := strings.Cut(line, ": ")
			if !ok {
				continue
			}
			if other, seen := at[zxid]; seen && other != digest {
				t.Errorf("member %d (%s) has the digest %s at %s, another member has %s", m.ID, m.Kind(), digest, zxid, other)
			}
			at[zxid] = digest
		}
		if n := m.Metric("zk_digest_mismatches_count"); n != "0" {
			t.Errorf("member %d (%s) says of itself: digest_mismatches_count %q", m.ID, m.Kind(), n)
		}
	}
}

// dump reads the whole tree of a member with a session of its own: one line
// for each znode, in the order of the paths.
func dump(t testing.TB, m *harness.Member) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	c, err := zk.Dial(ctx, m.Addr(), zk.WithBackoff(20*time.Millisecond, 200*time.Millisecond))
	if err != nil {
		t.Fatalf("dump of member %d: %v", m.ID, err)
	}
	defer c.Close()
	if err := c.Sync(ctx, "/"); err != nil {
		t.Fatalf("dump of member %d: sync: %v", m.ID, err)
	}
	d := &dumper{c: c, busy: make(chan struct{}, 32)}
	d.walk(ctx, "/")
	d.wait.Wait()
	if d.err != nil {
		t.Fatalf("dump of member %d: %v", m.ID, d.err)
	}
	slices.Sort(d.lines)
	return d.lines
}

// dumper walks a tree with several requests on their way at a time.
type dumper struct {
	c    *zk.Client
	wait sync.WaitGroup
	busy chan struct{}

	mu    sync.Mutex
	lines []string
	err   error
}

func (d *dumper) walk(ctx context.Context, path string) {
	d.wait.Go(func() {
		d.busy <- struct{}{}
		line, children, err := describe(ctx, d.c, path)
		<-d.busy
		d.mu.Lock()
		d.lines = append(d.lines, line)
		d.err = errors.Join(d.err, err)
		d.mu.Unlock()
		for _, name := range children {
			d.walk(ctx, strings.TrimSuffix(path, "/")+"/"+name)
		}
	})
}

func describe(ctx context.Context, c *zk.Client, path string) (string, []string, error) {
	data, stat, err := c.Get(ctx, path)
	if err != nil {
		return "", nil, err
	}
	acl, _, err := c.GetACL(ctx, path)
	if err != nil {
		return "", nil, err
	}
	children, _, err := c.Children(ctx, path)
	if path == "/zookeeper/config" {
		// Each server writes this node by itself, with its own clock.
		stat.Mtime = stat.Ctime
	}
	return fmt.Sprintf("%q data=%q %+v acl=%v", path, data, stat, acl), children, err
}
