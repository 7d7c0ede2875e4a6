package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestHangUp: a server whose terminal is closed ends in order, unless nohup has
// the signal ignored. The test runs itself as the server.
func TestHangUp(t *testing.T) {
	if dir := os.Getenv("ZOOID_TEST_SERVER"); dir != "" {
		cmd := newServerCommand()
		cmd.SetArgs([]string{filepath.Join(dir, "zoo.cfg")})
		if err := cmd.Execute(); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, ignored := range []bool{false, true} {
		dir := t.TempDir()
		text := "tickTime=2000\ndataDir=" + dir + "\nclientPort=0\nclientPortAddress=127.0.0.1\n"
		if err := os.WriteFile(filepath.Join(dir, "zoo.cfg"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		line := []string{os.Args[0], "-test.run", "^TestHangUp$"}
		if ignored {
			line = slices.Insert(line, 0, "nohup")
		}
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Env = append(os.Environ(), "ZOOID_TEST_SERVER="+dir)
		log, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for lines := bufio.NewScanner(log); lines.Scan(); {
			said += lines.Text() + "\n"
			switch {
			case strings.Contains(lines.Text(), "zooid is serving"):
				_ = cmd.Process.Signal(syscall.SIGHUP)
				if ignored {
					_ = cmd.Process.Signal(syscall.SIGUSR2)
				}
			case strings.Contains(lines.Text(), "asked to hand over"):
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
		}
		err = cmd.Wait()
		if lived := strings.Contains(said, "asked to hand over"); err != nil || lived != ignored || !strings.Contains(said, "msg=stopped") {
			t.Errorf("ignored %v: %v\n%s", ignored, err, said)
		}
	}
}
