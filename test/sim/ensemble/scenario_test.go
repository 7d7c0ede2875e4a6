package ensemble

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"zooid/internal/replica"
	"zooid/internal/wire"
	"zooid/test/sim/seeds"
)

// TestScenarios tells stories of ensembles: testdata/scenarios has one for each
// defect of Apache's server that was one of the protocol, testdata/claims one
// for each promise that the papers make. Whatever a story asks for, all that
// the simulator demands of every run (truth.go, client.go) is demanded of it
// as well. Run it with -rewrite to take what comes out for what should.
//
// Zxids are written epoch.counter; "epochs 2 1" are those of the files
// acceptedEpoch and currentEpoch. 1>2 is what server 1 sends to server 2: "hold"
// stops it in front of a packet, "cut" altogether, "said" tells what has come.
// "disk" and "snapshot" hold what a server writes, and do it step by step.
func TestScenarios(t *testing.T) {
	for _, dir := range []string{"testdata/scenarios", "testdata/claims"} {
		datadriven.Walk(t, dir, func(t *testing.T, file string) {
			s := &story{}
			datadriven.RunTest(t, file, s.tell)
		})
	}
}

// pair is a story and a mistake.
type pair struct {
	file   string
	mutant Mutant
}

// canFail names for a story a mistake of the shell with which it goes another
// way: a story that ends well whatever the server does proves nothing.
var canFail = []pair{
	{"scenarios/ZOOKEEPER-2099-hole-in-log.txt", foundAnyway},
	{behindSnapshot, dropNot},
	{behindSnapshot, dropOnce},
	{"scenarios/ZOOKEEPER-2845-uncommitted.txt", truncateNot},
	{"scenarios/ZOOKEEPER-3104-snapshot-and-newleader.txt", receivedUnwritten},
	{"scenarios/ZOOKEEPER-3911-persisted-before-uptodate.txt", storedEarly},
	{"scenarios/ZOOKEEPER-4394-commit-after-newleader.txt", storedEarly},
	{"scenarios/ZOOKEEPER-4643-truncated-after-newleader.txt", epochFirst},
	{"scenarios/ZOOKEEPER-4646-lost-after-ack.txt", storedEarly},
	{"scenarios/ZOOKEEPER-4685-ack-before-newleader-ack.txt", storedEarly},
	{"scenarios/ZOOKEEPER-4785-in-flight-at-sync.txt", storedEarly},
	{"claims/zab-agreement.txt", logBeginsLate},
	{"claims/zab-epochs-are-new.txt", forgetAccepted},
	{"claims/zab-integrity.txt", truncateNot},
	{"claims/zab-primary-integrity.txt", ackBeforeSync},
	{"claims/zab-total-order.txt", receivedLate},
	{"claims/zookeeper-linearizable-writes.txt", ackBeforeSync},
}

func TestScenariosCanFail(t *testing.T) {
	for _, m := range Mutants {
		if m.Story != "" && !slices.Contains(canFail, pair{m.Story, m.Mutant}) {
			t.Errorf("no story is held against the mutant %q", m.Name)
		}
	}
	for _, c := range canFail {
		t.Run(filepath.Base(c.file), func(t *testing.T) {
			s := &story{mutant: c.mutant}
			differs := ""
			datadriven.RunTest(t, filepath.Join("testdata", c.file), func(t *testing.T, d *datadriven.TestData) string {
				if differs == "" {
					if got := s.tell(t, d); got != d.Expected {
						differs = d.Pos
						t.Logf("%s: %s\n%s", d.Pos, d.Cmd, got)
					}
				}
				return d.Expected
			})
			if differs == "" {
				t.Errorf("the story is the same with the mutant %q", Mutants[c.mutant-1].Name)
			}
		})
	}
}

// story is a scenario under way.
type story struct {
	mutant  Mutant
	w       *world
	clients map[string]*client
	names   []string // of the clients, in the order of their coming
	out     strings.Builder
	failed  bool // a promise was broken; nothing after it counts
}

func (s *story) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// tell carries out one command.
func (s *story) tell(t *testing.T, d *datadriven.TestData) (out string) {
	s.out.Reset()
	if s.failed {
		return "after the failure\n"
	}
	defer func() {
		switch x := recover().(type) {
		case nil:
		case *Failure:
			s.failed = true
			out = fmt.Sprintf("FAILED %s: %s\n", x.Check, x.Text)
		default:
			panic(x)
		}
	}()
	if err := s.do(t, d); err != nil {
		t.Fatalf("%s: %s: %v", d.Pos, d.Cmd, err)
	}
	if s.out.Len() == 0 {
		return "ok\n"
	}
	return s.out.String()
}

var errCommand = errors.New("unknown command")

