package inspect

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"zooid/internal/storage"
	"zooid/internal/vfs"
)

// files are what Apache's server wrote; the texts in testdata are what
// Apache's tools print about them.
const files = "../testdata/java"

// run runs a tool in the directory of the files and returns its exit code and
// what it printed.
func run(tool Tool, input string, args ...string) (code int, out, complaints string) {
	var o, e bytes.Buffer
	env := &Env{
		FS: vfs.OS, In: strings.NewReader(input), Out: &o, Err: &e,
		Now: func() time.Time { return time.Unix(1795381563, 0) }, Zone: time.UTC,
		Limits: storage.Limits{MaxField: 1 << 30},
	}
	code = tool(env, args)
	return code, o.String(), e.String()
}

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// timings depend on the moment of the run.
var timings = regexp.MustCompile(`in \d+\.\d+ seconds|"timestamp":\d+`)

func mask(s string) string { return timings.ReplaceAllString(s, "TIME") }

func sameText(t *testing.T, got, want string) {
	t.Helper()
	got, want = mask(got), mask(want)
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := 0; i < len(g) && i < len(w); i++ {
		if g[i] != w[i] {
			t.Fatalf("line %d\ngot  %q\nwant %q", i+1, g[i], w[i])
		}
	}
	t.Fatalf("%d lines, want %d", len(g), len(w))
}

func TestOutputOfApache(t *testing.T) {
	in := func(name string) string { return filepath.Join(files, name) }
	pair := []string{"-l", in("snapshot.0"), "-r", in("snapshot.41")}
	for _, c := range []struct {
		golden, input string
		tool          Tool
		args          []string
	}{
		{"log.1.txt", "", TxnLog, []string{in("log.1")}},
		{"log.42.txt", "", TxnLog, []string{"-d", in("log.42")}},
		{"snapshot.41.txt", "", Snapshot, []string{in("snapshot.41")}},
		{"snapshot.41.snappy.txt", "", Snapshot, []string{"-d", in("snapshot.41.snappy")}},
		{"snapshot.41.gz.json", "", Snapshot, []string{"-json", in("snapshot.41.gz")}},
		{"summary.txt", "", Summary, []string{in("snapshot.41"), "/", "0"}},
		{"compare.txt", "", Compare, append([]string{"-b", "20", "-n", "5"}, pair...)},
		{"interactive.txt", "2\n9\n/one\nnope\n/nope\n\n\n\n", Compare, append([]string{"-b1", "--nodes=1", "--inter"}, pair...)},
	} {
		t.Run(c.golden, func(t *testing.T) {
			code, out, complaints := run(c.tool, c.input, c.args...)
			if code != 0 || complaints != "" {
				t.Fatalf("exit %d: %s", code, complaints)
			}
			sameText(t, out, golden(t, c.golden))
		})
	}
}

