package ensemble

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// refusal is a reconfig that must not be done. In its texts {1} stands for the
// server line of member 1 with its client port, {1-} for that without one, {9}
// for that of a server that does not run, and so on.
type refusal struct {
	name   string
	change zk.Change
	want   error
}

// The codes are those of Apache's server. MARSHALLINGERROR is what its prep
// processor makes of exceptions that it does not expect.
var refusals = []refusal{
	{"an id that is none", zk.Change{Leaving: "x"}, zk.ErrMarshalling},
	{"an id too large", zk.Change{Leaving: "9223372036854775808"}, zk.ErrMarshalling},
	{"an id that is none behind one that is", zk.Change{Leaving: "3,x"}, zk.ErrMarshalling},
	{"all leave", zk.Change{Leaving: "1,2,3"}, zk.ErrBadArguments},
	{"two leave", zk.Change{Leaving: "1, 2,"}, zk.ErrBadArguments},
	{"a joiner without a value", zk.Change{Joining: "server.9"}, zk.ErrBadArguments},
	{"a joiner with two values", zk.Change{Joining: "server.9=a=b"}, zk.ErrBadArguments},
	{"a joiner whose id is none", zk.Change{Joining: "server.x=127.0.0.1:1:2;3"}, zk.ErrMarshalling},
	{"a joiner without a client port", zk.Change{Joining: "server.9=127.0.0.1:1:2"}, zk.ErrBadArguments},
	{"a joiner with an empty client part", zk.Change{Joining: "server.9=127.0.0.1:1:2;"}, zk.ErrBadArguments},
	{"a joiner without an election port", zk.Change{Joining: "server.9=127.0.0.1:1;3"}, zk.ErrBadArguments},
	{"a joiner whose port is none", zk.Change{Joining: "server.9=127.0.0.1:1:b;3"}, zk.ErrBadArguments},
	{"a joiner whose client port is none", zk.Change{Joining: "server.9=127.0.0.1:1:2;c"}, zk.ErrBadArguments},
	{"a joiner with a port out of range", zk.Change{Joining: "server.9=127.0.0.1:1:65536;3"}, zk.ErrMarshalling},
	{"a joiner with a client port out of range", zk.Change{Joining: "server.9=127.0.0.1:1:2;70000"}, zk.ErrMarshalling},
	{"a joiner with one port twice", zk.Change{Joining: "server.9=127.0.0.1:1:1;3"}, zk.ErrBadArguments},
	{"a joiner with no role", zk.Change{Joining: "server.9=127.0.0.1:1:2:boss;3"}, zk.ErrBadArguments},
	{"a joiner with two addresses", zk.Change{Joining: "server.9=127.0.0.1:1:2|127.0.0.1:3:4;3"}, zk.ErrBadArguments},
	{"a joiner with a third part", zk.Change{Joining: "server.9=127.0.0.1:1:2;3;4"}, zk.ErrBadArguments},
	{"an address of another member", zk.Change{Joining: "server.8=10.9.8.7:1:2:observer;3,server.9=10.9.8.7:4:1:observer;5"}, zk.ErrBadArguments},
	{"a client address of another member", zk.Change{Joining: "server.8=10.9.8.7:1:2:observer;10.9.8.7:3,server.9=10.9.8.6:4:5:observer;10.9.8.7:1"}, zk.ErrBadArguments},
	{"no quorum of the new members", zk.Change{Joining: "{8},{9}", Leaving: "1"}, zk.ErrNewConfigNoQuorum},
	{"as a whole: nobody", zk.Change{Members: " "}, zk.ErrBadArguments},
	{"as a whole: one", zk.Change{Members: "{1}"}, zk.ErrBadArguments},
	{"as a whole: observers only", zk.Change{Members: "server.1=127.0.0.1:1:2:observer;3"}, zk.ErrMarshalling},
	{"as a whole: one and an observer", zk.Change{Members: "{1},server.9=127.0.0.1:1:2:observer;3"}, zk.ErrMarshalling},
	{"as a whole: another key", zk.Change{Members: "{1},{2},{3},tickTime=5"}, zk.ErrBadArguments},
	{"as a whole: an id that is none", zk.Change{Members: "{1},{2},server.x=127.0.0.1:1:2"}, zk.ErrMarshalling},
	{"as a whole: a line that is none", zk.Change{Members: "{1},{2},server.9=127.0.0.1:1"}, zk.ErrBadArguments},
	{"as a whole: a port out of range", zk.Change{Members: "{1},{2},server.9=127.0.0.1:1:70000"}, zk.ErrMarshalling},
	{"as a whole: a bad escape", zk.Change{Members: `{1},{2},server.9=\u00`}, zk.ErrMarshalling},
	{"as a whole: a version that is none", zk.Change{Members: "{1},{2},version=x"}, zk.ErrMarshalling},
	{"as a whole: strangers", zk.Change{Members: "{1},{8},{9}"}, zk.ErrNewConfigNoQuorum},
	{"groups: one in none", zk.Change{Members: "{1},{2},{3},group.1=1:2"}, zk.ErrBadArguments},
	{"groups: one in two", zk.Change{Members: "{1},{2},{3},group.1=1:2,group.2=2:3"}, zk.ErrBadArguments},
	{"groups: a stranger", zk.Change{Members: "{1},{2},{3},group.1=1:2:3:7"}, zk.ErrMarshalling},
	{"groups: a member that is none", zk.Change{Members: "{1},{2},{3},group.1=1:2:x"}, zk.ErrMarshalling},
	{"groups: a weight that is none", zk.Change{Members: "{1},{2},{3},group.1=1:2:3,weight.1=x"}, zk.ErrMarshalling},
	{"groups: no quorum", zk.Change{Members: "{1},{2},{3},{8},group.1=1:2:3,group.2=8"}, zk.ErrNewConfigNoQuorum},
	{"another version", zk.Change{Leaving: "3", From: 1}, zk.ErrBadVersion},
	{"another version, and nonsense", zk.Change{Leaving: "x", From: math.MaxInt64}, zk.ErrBadVersion},
}

