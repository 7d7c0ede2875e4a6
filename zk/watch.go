package zk

import (
	"context"
	"errors"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// WatchMode is the kind of a watch that stays.
type WatchMode int32

// The modes of AddWatch.
const (
	// WatchPersistent reports creation, deletion and changes of the znode and
	// changes of its list of children.
	WatchPersistent WatchMode = 0
	// WatchRecursive reports creation, deletion and changes of the znode and
	// of all below it, but no changes of lists of children.
	WatchRecursive WatchMode = 1
)

// WatchType selects watches for RemoveWatches.
type WatchType int32

// The types of RemoveWatches. The last two need servers from 3.9 on.
const (
	WatchTypeChildren   WatchType = 1 // left by ChildrenW
	WatchTypeData       WatchType = 2 // left by GetW and ExistsW
	WatchTypeAny        WatchType = 3
	WatchTypePersistent WatchType = 4
	WatchTypeRecursive  WatchType = 5
)

// oneShotKind is the list of setWatches in which a one-shot watch belongs.
type oneShotKind uint8

const (
	watchData  oneShotKind = iota
	watchExist             // on a znode that did not exist
	watchChild
	oneShotKinds
)

// watchTable holds the watches of a client by server path; the client's mutex
// guards it.
type watchTable struct {
	oneShot [oneShotKinds]map[string][]chan Event
	staying [2]map[string][]*Watch // by WatchMode
}

func (t *watchTable) init() {
	for i := range t.oneShot {
		t.oneShot[i] = map[string][]chan Event{}
	}
	for i := range t.staying {
		t.staying[i] = map[string][]*Watch{}
	}
}

// watchAdd is a one-shot watch that a request asks for.
type watchAdd struct {
	kind oneShotKind // watchExist: watchData if the znode exists
	path string
	ch   chan Event
}

// answered registers the watch if the server has set it.
func (t *watchTable) answered(w *watchAdd, code Code) {
	kind := w.kind
	switch {
	case code == 0 && kind == watchExist:
		kind = watchData
	case code != 0 && (kind != watchExist || code != ErrNoNode):
		return
	}
	t.oneShot[kind][w.path] = append(t.oneShot[kind][w.path], w.ch)
}

// fire takes the one-shot watches of a kind on a path and completes them.
func (t *watchTable) fire(kind oneShotKind, path string, e Event) bool {
	list := t.oneShot[kind][path]
	if list == nil {
		return false
	}
	delete(t.oneShot[kind], path)
	for _, ch := range list {
		ch <- e
		close(ch)
	}
	return true
}

// end completes all watches, at the end of the client.
func (t *watchTable) end(e Event) {
	for kind := range t.oneShot {
		for path := range t.oneShot[kind] {
			t.fire(oneShotKind(kind), path, e)
		}
	}
	for _, byPath := range t.staying {
		for _, list := range byPath {
			for _, w := range list {
				w.queue.put(e, w.path)
				w.queue.end()
			}
		}
		clear(byPath)
	}
}

// notified hands a notification to the watches that it concerns. They are
// looked up before any later frame is read, so that an event never overtakes
// or trails an answer.
func (c *Client) notified(h wire.ReplyHeader, body []byte) error {
	var we wire.WatcherEvent
	d := jute.NewDecoder(body)
	we.Decode(&d)
	if d.Err() != nil {
		return d.Err()
	}
	path := string(we.Path)
	e := Event{Type: EventType(we.Type), State: State(we.State), Path: c.clientPath(path), Zxid: h.Zxid}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastZxid = max(c.lastZxid, h.Zxid)
	hit := false
	switch e.Type {
	case EventNodeCreated, EventNodeDataChanged:
		hit = c.watch.fire(watchData, path, e)
		hit = c.watch.fire(watchExist, path, e) || hit
	case EventNodeDeleted:
		hit = c.watch.fire(watchData, path, e)
		hit = c.watch.fire(watchExist, path, e) || hit
		hit = c.watch.fire(watchChild, path, e) || hit
	case EventNodeChildrenChanged:
		hit = c.watch.fire(watchChild, path, e)
	}
	hit = c.watch.tell(WatchPersistent, path, e) || hit
	if e.Type != EventNodeChildrenChanged {
		// A recursive watch on any ancestor. A child watch on a znode below
		// makes the server send changes of children too; not for this one.
		for p := path; ; p = parentOf(p) {
			hit = c.watch.tell(WatchRecursive, p, e) || hit
			if p == "/" {
				break
			}
		}
	}
	if hit {
		c.emit(e)
	}
	return nil
}

// tell puts an event into the staying watches on a path.
func (t *watchTable) tell(mode WatchMode, path string, e Event) bool {
	list := t.staying[mode][path]
	for _, w := range list {
		w.queue.put(e, w.path)
	}
	return len(list) > 0
}

func parentOf(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return "/"
}

// Watch is a watch that stays until it is closed, see AddWatch.
type Watch struct {
	c      *Client
	path   string // as the caller gave it
	server string
	mode   WatchMode
	set    bool // at the server; the client's mutex guards it
	queue  *eventQueue
}

// AddWatch sets a watch that stays, across reconnects too, until the Watch is
// closed (servers from 3.6 on). The znode need not exist.
func (c *Client) AddWatch(ctx context.Context, path string, mode WatchMode) (*Watch, error) {
	const op = "addwatch"
	if err := ValidatePath(path); err != nil {
		return nil, opError(op, path, err)
	}
	if mode != WatchPersistent && mode != WatchRecursive {
		return nil, opError(op, path, ErrBadArguments)
	}
	w := &Watch{c: c, path: path, server: c.serverPath(path), mode: mode, queue: newEventQueue()}
	// In the table from now on: another Watch on the path that is closed
	// meanwhile must not take this one's away at the server.
	c.mu.Lock()
	byPath := c.watch.staying[mode]
	byPath[w.server] = append(byPath[w.server], w)
	c.mu.Unlock()
	cl := c.newCall(wire.OpAddWatch)
	req := wire.PathModeRequest{Path: []byte(w.server), Mode: int32(mode)}
	cl.frame = req.Append(cl.frame)
	cl.stay = w
	if _, err := c.request(ctx, op, path, cl); err != nil {
		w.drop()
		return nil, err
	}
	return w, nil
}

// Path returns the path that is watched.
func (w *Watch) Path() string { return w.path }

// Next returns the next event, in the order of the transactions. It fails with
// the context's error, with ErrClosed once the Watch is closed, and once the
// client is over with its reason, after an event of the session that says so.
func (w *Watch) Next(ctx context.Context) (Event, error) {
	for {
		e, ok, ended := w.queue.take()
		switch {
		case ok:
			return e, nil
		case ended:
			if err := w.c.Err(); err != nil {
				return Event{}, err
			}
			return Event{}, ErrClosed
		}
		select {
		case <-w.queue.more:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Close takes the watch away, at the server too if no other Watch of the
// client needs it. The Watch is closed even if the server cannot be told.
func (w *Watch) Close(ctx context.Context) error {
	known, last := w.drop()
	if !known || !last {
		return nil
	}
	typ := WatchTypePersistent
	if w.mode == WatchRecursive {
		typ = WatchTypeRecursive
	}
	err := w.c.sendRemove(ctx, "removewatch", w.path, w.server, typ, nil)
	if errors.Is(err, ErrNoWatcher) || errors.Is(err, ErrMarshalling) {
		return nil // gone already, or a server before 3.9, whose events are ignored
	}
	return err
}

// drop takes the watch out of the table; last says that it was the only one of
// its mode on its path.
func (w *Watch) drop() (known, last bool) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	byPath := w.c.watch.staying[w.mode]
	list := byPath[w.server]
	for i, other := range list {
		if other == w {
			known = true
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if byPath[w.server] = list; len(list) == 0 {
		delete(byPath, w.server)
	}
	w.queue.end()
	return known, len(list) == 0
}

// watchRemove is what a removeWatches request takes away.
type watchRemove struct {
	path string // of the server
	typ  WatchType
}

// RemoveWatches takes all watches of a type away from a path, here and at the
// server. Their channels carry one last event that says so, and a Watch ends
// behind such an event. ErrNoWatcher says that there were none.
func (c *Client) RemoveWatches(ctx context.Context, path string, typ WatchType) error {
	const op = "removewatches"
	if err := ValidatePath(path); err != nil {
		return opError(op, path, err)
	}
	r := &watchRemove{path: c.serverPath(path), typ: typ}
	c.mu.Lock()
	known := c.watch.has(r)
	c.mu.Unlock()
	if !known {
		return opError(op, path, ErrNoWatcher)
	}
	return c.sendRemove(ctx, op, path, r.path, typ, r)
}

func (c *Client) sendRemove(ctx context.Context, op, path, server string, typ WatchType, r *watchRemove) error {
	cl := c.newCall(wire.OpRemoveWatches)
	req := wire.PathModeRequest{Path: []byte(server), Mode: int32(typ)}
	cl.frame = req.Append(cl.frame)
	cl.unwatch = r
	_, err := c.request(ctx, op, path, cl)
	return err
}

// ForgetWatches takes all watches of a type away from a path here alone, for
// use while no server can be told; the events of a server that still has them
// are ignored. ErrNoWatcher says that there were none.
func (c *Client) ForgetWatches(path string, typ WatchType) error {
	const op = "removewatches"
	if err := ValidatePath(path); err != nil {
		return opError(op, path, err)
	}
	r := &watchRemove{path: c.serverPath(path), typ: typ}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.watch.has(r) {
		return opError(op, path, ErrNoWatcher)
	}
	c.removed(r)
	return nil
}

// kinds lists the one-shot lists and the modes that a type covers.
func (t WatchType) kinds() (oneShot []oneShotKind, modes []WatchMode) {
	switch t {
	case WatchTypeChildren:
		return []oneShotKind{watchChild}, nil
	case WatchTypeData:
		return []oneShotKind{watchData, watchExist}, nil
	case WatchTypePersistent:
		return nil, []WatchMode{WatchPersistent}
	case WatchTypeRecursive:
		return nil, []WatchMode{WatchRecursive}
	case WatchTypeAny:
		return []oneShotKind{watchChild, watchData, watchExist}, []WatchMode{WatchPersistent, WatchRecursive}
	}
	return nil, nil
}

func (t *watchTable) has(r *watchRemove) bool {
	kinds, modes := r.typ.kinds()
	for _, k := range kinds {
		if len(t.oneShot[k][r.path]) > 0 {
			return true
		}
	}
	for _, m := range modes {
		if len(t.staying[m][r.path]) > 0 {
			return true
		}
	}
	return false
}

// removed completes the watches that a removeWatches took away, with one event
// for each sort; c.mu is held.
func (c *Client) removed(r *watchRemove) {
	kinds, modes := r.typ.kinds()
	e := Event{State: c.state, Path: c.clientPath(r.path), Zxid: -1}
	var said [EventPersistentWatchRemoved + 1]bool
	tell := func(t EventType) {
		if e.Type = t; !said[t] {
			said[t] = true
			c.emit(e)
		}
	}
	for _, k := range kinds {
		e.Type = EventDataWatchRemoved
		if k == watchChild {
			e.Type = EventChildWatchRemoved
		}
		if c.watch.fire(k, r.path, e) {
			tell(e.Type)
		}
	}
	for _, m := range modes {
		e.Type = EventPersistentWatchRemoved
		for _, w := range c.watch.staying[m][r.path] {
			w.queue.put(e, w.path)
			w.queue.end()
			tell(e.Type)
		}
		delete(c.watch.staying[m], r.path)
	}
}
