package defects

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

// TestCVE20175637WatchWordsNotOpen: wchp and wchc cost the server much, and
// anybody could send them. By default nobody can.
func TestCVE20175637WatchWordsNotOpen(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{NoWords: true})
	for _, word := range []string{"wchp", "wchc", "dump", "cons"} {
		want := word + " is not executed because it is not in the whitelist."
		if got := strings.TrimSpace(s.FourLetter(word)); got != want {
			t.Errorf("%s answers %q, want %q", word, got, want)
		}
	}
}

// TestCVE20175637WatchWordsFlood: where they are allowed, many of them at once
// with many watches do not keep a client from being served.
func TestCVE20175637WatchWordsFlood(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{Lines: []string{"maxClientCnxns=0"}})
	watcher, client := connect(t, s), connect(t, s)
	const watches = 20000
	for i := 0; i < watches; i += 1000 {
		var frames [][]byte
		for j := range 1000 {
			frames = append(frames, raw.Frame(int32(i+j+1), raw.OpExists, raw.PathBool(fmt.Sprintf("/watched/path/%d", i+j), true)))
		}
		if err := watcher.Send(frames...); err != nil {
			t.Fatal(err)
		}
		for range frames {
			if _, err := watcher.Recv(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var flood sync.WaitGroup
	for i := range 8 {
		flood.Go(func() {
			for j := range 6 {
				out := s.FourLetter([]string{"wchp", "wchc"}[(i+j)%2])
				if n := strings.Count(out, "\n"); n < watches {
					t.Errorf("a flooding word got %d lines", n)
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { flood.Wait(); close(over) }()
	var worst time.Duration
	for done := false; !done; {
		began := time.Now()
		must(t, client, raw.OpExists, raw.PathBool("/", false), 0)
		worst = max(worst, time.Since(began))
		select {
		case <-over:
			done = true
		default:
		}
	}
	t.Logf("the slowest read beside the flood took %s", worst)
	if worst > 3*time.Second {
		t.Errorf("a read beside the flood took %s", worst)
	}
}

// TestCVE20165017LongCommand: the C shell copied its input into a buffer of
// fixed size. The shell must take a long command, or refuse it, and go on.
func TestCVE20165017LongCommand(t *testing.T) {
	harness.Ring(t)
	s := harness.Start(t, harness.Options{})
	must(t, connect(t, s), raw.OpCreate, raw.Create("/short", []byte("still here"), raw.World, 0), 0)
	long := strings.Repeat("A", 1<<20)
	shell := func(args ...string) *exec.Cmd {
		args = append([]string{"-server", s.Addr()}, args...)
		if harness.UnderTest() == harness.Java {
			return harness.JavaCommand(t, nil, "org.apache.zookeeper.ZooKeeperMain", args...)
		}
		return exec.Command(harness.ZooidBinary(t), append([]string{"cli"}, args...)...)
	}
	cmd := shell()
	cmd.Stdin = strings.NewReader("create /" + long + " x\n" + long + "\nget /" + long + "\nget /short\nquit\n")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("still here")) || bytes.Contains(out, []byte("goroutine ")) {
		t.Errorf("long lines: %v, %d bytes of output ending in %q", err, len(out), out[max(0, len(out)-300):])
	}
	const argLimit = 100 << 10 // what Linux lets a single argument be, with room
	for _, args := range [][]string{{"get", "/" + long[:argLimit]}, {long[:argLimit]}} {
		var exit *exec.ExitError
		if out, err := shell(args...).CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() <= 0 ||
			bytes.Contains(out, []byte("goroutine ")) {
			t.Errorf("a long argument: %v, want an exit code that says so", err)
		}
	}
}
