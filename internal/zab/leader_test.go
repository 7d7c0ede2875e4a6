package zab

import "testing"

func TestCommitNeedsAMajority(t *testing.T) {
	for _, c := range []struct {
		name   string
		voters []int64
		acks   []Voter // in order
		want   Zxid
	}{
		{"alone", []int64{1}, []Voter{{1, 7}}, 7},
		{"alone, batch", []int64{1}, []Voter{{1, 6}, {1, 8}}, 8},
		{"two of three", []int64{1, 2, 3}, []Voter{{1, 8}, {3, 7}}, 7},
		{"one of three", []int64{1, 2, 3}, []Voter{{2, 8}}, 5},
		{"two of four is no majority", []int64{1, 2, 3, 4}, []Voter{{1, 8}, {2, 8}}, 5},
		{"stranger", []int64{1, 2, 3}, []Voter{{1, 8}, {9, 8}}, 5},
		{"never proposed", []int64{1}, []Voter{{1, 9}}, 5},
		{"old news", []int64{1}, []Voter{{1, 7}, {1, 6}}, 7},
	} {
		l := NewLeader(1, c.voters, 5)
		for want := Zxid(6); want <= 8; want++ {
			if got := l.Propose(); got != want {
				t.Fatalf("%s: proposed %d, want %d", c.name, got, want)
			}
		}
		for _, a := range c.acks {
			l.Ack(a.ID, a.acked)
		}
		if l.Committed() != c.want {
			t.Errorf("%s: committed %d, want %d", c.name, l.Committed(), c.want)
		}
		if l.Outstanding() != int(8-c.want) {
			t.Errorf("%s: %d outstanding", c.name, l.Outstanding())
		}
	}
}
