package ensemble

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

var rewrite = flag.Bool("rewrite", false, "write what Apache's servers answer into testdata, instead of comparing with it (with -ensembles java)")

// busy gives an ensemble the same work each time: at each member a session
// that writes, reads, watches and syncs, one that moves in from another member,
// and one that ends.
func busy(t *testing.T, e *harness.Ensemble) {
	t.Helper()
	members := e.Members()
	for i, m := range members {
		c, _ := open(t, m, sessionTimeout)
		root := fmt.Sprintf("/m%d", m.ID)
		call(t, c, raw.OpCreate, raw.Create(root, []byte("0123456789"), raw.World, 0))
		call(t, c, raw.OpGetData, raw.PathBool(root, true))
		for range 5 {
			call(t, c, raw.OpSetData, raw.SetData(root, []byte("9876543210"), -1))
		}
		if r, err := c.Call(raw.OpSetData, raw.SetData(root, nil, 77)); err != nil || r.Err == 0 {
			t.Fatalf("setData of another version: %v, code %d", err, r.Err)
		}
		call(t, c, raw.OpGetChildren, raw.PathBool(root, true))
		call(t, c, raw.OpCreate, raw.Create(root+"/e", nil, raw.World, ephemeral))
		call(t, c, raw.OpGetData, raw.PathBool(root, true))
		call(t, c, raw.OpSync, raw.Path(root))

		ends, _ := open(t, m, sessionTimeout)
		call(t, ends, raw.OpCreate, raw.Create(root+"/ends", nil, raw.World, ephemeral))
		call(t, ends, raw.OpCloseSession, nil)
		ends.Close()

		from, s := open(t, members[(i+1)%len(members)], sessionTimeout)
		from.Close()
		call(t, resume(t, m, s), raw.OpCreate, raw.Create(root+"/moved", nil, raw.World, ephemeral))
	}
	checkZxids(t, e)
}

// startBusy starts an ensemble of three voters and an observer. The leader is
// the third voter as a rule, but nothing depends on that.
func startBusy(t *testing.T, kinds []harness.Kind) *harness.Ensemble {
	t.Helper()
	e := harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: cycle(kinds, 4), Observers: []int{4}})
	e.WaitRoles()
	return e
}

// monitor is what a member answers to mntr, without "zk_"; names with the id of a
// server or the name of a znode of one have N in its place.
func monitor(t *testing.T, m *harness.Member) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(m.FourLetter("mntr")) {
		key, value, tab := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		name, prefix := strings.CutPrefix(key, "zk_")
		if !tab || !prefix || value == "" {
			t.Fatalf("no line of mntr of member %d (%s): %q", m.ID, m.Kind(), line)
		}
		values[ofServer.ReplaceAllString(name, "_${1}N_")] = value
	}
	return values
}

var ofServer = regexp.MustCompile(`_(m?)[1-9]_`)

// What the work of busy makes of these is the same in every ensemble: of the
// first their value, of the second by how much they grow.
//
// The values of others are not compared: times, what depends on the moment or
// on the process, and what belongs to how a server is built. Of the last kind
// these differ for good: Zooid takes requests and transactions in batches, so
// what Apache's server samples once for each of them (sizes of queues, the rooms
// of the commit processor) has one sample a batch; a sync counts as a read in
// read_commitproc_time_ms and not as a write in write_commitproc_time_ms; there
// is no cache of responses, no pool of workers, and no throttler unless one is
// asked for; packets_sent counts a four-letter answer once; and a connection
// that the server ends counts in num_alive_connections until the client has
// taken its last reply, for a second at most.
var (
	exact = pattern(`server_state`, `peer_state`, `quorum_size`, `learners`, `synced_followers`, `synced_non_voting_followers`,
		`synced_observers`, `pending_syncs`, `(last|min|max)_proposal_size`, `(last|min|max)_client_response_size`,
		`znode_count`, `ephemerals_count`, `watch_count`, `approximate_data_size`, `global_sessions`, `local_sessions`,
		`outstanding_requests`, `quota_.*`)
	grows = pattern(`proposal_count`, `commit_count`, `learner_(proposal|commit)_received_count`, `revalidate_count`,
		`connection_(revalidate|request)_count`, `connection_rejected`, `diff_count`, `snap_count`,
		`cnt_(propagation|commit_propagation|proposal|proposal_ack_creation|quorum_ack)_latency`, `cnt_(read|update)latency`,
		`(cnt|sum)_(m?N)_(read|write)_per_namespace`, `(cnt|sum)_node_.*_watch_count`, `response_bytes`, `watch_bytes`,
		`cnt_close_session_prep_time`, `outstanding_changes_(queued|removed)`, `prep_processor_request_queued`,
		`sync_processor_request_queued`, `cnt_sync_processor_queue_time_ms`, `cnt_server_write_committed_time_ms`,
		`cnt_startup_.*`, `cnt_dbinittime`, `looking_count`, `cnt_(election|unavailable|leader_unavailable|follower_sync|observer_sync)_time`,
		`cnt_inflight_(diff|snap)_count`, `digest_mismatches_count`, `stale_.*`, `unrecoverable_error_count`, `throttled_ops`)
)

func pattern(names ...string) *regexp.Regexp {
	return regexp.MustCompile("^(" + strings.Join(names, "|") + ")$")
}

