package ensemble

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// verb is what a client of a history does to one znode.
type verb string

const (
	doCreate verb = "create"
	doSet    verb = "set"
	doDelete verb = "delete"
	// doRead is a read behind a write of the same session, so that it sees all
	// that was acknowledged before it began.
	doRead verb = "read behind a write"
	// doSyncRead is a read behind a sync. A sync is no write: a leader that has
	// been replaced without knowing it answers it too.
	doSyncRead verb = "read behind a sync"
	doLook     verb = "read"
)

// action is the input of one operation; value is unique in the history.
type action struct {
	verb    verb
	key     int
	value   int
	version int32 // expected, or zk.AnyVersion
}

// outcome is the output: a code of the protocol (0 for done), and value and
// version of the znode behind it. Unknown: the connection was lost.
type outcome struct {
	unknown bool
	code    zk.Code
	value   int
	version int32
}

// register is the state of one znode in the model.
type register struct {
	there   bool
	value   int
	version int32
}

// apply does an action to a register: the next state and what a client is told.
func (r register) apply(a action) (register, outcome) {
	refused := func(code zk.Code) (register, outcome) { return r, outcome{code: code} }
	switch {
	case a.verb == doCreate && r.there:
		return refused(zk.ErrNodeExists)
	case a.verb == doCreate:
		r = register{there: true, value: a.value}
	case !r.there:
		return refused(zk.ErrNoNode)
	case (a.verb == doSet || a.verb == doDelete) && a.version != zk.AnyVersion && a.version != r.version:
		return refused(zk.ErrBadVersion)
	case a.verb == doSet:
		r.value, r.version = a.value, r.version+1
	case a.verb == doDelete:
		return register{}, outcome{}
	}
	return r, outcome{value: r.value, version: r.version}
}

// model is the znodes one by one, as porcupine wants it.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[int][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(action).key
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
		next, told := state.(register).apply(input.(action))
		out := output.(outcome)
		return out.unknown || out == told, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// recorder runs clients against an ensemble and keeps what they did and saw.
type recorder struct {
	t       *testing.T
	seed    uint64
	keys    int
	strict  bool // a read behind a sync counts as linearizable
	began   time.Time
	end     context.CancelFunc
	wait    sync.WaitGroup
	clients []*zk.Client

	mu      sync.Mutex
	values  int
	history []porcupine.Operation
	done    chan struct{} // gets a token for each operation, if somebody waits
}

// forever is the end of an operation whose outcome is unknown: it may have
// taken, or take, effect at any later time.
const forever = int64(1) << 62

// record starts clients, each with a session that knows all members.
func record(t *testing.T, e *harness.Ensemble, clients, keys int, strict bool) *recorder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{
		t: t, seed: uint64(time.Now().UnixNano()), keys: keys, strict: strict,
		began: time.Now(), end: cancel, done: make(chan struct{}),
	}
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

// participant is one client of a history with what it has seen of each znode.
type participant struct {
	*zk.Client
	id   int
	rand *rand.Rand
	seen map[int]zk.Stat
}

func (r *recorder) run(ctx context.Context, id int) {
	p := &participant{r.clients[id], id, rand.New(rand.NewPCG(r.seed, uint64(id))), map[int]zk.Stat{}}
	for ctx.Err() == nil {
		a := r.choose(p)
		call := time.Since(r.began)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), harness.Patience)
		out, stat, err := p.do(limit, a)
		cancel()
		if err != nil {
			r.t.Errorf("%+v at %s: %v", a, p.Server(), err)
			return
		}
		r.check(p, a, out, stat)
		r.keep(p.id, a, out, call)
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

var verbs = []struct {
	verb  verb
	share int
}{{doCreate, 15}, {doSet, 40}, {doDelete, 8}, {doRead, 20}, {doSyncRead, 12}, {doLook, 12}}

