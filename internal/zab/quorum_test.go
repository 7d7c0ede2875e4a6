package zab

import (
	"os"
	"strings"
	"testing"

	"zooid/internal/ensemble"
)

// parse reads a configuration, with a blank where a line ends.
func parse(t testing.TB, text string) *ensemble.Membership {
	t.Helper()
	m, err := ensemble.Parse([]byte(strings.ReplaceAll(text, " ", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func has(ids ...int64) func(int64) bool {
	return func(id int64) bool {
		for _, one := range ids {
			if one == id {
				return true
			}
		}
		return false
	}
}

// TestJavaQuorums holds configurations, their text and their quorums against
// what testdata/GoldenQuorums.java got from Apache's classes. They take some
// that this server refuses; there is a reason for each.
func TestJavaQuorums(t *testing.T) {
	stricter := []string{
		"only participants count in a group", // Java fails with a null pointer, or counts who cannot vote
		"in no group",
		"no participant",
	}
	text, err := os.ReadFile("testdata/java-quorums.txt")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, record := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		lines := strings.Split(record, "\n")
		m, err := ensemble.Parse([]byte(strings.ReplaceAll(lines[0], " / ", "\n")))
		if refused := lines[1] == "refused"; refused || err != nil {
			if err == nil && len(m.Voters()) > 1 {
				t.Errorf("%s: Apache's classes refuse it", lines[0])
			}
			if !refused {
				known := false
				for _, reason := range stricter {
					known = known || strings.Contains(err.Error(), reason)
				}
				if !known {
					t.Errorf("%s: %v", lines[0], err)
				}
			}
			continue
		}
		compared++
		if got := strings.ReplaceAll(m.Text(), "\n", " / "); got != lines[1] {
			t.Errorf("%s:\n%s\nwant\n%s", lines[0], got, lines[1])
		}
		q := NewQuorum(m)
		for set, want := range lines[2] {
			got := q.Contains(func(id int64) bool { return id <= 6 && set>>(id-1)&1 != 0 })
			if got != (want == '1') {
				t.Errorf("%s: the set of bits %b: %v, want %c", lines[0], set, got, want)
			}
		}
	}
	if compared < 150 {
		t.Errorf("only %d configurations compared", compared)
	}
}

func TestHierarchy(t *testing.T) {
	const three = "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2 server.4=d:1:2 "
	for _, c := range []struct {
		name, config string
		ids          []int64
		want         bool
	}{
		{"both of two groups", three + "group.1=1:2 group.2=3:4", []int64{1, 2, 3, 4}, true},
		{"one of two groups", three + "group.1=1:2 group.2=3:4", []int64{1, 2, 3}, false},
		{"half of a group", three + "group.1=1:2:3:4", []int64{1, 2}, false},
		{"weights decide", three + "group.1=1:2:3:4 weight.1=4", []int64{1}, true},
		{"a group of weight 0 does not count", three + "group.1=1:2 group.2=3:4 weight.3=0 weight.4=0", []int64{1, 2}, true},
		{"weight 0 adds nothing", three + "group.1=1:2:3:4 weight.1=0 weight.2=0", []int64{1, 2, 3}, false},
		{"nobody weighs anything", three + "group.1=1:2:3:4 weight.1=0 weight.2=0 weight.3=0 weight.4=0", []int64{1, 2, 3, 4}, false},
		{"the largest weights", three + "group.1=1:2:3:4 weight.1=4611686018427387904 weight.2=4611686018427387900", []int64{1}, true},
		{"strangers", three + "group.1=1:2:3:4", []int64{1, 2, 7, 8, 9}, false},
	} {
		if got := NewQuorum(parse(t, c.config)).Contains(has(c.ids...)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestJointQuorum(t *testing.T) {
	current := parse(t, "server.1=a:1:2 server.2=b:1:2 server.3=c:1:2 version=5")
	next := parse(t, "server.3=c:1:2 server.4=d:1:2 server.5=e:1:2 version=6")
	older := parse(t, "server.3=c:1:2 server.4=d:1:2 server.5=e:1:2 version=5")
	for _, c := range []struct {
		name string
		next *ensemble.Membership
		ids  []int64
		want bool
	}{
		{"current alone", nil, []int64{1, 2}, true},
		{"only of the current", next, []int64{1, 2, 3}, false},
		{"only of the next", next, []int64{3, 4, 5}, false},
		{"of both", next, []int64{1, 3, 4}, true},
		{"the next is no newer", older, []int64{1, 2}, true},
	} {
		if got := NewQuorums(current, c.next).Contains(has(c.ids...)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	q := NewQuorums(current, next)
	for id := int64(0); id < 7; id++ {
		if want := id >= 1 && id <= 5; q.Voter(id) != want {
			t.Errorf("server %d votes: %v", id, !want)
		}
	}
	if len(q.Voters()) != 5 {
		t.Errorf("voters %v", q.Voters())
	}
}

func TestElectable(t *testing.T) {
	current := parse(t, "server.1=a:1:2 server.2=b:1:2 group.1=1:2 weight.2=0 version=5")
	next := parse(t, "server.1=a:1:2 server.3=c:1:2 server.4=d:1:2 group.1=1:3:4 weight.4=0 version=6")
	q := NewQuorums(current, next)
	for id, want := range map[int64]bool{1: true, 2: false, 3: true, 4: false, 9: false} {
		if q.Electable(id) != want {
			t.Errorf("server %d electable: %v", id, !want)
		}
	}
	if !NewQuorums(parse(t, "server.1=a:1:2"), nil).Electable(9) {
		t.Error("where the majority decides every id weighs 1")
	}
}
