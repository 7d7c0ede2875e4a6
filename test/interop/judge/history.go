// Package judge holds what the rings of processes hold ensembles to: that one
// order of all operations explains what clients were told (a history, judged by
// porcupine), that no session goes back, and that members have one tree.
//
// The suites of real processes (test/interop/ensemble, test/chaos) use it. It
// must never start, stop or disturb a server.
package judge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"golang.org/x/sys/unix"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// Verb is what a client of a history does to one znode.
type Verb string

// The verbs of a history.
const (
	Create Verb = "create"
	Set    Verb = "set"
	// MultiSet is Set as a multi of a check and a set.
	MultiSet Verb = "set in a multi"
	Delete   Verb = "delete"
	// Read is a read behind a write of the same session, so that it sees all
	// that was acknowledged before it began.
	Read Verb = "read behind a write"
	// SyncRead is a read behind a sync. A sync is no write: a leader that has
	// been replaced without knowing it answers it too.
	SyncRead Verb = "read behind a sync"
	Look     Verb = "read"
)

// Action is the input of one operation; Value is unique in the history.
type Action struct {
	Verb    Verb
	Key     int
	Value   int
	Version int32 // expected, or zk.AnyVersion
}

// Outcome is the output: a code of the protocol (0 for done), and value and
// version of the znode behind it. Unknown: the connection was lost.
type Outcome struct {
	Unknown bool
	Code    zk.Code
	Value   int
	Version int32
}

// register is the state of one znode in the model.
type register struct {
	there   bool
	value   int
	version int32
}

// apply does an action to a register: the next state and what a client is told.
func (r register) apply(a Action) (register, Outcome) {
	refused := func(code zk.Code) (register, Outcome) { return r, Outcome{Code: code} }
	write := a.Verb == Set || a.Verb == MultiSet
	switch {
	case a.Verb == Create && r.there:
		return refused(zk.ErrNodeExists)
	case a.Verb == Create:
		r = register{there: true, value: a.Value}
	case !r.there:
		return refused(zk.ErrNoNode)
	case (write || a.Verb == Delete) && a.Version != zk.AnyVersion && a.Version != r.version:
		return refused(zk.ErrBadVersion)
	case write:
		r.value, r.version = a.Value, r.version+1
	case a.Verb == Delete:
		return register{}, Outcome{}
	}
	return r, Outcome{Value: r.value, Version: r.version}
}

// Model is the znodes one by one, as porcupine wants it.
var Model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[int][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(Action).Key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		next, told := state.(register).apply(input.(Action))
		out := output.(Outcome)
		return out.Unknown || out == told, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// Forever is the end of an operation whose outcome is unknown: it may have
// taken, or take, effect at any later time.
const Forever = int64(1) << 62

// Now is the time of a history: nanoseconds of the machine's monotonic clock,
// which Python's time.monotonic_ns and Java's System.nanoTime show too.
func Now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// History is what clients did and were told.
type History struct {
	Strict bool // a read behind a sync counts as linearizable

	mu         sync.Mutex
	values     int
	operations []porcupine.Operation
}

// Value is a value that nobody else writes.
func (h *History) Value() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values++
	return h.values
}

// Add puts an operation that began at call and is over now, or was at end if
// that is not 0, into the history. What says nothing about the order of all is
// left out.
func (h *History) Add(client int, a Action, out Outcome, call, end int64) {
	reads := a.Verb == Read || a.Verb == SyncRead || a.Verb == Look
	if reads && out.Unknown || a.Verb == Look || a.Verb == SyncRead && !h.Strict {
		return
	}
	if end == 0 {
		end = Now()
	}
	if out.Unknown {
		end = Forever
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: a, Call: call, Output: out, Return: end})
}

// Judge asks porcupine whether there is one order of all operations that
// explains what everybody was told.
func (h *History) Judge(t testing.TB) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	unknown := 0
	codes := map[zk.Code]int{}
	for _, op := range h.operations {
		out := op.Output.(Outcome)
		if out.Unknown {
			unknown++
		} else {
			codes[out.Code]++
		}
	}
	result, info := porcupine.CheckOperationsVerbose(Model, h.operations, harness.Patience)
	t.Logf("%d operations, %d with an unknown outcome, codes %v: %s", len(h.operations), unknown, codes, result)
	if result == porcupine.Ok {
		return
	}
	file := harness.LogFile(t, "history.html")
	t.Errorf("the history is not linearizable (%s); it is drawn in %s (%v)", result, file, porcupine.VisualizePath(Model, info, file))
}

