package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"zooid/test/interop/judge"
	"zooid/zk"
)

// numbers is what became of creations of sequential znodes below /numbers: each
// holds a text of its own.
type numbers struct {
	mu   sync.Mutex
	made []creation
}

// creation is one creation of a sequential znode; name is empty when its
// outcome is unknown. A session is not 0 where it asked for one after the other.
type creation struct {
	text, name string
	call, end  int64
	session    int64
}

func (n *numbers) add(c creation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made = append(n.made, c)
}

// counter is a client that creates sequential znodes.
func (w *world) counter(ctx context.Context, id int) {
	name, n := fmt.Sprintf("counter %d", id), 0
	w.client(ctx, name, func(ctx context.Context, c *zk.Client, _ *rand.Rand) error {
		for rest(ctx, 2*pace) {
			n++
			made := creation{text: fmt.Sprintf("%d-%d", id, n), call: judge.Now(), session: c.SessionID()}
			limit, cancel := operation()
			path, err := c.Create(limit, "/numbers/n-", []byte(made.text), zk.PersistentSequential, nil)
			cancel()
			if err != nil && !lost(err) {
				return fmt.Errorf("create at %s: %w", c.Server(), err)
			}
			made.name, made.end = strings.TrimPrefix(path, "/numbers/"), judge.Now()
			w.numbers.add(made)
			if err == nil {
				w.did(name)
			} else if over(err) {
				return err
			}
		}
		return nil
	})
}

// check holds the creations against what the ensemble has in the end: names
// with their texts.
func (n *numbers) check(t testing.TB, have map[string]string) {
	t.Helper()
	wrong := 0
	bad := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			t.Errorf(format, args...)
		}
	}
	byName, texts := map[string]creation{}, map[string]bool{}
	for _, c := range n.made {
		texts[c.text] = true
		if c.name == "" {
			continue
		}
		if other, twice := byName[c.name]; twice {
			bad("%s was given to two creations, %s and %s", c.name, other.text, c.text)
		}
		byName[c.name] = c
		if text, there := have[c.name]; !there {
			bad("the acknowledged creation of %s (%s) is lost", c.name, c.text)
		} else if text != c.text {
			bad("%s holds %q, its creator wrote %q", c.name, text, c.text)
		}
	}
	once := map[string]string{}
	for name, text := range have {
		if !texts[text] {
			bad("%s holds %q, which nobody wrote", name, text)
		}
		if other, twice := once[text]; twice {
			bad("one creation made %s and %s", name, other)
		}
		once[text] = name
	}
	n.checkOrder(bad)
	n.checkSessions(bad, once)
	t.Logf("%d sequential znodes created, %d with an unknown outcome", len(byName), len(n.made)-len(byName))
}

// checkOrder: a creation that began after another one was acknowledged has the
// higher number.
func (n *numbers) checkOrder(bad func(format string, args ...any)) {
	var known []creation
	for _, c := range n.made {
		if c.name != "" {
			known = append(known, c)
		}
	}
	byEnd := slices.Clone(known)
	slices.SortFunc(known, func(a, b creation) int { return int(a.call - b.call) })
	slices.SortFunc(byEnd, func(a, b creation) int { return int(a.end - b.end) })
	highest, at := creation{}, 0
	for _, c := range known {
		for ; at < len(byEnd) && byEnd[at].end < c.call; at++ {
			if number(byEnd[at].name) > number(highest.name) {
				highest = byEnd[at]
			}
		}
		if number(c.name) < number(highest.name) {
			bad("%s was created after %s had been acknowledged", c.name, highest.name)
		}
	}
}

// checkSessions: what a session asked for is done in the order in which it
// asked, or not at all, also where it was told nothing: a client that has come
// back and finds nothing of its request need not fear it any more.
func (n *numbers) checkSessions(bad func(format string, args ...any), names map[string]string) {
	made := slices.Clone(n.made)
	slices.SortFunc(made, func(a, b creation) int { return int(a.call - b.call) })
	last := map[int64]string{}
	for _, c := range made {
		name, there := names[c.text]
		if c.session == 0 || !there {
			continue
		}
		if before := last[c.session]; before != "" && number(name) < number(before) {
			bad("session 0x%x asked for %s before %s", c.session, before, name)
		}
		last[c.session] = name
	}
}

// number is the number at the end of a name, -1 where there is none.
func number(name string) int {
	n, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	if err != nil {
		return -1
	}
	return n
}

// TestNumbers: the check finds what no ensemble may do. It needs no server.
func TestNumbers(t *testing.T) {
	one, two := creation{"a", "n-1", 1, 2, 0}, creation{"b", "n-2", 3, 4, 0}
	for _, test := range []struct {
		name string
		made []creation
		have map[string]string
		want string
	}{
		{"fine", []creation{one, two, {"c", "", 5, 6, 0}}, map[string]string{"n-1": "a", "n-2": "b"}, ""},
		{"done after all", []creation{one, {"c", "", 3, 4, 0}}, map[string]string{"n-1": "a", "n-7": "c"}, ""},
		{"lost", []creation{one, two}, map[string]string{"n-1": "a"}, "is lost"},
		{"given twice", []creation{one, {"b", "n-1", 3, 4, 0}}, map[string]string{"n-1": "a"}, "two creations"},
		{"done twice", []creation{one}, map[string]string{"n-1": "a", "n-2": "a"}, "one creation made"},
		{"out of order", []creation{{"a", "n-2", 1, 2, 0}, {"b", "n-1", 3, 4, 0}}, map[string]string{"n-1": "b", "n-2": "a"}, "had been acknowledged"},
		{"side by side", []creation{{"a", "n-2", 1, 4, 0}, {"b", "n-1", 3, 5, 0}}, map[string]string{"n-1": "b", "n-2": "a"}, ""},
		{"late", []creation{{"a", "", 1, 2, 7}, {"b", "n-1", 3, 4, 7}}, map[string]string{"n-1": "b", "n-2": "a"}, "asked for"},
		{"late, of another session", []creation{{"a", "", 1, 2, 7}, {"b", "n-1", 3, 4, 8}}, map[string]string{"n-1": "b", "n-2": "a"}, ""},
		{"of nobody", []creation{one}, map[string]string{"n-1": "a", "n-2": "z"}, "nobody wrote"},
	} {
		said := &sayings{TB: t}
		(&numbers{made: test.made}).check(said, test.have)
		if got := strings.Join(said.errors, "\n"); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// sayings keeps errors instead of failing.
type sayings struct {
	testing.TB
	errors []string
}

// Errorf implements testing.TB.
func (s *sayings) Errorf(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

// Logf implements testing.TB.
func (s *sayings) Logf(string, ...any) {}
