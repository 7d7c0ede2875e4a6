package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zooid/internal/wire"
	"zooid/test/interop/harness"
	"zooid/test/interop/judge"
	"zooid/zk"
)

// The timings of a world: a leader gives up after 5 ticks without a quorum.
const (
	tick = 250 * time.Millisecond
	pace = 5 * time.Millisecond // between two operations of a client
)

// world is one ensemble on one network with its clients.
type world struct {
	t     *testing.T
	seed  uint64
	e     *harness.Ensemble
	net   *network
	began int64 // see judge.Now
	// timeout is that of the sessions: whether clients give a server up before
	// members do one another.
	timeout time.Duration

	ends []func() // what ends the clients
	wait sync.WaitGroup

	leader    atomic.Int64
	leaders   map[int64]int // by epoch: who was seen to lead
	history   judge.History
	numbers   numbers
	residents residents

	mu       sync.Mutex
	progress map[string]int // operations that were answered, by client
}

// did notes that a client got an answer, for the demand of progress.
func (w *world) did(client string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress[client]++
}

// client runs one client until the world ends: its work returns when the
// session is over, and is then given a new one.
func (w *world) client(ctx context.Context, name string, work func(ctx context.Context, c *zk.Client, rng *rand.Rand) error) {
	w.did(name)
	w.wait.Go(func() {
		rng := rand.New(rand.NewPCG(w.seed, uint64(len(name))<<32|uint64(name[len(name)-1])))
		for ctx.Err() == nil {
			c, err := zk.Dial(ctx, w.e.ClientAddrs(), w.options()...)
			if err != nil {
				continue // the world has ended, or a session could not be had in time
			}
			err = work(ctx, c, rng)
			_ = c.Close() // always nil
			if err != nil && !lost(err) {
				w.t.Errorf("%s: %v", name, err)
				return
			}
		}
	})
}

// options are those of all clients of ours.
func (w *world) options() []zk.Option {
	return []zk.Option{
		zk.WithSessionTimeout(w.timeout), zk.WithConnectTimeout(500 * time.Millisecond),
		zk.WithBackoff(20*time.Millisecond, 200*time.Millisecond),
	}
}

// lost reports whether an error leaves the outcome of an operation unknown, or
// says that the session is over: both are what the faults do to clients.
func lost(err error) bool {
	return errors.Is(err, zk.ErrConnectionLoss) || over(err)
}

func over(err error) bool {
	return errors.Is(err, zk.ErrSessionExpired) || errors.Is(err, wire.CodeSessionMoved) || errors.Is(err, zk.ErrClosed)
}

// operation is the context of one operation, which outlives the world's end so
// that its outcome is known.
func operation() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), harness.Patience)
}

// rest is the pause of a client between two operations; false when it is over.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Keys of the history are in use for a while and then never again, so that the
// history of each is short enough to be judged.
const (
	keysAtATime = 6
	generation  = 2 * time.Second
)

func (w *world) key(rng *rand.Rand) int {
	return int((judge.Now()-w.began)/int64(generation))*keysAtATime + rng.IntN(keysAtATime)
}

// registers is a client of the history.
func (w *world) registers(ctx context.Context, id int) {
	name, barrier := fmt.Sprintf("registers %d", id), fmt.Sprintf("/barrier-%d", id)
	w.client(ctx, name, func(ctx context.Context, c *zk.Client, rng *rand.Rand) error {
		p := judge.NewParticipant(c, rng, barrier)
		for rest(ctx, pace) {
			a := p.Choose(&w.history, w.key(rng))
			call := judge.Now()
			limit, cancel := operation()
			out, err := p.Do(limit, a)
			cancel()
			if err != nil && !lost(err) {
				return fmt.Errorf("%+v at %s: %w", a, c.Server(), err)
			}
			out.Unknown = out.Unknown || err != nil
			w.history.Add(id, a, out, call, 0)
			if err != nil {
				return err
			}
			if !out.Unknown {
				w.did(name)
			}
		}
		return nil
	})
}

// settle demands that every client gets answers again, soon after all is well.
func (w *world) settle() {
	w.t.Helper()
	healed := time.Now()
	w.e.WaitRoles()
	served := time.Since(healed)
	w.mu.Lock()
	before := map[string]int{}
	for name, n := range w.progress {
		before[name] = n
	}
	w.mu.Unlock()
	var silent []string
	moves := harness.Within(harness.Patience/2, nil, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		silent = nil
		for name, n := range w.progress {
			if n < before[name]+3 {
				silent = append(silent, name)
			}
		}
		return len(silent) == 0
	})
	w.t.Logf("after all faults were over all members served after %v, all clients had answers after %v",
		served.Round(time.Millisecond), time.Since(healed).Round(time.Millisecond))
	if !moves {
		w.t.Errorf("%v after all faults are over these clients get no answers: %v", harness.Patience/2, silent)
	}
}

// stop ends all clients.
func (w *world) stop() {
	for _, end := range w.ends {
		end()
	}
	w.wait.Wait()
}
