package datadirs

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zooid/test/interop/harness"
)

// TestApacheToolsReadOurs has Apache's own tools read the files of the server
// under test: every log without a checksum error, every snapshot whole.
func TestApacheToolsReadOurs(t *testing.T) {
	harness.Ring(t)
	for _, v := range []variant{variants[1], variants[3], variants[4], variants[5]} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, v.options(harness.UnderTest()))
			fill(t, s, 300)
			after := seen(t, s)
			end(s, v)
			for _, log := range newest(t, s.LogDir(), "log.*", 2) {
				out := tool(t, "org.apache.zookeeper.server.persistence.TxnLogToolkit", "-d", log)
				if !strings.Contains(out, "EOF reached after") || strings.Contains(out, "CRC ERROR") {
					t.Errorf("TxnLogToolkit on %s:\n%s", filepath.Base(log), out)
				}
			}
			snapshots := newest(t, s.DataDir(), "snapshot.*", 2)
			for _, snapshot := range snapshots {
				out := tool(t, "org.apache.zookeeper.server.SnapshotFormatter", snapshot)
				if !strings.Contains(out, "ZNode Details (count=") || !strings.Contains(out, "Session Details") {
					t.Errorf("SnapshotFormatter on %s:\n%s", filepath.Base(snapshot), out)
				}
			}
			out := tool(t, "org.apache.zookeeper.server.SnapshotComparer",
				"-l", snapshots[0], "-r", snapshots[len(snapshots)-1], "-b", "1", "-n", "1")
			if !strings.Contains(out, "All layers compared.") {
				t.Errorf("SnapshotComparer:\n%s", out)
			}
			t.Logf("%s: last zxid %s, %d znodes", v.name, after.zxid, len(after.tree))
		})
	}
}

// tool runs one of Apache's tools and returns what it says; it must end well.
func tool(t *testing.T, class string, args ...string) string {
	t.Helper()
	out, err := harness.JavaCommand(t, nil, class, args...).CombinedOutput()
	if ee, ok := err.(*exec.ExitError); ok {
		t.Errorf("%s %v: exit %d", class, args, ee.ExitCode())
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// newest lists the n newest files of a pattern; all have zxids of few digits,
// so a longer name is a higher zxid.
func newest(t *testing.T, dir, pattern string, n int) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "version-2", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in %s (%v)", pattern, dir, err)
	}
	less := func(a, b string) int {
		if d := len(a) - len(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	}
	slices.SortFunc(files, less)
	return files[max(0, len(files)-n):]
}
