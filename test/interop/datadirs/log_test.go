package datadirs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/script"
)

// TestSameLog plays one script on Apache's server and on the server under test
// and compares the transaction logs entry by entry, as Apache's TxnLogToolkit
// prints them: type, zxid, cxid and every field of every transaction.
func TestSameLog(t *testing.T) {
	harness.Ring(t)
	for seed := uint64(1); seed <= 3; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			steps := script.Generate(seed, 250, benign)
			java := logOf(t, harness.Java, steps)
			ours := logOf(t, harness.UnderTest(), steps)
			for i := range max(len(java), len(ours)) {
				a, b := entry(java, i), entry(ours, i)
				if a != b {
					t.Fatalf("entry %d:\n  java  %s\n  %-5s %s", i, a, harness.UnderTest(), b)
				}
			}
			t.Logf("%d equal entries", len(java))
		})
	}
}

func entry(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end of the log)"
}

// entries cuts the toolkit's output into entries. One goes on over the next
// lines where its data or its list of ACL entries holds a line break.
func entries(out string) []string {
	var list []string
	for _, line := range strings.Split(out, "\n") {
		if n := len(list); n > 0 && !entryHead.MatchString(line) {
			list[n-1] += line
			continue
		}
		list = append(list, line)
	}
	return list
}

var (
	entryHead = regexp.MustCompile(`(session 0x[0-9a-f]+ cxid 0x[0-9a-f]+ zxid 0x|EOF reached after )`)
	entryLine = regexp.MustCompile(`^.* session (0x[0-9a-f]+ cxid 0x[0-9a-f]+ zxid 0x[0-9a-f]+ .*?)( *[0-9-]*,[0-9-]*)?$`)
	sessionID = regexp.MustCompile(`0x[0-9a-f]{12,}`)
	closing   = regexp.MustCompile(`closeSession v\{(.*)\}`)
)

// logOf plays a script on a fresh server and returns its log as Apache's
// toolkit shows it, without times, digests and real session ids.
func logOf(t *testing.T, kind harness.Kind, steps []script.Step) []string {
	t.Helper()
	s := harness.Start(t, variant{}.options(kind))
	p := script.NewPlayer(s.Addr())
	defer p.Close()
	for i, step := range steps {
		if _, err := p.Play(step); err != nil {
			t.Fatalf("step %d %s: %v", i, step, err)
		}
	}
	s.Kill()
	logs := newest(t, s.LogDir(), "log.*", 1)
	out := tool(t, "org.apache.zookeeper.server.persistence.TxnLogToolkit", "-d", logs[0])
	var lines []string
	for _, line := range entries(out) {
		m := entryLine.FindStringSubmatch(line)
		if m == nil || strings.HasSuffix(m[1], " error -5") {
			// For a request that it cannot decode, Apache's server logs an
			// error entry with the zxid of the entry before.
			continue
		}
		line = sessionID.ReplaceAllStringFunc(m[1], func(id string) string {
			n, err := strconv.ParseUint(id[2:], 16, 64)
			if err != nil {
				return id
			}
			return p.Mask().Session(int64(n))
		})
		line = closing.ReplaceAllStringFunc(line, func(c string) string {
			paths := strings.Split(closing.FindStringSubmatch(c)[1], ",")
			slices.Sort(paths)
			return "closeSession " + strings.Join(paths, ",")
		})
		// Of a failed multi Apache's server logs the ops before the failing one
		// as they were; applied, they are nothing, and so an error of code 0
		// says the same.
		if head, _, ok := strings.Cut(line, " multi "); ok && strings.Contains(line, "error:") {
			line = head + " failed multi"
		}
		// Two digest ids that came from an auth entry stand in no set order.
		if strings.Count(line, "'digest") > 1 {
			parts := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune("{},", r) })
			slices.Sort(parts)
			line = strings.Join(parts, " ")
		}
		lines = append(lines, line)
	}
	if len(lines) < 100 {
		t.Fatalf("only %d entries in %s:\n%s", len(lines), logs[0], out[:min(len(out), 2000)])
	}
	return lines
}
