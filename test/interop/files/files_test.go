// Package files holds the files of both servers against each other: what
// Apache's server wrote is loaded here and by Apache's server to equal trees;
// what is written from it here Apache's server and tools read; and the tools
// of both print the same about it.
package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zooid/internal/replica"
	"zooid/internal/storage"
	"zooid/internal/storage/inspect"
	"zooid/internal/vfs"
	"zooid/test/interop/harness"
)

// java runs one of Apache's classes, or a program of this folder, in UTC.
func java(t *testing.T, options []string, class, input string, args ...string) (code int, out string) {
	t.Helper()
	options = append([]string{"-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-Dzookeeper.extendedTypesEnabled=true",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=off"}, options...)
	cmd := harness.JavaCommand(t, options, class, args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8")
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if code = cmd.ProcessState.ExitCode(); code != 0 {
		t.Logf("%s %q: %s", class, args, stderr.String())
	}
	return code, stdout.String()
}

// filled returns a dataDir and dataLogDir that Apache's server left behind.
func filled(t *testing.T, compression string) (data, log string) {
	t.Helper()
	root := t.TempDir()
	data, log = filepath.Join(root, "data"), filepath.Join(root, "log")
	for _, dir := range []string{data, log} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	options := []string{"-Dzookeeper.preAllocSize=64", "-Dzookeeper.snapshot.compression.method=" + compression}
	if code, _ := java(t, options, "Fill.java", "", data, log); code != 0 {
		t.Fatalf("Fill.java: exit %d", code)
	}
	return data, log
}

// loaded returns what Apache's server makes of pairs of directories, a line
// each.
func loaded(t *testing.T, dirs ...string) string {
	t.Helper()
	code, out := java(t, nil, "Load.java", "", dirs...)
	if code != 0 {
		t.Fatalf("Load.java: exit %d", code)
	}
	return out
}

type target struct {
	*replica.Restore
	snapshots int
}

func (t *target) Loaded(s *storage.SnapshotInfo) error {
	t.snapshots++
	return t.SnapshotDone(s.Zxid)
}

func (t *target) Progress(storage.Progress) {}

// load recovers directories here and describes the result as Load.java does.
func load(t *testing.T, data, log string) (*replica.Replica, string) {
	t.Helper()
	dirs, err := storage.OpenDirs(vfs.OS, data, log, false)
	if err != nil {
		t.Fatal(err)
	}
	defer dirs.Close()
	r := replica.New(replica.Config{Digest: true, ExtendedTypes: true, TickTime: 2000})
	to := &target{Restore: r.Restore()}
	report, err := storage.Recover(dirs, storage.RecoverOptions{}, to)
	if err != nil {
		t.Fatal(err)
	}
	r.Install(to.Restore)
	if len(report.Skipped)+len(report.Torn)+len(report.Notes) != 0 || to.snapshots != 1 || to.Mismatches != 0 {
		t.Errorf("%+v, %d digests differ", report, to.Mismatches)
	}
	return r, fmt.Sprintf("%x %d %x\n", report.LastZxid, r.Tree().NodeCount(), r.Tree().Digest())
}

func TestFilesOfApache(t *testing.T) {
	harness.Ring(t)
	for _, compression := range []string{"", "gz", "snappy"} {
		t.Run("compression="+compression, func(t *testing.T) {
			data, log := filled(t, compression)
			want := loaded(t, data, log)
			if _, got := load(t, data, log); got != want {
				t.Errorf("here %sthere %s", got, want)
			}
			// From the first snapshot every transaction is replayed.
			newest, err := filepath.Glob(filepath.Join(data, "version-2", "snapshot.[1-9]*"))
			if err != nil || len(newest) != 1 {
				t.Fatal(newest, err)
			}
			if err := os.Remove(newest[0]); err != nil {
				t.Fatal(err)
			}
			if _, got := load(t, data, log); got != want {
				t.Errorf("replayed: here %sthere %s", got, want)
			}
		})
	}
}

func TestFilesForApache(t *testing.T) {
	harness.Ring(t)
	data, log := filled(t, "")
	r, want := load(t, data, log)
	var names, pairs []string
	directory := func(name string) *storage.Dirs {
		root := t.TempDir()
		dirs, err := storage.OpenDirs(vfs.OS, filepath.Join(root, "data"), filepath.Join(root, "log"), true)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dirs.Close() })
		names, pairs = append(names, name), append(pairs, dirs.Data, dirs.DataLog)
		return dirs
	}
	for _, method := range []storage.Compression{storage.NoCompression, storage.Gzip, storage.Snappy} {
		for _, tail := range []string{"digest and zxid", "digest", "zxid", "nothing"} {
			writeSnapshot(t, directory(fmt.Sprintf("snapshot, compression %d, %s", method, tail)), r, method, tail)
		}
	}
	dirs := directory("logs")
	copyLogs(t, dirs, filepath.Join(log, "version-2"))
	b, err := os.ReadFile(filepath.Join(data, "version-2", "snapshot.0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dirs.Snap, "snapshot.0"), b, 0o666); err != nil {
		t.Fatal(err)
	}
	got := strings.SplitAfter(loaded(t, pairs...), "\n")
	for i, name := range names {
		if i >= len(got) || got[i] != want {
			t.Errorf("%s: there %q, here %q", name, got, want)
		}
	}
}

// writeSnapshot writes the state of r.
func writeSnapshot(t *testing.T, dirs *storage.Dirs, r *replica.Replica, method storage.Compression, tail string) {
	t.Helper()
	cut := r.Cut()
	w, err := storage.NewSnapshotWriter(vfs.OS, dirs.Snap, cut.Zxid, storage.SnapshotOptions{Compression: method})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(cut.Sessions)
	w.Write(cut.ACLs)
	for done := false; !done; {
		var b []byte
		b, done = cut.Walk.Next(nil, 300)
		w.Write(b)
	}
	if _, err := w.Finish(storage.SnapshotTail{
		HasDigest: strings.Contains(tail, "digest"), DigestZxid: cut.Zxid, Digest: int64(cut.Digest),
		HasLastZxid: strings.Contains(tail, "zxid"), LastZxid: cut.Zxid,
	}); err != nil {
		t.Fatal(err)
	}
}

// copyLogs writes every transaction anew: most at once, some one by one, into
// three files, the last of them as a killed server leaves it.
func copyLogs(t *testing.T, dirs *storage.Dirs, from string) {
	t.Helper()
	txns, err := storage.OpenTxns(vfs.OS, from, 1, storage.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer txns.Close()
	l := storage.OpenLog(vfs.OS, dirs.Log, storage.LogOptions{PreAlloc: 1 << 20})
	for n := 0; ; n++ {
		e, err := txns.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = l.Append(e.Header.Zxid, e.Raw)
		}
		if err == nil && (n%40 == 39 || n > 100) {
			_, err = l.Commit()
		}
		if err == nil && n%50 == 49 {
			err = l.Roll()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// timings depend on the moment of the run.
var timings = regexp.MustCompile(`in \d+\.\d+ seconds|"timestamp":\d+`)

func TestTools(t *testing.T) {
	harness.Ring(t)
	data, log := filled(t, "")
	snap := filepath.Join(data, "version-2", "snapshot.")
	first := filepath.Join(log, "version-2", "log.1")
	broken := filepath.Join(t.TempDir(), "log.1")
	b, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, bytes.Replace(b, []byte("anyone"), []byte("any\xf0\x9fe"), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	pair := []string{"-l", snap + "0", "-r", snap + "41"}
	const server = "org.apache.zookeeper.server."
	for _, c := range []struct {
		class string
		tool  inspect.Tool
		input string
		args  []string
	}{
		{"persistence.TxnLogToolkit", inspect.TxnLog, "", nil},
		{"persistence.TxnLogToolkit", inspect.TxnLog, "", []string{first}},
		{"persistence.TxnLogToolkit", inspect.TxnLog, "", []string{broken}},
		{"persistence.TxnLogToolkit", inspect.TxnLog, "", []string{"-hx"}},
		{"persistence.TxnLogToolkit", inspect.TxnLog, "", []string{"-c", "-z", "0x20", first}},
		{"persistence.TxnLogToolkit", inspect.TxnLog, "", []string{"--chop", "--zxid=99999", first}},
		{"persistence.TxnLogToolkit", inspect.TxnLog, "", []string{snap + "0"}},
		{"SnapshotFormatter", inspect.Snapshot, "", nil},
		{"SnapshotFormatter", inspect.Snapshot, "", []string{snap + "41"}},
		{"SnapshotFormatter", inspect.Snapshot, "", []string{"-d", snap + "41"}},
		{"SnapshotFormatter", inspect.Snapshot, "", []string{"-json", snap + "41"}},
		{"SnapshotRecursiveSummary", inspect.Summary, "", []string{snap + "41", "/", "0"}},
		{"SnapshotRecursiveSummary", inspect.Summary, "", []string{snap + "41", "/one", "1"}},
		{"SnapshotRecursiveSummary", inspect.Summary, "", []string{snap + "41", "/", "-1"}},
		{"SnapshotComparer", inspect.Compare, "", append([]string{"-b", "10", "-n", "10"}, pair...)},
		{"SnapshotComparer", inspect.Compare, "", append([]string{"-b", "10", "-n", "10", "-d"}, pair...)},
		{"SnapshotComparer", inspect.Compare, "1\n/\n7\n/one\nx\n/none\n\n\n\n\n", append([]string{"-b5", "--nodes=9", "-i"}, pair...)},
		{"SnapshotComparer", inspect.Compare, "", pair},
		{"PurgeTxnLog", inspect.Purge, "", nil},
		{"PurgeTxnLog", inspect.Purge, "", []string{data, "-n", "2"}},
	} {
		wantCode, want := java(t, nil, server+c.class, c.input, c.args...)
		var out, complaints bytes.Buffer
		env := &inspect.Env{
			FS: vfs.OS, In: strings.NewReader(c.input), Out: &out, Err: &complaints, Now: time.Now, Zone: time.UTC,
			Limits: storage.Limits{MaxField: 1 << 30},
		}
		code := c.tool(env, c.args)
		got := timings.ReplaceAllString(out.String(), "TIME")
		if want = timings.ReplaceAllString(want, "TIME"); code != wantCode || got != want {
			t.Errorf("%s %q: exit %d, want %d; %s\n%s", c.class, c.args, code, wantCode, complaints.String(), firstDifference(got, want))
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\ngot  %q\nwant %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
