package ensemble

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// configFiles are the names and contents of the files of a member's
// configuration, by what follows zoo.cfg in the name.
func configFiles(t *testing.T, m *harness.Member) map[string]string {
	t.Helper()
	names, err := filepath.Glob(m.ConfigFile() + "*")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(name, ".tmp") {
			continue // on its way to its name
		}
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(name, m.ConfigFile())] = string(text)
	}
	return files
}

// keys are the lines of a file but comments, sorted.
func keys(text string) []string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return line == "" || strings.HasPrefix(line, "#")
	})
	slices.Sort(lines)
	return slices.Compact(lines)
}

// dynamicText is a configuration as it stands in a dynamic file.
func dynamicText(text string) string {
	return strings.TrimSuffix(text[:strings.LastIndex(text, "version=")], "\n")
}

// awaitFiles waits until the files of a member are those of a configuration:
// the disk may be behind the memory.
func awaitFiles(t *testing.T, m *harness.Member, text string) map[string]string {
	t.Helper()
	var files map[string]string
	name := ".dynamic." + versionIn(text)
	ok := harness.Eventually(m.Done(), func() bool {
		files = configFiles(t, m)
		_, next := files[".dynamic.next"]
		return files[name] == dynamicText(text) && !next && strings.HasSuffix(files[""], "\ndynamicConfigFile="+m.ConfigFile()+name+"\n")
	})
	if !ok {
		t.Fatalf("member %d (%s) has these files and not those of\n%s\n%q", m.ID, m.Kind(), text, files)
	}
	return files
}

// TestDynamicFiles: each configuration has its file, zoo.cfg points to it, and
// what it had before the first one is kept as zoo.cfg.bak. A restart reads them.
func TestDynamicFiles(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.PrepareEnsemble(t, reconfigurable(kinds))
		original := map[int]string{}
		for _, m := range e.Members() {
			original[m.ID] = configFiles(t, m)[""]
			m.Launch()
		}
		e.WaitRoles()
		c := dial(t, e.Member(1).Addr())
		first, _, err := c.GetConfig(within(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range e.Members() {
			files := awaitFiles(t, m, string(first))
			if files[".bak"] != original[m.ID] {
				t.Errorf("member %d (%s) keeps as zoo.cfg.bak\n%s", m.ID, m.Kind(), files[".bak"])
			}
			want := slices.DeleteFunc(keys(original[m.ID]), func(line string) bool { return strings.HasPrefix(line, "server.") })
			// Of a key that stands there twice Apache keeps the last.
			want = slices.DeleteFunc(want, func(line string) bool { return line == "tickTime=2000" && m.Kind() == harness.Java })
			got := slices.DeleteFunc(keys(files[""]), func(line string) bool { return strings.HasPrefix(line, "dynamicConfigFile=") })
			if !slices.Equal(got, want) {
				t.Errorf("member %d (%s) has in its zoo.cfg\n%q\nwant\n%q", m.ID, m.Kind(), got, want)
			}
		}

		// The client port moves to the server line of the one that gets it there.
		m := e.Followers()[0]
		text := reconfig(t, c, zk.Change{Joining: m.ReconfigLine("participant")})
		for _, one := range e.Members() {
			files := awaitFiles(t, one, text)
			if has := strings.Contains(files[""], "\nclientPort="); has != (one != m) {
				t.Errorf("member %d (%s) has a client port in its zoo.cfg: %v\n%s", one.ID, one.Kind(), has, files[""])
			}
		}
		create(t, c, "/a", "1", zk.Persistent)
		e.Kill(e.Members()...)
		e.Launch(e.Members()...)
		e.WaitRoles()
		settled(t, e, text)
		for _, one := range e.Members() {
			if files := awaitFiles(t, one, text); files[".bak"] != original[one.ID] {
				t.Errorf("member %d (%s) has overwritten zoo.cfg.bak with\n%s", one.ID, one.Kind(), files[".bak"])
			}
			if !exists(t, dial(t, one.Addr()), "/a") {
				t.Errorf("member %d (%s) has lost /a", one.ID, one.Kind())
			}
		}
	})
}

// TestDownMemberLearns: a member that was down while the ensemble changed finds
// its place in the new one, even if none of those that it knew is left where it
// was.
func TestDownMemberLearns(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		opt := reconfigurable(cycle(kinds, 5))
		opt.Joiners = []int{4, 5}
		e := harness.StartEnsemble(t, opt)
		down := e.Followers()[0]
		down.Stop()
		c := dial(t, e.ClientAddrs())
		e.Launch(e.Member(4), e.Member(5))
		e.WaitRoles()
		settled(t, e, reconfig(t, c, zk.Change{Joining: e.Member(4).ReconfigLine("participant")}))
		text := reconfig(t, c, zk.Change{Joining: e.Member(5).ReconfigLine("participant")})
		settled(t, e, text)
		create(t, c, "/a", "1", zk.Persistent)
		down.Launch()
		e.WaitRoles()
		settled(t, e, text)
		awaitFiles(t, down, text)
		if !exists(t, dial(t, down.Addr()), "/a") {
			t.Errorf("member %d (%s) lacks /a", down.ID, down.Kind())
		}
		// And one that was removed meanwhile follows without a vote.
		down = e.Followers()[0]
		down.Stop()
		c = dial(t, e.ClientAddrs())
		text = reconfig(t, c, zk.Change{Leaving: fmt.Sprint(down.ID)})
		settled(t, e, text)
		down.Launch()
		waitRole(t, down, "follower")
		settled(t, e, text)
		checkTrees(t, e)
	})
}
