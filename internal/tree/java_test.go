package tree

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	if s == "-" {
		return []byte{}
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestJavaTransactions applies what testdata/GoldenTxns.java wrote and compares
// every number that Apache's DataTree came to, and the whole tree now and then.
func TestJavaTransactions(t *testing.T) {
	for _, c := range []struct {
		file string
		opt  Options
	}{
		{"testdata/java-plain.txt", Options{Digest: true}},
		{"testdata/java-extended.txt", Options{Digest: true, ExtendedTypes: true}},
	} {
		t.Run(c.file, func(t *testing.T) {
			f, err := os.Open(c.file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			replayJava(t, New(c.opt), bufio.NewScanner(f))
		})
	}
}

func replayJava(t *testing.T, tr *Tree, lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	var r Result
	line, nodes, drift := 0, 0, false
	for lines.Scan() {
		line++
		f := strings.Split(lines.Text(), " ")
		switch f[0] {
		case "txn":
			if nodes > 0 && nodes != tr.NodeCount()-1 {
				t.Fatalf("line %d: Java had %d nodes before", line, nodes)
			}
			nodes = 0
			if line%50 == 0 {
				checkTree(t, tr)
			}
			checkJavaTxn(t, tr, &r, line, f, &drift)
		case "node":
			nodes++
			checkJavaNode(t, tr, line, f)
		}
	}
	if err := lines.Err(); err != nil || line == 0 {
		t.Fatalf("%d lines: %v", line, err)
	}
}

func checkJavaTxn(t *testing.T, tr *Tree, r *Result, line int, f []string, drift *bool) {
	var h wire.TxnHeader
	d := jute.NewDecoder(fromHex(t, f[1]))
	h.Decode(&d)
	tr.Apply(&h, fromHex(t, f[2]), r)
	subs := ""
	for i := range r.Sub {
		subs += strconv.Itoa(int(r.Sub[i].Err)) + ","
	}
	if subs == "" {
		subs = "-"
	}
	got := []string{
		strconv.Itoa(int(r.Err)), subs, strconv.FormatUint(tr.Digest(), 16), strconv.Itoa(tr.NodeCount()),
		strconv.FormatInt(tr.DataSize(), 10), strconv.Itoa(tr.EphemeralCount()),
	}
	if bytes.Contains(fromHex(t, f[2]), []byte(statsName)) {
		// Java does not count what it writes to stats nodes itself.
		*drift = true
	}
	if *drift {
		got[4] = f[7]
	}
	names := []string{"code", "codes", "digest", "nodes", "data size", "ephemerals"}
	for i, name := range names {
		if got[i] != f[3+i] {
			t.Fatalf("line %d: %v of %s: %s %s, Java has %s", line, h.Type, r.Path, name, got[i], f[3+i])
		}
	}
}

func checkJavaNode(t *testing.T, tr *Tree, line int, f []string) {
	n := tr.Lookup([]byte(f[1]))
	if n == 0 {
		t.Fatalf("line %d: %s is missing", line, f[1])
	}
	if data := tr.Data(n); (data == nil) != (f[2] == "null") || data != nil && !bytes.Equal(data, fromHex(t, f[2])) {
		t.Errorf("line %d: %s has data %q, Java %s", line, f[1], data, f[2])
	}
	if !bytes.Equal(tr.ACL(n), fromHex(t, f[3])) {
		t.Errorf("line %d: %s has ACL % x", line, f[1], tr.ACL(n))
	}
	var p wire.StatPersisted
	tr.Persisted(n, &p)
	var s wire.Stat
	tr.Stat(n, &s)
	if !bytes.Equal(p.Append(nil), fromHex(t, f[4])) || !bytes.Equal(s.Append(nil), fromHex(t, f[5])) {
		t.Errorf("line %d: %s has %+v %+v, Java %s %s", line, f[1], p, s, f[4], f[5])
	}
}
