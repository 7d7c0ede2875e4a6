// Package properties_test compares config.ReadProperties with
// java.util.Properties in a running JVM, text by text. It belongs to the
// interop ring, which sets ZOOID_INTEROP=1, since it needs a Java runtime.
package properties_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"zooid/internal/config"
	"zooid/test/interop/harness"
)

// The encodings that the JVM is asked to read a text in.
const (
	latin1 byte = 0
	utf8   byte = 1
)

// A jvm is the running Dump.java.
type jvm struct {
	in  *bufio.Writer
	out *bufio.Reader
}

func startJVM(t *testing.T) *jvm {
	t.Helper()
	harness.Gate(t)
	cmd := exec.Command("java", "-XX:TieredStopAtLevel=1", "Dump.java")
	in, out := harness.Pipe(t, cmd)
	return &jvm{bufio.NewWriter(in), bufio.NewReader(out)}
}

// load returns what Java reads; refused says that it throws.
func (j *jvm) load(t *testing.T, encoding byte, text []byte) (entries []config.Entry, refused bool) {
	t.Helper()
	head := binary.BigEndian.AppendUint32([]byte{encoding}, uint32(len(text)))
	j.in.Write(head)
	j.in.Write(text)
	if err := j.in.Flush(); err != nil {
		t.Fatal(err)
	}
	n := int32(j.number(t))
	if n < 0 {
		return nil, true
	}
	for range n {
		key, value := j.text(t), j.text(t)
		entries = append(entries, config.Entry{Key: key, Value: value})
	}
	return entries, false
}

func (j *jvm) number(t *testing.T) uint32 {
	var b [4]byte
	if _, err := io.ReadFull(j.out, b[:]); err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint32(b[:])
}

func (j *jvm) text(t *testing.T) string {
	b := make([]byte, j.number(t))
	if _, err := io.ReadFull(j.out, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// compare fails when the two readers do not agree.
func (j *jvm) compare(t *testing.T, encoding byte, text []byte, repeat string) {
	t.Helper()
	want, refused := j.load(t, encoding, text)
	got, err := config.ReadProperties(text)
	for i := range got {
		got[i].Line = 0
	}
	if (err != nil) != refused || !slices.Equal(got, want) {
		t.Fatalf("%q\nJava:  %s refused=%v\nZooid: %s error=%v\n%s", text, shown(want), refused, shown(got), err, repeat)
	}
}

func shown(entries []config.Entry) (s string) {
	for _, e := range entries {
		s += fmt.Sprintf("%q=%q ", e.Key, e.Value)
	}
	return s
}

func TestSameAsJava(t *testing.T) {
	j := startJVM(t)
	for _, text := range []string{
		"", "\n", "a", "a=", "=a", ":", " ", "a b", "a\tb", "a\fb", "a = b ", "a : b", "a  =  = b", "a=:b", "a:=b",
		"a==b", "a::b", "a =: b", "#c", "!c", " # c\na=b", "a=b#c", "a=b\\", "a=b\\\n", "a=b\\\n ", "\\", "\\\n", "\\\n ",
		"\\\n\\\n", "\\\na=b", "\\\n#c\na=b", "a\\\n#c", "a=b\\\n\nc=d", "a=b\\\n   c", "a=b\\\r\n  c", "a=b\\\rc", "a=b\r\nc=d\rd=e",
		"a=b\\\\\nc=d", "a=b\\\\\\\nc=d", "#c\\\na=b", "a\\=b=c", "a\\ b=c", "a\\:b:c", "a=\\t\\n\\r\\f\\\\\\q\\\"", "a=\\u0041\\u00e9",
		"a=\\u004", "a=\\u", "a=\\uxyzw", "\\u0041=b", "a=\\u004G", "a=\\\\u004G", "a=\x00b\x01", "\x00=\x00", "a=b\x0b c", "a\x0bb=c",
		"a = b\\\n  = c", "a\\\n  = c", "a\\\n\\\n\\\nb", "  a  b  ", "a\\", "a=\\ud83d\\ude00", "a\n\n\n\nb", "a\n\r\n\rb", "\r\r\r", "\\\r", "\\\r\n", "#", "#\\",
		"dataDir=C:\\data", "é=ü", "数据=目录 # 注释", "\ufeffa=b",
	} {
		j.compare(t, utf8, []byte(text), "")
	}
	for _, text := range []string{"a=\xff\xfe", "\xe6\x95=\xb0", "#\xe6\na=b", "a\xa0b=c", "a=b\x85c"} {
		j.compare(t, latin1, []byte(text), "")
	}
}

// highEscape finds an escape of a character that a single byte of UTF-8 cannot
// hold. Read as Latin-1 it cannot be told from the bytes of the text itself.
var highEscape = regexp.MustCompile(`(?i)\\u(00[89a-f]|0[1-9a-f]|[1-9a-f])`)

// TestSameAsJavaRandom makes up texts from the pieces that matter.
func TestSameAsJavaRandom(t *testing.T) {
	j := startJVM(t)
	seed := time.Now().UnixNano()
	if s := os.Getenv("ZOOID_SEED"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatalf("ZOOID_SEED: %v", err)
		}
		seed = n
	}
	repeat := fmt.Sprintf("repeat: ZOOID_INTEROP=1 ZOOID_SEED=%d go test ./test/interop/properties -run TestSameAsJavaRandom", seed)
	t.Log(repeat)
	random := rand.New(rand.NewSource(seed))
	pieces := []string{
		"a", "b", "key", "=", ":", " ", "\t", "\f", "\n", "\r", "\r\n", "\\", "\\\\", "\\\n", "\\\r\n", "\\\r", "#", "!",
		"\\u0041", "\\u004", "\\u", "u", "n", "t", "0", "f", "\\n", "\\t", "\x00", "\x1f", "\x7f",
	}
	bytesOnly := []string{"\x80", "\xa0", "\xff", "\xe4", "\x85"}
	unicode := []string{"\\u00e9", "\\u4e2d", "\\uffff", "\\ud83d\\ude00", "\\ude00", "é", "数", "\u0085", "\u00a0", "\u2028", "😀"}
	for n := range 30000 {
		encoding, extra := latin1, bytesOnly
		if n%2 == 1 {
			encoding, extra = utf8, unicode
		}
		all := append(append([]string(nil), pieces...), extra...)
		var text []byte
		for range random.Intn(24) {
			text = append(text, all[random.Intn(len(all))]...)
		}
		if encoding == latin1 && highEscape.Match(text) {
			continue
		}
		j.compare(t, encoding, text, repeat)
	}
}

// TestSampleFiles reads the configuration files that lie in the repository.
func TestSampleFiles(t *testing.T) {
	j := startJVM(t)
	files, err := filepath.Glob("../../../conf/*.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		j.compare(t, latin1, text, file)
	}
}
