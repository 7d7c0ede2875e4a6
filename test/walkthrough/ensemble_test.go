package walkthrough

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestEnsembleWalkthrough is the way of three servers, each on a machine of its
// own: start, look, lose the leader, have it back, stop.
func TestEnsembleWalkthrough(t *testing.T) {
	transcript := play(t, "machines.sh", "ensemble.sh")
	check(t, transcript, ensembleExpectations())
	checkModes(t, transcript)
}

// machines are those of ensemble.sh. Which of them leads, and so which of them
// dies, is theirs to decide: expectations behind the loss name no machine.
var machines = []string{"cdh001", "cdh002", "cdh003"}

func ensembleExpectations() []expectation {
	started := []string{"ZooKeeper JMX enabled by default", usingConfig, `Stopping zookeeper \.\.\. .*`, `Starting zookeeper \.\.\. STARTED`}
	serves := []string{
		"ZooKeeper JMX enabled by default", usingConfig,
		`Client port found: 2181\. Client address: localhost\. Client SSL: false\.`, "Mode: (leader|follower)",
	}
	silent := []string{`Client port found: 2181\..*`, `Error contacting service\. It is probably not running\.`, `\(exit code 1\)`}
	var all []expectation
	add := func(machine, command string, lines ...string) {
		fails := len(lines) > 0 && strings.Contains(lines[len(lines)-1], "exit code")
		all = append(all, expectation{machine: machine, command: command, lines: lines, fails: fails})
	}
	everywhere := func(command string, lines ...string) {
		for _, m := range machines {
			add(m, command, lines...)
		}
	}
	for i, m := range machines {
		add(m, "cd /application/hadoop && tar -xzf")
		add(m, "mkdir")
		add(m, fmt.Sprintf("echo %d > /data/zookeeper/zkdata/myid", i+1))
	}
	add("cdh001", "zkServer.sh restart", started...)
	add("cdh001", "zkServer.sh status", silent...)
	add("cdh002", "zkServer.sh restart", started...)
	add("cdh003", "zkServer.sh restart", started...)
	everywhere("zkServer.sh status", serves...)
	for _, m := range machines {
		add(m, "zkCli.sh -server "+m+":2181 create", "Created /from-"+m)
	}
	everywhere("zkCli.sh", "Sync is OK", `\[from-cdh001, from-cdh002, from-cdh003, zookeeper\]`,
		"hello from cdh001", "hello from cdh002", "hello from cdh003")
	add("cdh001", "zkCli.sh -server cdh001:2181,cdh002:2181,cdh003:2181 create", "Created /app")
	add("", "kill -9")
	add("", "zkServer.sh status", silent...)
	add("", "zkCli.sh -server cdh001:2181,cdh002:2181,cdh003:2181 set /app 2")
	for range 2 {
		add("", "zkServer.sh status", serves...)
	}
	for range 2 {
		add("", "zkCli.sh", "Created /without-the-leader-cdh00.")
	}
	add("", "zkServer.sh restart", started...)
	everywhere("zkServer.sh status", serves...)
	add("", "zkCli.sh", "Sync is OK",
		`\[app, from-cdh001, from-cdh002, from-cdh003, without-the-leader-cdh00., without-the-leader-cdh00., zookeeper\]`, "2")
	for _, outcome := range []string{"HANDED OVER", "nothing to hand over"} {
		add("", "zkServer.sh handover", "ZooKeeper JMX enabled by default", usingConfig,
			`Handing over the leadership \.\.\. `+outcome+", Mode: follower")
	}
	add("", "zkCli.sh -server cdh001:2181,cdh002:2181,cdh003:2181 get /app", "2")
	add("cdh001", "zkServer.sh stop", `Stopping zookeeper \.\.\. STOPPED`)
	add("cdh002", "zkServer.sh stop", `Stopping zookeeper \.\.\. STOPPED`)
	add("cdh003", "zkServer.sh status", silent...)
	add("cdh003", "zkServer.sh stop", `Stopping zookeeper \.\.\. STOPPED`)
	everywhere("ls", "myid", "version-2", "acceptedEpoch", "currentEpoch", `snapshot\..*`, `log\..*`)
	return all
}

// checkModes looks at who led when: one of all at first, another one of two
// after the loss, and still that one when the lost one is back.
func checkModes(t *testing.T, transcript string) {
	t.Helper()
	var rounds [][]string // who led, in runs of status
	var served []string
	lost := ""
	before := ""
	for _, s := range split(transcript) {
		if strings.HasPrefix(s.command, "kill -9") {
			lost = s.machine
		}
		mode := ""
		if s.command == "zkServer.sh status" {
			for line := range strings.Lines(s.output) {
				if m, ok := strings.CutPrefix(strings.TrimSpace(line), "Mode: "); ok {
					mode = m
				}
			}
		}
		if mode == "" {
			before = ""
			continue
		}
		if before == "" {
			rounds, served = append(rounds, nil), append(served, "")
		}
		before = mode
		last := len(rounds) - 1
		served[last] += s.machine + " "
		if mode == "leader" {
			rounds[last] = append(rounds[last], s.machine)
		}
	}
	if len(rounds) != 3 || slices.ContainsFunc(rounds, func(leaders []string) bool { return len(leaders) != 1 }) {
		t.Fatalf("there must be one leader each time all were asked: %q of %q", rounds, served)
	}
	if rounds[0][0] != lost || rounds[1][0] == lost || rounds[2][0] != rounds[1][0] {
		t.Errorf("%s led and was lost; then led %s, then %s", lost, rounds[1][0], rounds[2][0])
	}
	if served[0] != "cdh001 cdh002 cdh003 " || served[2] != served[0] || strings.Contains(served[1], lost) {
		t.Errorf("served: %q, lost: %s", served, lost)
	}
}
