package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/judge"
	"zooid/zk"
)

// TestTwoNetworks has three members that reach each other over two networks
// (multiAddress.enabled), one of them of Apache's. Whichever network is lost,
// the ensemble goes on over the other one.
func TestTwoNetworks(t *testing.T) {
	harness.Gate(t)
	if os.Getenv(inside) == "" {
		t.Setenv("ZOOID_BIN", harness.ZooidBinary(t))
		harness.Jars(t)
		unshare(t, "TestTwoNetworks", 8*time.Minute)
		return
	}
	furnish(t)
	n := newNetwork(t, 3)
	var machines []harness.Machine
	for id := 1; id <= 3; id++ {
		m := machine(id)
		m.Nets = []string{side(1, id), side(2, id)}
		machines = append(machines, m)
	}
	for net := 1; net <= 2; net++ {
		n.addSide(net)
	}
	e := harness.StartEnsemble(t, harness.EnsembleOptions{
		Kinds: []harness.Kind{harness.Zooid, harness.Java, harness.Zooid}, Machines: machines, TickTime: tick,
		// Apache's server takes the option of the file too late for the server lines.
		Lines: []string{"multiAddress.enabled=true"}, Properties: []string{"zookeeper.multiAddress.enabled=true"},
	})
	c, err := zk.Dial(t.Context(), e.ClientAddrs(), zk.WithConnectTimeout(500*time.Millisecond), zk.WithSessionTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	written, stop := count(t, c)
	_, first := e.Leader().State()
	for _, step := range []struct {
		what string
		lost map[int][]int // members without the network, by network
	}{
		{"the first network is lost", map[int][]int{1: {1, 2, 3}}},
		{"all is well", nil},
		{"the second network is lost", map[int][]int{2: {1, 2, 3}}},
		{"the leader has only the second network", map[int][]int{1: {e.Leader().ID}}},
		{"all is well", nil},
	} {
		for net := 1; net <= 2; net++ {
			n.pullSide(net, step.lost[net])
		}
		if !harness.Eventually(nil, func() bool { return n.links(e, step.lost) == 0 }) {
			t.Fatalf("%s: members still hold to links over it after %v: %s", step.what, harness.Patience, e.Roles())
		}
		before := written.Load()
		if !harness.Eventually(nil, func() bool { return written.Load() >= before+20 }) {
			t.Fatalf("%s: nothing is written within %v: %s", step.what, harness.Patience, e.Roles())
		}
		leader := e.WaitRoles()
		t.Logf("%s: member %d leads, %d writes so far", step.what, leader.ID, written.Load())
	}
	stop()
	if _, last := e.Leader().State(); last>>32 == first>>32 {
		t.Errorf("nobody missed a network: the epoch is still %d", last>>32)
	}
	judge.Equal(t, e)
	limit, cancel := operation()
	defer cancel()
	data, stat, err := c.Get(limit, "/count")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := strconv.ParseInt(string(data), 10, 64); err != nil || got < written.Load() {
		t.Fatalf("/count is %q (%+v), %d writes were acknowledged: %v", data, stat, written.Load(), err)
	}
}

// count writes numbers that grow, one after the other, until it is stopped;
// written is the last one that was acknowledged.
func count(t *testing.T, c *zk.Client) (written *atomic.Int64, stop func()) {
	written = new(atomic.Int64)
	limit, cancel := operation()
	defer cancel()
	if _, err := c.Create(limit, "/count", []byte("0"), zk.Persistent, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancelAll := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for i := int64(1); rest(ctx, pace); i++ {
			if _, err := c.Set(ctx, "/count", fmt.Append(nil, i), -1); err == nil {
				written.Store(i)
			} else if ctx.Err() == nil && !lost(err) {
				t.Errorf("set %d: %v", i, err)
			}
		}
	})
	stop = func() { cancelAll(); work.Wait() }
	t.Cleanup(stop)
	return written, stop
}

// side is the address of a member on one of the networks between members.
func side(net, id int) string { return fmt.Sprintf("10.78.%d.%d", net, id) }

// addSide makes a network of the members alone.
func (n *network) addSide(net int) {
	n.ip(clients, fmt.Sprintf("link add side-%d type bridge", net), fmt.Sprintf("link set side-%d up", net))
	for id := 1; id <= n.members; id++ {
		n.ip(clients,
			fmt.Sprintf("link add side-%d-%d type veth peer name side%d netns %s", net, id, net, namespace(id)),
			fmt.Sprintf("link set side-%d-%d master side-%d up", net, id, net))
		n.ip(id, fmt.Sprintf("address add %s/24 dev side%d", side(net, id), net), fmt.Sprintf("link set side%d up", net))
	}
}

// pullSide takes a network from these members, and gives it to all others.
func (n *network) pullSide(net int, without []int) {
	for id := 1; id <= n.members; id++ {
		state := "up"
		for _, one := range without {
			if one == id {
				state = "down"
			}
		}
		n.ip(clients, fmt.Sprintf("link set side-%d-%d %s", net, id, state))
	}
}

// links counts the ends of links between a leader and its learners over
// networks that their members have lost.
func (n *network) links(e *harness.Ensemble, lost map[int][]int) (count int) {
	for net, without := range lost {
		for _, id := range without {
			filter := "( src " + side(net, id) + " ) and ( "
			for i, m := range e.Members() {
				if i > 0 {
					filter += " or "
				}
				_, port, _ := strings.Cut(m.QuorumAddr(), ":")
				filter += "sport = :" + port + " or dport = :" + port
			}
			out, err := exec.Command("ip", "netns", "exec", namespace(id), "ss", "-Htn", "state", "established", filter+" )").CombinedOutput()
			if err != nil {
				n.t.Fatalf("ss: %v: %s", err, out)
			}
			count += bytes.Count(out, []byte("\n"))
		}
	}
	return count
}
