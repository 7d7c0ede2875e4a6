package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"zooid/zk"
)

// watched is how one kind of watch is left and what it watches: the zxid of the
// last change of that, and the event of the next one.
type watched struct {
	name  string
	event zk.EventType
	watch func(ctx context.Context, c *zk.Client) (zxid int64, events <-chan zk.Event, err error)
	look  func(ctx context.Context, c *zk.Client) (zxid int64, err error)
}

var watches = []watched{
	{
		"data", zk.EventNodeDataChanged,
		func(ctx context.Context, c *zk.Client) (int64, <-chan zk.Event, error) {
			_, stat, events, err := c.GetW(ctx, "/pair-a")
			return stat.Mzxid, events, err
		},
		func(ctx context.Context, c *zk.Client) (int64, error) {
			_, stat, err := c.Get(ctx, "/pair-a")
			return stat.Mzxid, err
		},
	},
	{
		"children", zk.EventNodeChildrenChanged,
		func(ctx context.Context, c *zk.Client) (int64, <-chan zk.Event, error) {
			_, stat, events, err := c.ChildrenW(ctx, "/residents")
			return stat.Pzxid, events, err
		},
		func(ctx context.Context, c *zk.Client) (int64, error) {
			_, stat, err := c.Children(ctx, "/residents")
			return stat.Pzxid, err
		},
	},
}

// watcher is a client that leaves a watch again and again, and sees that the
// event comes no later than an answer that shows the change, and not without
// one.
func (w *world) watcher(ctx context.Context, kind watched) {
	name := "watcher of " + kind.name
	w.client(ctx, name, func(ctx context.Context, c *zk.Client, _ *rand.Rand) error {
		for rest(ctx, pace) {
			limit, cancel := operation()
			before, events, err := kind.watch(limit, c)
			cancel()
			if err == nil {
				err = w.attend(ctx, c, kind, before, events)
			}
			switch {
			case err == nil:
				w.did(name)
			case over(err):
				return err
			case !lost(err):
				return fmt.Errorf("at %s: %w", c.Server(), err)
			}
		}
		return nil
	})
}

// attend looks at what is watched until the event has come.
func (w *world) attend(ctx context.Context, c *zk.Client, kind watched, before int64, events <-chan zk.Event) error {
	for rest(ctx, pace) {
		limit, cancel := operation()
		now, err := kind.look(limit, c)
		cancel()
		var ev zk.Event
		came := true
		select {
		case ev = <-events:
		default:
			came = false
		}
		switch {
		case over(err):
			return err
		case err != nil && !lost(err):
			return err
		case err == nil && now < before:
			return fmt.Errorf("the session has gone back from zxid 0x%x to 0x%x", before, now)
		case err == nil && now > before && !came:
			return fmt.Errorf("an answer shows the change 0x%x (before 0x%x) and no event has come", now, before)
		case !came:
			continue
		case ev.Type == zk.EventSession:
			return zk.ErrSessionExpired // by the time of the event the client is over
		case ev.Type != kind.event:
			return fmt.Errorf("event %+v, want %v", ev, kind.event)
		}
		return w.afterEvent(c, kind, before, ev)
	}
	return nil
}

// afterEvent: an event tells of a change, so the same session sees that.
func (w *world) afterEvent(c *zk.Client, kind watched, before int64, ev zk.Event) error {
	limit, cancel := operation()
	defer cancel()
	now, err := kind.look(limit, c)
	if err == nil && now <= before {
		return fmt.Errorf("event %+v, and nothing has changed since zxid 0x%x", ev, before)
	}
	return err
}

// pairs is a client that writes two znodes in one multi.
func (w *world) pairs(ctx context.Context) {
	const name = "writer of pairs"
	n := 0
	w.client(ctx, name, func(ctx context.Context, c *zk.Client, _ *rand.Rand) error {
		for rest(ctx, 8*pace) {
			n++
			data := fmt.Appendf(nil, "%d", n)
			limit, cancel := operation()
			_, err := c.Multi(limit, zk.SetOp("/pair-a", data, zk.AnyVersion), zk.SetOp("/pair-b", data, zk.AnyVersion))
			cancel()
			if err == nil {
				w.did(name)
			} else if over(err) || !lost(err) {
				return err
			}
		}
		return nil
	})
}

// pairReader is a client that never sees one half of a multi without the other.
func (w *world) pairReader(ctx context.Context) {
	const name = "reader of pairs"
	w.client(ctx, name, func(ctx context.Context, c *zk.Client, _ *rand.Rand) error {
		for rest(ctx, pace) {
			dataA, a, err := get(c, "/pair-a")
			if err == nil {
				var dataB []byte
				var b zk.Stat
				dataB, b, err = get(c, "/pair-b")
				switch {
				case err != nil:
				case b.Mzxid < a.Mzxid:
					return fmt.Errorf("at %s: one half of a multi is of zxid 0x%x, the other one, read later, of 0x%x", c.Server(), a.Mzxid, b.Mzxid)
				case b.Mzxid == a.Mzxid && string(dataA) != string(dataB):
					return fmt.Errorf("at %s: one multi at zxid 0x%x left %q and %q", c.Server(), a.Mzxid, dataA, dataB)
				default:
					w.did(name)
				}
			}
			if err != nil && (over(err) || !lost(err)) {
				return err
			}
		}
		return nil
	})
}

func get(c *zk.Client, path string) ([]byte, zk.Stat, error) {
	limit, cancel := operation()
	defer cancel()
	return c.Get(limit, path)
}

// observe asks each member again and again whether it leads. No epoch has two
// leaders.
func (w *world) observe(ctx context.Context) {
	for _, m := range w.e.Members() {
		w.wait.Go(func() {
			for rest(ctx, 50*time.Millisecond) {
				role, zxid := m.State()
				if role != "leader" {
					continue
				}
				w.leader.Store(int64(m.ID))
				w.mu.Lock()
				other, seen := w.leaders[zxid>>32]
				w.leaders[zxid>>32] = m.ID
				w.mu.Unlock()
				if seen && other != m.ID {
					w.t.Errorf("members %d and %d both lead in epoch %d (zxid 0x%x)", other, m.ID, zxid>>32, zxid)
				}
			}
		})
	}
}
