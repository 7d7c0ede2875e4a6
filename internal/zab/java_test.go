package zab

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"zooid/internal/wire"
)

// shown renders what a step does as the lines of testdata/GoldenElection.java.
func shown(out Effects) []string {
	var lines []string
	for _, b := range out.Send {
		n := b.Notification
		lines = append(lines, fmt.Sprintf("out %d %d %d %d %d %d", b.To, n.State, n.Leader, n.Zxid, n.Round, n.PeerEpoch))
	}
	if d := out.Decided; d != nil {
		lines = append(lines, fmt.Sprintf("decided %d %d %d %d %d", d.State, d.Vote.Leader, d.Vote.Zxid, d.Vote.Round, d.Vote.PeerEpoch))
	}
	return lines
}

// replay is one scenario of the golden file under way.
type replay struct {
	t   *testing.T
	e   *Election
	now int64
}

// start begins with the line of the peer and shows what it does at once.
func (r *replay) start(line string) []string {
	f := strings.SplitN(line, " ", 6)
	var self, zxid, epoch int64
	if _, err := fmt.Sscan(f[1], &self); err != nil {
		r.t.Fatal(line, err)
	}
	if _, err := fmt.Sscan(f[3]+" "+f[4], &zxid, &epoch); err != nil {
		r.t.Fatal(line, err)
	}
	r.e = NewElection(ElectionOptions{Self: self, Observer: f[2] == "observer"}, parse(r.t, f[5]), nil)
	return shown(r.e.Look(r.now, History{zxid, epoch}))
}

func (r *replay) receive(line string) []string {
	var from int64
	n := wire.Notification{Config: r.e.text}
	if _, err := fmt.Sscanf(line, "in %d %d %d %d %d %d %d", &from, &n.State, &n.Leader, &n.Zxid, &n.Round, &n.PeerEpoch, &n.Version); err != nil {
		r.t.Fatal(line, err)
	}
	return shown(r.e.Receive(r.now, from, &n))
}

// until lets the time pass and shows what it brings.
func (r *replay) until(now int64) []string {
	var did []string
	for r.e.Deadline() <= now {
		r.now = r.e.Deadline()
		did = append(did, shown(r.e.Tick(r.now, true))...)
	}
	r.now = now
	return did
}

// TestJavaElection plays what testdata/GoldenElection.java played to Apache's
// FastLeaderElection, and demands the same messages and the same decision.
func TestJavaElection(t *testing.T) {
	text, err := os.ReadFile("testdata/java-election.txt")
	if err != nil {
		t.Fatal(err)
	}
	records, decided := strings.Split(strings.TrimSpace(string(text)), "\n\n"), 0
	for _, record := range records {
		r := replay{t: t}
		var did, want []string
		var step string
		check := func() {
			slices.Sort(did)
			slices.Sort(want)
			if !slices.Equal(did, want) {
				t.Errorf("%s\n\nat %q it does\n%s\nwant\n%s", record, step, strings.Join(did, "\n"), strings.Join(want, "\n"))
			}
			want = nil
		}
		for _, line := range strings.Split(record, "\n") {
			switch kind, _, _ := strings.Cut(line, " "); kind {
			case "peer":
				step, did = line, r.start(line)
			case "in":
				did = append(did, r.until(r.now+30)...)
				check()
				step, did = line, r.receive(line)
			case "wait":
				did = append(did, r.until(r.now+30)...)
				check()
				step, did = line, slices.DeleteFunc(r.until(r.now+1000), func(s string) bool { return strings.HasPrefix(s, "out") })
			default:
				want = append(want, line)
			}
		}
		check()
		if strings.Contains(record, "decided") {
			decided++
		}
	}
	if len(records) < 200 || decided < 50 {
		t.Errorf("%d scenarios, %d decided: too few to say much", len(records), decided)
	}
}