func (r *recorder) choose(p *participant) action {
	total := 0
	for _, v := range verbs {
		total += v.share
	}
	a := action{key: p.rand.IntN(r.keys), version: zk.AnyVersion}
	at := p.rand.IntN(total)
	for _, v := range verbs {
		if at -= v.share; at < 0 {
			a.verb = v.verb
			break
		}
	}
	if a.verb == doCreate || a.verb == doSet {
		r.mu.Lock()
		r.values++
		a.value = r.values
		r.mu.Unlock()
	}
	if (a.verb == doSet || a.verb == doDelete) && p.rand.IntN(3) > 0 {
		a.version = p.seen[a.key].Version
	}
	return a
}

// do carries an action out; the error is one that no server should give.
func (p *participant) do(ctx context.Context, a action) (out outcome, stat zk.Stat, err error) {
	path, data := fmt.Sprintf("/key-%d", a.key), strconv.AppendInt(nil, int64(a.value), 10)
	switch a.verb {
	case doCreate:
		_, stat, err = p.CreateStat(ctx, path, data, zk.Persistent, nil)
	case doSet:
		stat, err = p.Set(ctx, path, data, a.version)
	case doDelete:
		err = p.Delete(ctx, path, a.version)
	case doRead:
		if _, err = p.Set(ctx, barrier(p.id), nil, zk.AnyVersion); err == nil {
			data, stat, err = p.Get(ctx, path)
		}
	case doSyncRead:
		if err = p.Sync(ctx, path); err == nil {
			data, stat, err = p.Get(ctx, path)
		}
	case doLook:
		data, stat, err = p.Get(ctx, path)
	}
	var code zk.Code
	switch {
	case err == nil && a.verb == doDelete:
		return outcome{}, stat, nil
	case err == nil:
		value, err := strconv.Atoi(string(data))
		return outcome{value: value, version: stat.Version}, stat, err
	case errors.Is(err, zk.ErrConnectionLoss):
		return outcome{unknown: true}, stat, nil
	case errors.As(err, &code) && (code == zk.ErrNoNode || code == zk.ErrNodeExists || code == zk.ErrBadVersion):
		return outcome{code: code}, stat, nil
	}
	return outcome{}, stat, err
}

// check holds what one session sees to the promise that it never goes back:
// not behind what it has read, nor behind what it has written.
func (r *recorder) check(p *participant, a action, out outcome, stat zk.Stat) {
	if out.unknown || out.code != 0 || a.verb == doDelete {
		return
	}
	if before := p.seen[a.key]; stat.Mzxid < before.Mzxid {
		r.t.Errorf("client %d at %s has gone back from zxid 0x%x to 0x%x: %+v", p.id, p.Server(), before.Mzxid, stat.Mzxid, a)
	}
	p.seen[a.key] = stat
}

// keep puts an operation into the history that porcupine judges.
func (r *recorder) keep(client int, a action, out outcome, call time.Duration) {
	reads := a.verb == doRead || a.verb == doSyncRead || a.verb == doLook
	if reads && out.unknown || a.verb == doLook || a.verb == doSyncRead && !r.strict {
		return
	}
	op := porcupine.Operation{ClientId: client, Input: a, Call: int64(call), Output: out, Return: int64(time.Since(r.began))}
	if out.unknown {
		op.Return = forever
	}
	r.mu.Lock()
	r.history = append(r.history, op)
	r.mu.Unlock()
}

// judge ends the recording and asks porcupine whether there is one order of
// all operations that explains what everybody was told.
func (r *recorder) judge() {
	r.t.Helper()
	r.stop()
	unknown := 0
	codes := map[zk.Code]int{}
	for _, op := range r.history {
		out := op.Output.(outcome)
		codes[out.code]++
		if out.unknown {
			unknown++
		}
	}
	result, info := porcupine.CheckOperationsVerbose(model, r.history, harness.Patience)
	r.t.Logf("%d operations, %d with an unknown outcome, codes %v: %s", len(r.history), unknown, codes, result)
	if result == porcupine.Ok {
		return
	}
	file := harness.LogFile(r.t, "history.html")
	r.t.Errorf("the history is not linearizable (%s); it is drawn in %s (%v)", result, file, porcupine.VisualizePath(model, info, file))
}
