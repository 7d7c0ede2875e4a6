package chaos

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zooid/test/interop/harness"
	"zooid/test/interop/judge"
	"zooid/zk"
)

var (
	seedFlag    = flag.Uint64("seed", 0, "the one seed to play; 0: a fixed one, and -seeds random ones")
	seedsFlag   = flag.Int("seeds", 1, "how many random seeds are played besides the fixed one")
	membersFlag = flag.String("members", "", "how many members there are, one number or several with commas; empty: 3 with an even seed, 5 with an odd one")
	lastsFlag   = flag.Duration("lasts", 15*time.Second, "how long the faults of one seed go on")
	faultsFlag  = flag.String("faults", "", "the names of the faults that are played, with commas (faults_test.go); empty: all")
	kindFlag    = flag.String("kind", string(harness.Zooid), "the servers: zooid, or java to see whether an expectation is one")
)

// fixedSeed is played at each run of the ring, on 3 members.
const fixedSeed = 4

// inside is set in the environment of the test that runs in its namespaces.
const inside = "ZOOID_CHAOS_INSIDE"

// TestChaos plays seeds, each in namespaces of its own.
func TestChaos(t *testing.T) {
	harness.Gate(t)
	if os.Getenv(inside) != "" {
		members, err := strconv.Atoi(*membersFlag)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(title(*seedFlag, members), func(t *testing.T) { play(t, *seedFlag, members) })
		return
	}
	prepare(t)
	seeds := []uint64{*seedFlag}
	if *seedFlag == 0 {
		seeds = []uint64{fixedSeed}
		for range *seedsFlag {
			seeds = append(seeds, uint64(time.Now().UnixMilli())*100+rand.Uint64N(100))
		}
	}
	for _, seed := range seeds {
		for _, members := range membersOf(t, seed) {
			t.Run(title(seed, members), func(t *testing.T) { playAlone(t, seed, members) })
		}
	}
}

func title(seed uint64, members int) string { return fmt.Sprintf("seed-%d-members-%d", seed, members) }

func membersOf(t *testing.T, seed uint64) (list []int) {
	if *membersFlag == "" {
		return []int{3 + 2*int(seed%2)}
	}
	for _, word := range strings.Split(*membersFlag, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 3 || n > 9 {
			t.Fatalf("-members %q: 3 to 9, please", *membersFlag)
		}
		list = append(list, n)
	}
	return list
}

// prepare fetches and builds what is needed: in its namespaces the test has no
// network but its own.
func prepare(t *testing.T) {
	t.Setenv("ZOOID_BIN", harness.ZooidBinary(t))
	for _, f := range foreigners {
		f.command(t)
	}
}

// playAlone plays one seed in fresh namespaces.
func playAlone(t *testing.T, seed uint64, members int) {
	unshare(t, "TestChaos", *lastsFlag+8*time.Minute,
		fmt.Sprintf("-seed=%d", seed), fmt.Sprintf("-members=%d", members), fmt.Sprintf("-lasts=%v", *lastsFlag),
		"-kind="+*kindFlag, "-faults="+*faultsFlag)
}

