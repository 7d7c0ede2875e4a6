package ensemble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// The pauses of one writer between its turns: the tests want writes under way
// at any moment, not a busy machine, and some want only a few.
const (
	steadily = 3 * time.Millisecond
	slowly   = 40 * time.Millisecond
)

// load is a set of clients that write all the time and remember what was
// acknowledged. Each writer creates a znode and then stores its number in a
// register of its own, again and again.
type load struct {
	t    *testing.T
	root string
	pace time.Duration
	end  context.CancelFunc
	wait sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	created map[string]bool // name: acknowledged; false: the outcome is unknown
	writers []*writer
	acks    []time.Time // of all writes, from the start of the load on
	expired []error
}

// writer is what one client of a load knows about its register.
type writer struct {
	acked   int          // the last number whose write was acknowledged
	unknown map[int]bool // later or earlier numbers with an unknown outcome
}

// startLoad starts writers that know all members, once each has a session.
func startLoad(t *testing.T, e *harness.Ensemble, writers int, pace time.Duration, opts ...zk.Option) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{t: t, root: "/load", pace: pace, end: cancel, created: map[string]bool{}, acks: []time.Time{time.Now()}}
	l.changed = sync.NewCond(&l.mu)
	create(t, dial(t, e.ClientAddrs()), l.root, "", zk.Persistent)
	clients := make([]*zk.Client, writers)
	for i := range clients {
		l.writers = append(l.writers, &writer{acked: -1, unknown: map[int]bool{}})
		clients[i] = dial(t, e.ClientAddrs(), opts...)
		create(t, clients[i], l.register(i), "-1", zk.Persistent)
	}
	for i, c := range clients {
		l.wait.Go(func() {
			for n := 0; ctx.Err() == nil && l.write(ctx, c, i, n); n++ {
				select {
				case <-ctx.Done():
				case <-time.After(l.pace):
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

func (l *load) register(writer int) string { return fmt.Sprintf("%s-register-%d", l.root, writer) }

// write does the two writes number n of a writer; false ends it.
func (l *load) write(ctx context.Context, c *zk.Client, writer, n int) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), harness.Patience)
	defer cancel()
	name := fmt.Sprintf("w%d-%06d", writer, n)
	_, err := c.Create(ctx, l.root+"/"+name, nil, zk.Persistent, nil)
	if !l.note(err, func(acked bool) { l.created[name] = acked }) {
		return false
	}
	_, err = c.Set(ctx, l.register(writer), strconv.AppendInt(nil, int64(n), 10), zk.AnyVersion)
	return l.note(err, func(acked bool) {
		w := l.writers[writer]
		if acked {
			w.acked = n
		} else {
			w.unknown[n] = true
		}
	})
}

// note remembers the outcome of a write; false says that the writer is over.
func (l *load) note(err error, outcome func(acked bool)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.acks = append(l.acks, time.Now())
		outcome(true)
		l.changed.Broadcast()
		return true
	case errors.Is(err, zk.ErrConnectionLoss):
		outcome(false)
		return true
	default:
		outcome(false)
		l.expired = append(l.expired, err)
		l.changed.Broadcast()
		return false
	}
}

// more waits until n more writes have been acknowledged.
func (l *load) more(n int) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	target := len(l.acks) + n
	late := false
	timer := time.AfterFunc(harness.Patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.changed.Broadcast()
	})
	defer timer.Stop()
	for len(l.acks) < target && !late && len(l.expired) == 0 {
		l.changed.Wait()
	}
	switch {
	case len(l.expired) > 0:
		l.t.Fatalf("a writer was ended: %v", l.expired[0])
	case late:
		l.t.Fatalf("only %d of %d more writes were acknowledged within %v", n-(target-len(l.acks)), n, harness.Patience)
	}
}

// mark is the number of acknowledged writes so far, for gapSince.
func (l *load) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acks) - 1
}

// gapSince is the longest time without an acknowledged write since a mark.
func (l *load) gapSince(mark int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var longest time.Duration
	for i := mark + 1; i < len(l.acks); i++ {
		longest = max(longest, l.acks[i].Sub(l.acks[i-1]))
	}
	return longest.Round(time.Millisecond)
}

// stop ends the writers once their last writes have an outcome.
func (l *load) stop() {
	l.end()
	l.wait.Wait()
}

// check stops the load and fails unless every living member has all that was
// acknowledged and nothing that nobody wrote, and no session was lost.
func (l *load) check(e *harness.Ensemble) {
	l.t.Helper()
	l.stop()
	for _, err := range l.expired {
		l.t.Errorf("a writer lost its session: %v", err)
	}
	for _, m := range e.Alive() {
		l.checkMember(m)
	}
	unknown := 0
	for _, acked := range l.created {
		if !acked {
			unknown++
		}
	}
	l.t.Logf("%d writes acknowledged, %d creations with an unknown outcome", len(l.acks)-1, unknown)
}

func (l *load) checkMember(m *harness.Member) {
	l.t.Helper()
	c := dial(l.t, m.Addr())
	defer c.Close()
	if err := c.Sync(within(l.t), l.root); err != nil {
		l.t.Fatal(err)
	}
	names, _, err := c.Children(within(l.t), l.root)
	if err != nil {
		l.t.Fatal(err)
	}
	have := map[string]bool{}
	for _, name := range names {
		have[name] = true
		if _, known := l.created[name]; !known {
			l.t.Errorf("member %d (%s) has %s, which nobody wrote", m.ID, m.Kind(), name)
		}
	}
	var lost []string
	for name, acked := range l.created {
		if acked && !have[name] {
			lost = append(lost, name)
		}
	}
	if slices.Sort(lost); len(lost) > 0 {
		l.t.Errorf("member %d (%s) has lost %d acknowledged writes: %v", m.ID, m.Kind(), len(lost), lost[:min(len(lost), 10)])
	}
	for i, w := range l.writers {
		text := read(l.t, c, l.register(i))
		n, err := strconv.Atoi(text)
		if err != nil || n < w.acked || n > w.acked && !w.unknown[n] {
			l.t.Errorf("member %d (%s): %s is %q, the last acknowledged write is %d", m.ID, m.Kind(), l.register(i), text, w.acked)
		}
	}
}
