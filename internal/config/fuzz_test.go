package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zooid/internal/config"
)

// lines counts the lines of a text as the properties reader does, at most.
func lines(text []byte) int {
	n := 1
	for i, c := range text {
		if c == '\n' || c == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			n++
		}
	}
	return n
}

// FuzzParse feeds anything to the parsers: none may panic, and every place
// that they name must lie within the text.
func FuzzParse(f *testing.F) {
	goldens, err := filepath.Glob("testdata/golden/*")
	if err != nil || len(goldens) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, name := range goldens {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		// Small seeds keep the fuzzer fast: one for each input of the file.
		for _, part := range strings.Split(string(text), "\n\n") {
			input, _, _ := strings.Cut(part, "\n----\n")
			f.Add([]byte(input), "-Dzookeeper.snapCount=5 -Djute.maxbuffer=x")
		}
	}
	f.Add([]byte("dataDir=/d\nclientPort=1\nserver.1=a:1:2;3\n"), `"-Da=b`)
	f.Add([]byte("a=\\u00\n"), "-D")
	f.Fuzz(func(t *testing.T, text []byte, flags string) {
		last := lines(text)
		within := func(line int, what string) {
			if line < 0 || line > last {
				t.Errorf("line %d of %d: %s", line, last, what)
			}
		}
		check := func(warnings []config.Warning, err error) {
			for _, w := range warnings {
				within(w.Line, w.String())
			}
			var all config.Errors
			if errors.As(err, &all) {
				for _, e := range all {
					within(e.Line, e.Error())
				}
			} else if err != nil {
				t.Errorf("%v is not of type Errors", err)
			}
		}
		properties, _, _ := config.SplitJVMFlags(flags)
		c, warnings, err := config.Parse("zoo.cfg", text, properties)
		check(warnings, err)
		id, err := config.ParseMyID("myid", text)
		check(nil, err)
		dynamic, warnings, err := config.ParseDynamic("zoo.cfg.dynamic.1", text)
		check(warnings, err)
		check(c.Complete(id, dynamic))
		check(c.Risks(), nil)
		dynamic.Text()
		c.Properties()
	})
}