// unshare runs a test again, with these flags, in fresh namespaces of mounts,
// network and processes. All that it makes ends with them. Who is not root
// needs a kernel that lets users have namespaces.
func unshare(t *testing.T, test string, limit time.Duration, flags ...string) {
	again := fmt.Sprintf("ZOOID_INTEROP=1 go test -count=1 ./test/chaos -run %s -v %s", test, strings.Join(flags, " "))
	t.Log("again: " + again)
	args := []string{"--mount", "--net", "--pid", "--fork", "--kill-child"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	args = append(args, os.Args[0], "-test.run=^"+test+"$", "-test.v", fmt.Sprintf("-test.timeout=%v", limit))
	cmd := exec.Command("unshare", append(args, flags...)...)
	cmd.Env = append(os.Environ(), inside+"=1", "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var transcript bytes.Buffer
	cmd.Stdout, cmd.Stderr = &transcript, &transcript
	err := cmd.Run()
	t.Log(transcript.String())
	switch {
	case err == nil:
	case strings.Contains(transcript.String(), "=== RUN"):
		t.Errorf("%v\nagain: %s", err, again)
	default:
		t.Errorf("%v: this ring makes network namespaces, so it needs root or a kernel that lets users have namespaces", err)
	}
}

// furnish mounts what the test's own namespaces lack.
func furnish(t *testing.T) {
	for _, m := range []struct{ what, at string }{{"proc", "/proc"}, {"tmpfs", "/run"}} {
		if err := unix.Mount(m.what, m.at, m.what, 0, ""); err != nil {
			t.Fatalf("mount %s: %v", m.at, err)
		}
	}
}

// play is one seed in the test's own namespaces.
func play(t *testing.T, seed uint64, members int) {
	furnish(t)
	w := build(t, seed, members)
	w.populate()
	n := &nemesis{
		t: t, e: w.e, net: w.net, leader: &w.leader,
		cuts: map[int]map[way]bool{}, away: map[int]bool{}, narrow: map[int]bool{},
		mortal: *kindFlag == string(harness.Java),
	}
	n.play(draw(t, seed, *lastsFlag, *faultsFlag), *lastsFlag)
	w.settle()
	t.Logf("leaders by epoch: %v", w.leaders)
	w.stop()
	w.judge()
}

// build starts an ensemble on a network of its own. The seed decides, too, how
// much members remember of what others miss.
func build(t *testing.T, seed uint64, members int) *world {
	w := &world{
		t: t, seed: seed, net: newNetwork(t, members), leaders: map[int64]int{}, progress: map[string]int{},
		residents: residents{alive: map[string]*zk.Client{}, dead: map[string]int64{}},
	}
	var machines []harness.Machine
	for id := 1; id <= members; id++ {
		machines = append(machines, machine(id))
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	lines := []string{
		fmt.Sprintf("commitLogCount=%d", []int{500, 50, 1000}[rng.IntN(3)]),
		fmt.Sprintf("snapCount=%d", []int{100_000, 150, 1000}[rng.IntN(3)]),
		fmt.Sprintf("snapshotSizeFactor=%v", []float64{0.33, -1}[rng.IntN(2)]),
	}
	w.timeout = []time.Duration{1500 * time.Millisecond, 4 * time.Second}[rng.IntN(2)]
	t.Logf("%d members of %s, %s, sessions of %v", members, *kindFlag, strings.Join(lines, " "), w.timeout)
	w.e = harness.StartEnsemble(t, harness.EnsembleOptions{
		Kinds: slices.Repeat([]harness.Kind{harness.Kind(*kindFlag)}, members), Machines: machines,
		TickTime: tick, InitLimit: 20, SyncLimit: 5, Lines: lines, SeparateLog: true,
	})
	w.began = judge.Now()
	return w
}

// populate starts the clients.
func (w *world) populate() {
	const registers = 4
	c := w.dial()
	defer c.Close()
	paths := []string{"/numbers", "/residents", "/travellers", "/pair-a", "/pair-b"}
	for id := range registers + len(foreigners) {
		paths = append(paths, fmt.Sprintf("/barrier-%d", id))
	}
	for _, path := range paths {
		limit, cancel := operation()
		_, err := c.Create(limit, path, nil, zk.Persistent, nil)
		cancel()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.ends = append(w.ends, cancel)
	w.t.Cleanup(w.stop)
	w.observe(ctx)
	for id := range registers {
		w.registers(ctx, id)
	}
	for id := range 2 {
		w.counter(ctx, id)
		w.resident(ctx, id)
	}
	for _, kind := range watches {
		w.watcher(ctx, kind)
	}
	w.pairs(ctx)
	w.pairReader(ctx)
	w.travel(ctx)
	for i, f := range foreigners {
		f.start(w, registers+i)
	}
}

// judge holds what the clients were told against what the members have.
func (w *world) judge() {
	w.t.Helper()
	w.residents.check(w)
	w.t.Logf("members were brought up to date by %s", w.methods())
	judge.Equal(w.t, w.e)
	// What is on the disks is that, too, and not only what is in memory.
	w.e.Kill(w.e.Members()...)
	w.e.Launch(w.e.Members()...)
	w.e.WaitRoles()
	judge.Trees(w.t, w.e)
	w.numbers.check(w.t, w.contents("/numbers"))
	w.history.Judge(w.t)
}

// byMethod finds in a member's log how it was brought up to date, in the words
// of either server.
var byMethod = regexp.MustCompile(`in sync with the leader.* by=(\w+)|Getting a (diff|snapshot)|(Truncating) log`)

// methods counts how members were brought up to date: a campaign that never
// meets one of the ways proves nothing of it.
func (w *world) methods() string {
	counts := map[string]int{}
	for _, m := range w.e.Members() {
		for _, found := range byMethod.FindAllStringSubmatch(m.Output(), -1) {
			counts[strings.Join(found[1:], "")]++
		}
	}
	return fmt.Sprint(counts)
}

// contents are the children of a znode with their data.
func (w *world) contents(path string) map[string]string {
	w.t.Helper()
	c := w.dial()
	defer c.Close()
	ctx, cancel := operation()
	defer cancel()
	names, err := []string(nil), c.Sync(ctx, path)
	if err == nil {
		names, _, err = c.Children(ctx, path)
	}
	out := map[string]string{}
	for _, name := range names {
		if err == nil {
			var data []byte
			data, _, err = c.Get(ctx, path+"/"+name)
			out[name] = string(data)
		}
	}
	if err != nil {
		w.t.Fatalf("contents of %s: %v", path, err)
	}
	return out
}
