package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"zooid/test/interop/harness"
)

// clients is the machine of the clients, the test's own namespace, beside the
// members 1, 2, 3, ...
const clients = 0

// network is a switch with one cable to each member's namespace. The clients
// stand at the switch itself.
//
// A way from one machine to another is cut by a false hardware address for the
// other one: what is sent leaves the machine and reaches nobody, without a word
// to the sender, as when a cable or a switch is broken.
type network struct {
	t       testing.TB
	members int
	cut     map[way]bool
	down    map[int]bool // cables that are pulled
}

// way is one direction between two machines.
type way struct{ from, to int }

// newNetwork makes the network. The test's namespaces are its own and new.
func newNetwork(t testing.TB, members int) *network {
	n := &network{t: t, members: members, cut: map[way]bool{}, down: map[int]bool{}}
	n.ip(clients,
		"link set lo up",
		"link add switch address "+hardware(clients)+" type bridge",
		"address add "+address(clients)+"/24 dev switch",
		"link set switch up")
	for id := 1; id <= members; id++ {
		run(t, "ip", "netns", "add", namespace(id))
		n.ip(clients,
			fmt.Sprintf("link add to-%d type veth peer name eth0 address %s netns %s", id, hardware(id), namespace(id)),
			fmt.Sprintf("link set to-%d master switch up", id))
		n.ip(id, "link set lo up", "address add "+address(id)+"/24 dev eth0", "link set eth0 up")
	}
	n.set(nil)
	n.prove()
	return n
}

// prove fails unless a cut way is silent, in both directions, and an open one
// is not: nobody listens at the port, and only machines that reach each other
// learn that from one another.
func (n *network) prove() {
	n.t.Helper()
	for _, test := range []struct {
		cut    map[way]bool
		silent bool
	}{{nil, false}, {map[way]bool{{clients, 1}: true}, true}, {map[way]bool{{1, clients}: true}, true}, {nil, false}} {
		n.set(test.cut)
		c, err := net.DialTimeout("tcp", address(1)+":9", 300*time.Millisecond)
		if err == nil {
			c.Close()
		}
		var timeout net.Error
		if silent := errors.As(err, &timeout) && timeout.Timeout(); silent != test.silent || !silent && !errors.Is(err, syscall.ECONNREFUSED) {
			n.t.Fatalf("the network does not do what it is told: ways cut %q, and a connection ends with %v", text(test.cut, n.members), err)
		}
	}
}

func namespace(id int) string { return fmt.Sprintf("member-%d", id) }

func address(id int) string {
	if id == clients {
		return "10.77.0.254"
	}
	return fmt.Sprintf("10.77.0.%d", id)
}

func hardware(id int) string { return fmt.Sprintf("02:00:0a:4d:00:%02x", id) }

// nobody is the hardware address of no machine.
const nobody = "02:00:0a:4d:ff:ff"

// machine is where a member runs.
func machine(id int) harness.Machine {
	return harness.Machine{Host: address(id), Enter: []string{"nsenter", "--net=/run/netns/" + namespace(id)}}
}

// set cuts these ways and opens all others.
func (n *network) set(cut map[way]bool) {
	n.cut = cut
	for from := 0; from <= n.members; from++ {
		device := "eth0"
		if from == clients {
			device = "switch"
		}
		var commands []string
		for to := 0; to <= n.members; to++ {
			if to == from {
				continue
			}
			at := hardware(to)
			if cut[way{from, to}] {
				at = nobody
			}
			commands = append(commands, fmt.Sprintf("neighbour replace %s lladdr %s dev %s nud permanent", address(to), at, device))
		}
		n.ip(from, commands...)
	}
}

// pull pulls the cable of a member, or plugs it in.
func (n *network) pull(id int, down bool) {
	n.down[id] = down
	state := "up"
	if down {
		state = "down"
	}
	n.ip(clients, fmt.Sprintf("link set to-%d %s", id, state))
}

// narrow lets little through to and from a member, or everything again: what is
// too much waits in a queue, and is lost where that is full.
func (n *network) narrow(id int, narrow bool) {
	shape := []string{"root"}
	verb := "del"
	if narrow {
		verb, shape = "replace", strings.Fields("root tbf rate 400kbit burst 4kb latency 400ms")
	}
	run(n.t, "tc", append([]string{"qdisc", verb, "dev", fmt.Sprintf("to-%d", id)}, shape...)...)
	run(n.t, "tc", append([]string{"-n", namespace(id), "qdisc", verb, "dev", "eth0"}, shape...)...)
}

// text lists the ways that are cut: "1>2 2>1".
func text(cut map[way]bool, members int) string {
	var out []string
	for from := 0; from <= members; from++ {
		for to := 0; to <= members; to++ {
			if cut[way{from, to}] {
				out = append(out, strings.ReplaceAll(fmt.Sprintf("%d>%d", from, to), "0", "clients"))
			}
		}
	}
	return strings.Join(out, " ")
}

// ip runs commands of ip on one machine.
func (n *network) ip(id int, commands ...string) {
	n.t.Helper()
	args := []string{"-batch", "-"}
	if id != clients {
		args = append([]string{"-n", namespace(id)}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v\n%s\n%s", strings.Join(args, " "), err, strings.Join(commands, "\n"), out)
	}
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
}