// Participant is one client of a history with what its session has seen of
// each znode.
type Participant struct {
	*zk.Client
	Rand    *rand.Rand
	Barrier string // an own znode, for writes that reads stand behind
	seen    map[int]zk.Stat
}

// NewParticipant is a participant with a new session; the znode barrier exists.
func NewParticipant(c *zk.Client, r *rand.Rand, barrier string) *Participant {
	return &Participant{c, r, barrier, map[int]zk.Stat{}}
}

var shares = []struct {
	verb  Verb
	share int
}{{Create, 15}, {Set, 30}, {MultiSet, 10}, {Delete, 8}, {Read, 20}, {SyncRead, 12}, {Look, 12}}

// Choose draws what a participant does next to a znode.
func (p *Participant) Choose(h *History, key int) Action {
	total := 0
	for _, v := range shares {
		total += v.share
	}
	a := Action{Key: key, Version: zk.AnyVersion}
	at := p.Rand.IntN(total)
	for _, v := range shares {
		if at -= v.share; at < 0 {
			a.Verb = v.verb
			break
		}
	}
	if a.Verb == Create || a.Verb == Set || a.Verb == MultiSet {
		a.Value = h.Value()
	}
	if (a.Verb == Set || a.Verb == MultiSet || a.Verb == Delete) && p.Rand.IntN(3) > 0 {
		a.Version = p.seen[a.Key].Version
	}
	return a
}

// Do carries an action out. The error is one that no server should give, or a
// session that has gone back: behind what it has read or written.
func (p *Participant) Do(ctx context.Context, a Action) (Outcome, error) {
	out, stat, err := p.do(ctx, a)
	if err != nil || out.Unknown || out.Code != 0 || a.Verb == Delete {
		return out, err
	}
	if before := p.seen[a.Key]; stat.Mzxid < before.Mzxid {
		return out, fmt.Errorf("the session has gone back from zxid 0x%x to 0x%x", before.Mzxid, stat.Mzxid)
	}
	p.seen[a.Key] = stat
	return out, nil
}

// Path is the znode of a key.
func Path(key int) string { return fmt.Sprintf("/key-%d", key) }

func (p *Participant) do(ctx context.Context, a Action) (out Outcome, stat zk.Stat, err error) {
	path, data := Path(a.Key), strconv.AppendInt(nil, int64(a.Value), 10)
	switch a.Verb {
	case Create:
		_, stat, err = p.CreateStat(ctx, path, data, zk.Persistent, nil)
	case Set:
		stat, err = p.Set(ctx, path, data, a.Version)
	case MultiSet:
		var results []zk.OpResult
		results, err = p.Multi(ctx, zk.CheckOp(path, a.Version), zk.SetOp(path, data, zk.AnyVersion))
		if err == nil {
			stat = results[1].Stat
		}
	case Delete:
		err = p.Delete(ctx, path, a.Version)
	case Read:
		if _, err = p.Set(ctx, p.Barrier, nil, zk.AnyVersion); err == nil {
			data, stat, err = p.Get(ctx, path)
		}
	case SyncRead:
		if err = p.Sync(ctx, path); err == nil {
			data, stat, err = p.Get(ctx, path)
		}
	case Look:
		data, stat, err = p.Get(ctx, path)
	}
	var code zk.Code
	switch {
	case err == nil && a.Verb == Delete:
		return Outcome{}, stat, nil
	case err == nil:
		value, err := strconv.Atoi(string(data))
		return Outcome{Value: value, Version: stat.Version}, stat, err
	case errors.Is(err, zk.ErrConnectionLoss):
		return Outcome{Unknown: true}, stat, nil
	case errors.As(err, &code) && (code == zk.ErrNoNode || code == zk.ErrNodeExists || code == zk.ErrBadVersion):
		return Outcome{Code: code}, stat, nil
	}
	return Outcome{}, stat, err
}
