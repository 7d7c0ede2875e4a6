package ensemble

import (
	"strings"
	"testing"
)

const three = "server.1=a:1:2;3\nserver.2=b:1:2;3\nserver.3=c:1:2;3\nversion=5"

// TestApply: what a reconfig makes of the members. Codes of refusals are held
// against Apache's server in test/interop/ensemble.
func TestApply(t *testing.T) {
	for _, c := range []struct{ name, members, leaving, joining, want string }{
		{name: "one leaves", leaving: "2", want: "server.1=a:1:2:participant;0.0.0.0:3 server.3=c:1:2:participant;0.0.0.0:3"},
		{name: "one that is not there", leaving: " 2 ,, 7,", want: "server.1=a:1:2:participant;0.0.0.0:3 server.3=c:1:2:participant;0.0.0.0:3"},
		{name: "one joins", leaving: "1,2", joining: "server.4=d:1:2:participant;d:3, 5=e:1:2:observer;3",
			want: "server.3=c:1:2:participant;0.0.0.0:3 server.4=d:1:2:participant;d:3 server.5=e:1:2:observer;0.0.0.0:3"},
		{name: "one leaves and joins", leaving: "1", joining: "server.1=a:1:2:observer;3",
			want: "server.1=a:1:2:observer;0.0.0.0:3 server.2=b:1:2:participant;0.0.0.0:3 server.3=c:1:2:participant;0.0.0.0:3"},
		{name: "others swap addresses", joining: "server.1=x:1:2;3,server.2=a:1:2;3,server.1=b:1:2;3",
			want: "server.1=b:1:2:participant;0.0.0.0:3 server.2=a:1:2:participant;0.0.0.0:3 server.3=c:1:2:participant;0.0.0.0:3"},
		{name: "a whole", members: "server.7=x:1:2,server.8=y:1:2:participant;y:3\nversion=99", leaving: "1",
			want: "server.7=x:1:2:participant server.8=y:1:2:participant;y:3"},
		{name: "groups", members: "server.1=a:1:2,server.2=b:1:2,group.1=1:2,weight.2=0",
			want: "server.1=a:1:2:participant server.2=b:1:2:participant group.1=1:2 weight.1=1 weight.2=0"},
	} {
		m, err := Parse([]byte(three))
		if err != nil {
			t.Fatal(err)
		}
		change := &Change{Leaving: nullable(c.leaving), Joining: nullable(c.joining), Members: nullable(c.members)}
		next, refusal := m.Apply(change, ChangeRules{StandaloneEnabled: true})
		if refusal != nil {
			t.Errorf("%s: %v", c.name, refusal)
			continue
		}
		if got := strings.ReplaceAll(next.At(9).Text(), "\n", " "); got != c.want+" version=9" {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
		if m.Text() != strings.ReplaceAll(strings.ReplaceAll(three, ";3", ":participant;0.0.0.0:3"), "\n\n", "") {
			t.Errorf("%s: the old members have changed: %s", c.name, m.Text())
		}
	}
}

func nullable(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// TestApplyRules: what depends on options.
func TestApplyRules(t *testing.T) {
	m, err := Parse([]byte(three))
	if err != nil {
		t.Fatal(err)
	}
	one := &Change{Leaving: []byte("1,2")}
	if _, no := m.Apply(one, ChangeRules{StandaloneEnabled: true}); no == nil {
		t.Error("one voter is left, with standaloneEnabled")
	}
	if _, no := m.Apply(one, ChangeRules{}); no != nil {
		t.Errorf("one voter is left, without standaloneEnabled: %v", no)
	}
	if _, no := m.Apply(&Change{Leaving: []byte("1,2,3")}, ChangeRules{}); no == nil || no.Crash {
		t.Errorf("nobody is left: %v", no)
	}
	if _, no := m.Apply(&Change{Members: []byte("")}, ChangeRules{}); no == nil || !no.Crash {
		t.Errorf("nobody as a whole, without standaloneEnabled: %v", no)
	}
	two := &Change{Joining: []byte("server.4=d:1:2|e:1:2;3")}
	if _, no := m.Apply(two, ChangeRules{}); no == nil {
		t.Error("two addresses without multiAddress.enabled")
	}
	if next, no := m.Apply(two, ChangeRules{MultiAddress: true}); no != nil || len(next.Members) != 4 {
		t.Errorf("two addresses with multiAddress.enabled: %v", no)
	}
	for text, twice := range map[string]bool{
		"server.4=a:1:9;8": true, "server.4=A:9:2;8": true, "server.4=z:9:8;a:2": true,
		"server.4=a:7:8;3": false, "server.4=z:1:2;3": false,
	} {
		if _, no := m.Apply(&Change{Joining: []byte(text)}, ChangeRules{}); (no != nil) != twice {
			t.Errorf("%s: %v", text, no)
		}
	}
}

// FuzzApply makes changes of any text: no panic, and what comes out can be sent
// and read.
func FuzzApply(f *testing.F) {
	f.Add("", "1,2", "server.4=d:1:2;3")
	f.Add("server.1=a:1:2,server.2=b:1:2,group.1=1:2", "", "")
	f.Fuzz(func(t *testing.T, members, leaving, joining string) {
		m, err := Parse([]byte(three))
		if err != nil {
			t.Fatal(err)
		}
		next, no := m.Apply(&Change{Leaving: nullable(leaving), Joining: nullable(joining), Members: nullable(members)}, ChangeRules{})
		if no != nil || !plain(next) {
			return
		}
		if _, err := Parse([]byte(next.At(1).Text())); err != nil {
			t.Fatalf("%q: %v", next.Text(), err)
		}
	})
}

func TestPlainHost(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "127.0.0.1", "LocalHost": "127.0.0.1", "127.0.0.1": "127.0.0.1", "::ffff:10.0.0.1": "10.0.0.1",
		"0:0:0:0:0:0:0:1": "::1", "Zk1.Example.org": "zk1.example.org", "": "",
	} {
		if got := PlainHost(host); got != want {
			t.Errorf("%q is %q, want %q", host, got, want)
		}
	}
}
