package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// residents are the sessions that own ephemeral znodes below /residents: what
// is known of each at the end.
type residents struct {
	mu    sync.Mutex
	alive map[string]*zk.Client // by the path of the znode
	dead  map[string]int64      // session by path; nobody renews these any more
	moves int
}

// resident is a client whose session has an ephemeral znode and moves from one
// member to the next, until it is closed or left to expire.
func (w *world) resident(ctx context.Context, id int) {
	name, n := fmt.Sprintf("resident %d", id), 0
	w.did(name)
	w.wait.Go(func() {
		rng := rand.New(rand.NewPCG(w.seed, uint64(1000+id)))
		for ctx.Err() == nil {
			n++
			path := fmt.Sprintf("/residents/%d-%d", id, n)
			if err := w.reside(ctx, name, path, rng); err != nil {
				w.t.Errorf("%s, %s: %v", name, path, err)
				return
			}
		}
	})
}

// reside is the life of one session with its znode.
func (w *world) reside(ctx context.Context, name, path string, rng *rand.Rand) error {
	c, err := zk.Dial(ctx, w.e.ClientAddrs(), w.options()...)
	if err != nil {
		return nil // the world has ended, or a session could not be had in time
	}
	owner := c.SessionID()
	limit, cancel := operation()
	_, err = c.Create(limit, path, nil, zk.Ephemeral, nil)
	cancel()
	for moves := 1 + rng.IntN(6); err == nil && moves > 0; moves-- {
		if err = w.stay(ctx, c, path, rng.IntN(80)); err != nil || ctx.Err() != nil {
			break
		}
		w.did(name)
		c, err = w.move(c, rng)
		w.did(name)
	}
	switch {
	case err != nil && !lost(err):
		_ = c.Close() // always nil
		return err
	case err == nil && ctx.Err() != nil:
		w.residents.mu.Lock()
		w.residents.alive[path] = c
		w.residents.mu.Unlock()
		return nil
	case rng.IntN(2) == 0:
		c.Detach()
	default:
		_ = c.Close() // always nil
	}
	w.residents.mu.Lock()
	w.residents.dead[path] = owner
	w.residents.mu.Unlock()
	return nil
}

// stay writes to the znode some times. As long as the session is answered its
// znode is there.
func (w *world) stay(ctx context.Context, c *zk.Client, path string, times int) error {
	for ; times > 0 && rest(ctx, 4*pace); times-- {
		limit, cancel := operation()
		_, err := c.Set(limit, path, nil, zk.AnyVersion)
		cancel()
		if errors.Is(err, zk.ErrConnectionLoss) {
			continue
		}
		if err != nil {
			return fmt.Errorf("session 0x%x at %s: %w", c.SessionID(), c.Server(), err)
		}
	}
	return nil
}

// move takes the session over by another client, at whatever member that finds.
func (w *world) move(c *zk.Client, rng *rand.Rand) (*zk.Client, error) {
	id, password := c.SessionID(), c.Password()
	if rng.IntN(3) == 0 {
		// The old client does not let go before the new one has taken over.
		defer c.Detach()
	} else {
		c.Detach()
	}
	limit, cancel := operation()
	defer cancel()
	next, err := zk.New(w.e.ClientAddrs(), append(w.options(), zk.WithSession(id, password))...)
	if err != nil {
		return c, err
	}
	for {
		err = next.Wait(limit)
		if !errors.Is(err, zk.ErrConnectionLoss) {
			break
		}
	}
	w.residents.mu.Lock()
	w.residents.moves++
	w.residents.mu.Unlock()
	return next, err
}

// check demands that the znodes of sessions that are over are gone soon, and
// that those of living sessions are there. The living ones are closed then.
func (r *residents) check(w *world) {
	w.t.Helper()
	c := w.dial()
	defer c.Close()
	children := func() map[string]bool {
		limit, cancel := operation()
		defer cancel()
		names, err := []string(nil), c.Sync(limit, "/residents")
		if err == nil {
			names, _, err = c.Children(limit, "/residents")
		}
		if err != nil {
			w.t.Fatalf("children of /residents: %v", err)
		}
		there := map[string]bool{}
		for _, name := range names {
			there["/residents/"+name] = true
		}
		return there
	}
	var left []string
	gone := harness.Within(3*w.timeout, nil, func() bool {
		left = nil
		there := children()
		for path, owner := range r.dead {
			if there[path] {
				left = append(left, fmt.Sprintf("%s of session 0x%x", path, owner))
			}
		}
		return len(left) == 0
	})
	if !gone {
		w.t.Errorf("%v after everything else these znodes of ended sessions are still there: %s", 3*w.timeout, strings.Join(left, ", "))
	}
	answered := map[string]bool{}
	for path, owner := range r.alive {
		limit, cancel := operation()
		_, err := owner.Set(limit, path, nil, zk.AnyVersion)
		cancel()
		if answered[path] = err == nil; err != nil && !lost(err) {
			w.t.Errorf("%s at the end of session 0x%x: %v", path, owner.SessionID(), err)
		}
	}
	there := children()
	for path, owner := range r.alive {
		if answered[path] && !there[path] {
			w.t.Errorf("%s of the living session 0x%x is gone", path, owner.SessionID())
		}
		_ = owner.Close() // always nil
	}
	w.t.Logf("%d sessions with ephemeral znodes ended, %d lived to the end, %d moves", len(r.dead), len(r.alive), r.moves)
}

// dial is a session for what is done before and after the faults.
func (w *world) dial() *zk.Client {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), harness.Patience)
	defer cancel()
	c, err := zk.Dial(ctx, w.e.ClientAddrs(), append(w.options(), zk.WithConnectTimeout(time.Second))...)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}
