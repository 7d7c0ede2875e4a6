package ensemble

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zooid/test/interop/harness"
)

// words are the four-letter words that answer from the state of a server and
// leave it alone; mntr has a test of its own.
var words = []string{"conf", "cons", "dirs", "dump", "hash", "isro", "ruok", "srvr", "stat", "wchc", "wchp", "wchs"}

// masks turn what differs between any two runs into a letter for its kind.
var masks = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`(3\.9\.5)-[0-9a-f]{40}, built on \d{4}-\d\d-\d\d \d\d:\d\d UTC`), "<version>"},
	{regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z+\-0-9]+ \d{4}`), "<date>"},
	{regexp.MustCompile(`/127\.0\.0\.1:\d+`), "<address>"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+:\d+`), "<ports>"},
	{regexp.MustCompile(`((?:data|log|client|election|quorum)[A-Za-z]*|serverId)=[^\n]*`), "$1=<own>"},
	{regexp.MustCompile(`(_size): \d+`), "$1: <n>"},
	{regexp.MustCompile(`/m\d`), "/mN"},
	{regexp.MustCompile(`server\.\d`), "server.N"},
	{regexp.MustCompile(`(sid=|sessionId: |^\t?)0x0*[1-9a-f][0-9a-f]*`), "$1<session>"},
	{regexp.MustCompile(`(est|lresp|llat|minlat|avglat|maxlat)=\d+`), "$1=<n>"},
	{regexp.MustCompile(`zxid=0x[0-9a-f]+`), "zxid=<zxid>"},
	{regexp.MustCompile(`Latency min/avg/max: \d+/\d+\.\d{1,4}/\d+`), "Latency <n>"},
	{regexp.MustCompile(`(Received|Sent): \d+`), "$1: <n>"},
	{regexp.MustCompile(`(Session Sets) \(\d+\)/`), "$1 (<n>)/"},
	{regexp.MustCompile(`(Connections Sets) .*`), "$1 <n>"},
	{regexp.MustCompile(`Connections: \d+`), "Connections: <n>"},
	{regexp.MustCompile(`\d+ expire at`), "<n> expire at"},
	{regexp.MustCompile(`lcxid=0x[0-9a-f]+`), "lcxid=<n>"},
}

// shape masks an answer line by line. The lines stand in their order where
// there is one; connections, sessions and watches have none. Connections that
// ask a word are left out: Zooid's end when the client has taken the answer, so
// there may be several.
func shape(word, answer string) []string {
	var lines []string
	for line := range strings.Lines(answer) {
		line = strings.TrimSuffix(line, "\n")
		if strings.Contains(line, "[0](queued=0,") {
			continue
		}
		for _, m := range masks {
			line = m.pattern.ReplaceAllString(line, m.mask)
		}
		lines = append(lines, fmt.Sprintf("%s: %s", word, line))
	}
	switch word {
	case "dump", "wchc", "wchp", "cons":
		slices.Sort(lines)
		lines = slices.Compact(lines)
	case "stat":
		clients := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "stat:  ") })
		end := clients
		for end >= 0 && end < len(lines) && strings.HasPrefix(lines[end], "stat:  ") {
			end++
		}
		if clients >= 0 {
			slices.Sort(lines[clients:end])
		}
	}
	return lines
}

// answers are the shapes of what a member says to all words.
func answers(m *harness.Member) (lines []string) {
	for _, word := range words {
		lines = append(lines, shape(word, m.FourLetter(word))...)
	}
	return lines
}

// TestWords: a leader, a follower and an observer answer the four-letter words
// as Apache's do in that role, and `zooid status` understands them.
func TestWords(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := startBusy(t, kinds)
		busy(t, e)
		for _, m := range e.Members() {
			role := m.Role()
			out, err := exec.Command(harness.ZooidBinary(t), "status", m.ConfigFile()).CombinedOutput()
			if err != nil || !strings.HasSuffix(string(out), "\nMode: "+role+"\n") {
				t.Errorf("zooid status of member %d (%s %s): %v\n%s", m.ID, m.Kind(), role, err, out)
			}
			compareGolden(t, m, "words-"+role, func() []string { return answers(m) })
		}
	})
}

// TestWordsWithoutQuorum: a member that looks for a leader lives, and says to
// everything else that it does not serve.
func TestWordsWithoutQuorum(t *testing.T) {
	const refusal = "This ZooKeeper instance is not currently serving requests"
	special := map[string]string{"ruok": "imok", "isro": "null", "hash": refusal, "gtmk": "306"}
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.PrepareEnsemble(t, harness.EnsembleOptions{Kinds: kinds})
		m := e.Member(len(kinds))
		m.Launch()
		harness.Until(t, "imok of a member without quorum", m.Done(), func() bool { return m.FourLetter("ruok") == "imok" })
		for _, word := range append([]string{"mntr", "srst", "crst", "gtmk"}, words...) {
			want, ok := special[word]
			if !ok {
				want = refusal + "\n"
			}
			if got := m.FourLetter(word); got != want {
				t.Errorf("%s of a member (%s) without quorum: %q, want %q", word, m.Kind(), got, want)
			}
		}
		if out := m.FourLetter("envi"); !strings.HasPrefix(out, "Environment:\n") {
			t.Errorf("envi of a member (%s) without quorum: %q", m.Kind(), out)
		}
		out, err := exec.Command(harness.ZooidBinary(t), "status", m.ConfigFile()).Output()
		if err == nil || !strings.HasSuffix(string(out), "Error contacting service. It is probably not running.\n") {
			t.Errorf("zooid status of a member (%s) without quorum: %v\n%s", m.Kind(), err, out)
		}
	})
}

// TestWordsReadOnly: a member that serves read-only, as it has no quorum,
// answers the words as Apache's does, mntr among them.
func TestWordsReadOnly(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.PrepareEnsemble(t, harness.EnsembleOptions{Kinds: kinds, Properties: []string{"readonlymode.enabled=true"}})
		m := e.Member(len(kinds))
		m.Launch()
		waitReadOnly(t, m)
		compareGolden(t, m, "words-read-only", func() []string { return answers(m) })
		now := monitor(t, m)
		compareGolden(t, m, "mntr-read-only", func() []string { return measured(now, now) })
	})
}