// mayLack is what need not be there: a server whose tree has the configuration
// already does not write it again, as Apache's does.
var mayLack = pattern(`(avg|min|max|cnt|sum)_zookeeper_write_per_namespace`)

// measured are the lines of a golden file: a name, and its value if that is
// always the same.
func measured(before, after map[string]string) []string {
	var lines []string
	for name, value := range after {
		switch {
		case mayLack.MatchString(name):
			continue
		case exact.MatchString(name):
			name += " " + value
		case grows.MatchString(name):
			b, _ := strconv.ParseInt(before[name], 10, 64)
			a, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				name += " " + value
				break
			}
			name += fmt.Sprintf(" +%d", a-b)
		}
		lines = append(lines, name)
	}
	slices.Sort(lines)
	return lines
}

// TestMetrics: mntr of a leader, a follower and an observer has the names that
// Apache's has in that role, and what counts something has counted the same.
func TestMetrics(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := startBusy(t, kinds)
		before := map[*harness.Member]map[string]string{}
		for _, m := range e.Members() {
			before[m] = monitor(t, m)
			atStart(t, m, before[m])
		}
		busy(t, e)
		for _, m := range e.Members() {
			compareGolden(t, m, "mntr-"+m.Role(), func() []string { return measured(before[m], monitor(t, m)) })
		}
	})
}

// compareGolden compares what a member says with a golden file, or writes that.
func compareGolden(t *testing.T, m *harness.Member, name string, say func() []string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *rewrite && m.Kind() == harness.Java {
		writeLines(t, file, say())
		return
	}
	want := readLines(t, file)
	var got []string
	// Acknowledgements and connections that end may still be under way.
	harness.Within(5*time.Second, m.Done(), func() bool {
		got = say()
		return slices.Equal(want, got)
	})
	compareLines(t, fmt.Sprintf("%s of member %d (%s %s)", name, m.ID, m.Kind(), m.Role()), want, got)
}

// TestMetricsOfObserverMasters: the names are the same where observers learn
// from followers, which measure what they do for them. What a follower has of
// learners depends on which observer has come to it.
func TestMetricsOfObserverMasters(t *testing.T) {
	names := func(m *harness.Member) (list []string) {
		for name := range monitor(t, m) {
			if !mayLack.MatchString(name) && !strings.Contains(name, "_N_learner_handler_") {
				list = append(list, name)
			}
		}
		slices.Sort(list)
		return list
	}
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := withMasters(t, kinds)
		busy(t, e)
		for _, m := range e.Members() {
			switch m.Role() {
			case "observer":
				compareGolden(t, m, "mntr-observer-of-follower", func() []string { return names(m) })
			case "follower":
				compareGolden(t, m, "mntr-observer-master", func() []string { return names(m) })
				v := monitor(t, m)
				for name, of := range map[string]string{"cnt_om_proposal_process_time_ms": "learner_proposal_received_count",
					"cnt_om_commit_process_time_ms": "learner_commit_received_count"} {
					if number(v, name) != number(v, of) || number(v, of) < 50 {
						t.Errorf("member %d (%s): %s is %s, %s is %s", m.ID, m.Kind(), name, v[name], of, v[of])
					}
				}
			}
		}
	})
}

// atStart fails unless a member has measured how it found its place. How many
// elections that takes depends on the moment.
func atStart(t *testing.T, m *harness.Member, values map[string]string) {
	t.Helper()
	some := []string{"looking_count", "cnt_unavailable_time", "cnt_dbinittime"}
	switch m.Role() {
	case "leader":
		some = append(some, "cnt_election_time", "cnt_leader_unavailable_time", "cnt_startup_snap_load_time", "cnt_N_learner_handler_qp_size",
			"cnt_N_learner_handler_qp_time_ms")
		if n := number(values, "diff_count") + number(values, "snap_count"); n < 3 {
			t.Errorf("the leader (%s) has brought %d learners up to date", m.Kind(), n)
		}
		if n := number(values, "cnt_inflight_diff_count") + number(values, "cnt_inflight_snap_count"); n < 6 {
			t.Errorf("the leader (%s) has measured %d times how many learners are being brought up to date", m.Kind(), n)
		}
		if !between(number(values, "leader_uptime"), 1, number(values, "uptime")) {
			t.Errorf("leader_uptime is %s, uptime %s", values["leader_uptime"], values["uptime"])
		}
	case "follower":
		some = append(some, "cnt_election_time", "cnt_follower_sync_time")
	case "observer":
		some = append(some, "cnt_observer_sync_time")
	}
	for _, name := range some {
		if number(values, name) < 1 {
			t.Errorf("member %d (%s %s): %s is %q after the start", m.ID, m.Kind(), m.Role(), name, values[name])
		}
	}
}

func between(n, low, high int64) bool { return low <= n && n <= high }

func number(values map[string]string, name string) int64 {
	n, err := strconv.ParseInt(values[name], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func writeLines(t *testing.T, file string, lines []string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readLines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// compareLines shows which lines are missing and which are too many.
func compareLines(t *testing.T, what string, want, got []string) {
	t.Helper()
	count := map[string]int{}
	for _, line := range got {
		count[line]++
	}
	for _, line := range want {
		count[line]--
	}
	for _, line := range slices.Sorted(maps.Keys(count)) {
		switch n := count[line]; {
		case n < 0:
			t.Errorf("%s: missing: %s", what, line)
		case n > 0:
			t.Errorf("%s: unexpected: %s", what, line)
		}
	}
}
