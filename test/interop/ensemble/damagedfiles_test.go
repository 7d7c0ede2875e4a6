package ensemble

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// damagedFile is a small file of a member that says something impossible. code
// is the exit code, the same for both implementations; says is what ours has to
// say in one line, beside the name of the file.
type damagedFile struct {
	name, content string
	code          int
	says          []string
}

const (
	acceptedEpoch = "version-2/acceptedEpoch"
	currentEpoch  = "version-2/currentEpoch"
)

var damagedFiles = []damagedFile{
	{acceptedEpoch, "", 1, []string{`"" is not a decimal number`, "write the epoch of the last transaction into it"}},
	{acceptedEpoch, "x7\n", 1, []string{`x7`, "is not a decimal number", "write the epoch"}},
	{acceptedEpoch, "99999999999999999999", 1, []string{"99999999999999999999", "is not a decimal number", "write the epoch"}},
	{acceptedEpoch, "0", 1, []string{"the accepted epoch 0 is less than the current epoch", "write 1 into the file, which is always safe"}},
	{currentEpoch, "", 1, []string{`"" is not a decimal number`, "write the epoch of the last transaction into it"}},
	{currentEpoch, "\x00\x00\x00", 1, []string{`x00`, "is not a decimal number", "write the epoch"}},
	// The one that is named is the other file: which of them is wrong only their owner knows.
	{currentEpoch, "7", 1, []string{"the accepted epoch 1 is less than the current epoch 7", "write the epoch of the last transaction, 1, into that"}},
	{"myid", "", 2, []string{"no server id", "allowed is the number N of the own server.N line"}},
	{"myid", "one\n", 2, []string{"one", "allowed is the number N"}},
	{"myid", "-1\n", 2, []string{"holds -1", "write the number N"}},
}

// TestDamagedMemberFiles: a member whose epoch files or myid are damaged does not
// start, with the exit code of Apache's server and a line that names the file,
// what is in it and what to do; with the file of before it comes back. The others
// go on.
func TestDamagedMemberFiles(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := start(t, kinds)
		create(t, dial(t, e.ClientAddrs()), "/kept", "", zk.Persistent)
		m := e.Followers()[0]
		m.Stop()
		e.WaitRoles()
		for _, d := range damagedFiles {
			name := filepath.Join(m.DataDir(), d.name)
			before, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			replaceFile(t, name, d.content)
			d.refused(t, m)
			if now, err := os.ReadFile(name); err != nil || string(now) != d.content {
				t.Errorf("%s with %q holds %q afterwards, %v", d.name, d.content, now, err)
			}
			replaceFile(t, name, string(before))
		}
		m.Launch()
		m.WaitServing()
		checkEqual(t, e)
	})
}

// refused starts the member with the damaged file and waits for its end.
func (d *damagedFile) refused(t *testing.T, m *harness.Member) {
	t.Helper()
	from := len(m.Output())
	m.Launch()
	ended := harness.Eventually(nil, func() bool { return !m.Running() })
	text := m.Output()[from:]
	if !ended {
		t.Errorf("%s with %q: the member runs\n%s", d.name, d.content, text)
		m.Kill()
		return
	}
	if code := m.ExitCode(); code != d.code {
		t.Errorf("%s with %q: exit code %d, want %d\n%s", d.name, d.content, code, d.code, text)
	}
	if m.Kind() == harness.Java {
		return
	}
	for _, line := range strings.Split(text, "\n") {
		holds := strings.Contains(line, m.DataDir()) && strings.Contains(line, filepath.Base(d.name))
		for _, one := range d.says {
			holds = holds && strings.Contains(line, one)
		}
		if holds {
			return
		}
	}
	t.Errorf("%s with %q: no line names the file and says %q:\n%s", d.name, d.content, d.says, text)
}

func replaceFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
