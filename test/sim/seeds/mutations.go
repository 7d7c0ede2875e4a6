package seeds

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Mutation is a mistake that is made on purpose.
type Mutation struct {
	Name string
	Does string // "the shell " stands before it
	// Story is the file of a story that goes another way with the mistake, for one
	// that is too rare for seeds: it is not hunted.
	Story string
	// Run plays a seed with the mistake, and returns which check noticed it and
	// how, or "".
	Run func(seed uint64) (check, how string)
}

// Hunt finds every mistake, each within so many seeds: a simulator that finds
// nothing may only be blind. The table of what was found becomes the %s of page,
// which is held against MUTATIONS.md, or written there.
func Hunt(t *testing.T, all []Mutation, within int, page string, write bool) {
	t.Helper()
	const file = "MUTATIONS.md"
	var rows strings.Builder
	for _, m := range all {
		if m.Story != "" {
			fmt.Fprintf(&rows, "| %s | the shell %s | none | [the story](testdata/%s) |\n", m.Name, m.Does, m.Story)
			continue
		}
		check, how, seed := m.hunt(within)
		found := fmt.Sprint(seed)
		switch {
		case check != "":
			t.Logf("%-30s seed %3d  %s: %.150s", m.Name, seed, check, strings.SplitN(how, "\n", 2)[0])
		default:
			t.Errorf("%q is not found within %d seeds: the shell %s", m.Name, within, m.Does)
			continue
		}
		fmt.Fprintf(&rows, "| %s | the shell %s | %s | %s |\n", m.Name, m.Does, found, check)
	}
	text := fmt.Appendf(nil, page, rows.String())
	if write {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, text) {
		t.Logf("%s is not what this run found; -rewrite writes it", file)
	}
}

func (m *Mutation) hunt(within int) (check, how string, seed int) {
	for seed = 1; seed <= within; seed++ {
		if check, how = m.Run(uint64(seed)); check != "" {
			return check, how, seed
		}
	}
	return "", "", within
}
