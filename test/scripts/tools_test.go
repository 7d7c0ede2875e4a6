package scripts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTools runs each tool without arguments, for its usage and exit code, and
// on the files of a server that has run. What they print in full is tested
// beside them, in internal/storage/inspect and test/interop.
func TestTools(t *testing.T) {
	r := unpack(t)
	r.expect(0, started, "start")
	r.expect(0, stopped, "stop")
	snapshot := filepath.Join(r.data, "version-2", "snapshot.0")
	for _, c := range []struct {
		script string
		args   []string
		code   int
		want   string
	}{
		{"zkSnapShotToolkit.sh", []string{snapshot}, 0, "ZNode Details (count="},
		{"zkSnapShotToolkit.sh", []string{"-json", snapshot}, 0, `[{"name":"/"`},
		{"zkSnapShotToolkit.sh", nil, 2, "USAGE: SnapshotFormatter"},
		{"zkSnapshotComparer.sh", []string{"-l", snapshot, "-r", snapshot, "-b", "1", "-n", "1"}, 0, "All layers compared."},
		{"zkSnapshotComparer.sh", nil, 2, "Missing required options: l, r, b, n"},
		{"zkSnapshotRecursiveSummaryToolkit.sh", []string{snapshot, "/", "0"}, 0, "children: 3"},
		{"zkSnapshotRecursiveSummaryToolkit.sh", nil, 2, "USAGE:"},
		{"zkTxnLogToolkit.sh", nil, 1, "usage: TxnLogToolkit [-dhrvc]"},
		{"zkTxnLogToolkit.sh", []string{filepath.Join(r.data, "nothing")}, 1, "nothing"},
	} {
		res := r.run(c.script, c.args...)
		if res.code != c.code || !strings.Contains(res.stdout+res.stderr, c.want) {
			t.Errorf("%s %q: exit code %d, want %d; %q must be in:\n%s%s", c.script, c.args, res.code, c.code, c.want, res.stdout, res.stderr)
		}
	}
}

// TestCleanup: the directories come from zoo.cfg, the log directory first.
func TestCleanup(t *testing.T) {
	r := unpack(t)
	logs := r.path("txn logs")
	r.write("conf/zoo.cfg", fmt.Sprintf("dataDir=%s\ndataLogDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\n", r.data, logs, r.port))
	r.expect(0, started, "start")
	r.expect(0, stopped, "stop")
	text := r.read(filepath.Join(r.data, "version-2", "snapshot.0"))
	for zxid := 1; zxid <= 4; zxid++ {
		r.write(fmt.Sprintf("data/version-2/snapshot.%d", zxid), text)
		r.write(fmt.Sprintf("txn logs/version-2/log.%d", zxid), "")
	}
	res := r.run("zkCleanup.sh", "-n", "3")
	if res.code != 0 {
		t.Fatalf("exit code %d", res.code)
	}
	contains(t, "stdout", res.stdout, "Removing file: ", "snapshot.0", "snapshot.1", "log.1")
	for name, want := range map[string]bool{
		"data/version-2/snapshot.1": false, "data/version-2/snapshot.2": true, "data/version-2/snapshot.4": true,
		"txn logs/version-2/log.1": false, "txn logs/version-2/log.2": true,
	} {
		if exists(r.path(name)) != want {
			t.Errorf("%s exists: %t, want %t", name, !want, want)
		}
	}

	res = r.run("zkCleanup.sh", "-n", "2")
	if res.code != 1 {
		t.Errorf("-n 2: exit code %d, want 1", res.code)
	}
	contains(t, "stderr of -n 2", res.stderr, "count should be greater than or equal to 3")

	if err := os.Rename(r.path("conf"), r.path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	if res = r.run("zkCleanup.sh", "--config", r.path("elsewhere"), "-n", "3"); res.code != 0 {
		t.Errorf("--config: exit code %d, want 0", res.code)
	}
}
