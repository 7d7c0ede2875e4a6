package replica

import (
	"testing"

	"zooid/internal/wire"
)

// Removals are paced, so a candidate may wait for its turn. One that is set
// meanwhile, or replaced by a node of the same path, has a new lease of life.
func TestSweepLooksAgainBeforeItRemoves(t *testing.T) {
	cfg := testConfig()
	cfg.ExtendedTypes, cfg.ContainerInterval, cfg.ContainerPerMinute = true, 1000, 60
	f := newFixture(t, cfg)
	f.connect(1, 20000)
	for _, path := range []string{"/a", "/b", "/c"} {
		q := &wire.CreateTTLRequest{CreateRequest: *createReq(path, "", 5), TTL: 500}
		f.must(1, wire.OpCreateTTL, q)
	}
	pass := func(ms int64) {
		f.now.Wall, f.now.Mono = f.now.Wall+ms, f.now.Mono+ms
		f.step(Event{Kind: Tick})
		f.durable()
	}
	there := func(path string) bool { return f.r.Tree().Lookup([]byte(path)) != 0 }
	pass(1500) // all three are candidates and one goes: one a second may
	if there("/a") || !there("/b") || !there("/c") {
		t.Fatal("not exactly one node went")
	}
	pass(900)
	f.must(1, wire.OpSetData, setReq("/b", "still used"))
	f.must(1, wire.OpDelete, deleteReq("/c"))
	f.must(1, wire.OpCreateContainer, createReq("/c", "", 4))
	pass(200)
	if !there("/b") {
		t.Error("/b went 200 ms after it was set")
	}
	pass(1000)
	if !there("/c") {
		t.Error("a container went that never had a child")
	}
}
