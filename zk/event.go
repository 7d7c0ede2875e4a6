package zk

import (
	"context"
	"fmt"
	"sync"

	"zooid/internal/wire"
)

// EventType says what happened.
type EventType int32

// The event types; the numbers are ZooKeeper's, apart from EventResync.
const (
	// EventSession: the state of the session changed; it concerns no path.
	EventSession EventType = -1
	// EventNodeCreated, EventNodeDeleted, EventNodeDataChanged and
	// EventNodeChildrenChanged are what servers report.
	EventNodeCreated         = EventType(wire.EventNodeCreated)
	EventNodeDeleted         = EventType(wire.EventNodeDeleted)
	EventNodeDataChanged     = EventType(wire.EventNodeDataChanged)
	EventNodeChildrenChanged = EventType(wire.EventNodeChildrenChanged)
	// EventDataWatchRemoved, EventChildWatchRemoved and
	// EventPersistentWatchRemoved: RemoveWatches took the watch away.
	EventDataWatchRemoved       EventType = 5
	EventChildWatchRemoved      EventType = 6
	EventPersistentWatchRemoved EventType = 7
	// EventResync: events of a Watch may have been missed, because the
	// connection was lost for a while or its queue was full. Read again.
	EventResync EventType = 100
)

var eventNames = map[EventType]string{
	EventSession:                "None",
	EventNodeCreated:            "NodeCreated",
	EventNodeDeleted:            "NodeDeleted",
	EventNodeDataChanged:        "NodeDataChanged",
	EventNodeChildrenChanged:    "NodeChildrenChanged",
	EventDataWatchRemoved:       "DataWatchRemoved",
	EventChildWatchRemoved:      "ChildWatchRemoved",
	EventPersistentWatchRemoved: "PersistentWatchRemoved",
	EventResync:                 "Resync",
}

// String returns ZooKeeper's name of the type.
func (t EventType) String() string {
	if s, ok := eventNames[t]; ok {
		return s
	}
	return fmt.Sprintf("EventType(%d)", int32(t))
}

// State is the state of a session as its client sees it.
type State int32

// The states; the numbers are ZooKeeper's.
const (
	// StateDisconnected: no connection; the client is looking for a server.
	StateDisconnected State = 0
	// StateConnected: all operations are possible.
	StateConnected = State(wire.StateSyncConnected)
	// StateAuthFailed: a credential was refused; the client is over.
	StateAuthFailed State = 4
	// StateConnectedReadOnly: connected to a server that has no quorum, see WithReadOnly.
	StateConnectedReadOnly State = 5
	// StateSASLAuthenticated comes with an event only: the connection, which stays
	// StateConnected, has authenticated, see WithSASLDigest.
	StateSASLAuthenticated State = 6
	// StateClosed: Close or Detach was called; the client is over.
	StateClosed State = 7
	// StateExpired: the servers ended the session; the client is over.
	StateExpired State = -112
)

var stateNames = map[State]string{
	StateDisconnected:      "Disconnected",
	StateConnected:         "SyncConnected",
	StateAuthFailed:        "AuthFailed",
	StateConnectedReadOnly: "ConnectedReadOnly",
	StateSASLAuthenticated: "SaslAuthenticated",
	StateClosed:            "Closed",
	StateExpired:           "Expired",
}

// String returns ZooKeeper's name of the state.
func (s State) String() string {
	if n, ok := stateNames[s]; ok {
		return n
	}
	return fmt.Sprintf("State(%d)", int32(s))
}

// Connected reports whether there is a connection, read-only ones included.
func (s State) Connected() bool { return s == StateConnected || s == StateConnectedReadOnly }

// Over reports whether the client has come to its end.
func (s State) Over() bool {
	return s == StateAuthFailed || s == StateClosed || s == StateExpired
}

// Event is a change of a watched znode or of the session.
type Event struct {
	Type  EventType
	State State
	Path  string // "" for EventSession
	Zxid  int64  // transaction that caused it; -1 when not known
	Err   error  // EventSession: why the connection or session ended
}

// maxQueuedEvents bounds what waits for a slow receiver.
const maxQueuedEvents = 1 << 16

// eventQueue hands events over to one receiver without ever blocking the
// sender. When it is full it forgets what waits and leaves one EventResync in
// its place; session events are kept.
type eventQueue struct {
	mu    sync.Mutex
	items []Event
	limit int // 0 means maxQueuedEvents
	added uint64
	taken uint64 // events handed out and dealt with
	ended bool
	more  chan struct{} // cap 1: something to look at
	idle  chan struct{} // nil unless drain waits; closed when taken advances
}

func newEventQueue() *eventQueue {
	return &eventQueue{more: make(chan struct{}, 1)}
}

// put adds an event; path is what an EventResync shall name.
func (q *eventQueue) put(e Event, path string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	limit := q.limit
	if limit == 0 {
		limit = maxQueuedEvents
	}
	if len(q.items) >= limit && e.Type != EventSession {
		q.overflow(e, path)
	} else {
		q.items = append(q.items, e)
		q.added++
	}
	q.signal()
}

func (q *eventQueue) overflow(e Event, path string) {
	kept := q.items[:0]
	for _, old := range q.items {
		if old.Type == EventSession {
			kept = append(kept, old)
		}
	}
	dropped := len(q.items) - len(kept)
	clear(q.items[len(kept):])
	q.items = append(kept, Event{Type: EventResync, State: e.State, Path: path, Zxid: e.Zxid})
	// The dropped ones count as dealt with, so that drain does not wait for them.
	q.added++
	q.taken += uint64(dropped)
}

// end makes next report the end once what waits has been taken.
func (q *eventQueue) end() {
	q.mu.Lock()
	q.ended = true
	q.signal()
	q.mu.Unlock()
}

func (q *eventQueue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// take returns the next event, or ended.
func (q *eventQueue) take() (e Event, ok, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		q.items = nil
		if q.ended {
			q.signal() // for the next receiver
		}
		return Event{}, false, q.ended
	}
	e = q.items[0]
	q.items = q.items[1:]
	if len(q.items) > 0 || q.ended {
		q.signal()
	}
	return e, true, false
}

// dealt notes that one taken event has been dealt with.
func (q *eventQueue) dealt() {
	q.mu.Lock()
	q.taken++
	if q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
	q.mu.Unlock()
}

// drain waits until all events added so far have been dealt with.
func (q *eventQueue) drain(ctx context.Context) error {
	q.mu.Lock()
	target := q.added
	for q.taken < target {
		if q.idle == nil {
			q.idle = make(chan struct{})
		}
		idle := q.idle
		q.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
		q.mu.Lock()
	}
	q.mu.Unlock()
	return nil
}

// dispatch calls the event handler until the client is over and all events
// have been handed out.
func (q *eventQueue) dispatch(handler func(Event)) {
	for range q.more {
		for {
			e, ok, ended := q.take()
			if ended {
				return
			}
			if !ok {
				break
			}
			handler(e)
			q.dealt()
		}
	}
}
