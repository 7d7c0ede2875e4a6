package harness

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// CaseTime is how long one case of a foreign suite may take.
const CaseTime = 120 * time.Second

// Converse runs one case of a foreign suite: it obeys what the program asks for
// by lines that begin with "@", logs the other lines, and fails the test when
// the program fails.
func Converse(t testing.TB, cmd *exec.Cmd, obey func(order string) error) {
	t.Helper()
	var errors bytes.Buffer
	cmd.Stderr = &errors
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(CaseTime, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		order, ok := strings.CutPrefix(lines.Text(), "@")
		if !ok {
			t.Log(lines.Text())
			continue
		}
		if err := obey(order); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(in, "done\n"); err != nil {
			t.Errorf("after @%s: %v", order, err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, strings.TrimSpace(errors.String()))
	}
}

// Pipe starts a program that answers line by line, and returns where it reads and
// what it writes. The test's clean-up lets it come to its end, which must be well.
func Pipe(t testing.TB, cmd *exec.Cmd) (in io.WriteCloser, out io.Reader) {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err = cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", strings.Join(cmd.Args, " "), err)
		}
	})
	return in, out
}
