package apache

import (
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"zooid/test/interop/harness"
)

// TestSASL runs the classes about SASL one by one, two at a time, on the ports
// that the other tests leave.
func TestSASL(t *testing.T) {
	harness.Ring(t)
	if harness.UnderTest() == harness.Java {
		t.Skip("Apache's server is what these classes are made for")
	}
	t.Parallel()
	const workers = 2
	outs, logs := make([]string, len(authenticating)), make([]string, len(authenticating))
	lines := make([][]string, len(authenticating))
	for i, c := range authenticating {
		dir := t.TempDir()
		logs[i] = filepath.Join(dir, "servers.log")
		lines[i] = commandLine(t, dir, logs[i], strconv.Itoa(1+2*shares+i%workers), []class{c})
	}
	var done sync.WaitGroup
	for w := range workers {
		done.Go(func() {
			for i := w; i < len(authenticating); i += workers {
				outs[i] = java(t, lines[i])
			}
		})
	}
	done.Wait()
	for i, c := range authenticating {
		report(t, []class{c}, outs[i], logs[i])
	}
}
