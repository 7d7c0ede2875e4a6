package ensemble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/judge"
	"zooid/zk"
)

// recorder runs clients against an ensemble and keeps what they did and saw.
type recorder struct {
	t       *testing.T
	seed    uint64
	keys    int
	end     context.CancelFunc
	wait    sync.WaitGroup
	clients []*zk.Client

	history judge.History
	done    chan struct{} // gets a token for each operation, if somebody waits
}

// record starts clients, each with a session that knows all members; strict
// says that a read behind a sync counts as linearizable.
func record(t *testing.T, e *harness.Ensemble, clients, keys int, strict bool) *recorder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{
		t: t, seed: uint64(time.Now().UnixNano()), keys: keys, end: cancel, done: make(chan struct{}),
	}
	r.history.Strict = strict
	for i := range clients {
		c := dial(t, e.ClientAddrs(), zk.WithSessionTimeout(6*time.Second))
		create(t, c, barrier(i), "", zk.Ephemeral)
		r.clients = append(r.clients, c)
		r.wait.Go(func() { r.run(ctx, i) })
	}
	t.Cleanup(r.stop)
	return r
}

func barrier(client int) string { return fmt.Sprintf("/barrier-%d", client) }

func (r *recorder) stop() {
	r.end()
	r.wait.Wait()
}

// more waits until n more operations are over.
func (r *recorder) more(n int) {
	r.t.Helper()
	deadline := time.NewTimer(harness.Patience)
	defer deadline.Stop()
	for i := range n {
		select {
		case <-r.done:
		case <-deadline.C:
			r.t.Fatalf("only %d of %d more operations were done within %v", i, n, harness.Patience)
		}
	}
}

func (r *recorder) run(ctx context.Context, id int) {
	p := judge.NewParticipant(r.clients[id], rand.New(rand.NewPCG(r.seed, uint64(id))), barrier(id))
	for ctx.Err() == nil {
		a := p.Choose(&r.history, p.Rand.IntN(r.keys))
		call := judge.Now()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), harness.Patience)
		out, err := p.Do(limit, a)
		cancel()
		if err != nil {
			r.t.Errorf("client %d, %+v at %s: %v", id, a, p.Server(), err)
			return
		}
		r.history.Add(id, a, out, call, 0)
		select {
		case r.done <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
		case <-time.After(steadily):
		}
	}
}

// judge ends the recording and asks whether one order explains it.
func (r *recorder) judge() {
	r.t.Helper()
	r.stop()
	r.history.Judge(r.t)
}
