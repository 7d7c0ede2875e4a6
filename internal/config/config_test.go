package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"zooid/internal/config"
)

const minimal = "dataDir=/data\nclientPort=2181\n"

// parse reads a file that must be accepted.
func parse(t *testing.T, text string, flags ...config.Property) *config.Config {
	t.Helper()
	c, _, err := config.Parse("zoo.cfg", []byte(text), flags)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Complete(config.NoID, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestProperties(t *testing.T) {
	c := parse(t, minimal+"snapCount=5\nunknown.key=x\nserver.1=a:2888:3888\ntickTime=2000\njute.maxbuffer=9999\n",
		config.Property{Name: "zookeeper.snapCount", Value: "7"},
		config.Property{Name: "java.io.tmpdir", Value: "/tmp"},
		config.Property{Name: "empty"})
	var lines []string
	for _, p := range c.Properties() {
		lines = append(lines, p.Name+"="+p.Value)
	}
	want := "empty= java.io.tmpdir=/tmp zookeeper.jute.maxbuffer=9999 zookeeper.server.1=a:2888:3888 zookeeper.snapCount=5 zookeeper.unknown.key=x"
	if got := strings.Join(lines, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if v, ok := c.Property("zookeeper.snapCount"); v != "5" || !ok {
		t.Errorf("zookeeper.snapCount is %q, %v", v, ok)
	}
	if _, ok := c.Property("zookeeper.tickTime"); ok {
		t.Error("tickTime is no system property")
	}
	if !c.Set("snapCount") || !c.Set("tickTime") || c.Set("maxCnxns") || c.Set("no such option") {
		t.Error("Set is wrong about what is set")
	}
}

func TestFourLetterAllowed(t *testing.T) {
	for _, test := range []struct{ file, allowed, refused string }{
		{"", "srvr", "ruok isro stat mntr"},
		{"4lw.commands.whitelist=ruok, mntr", "srvr ruok mntr", "isro stat"},
		{"4lw.commands.whitelist=*", "srvr ruok mntr isro wchp", ""},
		{"4lw.commands.whitelist=", "srvr", "ruok"},
		{"readonlymode.enabled=true", "srvr isro", "ruok"},
	} {
		c := parse(t, minimal+test.file)
		for _, word := range strings.Fields(test.allowed) {
			if !c.FourLetterAllowed(word) {
				t.Errorf("%q: %s is refused", test.file, word)
			}
		}
		for _, word := range strings.Fields(test.refused) {
			if c.FourLetterAllowed(word) {
				t.Errorf("%q: %s is allowed", test.file, word)
			}
		}
	}
}

// TestBytesSurvive reads values and comments that are not ASCII.
func TestBytesSurvive(t *testing.T) {
	c := parse(t, "# 快照目录\ndataDir=/data/数据\n! caf\xe9\nclientPort=2181\ndataLogDir=/log/\\u65e5\\u5fd7\n")
	if c.DataDir != "/data/数据" || c.DataLogDir != "/log/日志" {
		t.Errorf("dataDir %q, dataLogDir %q", c.DataDir, c.DataLogDir)
	}
}

// TestLineNumbers looks at where entries start in files of all line ends.
func TestLineNumbers(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n"} {
		text := strings.ReplaceAll("# comment|| a=1|b=2\\|   continued|  # comment|c=\\|\\|3|d|", "|", end)
		entries, err := config.ReadProperties([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want := `[{a 1 3} {b 2continued 4} {c 3 7} {d  10}]`
		if got := fmt.Sprint(entries); got != want {
			t.Errorf("line end %q: got %s, want %s", end, got, want)
		}
	}
}

func TestErrorsNameTheirPlace(t *testing.T) {
	_, _, err := config.Parse("conf/zoo.cfg", []byte("\n\n"+minimal+"tickTime=soon\n"), nil)
	var one *config.Error
	if !errors.As(err, &one) {
		t.Fatalf("%v is no *config.Error", err)
	}
	if one.File != "conf/zoo.cfg" || one.Line != 5 || one.Key != "tickTime" || one.Value != "soon" {
		t.Errorf("%+v", one)
	}
}

// TestSecretsStayHidden looks for a password in messages.
func TestSecretsStayHidden(t *testing.T) {
	c, warnings, err := config.Parse("zoo.cfg", []byte("DigestAuthenticationProvider.superDigest=sesame\nssl.keyStore.password=sesame\n"), nil)
	all := fmt.Sprint(warnings, err, c.Risks())
	if strings.Contains(all, "sesame") {
		t.Errorf("a secret in: %s", all)
	}
}

// TestLongAndControlCharacters keeps odd text from breaking messages.
func TestLongAndControlCharacters(t *testing.T) {
	_, warnings, err := config.Parse("zoo.cfg", []byte(minimal+"tickTime="+strings.Repeat("9", 5000)+"\nodd\\n\x1bkey=1\n"), nil)
	for _, text := range []string{err.Error(), fmt.Sprint(warnings)} {
		if len(text) > 600 || strings.ContainsAny(text, "\n\x1b") {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	}
}

func TestModeOfBareFile(t *testing.T) {
	if c := parse(t, minimal); c.Mode() != config.Standalone || c.ServerID != config.NoID {
		t.Errorf("mode %s, id %d", c.Mode(), c.ServerID)
	}
}