func (s *story) do(t *testing.T, d *datadriven.TestData) error {
	if d.Cmd == "ensemble" {
		return s.found(t, d)
	}
	for _, part := range []func(*testing.T, *datadriven.TestData) error{s.operate, s.network, s.disk, s.client, s.show} {
		if err := part(t, d); !errors.Is(err, errCommand) {
			return err
		}
	}
	return errCommand
}

// found makes an ensemble of servers that are all down.
func (s *story) found(t *testing.T, d *datadriven.TestData) error {
	tick := int64(100)
	number := func(key string, value int) int {
		d.MaybeScanArgs(t, key, &value)
		return value
	}
	p := profile{
		voters: number("servers", 3), observers: number("observers", 0), pipeline: 1, think: tick,
		tick: tick, initLimit: 20 * tick, syncLimit: 10 * tick, minNotify: tick / 4, maxNotify: 5 * tick, finalizeWait: tick / 2,
		leaderServes: true, forceSnap: d.HasArg("snap"), logSync: d.HasArg("log-sync"), commitLog: number("commit-log", 500),
		snapCount: 1 << 30, preAlloc: 4096, walkTurn: 1, closePaths: true, twoDirs: true, lastZxid: true,
		latency: 1, diskDelay: 1, fsync: 1, limits: replica.Limits{Epoch: uint32(number("epoch-ends", 0))},
	}
	opt := Options{Mutant: s.mutant, Trace: seeds.Trace()}
	s.w = newScripted(opt, p)
	s.w.found(p.voters, p.observers, "")
	s.clients, s.names = map[string]*client{}, nil
	strangers := number("strangers", 0)
	for id := int64(1); id <= int64(p.voters+p.observers+strangers); id++ {
		s.w.servers = append(s.w.servers, newServer(s.w, id))
		if id > int64(p.voters+p.observers) {
			s.w.script.config[id] = configText(int(id), 0, "")
		}
	}
	return nil
}

// server reads the id of a server.
func (s *story) server(text string) (*server, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 || id > int64(len(s.w.servers)) {
		return nil, fmt.Errorf("no server %q", text)
	}
	return s.w.server(id), nil
}

// servers reads the ids that stand without a key.
func (s *story) servers(d *datadriven.TestData) ([]*server, error) {
	var list []*server
	for _, a := range d.CmdArgs {
		if len(a.Vals) > 0 || a.Key == "nowait" {
			continue
		}
		x, err := s.server(a.Key)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

// operate has what an operator does, and what happens to machines.
func (s *story) operate(t *testing.T, d *datadriven.TestData) error {
	var each func(*server) error
	switch d.Cmd {
	case "start":
		each = func(x *server) error { s.w.start(x); return nil }
	case "kill":
		each = func(x *server) error { x.kill(); return nil }
	case "stop":
		each = func(x *server) error { x.life.stop(); return nil }
	case "crash":
		each = func(x *server) error { s.crash(t, d, x); return nil }
	case "wait":
		return s.wait(t, d)
	case "option": // of servers that start from now on
		s.w.prof.logSync = d.HasArg("log-sync")
		return nil
	default:
		return errCommand
	}
	list, err := s.servers(d)
	for _, x := range list {
		if err == nil {
			err = each(x)
		}
	}
	if err == nil && d.Cmd == "start" && !d.HasArg("nowait") {
		s.quiet()
		s.state(list)
	}
	return err
}

// crash takes the power away: what the machine had not sent is lost, and the
// seed says what is left of what was written and not synced.
func (s *story) crash(t *testing.T, d *datadriven.TestData, x *server) {
	seed := uint64(0)
	d.MaybeScanArgs(t, "seed", &seed)
	s.w.trace("%d: power off", x.id)
	x.end(true)
	x.disk.use(x.disk.mem.CrashClone(seed))
}

// wait lets time pass: some milliseconds, or until nothing changes any more.
func (s *story) wait(t *testing.T, d *datadriven.TestData) error {
	if ms := int64(0); d.MaybeScanArgs(t, "ms", &ms) {
		s.w.play(s.w.now+ms, func() bool { return false })
		return nil
	}
	s.quiet()
	s.state(s.w.servers)
	return nil
}

// quiet lets time pass until every server serves and has applied all that is
// committed, or until a while has gone by in which that does not come about.
func (s *story) quiet() {
	s.w.play(s.w.now+3*s.w.prof.tick, func() bool { return false })
	s.w.play(s.w.now+30*s.w.prof.tick, func() bool {
		for _, x := range s.w.servers {
			if x.life != nil && !s.calm(x.life) {
				return false
			}
		}
		return true
	})
}

// calm says whether a server serves, under a leader that leads, and has nothing
// to do.
func (s *story) calm(l *life) bool {
	if !l.serving || l.r.Outstanding() > 0 || len(l.queue) > 0 || l.busy || l.job != nil {
		return false
	}
	leader := s.w.server(l.role.Leader).life
	return leader != nil && leader.serving && leader.role.State == wire.Leading
}
