package ensemble

import (
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// The usual choices of -ensembles. The member with the highest id is elected
// when nobody has data, so the last letter is the first leader.
var patterns = map[string][]string{
	"java":  {"JJJ"},
	"zooid": {"ZZZ"},
	"mixed": {"JJZ", "ZZJ"},
	"all":   {"JJJ", "ZZZ", "JJZ", "ZZJ"},
}

var ensembles = flag.String("ensembles", envOr("ZOOID_ENSEMBLES", "zooid"),
	"the ensembles under test, comma separated: java, zooid, mixed, all, or letters such as JJZ")

func envOr(name, other string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return other
}

// each runs a test once for each ensemble under test.
func each(t *testing.T, test func(t *testing.T, kinds []harness.Kind)) {
	t.Helper()
	harness.Gate(t)
	for _, word := range strings.Split(*ensembles, ",") {
		word = strings.TrimSpace(word)
		list, known := patterns[word]
		if !known {
			list = []string{word}
		}
		for _, pattern := range list {
			kinds, ok := parsePattern(pattern)
			if !ok {
				t.Fatalf("-ensembles: %q is neither a known word nor letters J and Z", word)
			}
			t.Run(pattern, func(t *testing.T) {
				began := time.Now()
				test(t, kinds)
				t.Logf("%.1f s", time.Since(began).Seconds())
			})
		}
	}
}

func parsePattern(pattern string) (kinds []harness.Kind, ok bool) {
	for _, letter := range pattern {
		switch letter {
		case 'J':
			kinds = append(kinds, harness.Java)
		case 'Z':
			kinds = append(kinds, harness.Zooid)
		default:
			return nil, false
		}
	}
	return kinds, len(kinds) > 0
}

// cycle is a pattern of another length: the kinds over and over.
func cycle(kinds []harness.Kind, n int) []harness.Kind {
	out := slices.Clone(kinds)
	for len(out) < n {
		out = append(out, kinds[len(out)%len(kinds)])
	}
	return out[:n]
}

// start starts an ensemble with the options that most tests want.
func start(t *testing.T, kinds []harness.Kind) *harness.Ensemble {
	t.Helper()
	return harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: kinds})
}

// within bounds one step of a test by the ring's patience.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	t.Cleanup(cancel)
	return ctx
}

// sessionTimeout is the longest that servers with ticks of 500 ms grant.
const sessionTimeout = 10 * time.Second

// dial connects a client to a connect string and waits for its session, which
// the test's clean-up closes.
func dial(t *testing.T, servers string, opts ...zk.Option) *zk.Client {
	t.Helper()
	opts = append([]zk.Option{
		zk.WithSessionTimeout(sessionTimeout),
		zk.WithBackoff(20*time.Millisecond, 200*time.Millisecond),
		zk.WithConnectTimeout(2 * time.Second),
	}, opts...)
	c, err := zk.Dial(within(t), servers, opts...)
	if err != nil {
		t.Fatalf("connect to %s: %v", servers, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// dialEach connects one client to each living member.
func dialEach(t *testing.T, e *harness.Ensemble) []*zk.Client {
	t.Helper()
	var clients []*zk.Client
	for _, m := range e.Alive() {
		clients = append(clients, dial(t, m.Addr()))
	}
	return clients
}

func create(t *testing.T, c *zk.Client, path, data string, mode zk.CreateMode) string {
	t.Helper()
	created, err := c.Create(within(t), path, []byte(data), mode, nil)
	if err != nil {
		t.Fatalf("create %s at %s: %v", path, c.Server(), err)
	}
	return created
}

// read is the data of a znode behind a sync.
func read(t *testing.T, c *zk.Client, path string) string {
	t.Helper()
	if err := c.Sync(within(t), path); err != nil {
		t.Fatalf("sync %s at %s: %v", path, c.Server(), err)
	}
	data, _, err := c.Get(within(t), path)
	if err != nil {
		t.Fatalf("get %s at %s: %v", path, c.Server(), err)
	}
	return string(data)
}

// exists says whether a znode exists, behind a sync.
func exists(t *testing.T, c *zk.Client, path string) bool {
	t.Helper()
	if err := c.Sync(within(t), path); err != nil {
		t.Fatalf("sync %s at %s: %v", path, c.Server(), err)
	}
	ok, _, err := c.Exists(within(t), path)
	if err != nil {
		t.Fatalf("exists %s at %s: %v", path, c.Server(), err)
	}
	return ok
}

// await waits for the one event of a watch.
func await(t *testing.T, events <-chan zk.Event, what string) zk.Event {
	t.Helper()
	select {
	case ev := <-events:
		return ev
	case <-within(t).Done():
		t.Fatalf("no event within %v: %s", harness.Patience, what)
		return zk.Event{}
	}
}
