package config_test

import (
	"testing"

	"zooid/internal/config"
	"zooid/internal/ensemble"
)

// TestPointToDynamic: server lines go, the pointer comes, and everything else
// stays as it was written.
func TestPointToDynamic(t *testing.T) {
	const file = "# ours\n\ntickTime = 2000\nserver.1=a:1:2\\\n   :observer\n! theirs\nserver.2: b:1:2\nclientPort=2181\n" +
		"clientPortAddress a\nclientPortListenBacklog=5\ngroup.1=1\nweight.1=2\ngroupies=1\npeerType=observer\ndynamicConfigFile=old\nmaxCnxns=1"
	for drop, want := range map[bool]string{
		false: "# ours\n\ntickTime = 2000\n! theirs\nclientPort=2181\nclientPortAddress a\nclientPortListenBacklog=5\ngroupies=1\nmaxCnxns=1\ndynamicConfigFile=new\n",
		true:  "# ours\n\ntickTime = 2000\n! theirs\nclientPortListenBacklog=5\ngroupies=1\nmaxCnxns=1\ndynamicConfigFile=new\n",
	} {
		once := string(config.PointToDynamic([]byte(file), "new", drop))
		if once != want {
			t.Errorf("drop %v:\n%s\nwant\n%s", drop, once, want)
		}
		if again := string(config.PointToDynamic([]byte(once), "new", drop)); again != want {
			t.Errorf("drop %v, again:\n%s", drop, again)
		}
	}
	if got := string(config.PointToDynamic(nil, "new", false)); got != "dynamicConfigFile=new\n" {
		t.Errorf("of nothing: %q", got)
	}
}

// TestDynamicText: lines in the order of their text, as Apache writes them.
func TestDynamicText(t *testing.T) {
	m, err := ensemble.Parse([]byte("server.2=b:1:2\nserver.10=a:1:2;3\nweight.2=4\ngroup.1=2:10\nversion=1f"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "group.1=2:10\nserver.10=a:1:2:participant;0.0.0.0:3\nserver.2=b:1:2:participant"
	if got := string(config.DynamicText(m, false)); got != want+"\nweight.10=1\nweight.2=4" {
		t.Errorf("%q", got)
	}
	if got := string(config.DynamicText(m, true)); got != want+"\nversion=1f\nweight.10=1\nweight.2=4" {
		t.Errorf("with its version: %q", got)
	}
}