// fullDisk is an output that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestLostOutput: what was printed into a full disk is no success.
func TestLostOutput(t *testing.T) {
	in := func(name string) string { return filepath.Join(files, name) }
	dir := t.TempDir()
	text, err := os.ReadFile(in("log.1"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "log.1"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		tool Tool
		args []string
	}{
		{"dump", TxnLog, []string{in("log.1")}},
		{"chop", TxnLog, []string{"-c", "-z", "5", filepath.Join(dir, "log.1")}},
		{"snapshot", Snapshot, []string{in("snapshot.41")}},
		{"summary", Summary, []string{in("snapshot.41"), "/", "0"}},
		{"compare", Compare, []string{"-b", "20", "-n", "5", "-l", in("snapshot.0"), "-r", in("snapshot.41")}},
	} {
		var complaints bytes.Buffer
		env := &Env{
			FS: vfs.OS, In: strings.NewReader(""), Out: fullDisk{}, Err: &complaints,
			Now: time.Now, Zone: time.UTC, Limits: storage.Limits{MaxField: 1 << 30},
		}
		if code := c.tool(env, c.args); code != exitUnexpected || !strings.Contains(complaints.String(), "no space left") {
			t.Errorf("%s: exit %d: %q", c.name, code, complaints.String())
		}
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		if err := os.WriteFile(path(name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path(name)
	}
	log := filepath.Join(files, "log.1")
	snap := filepath.Join(files, "snapshot.0")
	whole, err := os.ReadFile(snap)
	if err != nil {
		t.Fatal(err)
	}
	cut := write("snapshot.6", string(whole[:200]))
	bad := write("snapshot.7", strings.Replace(string(whole), "anyone", "anyTWO", 1))
	short := write("log.5", "ZKLG")
	for _, c := range []struct {
		tool          Tool
		args          []string
		code          int
		out, complain string // the beginning of it
	}{
		{TxnLog, nil, 1, "usage: TxnLogToolkit", ""},
		{TxnLog, []string{"-h"}, 0, "usage: TxnLogToolkit", ""},
		{TxnLog, []string{"-x", log}, 1, "usage: TxnLogToolkit", "Unrecognized option: -x\n"},
		{TxnLog, []string{"-rvx", log}, 1, "usage: TxnLogToolkit", "Unrecognized option: -rvx\n"},
		{TxnLog, []string{log, "-z"}, 1, "usage: TxnLogToolkit", "Missing argument for option: z\n"},
		{TxnLog, []string{"-c", "-z", "12x", log}, 1, "", `"12x" is not a number`},
		{TxnLog, []string{path("none")}, 1, "", "File doesn't exist or not readable: " + path("none")},
		{TxnLog, []string{snap}, 2, "", "Invalid magic number for snapshot.0"},
		{TxnLog, []string{short}, 1, "", short + " ends inside the file header"},
		{Snapshot, nil, 2, "", "USAGE: SnapshotFormatter [-d|-json] snapshot_file\n"},
		{Snapshot, []string{"-d", "-json", snap}, 2, "", "Cannot specify both data dump (-d) and json mode (-json)"},
		{Snapshot, []string{path("none")}, 2, "", "File '" + path("none") + "' does not exist."},
		{Snapshot, []string{dir}, 2, "", "'" + dir + "' is a directory. it must be a file."},
		{Snapshot, []string{cut}, 1, "", cut + " is damaged at offset 135: it ends inside the nodes"},
		{Snapshot, []string{bad}, 0, "ZNode Details (count=5):", "warning: a server would not load this snapshot: " + bad + " is damaged at offset 411"},
		{Summary, []string{snap, "/"}, 2, "", "USAGE:\n"},
		{Summary, []string{snap, "/", "x"}, 2, "", "USAGE:\n"},
		{Summary, []string{snap, "/nope", "1"}, 1, "", "there is no node /nope in " + snap},
		{Compare, nil, 2, "usage: java", "Missing required options: l, r, b, n\n"},
		{Compare, []string{"-l", snap, "-b", "1", "-n", "1"}, 2, "usage: java", "Missing required option: r\n"},
		{Compare, []string{"-l", snap, "-r"}, 2, "usage: java", "Missing argument for option: r\n"},
		{Compare, []string{"-l", snap, "-r", snap, "-b", "x", "-n", "1"}, 1, "", "-b x: not a whole number"},
		{Compare, []string{"-l", snap, "-r", path("none"), "-b", "1", "-n", "1"}, 1, "Successfully parsed options!\n", "open " + path("none")},
		{Compare, []string{"-i", "-l", snap, "-r", snap, "-b", "1", "-n", "1"}, 1, "Successfully parsed options!\n", "no line found"},
		{Purge, []string{dir}, 1, "Usage:\nPurgeTxnLog", ""},
		{Purge, []string{dir, "-n", "2"}, 1, "Usage:\n", "count should be greater than or equal to 3\n"},
		{Purge, []string{dir, "-n", "two"}, 1, "Usage:\n", "'two' can not be parsed to integer.\n"},
		{Purge, []string{dir, "-m", "3"}, 1, "Usage:\n", ""},
		{Purge, []string{path("none"), "-n", "3"}, 1, "Usage:\n", "Path '" + path("none") + "' does not exist. \n"},
	} {
		code, out, complaints := run(c.tool, "", c.args...)
		if code != c.code || !strings.HasPrefix(out, c.out) || c.out == "" && out != "" ||
			!strings.HasPrefix(complaints, c.complain) || c.complain == "" && complaints != "" {
			t.Errorf("%q: exit %d\nout %q\nerr %q", c.args, code, out, complaints)
		}
	}
}

// damagedLog copies a log with one byte of one entry changed.
func damagedLog(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(files, "log.42"))
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte("world"), []byte("wXrld"), 1)
	name := filepath.Join(t.TempDir(), "log.42")
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRepair(t *testing.T) {
	for _, c := range []struct {
		args  []string
		input string
		code  int
		last  string // line
		fixed bool
	}{
		{[]string{"-ry"}, "", 0, "has been written with 1 fixed CRC error(s)\n", true},
		{[]string{"--recover"}, "what\nYes\n", 0, "has been written with 1 fixed CRC error(s)\n", true},
		{[]string{"-r"}, "no\n", 0, "has been written with 0 fixed CRC error(s)\n", false},
		{[]string{"-r"}, "a\n", 0, "Would you like to fix it (Yes/No/Abort) ? ", false},
		{[]string{"-r"}, "", 1, "Would you like to fix it (Yes/No/Abort) ? ", false},
	} {
		name := damagedLog(t)
		before, _ := os.ReadFile(name)
		code, out, complaints := run(TxnLog, c.input, append(c.args, name)...)
		if code != c.code || !strings.HasSuffix(out, c.last) || !strings.Contains(out, "CRC ") {
			t.Errorf("%q: exit %d\nout %q\nerr %q", c.args, code, out, complaints)
		}
		if after, _ := os.ReadFile(name); !bytes.Equal(before, after) {
			t.Errorf("%q changed the file itself", c.args)
		}
		code, out, _ = run(TxnLog, "", name+".fixed")
		if c.fixed && (code != 0 || strings.Contains(out, "CRC ERROR") || !strings.Contains(out, "EOF reached after 55 txns.")) {
			t.Errorf("%q: fixed: exit %d %s", c.args, code, out)
		}
		if code, _, complaints := run(TxnLog, "", "-r", name); code != 1 || !strings.Contains(complaints, "already exists or not writable") {
			t.Errorf("%q: again: exit %d %s", c.args, code, complaints)
		}
	}
}

func TestChop(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join(files, "log.42"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "log.42")
	if err := os.WriteFile(name, whole, 0o666); err != nil {
		t.Fatal(err)
	}
	for zxid, want := range map[string]string{
		"0x45": "Chopping at 45 new log has 4 records\n",
		"69":   "Chopping at 45 new log has 4 records\n",
		"0105": "Chopping at 45 new log has 4 records\n",
		"1":    "This log does not contain zxid 1\nGot exception: Failed to chop log.42\n",
		"0x99": "EOF reached after 55 txns.\nGot exception: Failed to chop log.42\n",
	} {
		code, out, complaints := run(TxnLog, "", "-c", "-z", zxid, name)
		if code != 0 || complaints != "" || out != "ZooKeeper Transactional Log File with dbid 0 txnlog format version 2\n"+want {
			t.Errorf("%s: exit %d %q %q", zxid, code, out, complaints)
		}
	}
	code, out, _ := run(TxnLog, "", name+".chopped69")
	if code != 0 || !strings.Contains(out, "zxid 0x45 ") || strings.Contains(out, "zxid 0x46 ") || !strings.HasSuffix(out, "EOF reached after 4 txns.\n") {
		t.Errorf("exit %d %q", code, out)
	}
	if code, out, _ := run(TxnLog, "", "-c", "-z", "0x45", damagedLog(t)); code != 0 || !strings.Contains(out, "Got exception: CRC doesn't match ") {
		t.Errorf("exit %d %q", code, out)
	}
}

func TestPurge(t *testing.T) {
	dir := t.TempDir()
	snap, err := os.ReadFile(filepath.Join(files, "snapshot.0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "version-2"), 0o777); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2024, 2, 29, 13, 5, 7, 0, time.UTC)
	for _, name := range []string{"snapshot.1", "snapshot.2", "snapshot.3", "snapshot.4", "snapshot.5", "log.1", "log.2", "log.4", "log.5"} {
		full := filepath.Join(dir, "version-2", name)
		if err := os.WriteFile(full, snap, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(full, when, when); err != nil {
			t.Fatal(err)
		}
	}
	code, out, complaints := run(Purge, "", dir, "-n", "3")
	want := ""
	for _, name := range []string{"log.1", "snapshot.1", "snapshot.2"} {
		want += "Removing file: Feb 29, 2024, 1:05:07 PM\t" + dir + "/version-2/" + name + "\n"
	}
	if code != 0 || out != want || complaints != "" {
		t.Fatalf("exit %d\n%s\n%s", code, out, complaints)
	}
	names, err := vfs.OS.List(filepath.Join(dir, "version-2"))
	if err != nil || strings.Join(names, " ") != "log.2 log.4 log.5 snapshot.3 snapshot.4 snapshot.5" {
		t.Fatalf("%v %v", names, err)
	}
}

func TestDecodeLong(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "12": 12, "-12": -12, "+7": 7, "0x1f": 31, "#ff": 255, "010": 8, "-0X10": -16} {
		if got, err := decodeLong(in); err != nil || got != want {
			t.Errorf("%q: %d %v", in, got, err)
		}
	}
	for _, in := range []string{"", "x", "0x", "1_0", "0b1", "++1", "-+1", "9223372036854775808"} {
		if got, err := decodeLong(in); err == nil {
			t.Errorf("%q: %d", in, got)
		}
	}
}
