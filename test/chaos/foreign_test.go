package chaos

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/judge"
	"zooid/zk"
)

// foreign is a client that others have made, as a program that takes part in
// the history: see kazoo_history.py.
type foreign struct {
	name    string
	command func(t testing.TB, args ...string) *exec.Cmd
}

var foreigners = []foreign{
	{"kazoo", func(t testing.TB, args ...string) *exec.Cmd {
		return exec.Command(harness.Python(t), append([]string{harness.Source("python", "kazoo_history.py")}, args...)...)
	}},
	{"java", func(t testing.TB, args ...string) *exec.Cmd {
		return harness.JavaCommand(t, []string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-Xmx64m"}, "HistoryClient", args...)
	}},
}

// start runs the program until the world ends.
func (f foreign) start(w *world, id int) {
	cmd := f.command(w.t, w.e.ClientAddrs(), fmt.Sprint(id), fmt.Sprint(w.seed%1_000_000), fmt.Sprint(w.timeout.Milliseconds()),
		fmt.Sprint(w.began), fmt.Sprint(keysAtATime), fmt.Sprint(generation.Milliseconds()))
	var errors bytes.Buffer
	cmd.Stderr = &errors
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.did(f.name)
	w.wait.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if err := f.take(w, id, strings.Split(lines.Text(), "\t")); err != nil {
				w.t.Errorf("%s: %q: %v", f.name, lines.Text(), err)
			}
		}
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("%s: %v\n%s", f.name, err, strings.TrimSpace(errors.String()))
		}
	})
	// Its standard input ends with the world.
	w.ends = append(w.ends, func() { in.Close() })
}

// take puts one line of a program into the history.
func (f foreign) take(w *world, id int, words []string) error {
	numbers := make([]int64, len(words))
	for i, word := range words {
		// Words that are no numbers are not asked for theirs.
		numbers[i], _ = strconv.ParseInt(word, 10, 64)
	}
	switch {
	case words[0] == "op" && len(words) == 10:
		a := judge.Action{Verb: judge.Verb(words[1]), Key: int(numbers[2]), Value: int(numbers[3]), Version: int32(numbers[4])}
		out := judge.Outcome{
			Unknown: words[7] == "unknown", Code: zk.Code(numbers[7]),
			Value: int(numbers[8]), Version: int32(numbers[9]),
		}
		if reads := a.Verb == judge.Read || a.Verb == judge.Look || a.Verb == judge.Delete; reads {
			a.Value = 0
		}
		w.history.Add(id, a, out, numbers[5], numbers[6])
		if !out.Unknown {
			w.did(f.name)
		}
	case words[0] == "seq" && len(words) == 5:
		w.numbers.add(creation{text: words[1], call: numbers[2], end: numbers[3], name: strings.TrimPrefix(words[4], "/numbers/")})
		if words[4] != "" {
			w.did(f.name)
		}
	default:
		return fmt.Errorf("no server should do this")
	}
	return nil
}
