package main

import (
	"bytes"
	"strings"
	"testing"

	"zooid/internal/ensemble"
)

// TestMemberPlan: what a change would cost is seen before it is made.
func TestMemberPlan(t *testing.T) {
	const three = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2"
	for _, c := range []struct {
		name, next string
		leaves     int64
		roles      map[int64]string
		warns      string
		says       string
	}{
		{name: "all well", next: "server.1=a:1:2\nserver.2=b:1:2", roles: map[int64]string{1: "leader", 2: "follower", 3: "follower"},
			leaves: 3, says: "3 voters, of which 1 may fail now, 2 voters, of which 0 may fail afterwards"},
		{name: "the leader goes", next: "server.1=a:1:2\nserver.2=b:1:2", roles: map[int64]string{1: "follower", 2: "follower", 3: "leader"},
			leaves: 3, says: "server 3 leads"},
		{name: "one that is left is down", next: "server.1=a:1:2\nserver.2=b:1:2", roles: map[int64]string{1: "leader", 2: unknown, 3: "follower"},
			leaves: 3, warns: "only 1 of the 2 voters"},
		{name: "nothing is known of anyone", next: "server.1=a:1:2\nserver.2=b:1:2",
			roles: map[int64]string{1: "client port unknown", 2: "client port unknown"}, leaves: 3},
		{name: "even", next: three + "\nserver.4=d:1:2", roles: map[int64]string{1: "leader", 2: "follower", 3: "follower", 4: "follower"},
			says: "an even number"},
	} {
		before, err := ensemble.Parse([]byte(three))
		if err != nil {
			t.Fatal(err)
		}
		next, err := ensemble.Parse([]byte(c.next))
		if err != nil {
			t.Fatal(err)
		}
		p := &plan{next: next, leaves: c.leaves}
		p.check(before, c.roles)
		if got := strings.Join(p.warnings, "\n"); (got == "") != (c.warns == "") || !strings.Contains(got, c.warns) {
			t.Errorf("%s: warns %q, want %q", c.name, got, c.warns)
		}
		if got := strings.Join(p.steps, "\n"); !strings.Contains(got, c.says) {
			t.Errorf("%s: says %q, want %q in it", c.name, got, c.says)
		}
	}
}

// TestMemberAsks: without a yes nothing is done.
func TestMemberAsks(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "yep\n": false} {
		var out bytes.Buffer
		tool := &memberTool{in: strings.NewReader(answer), out: &out}
		if err := tool.confirm(); (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
	}
}