// TestWrongReconfigs: what is refused, with which code, at the leader and at a
// follower; and nothing of it shows.
func TestWrongReconfigs(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(kinds))
		clients := dialEach(t, e)
		before, _, err := clients[0].GetConfig(within(t))
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]string{
			"8": "server.8=127.0.0.1:1:2:participant;3", "9": "server.9=127.0.0.1:4:5:participant;6",
		}
		for _, m := range e.Members() {
			names[fmt.Sprint(m.ID)] = m.ReconfigLine("participant")
		}
		for _, r := range refusals {
			change := r.change
			for _, text := range []*string{&change.Joining, &change.Members} {
				*text = expand(*text, names)
			}
			if change.From == 0 {
				change.From = zk.AnyConfig
			}
			for _, c := range clients[:2] {
				if _, _, err := c.Reconfig(within(t), change); !errors.Is(err, r.want) {
					t.Errorf("%s, at %s: %v, want %v", r.name, c.Server(), err, r.want)
				}
			}
		}
		for _, c := range clients {
			after, _, err := c.GetConfig(within(t))
			if err != nil || string(after) != string(before) {
				t.Errorf("%s shows %q, %v", c.Server(), after, err)
			}
		}
		checkZxids(t, e)
	})
}

// TestReconfigNeedsLeave: without reconfigEnabled nobody may, and with it nobody
// but who has WRITE on /zookeeper/config.
func TestReconfigNeedsLeave(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		for _, c := range dialEach(t, e) {
			for _, change := range []zk.Change{{Leaving: "3", From: zk.AnyConfig}, {Leaving: "x", From: 1}} {
				if _, _, err := c.Reconfig(within(t), change); !errors.Is(err, zk.ErrReconfigDisabled) {
					t.Errorf("at %s: %v, want that it is disabled", c.Server(), err)
				}
			}
		}
		// super:test
		digest := "zookeeper.DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU="
		e = harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: kinds, Lines: []string{"reconfigEnabled=true"}, Properties: []string{digest}})
		change := zk.Change{Leaving: fmt.Sprint(e.Followers()[0].ID), From: zk.AnyConfig}
		c := dial(t, e.ClientAddrs())
		if _, _, err := c.Reconfig(within(t), change); !errors.Is(err, zk.ErrNoAuth) {
			t.Errorf("without leave: %v, want that it is not allowed", err)
		}
		if err := c.AddAuth(within(t), "digest", []byte("super:test")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Reconfig(within(t), change); err != nil {
			t.Errorf("the super user: %v", err)
		}
	})
}

// expand replaces {name} by what it stands for.
func expand(text string, names map[string]string) string {
	for name, line := range names {
		text = strings.ReplaceAll(text, "{"+name+"}", line)
	}
	return text
}
