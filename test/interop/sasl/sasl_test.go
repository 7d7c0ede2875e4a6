// Package sasl_test compares internal/sasl with Java's own SASL and JAAS in a
// running JVM. It belongs to the interop ring, which sets ZOOID_INTEROP=1,
// since it needs a Java runtime.
package sasl_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"zooid/internal/sasl"
	"zooid/test/interop/harness"
)

// A jvm is the running JavaSasl.java.
type jvm struct {
	in  io.Writer
	out *bufio.Reader
}

func startJVM(t *testing.T) *jvm {
	t.Helper()
	harness.Gate(t)
	cmd := exec.Command("java", "-XX:TieredStopAtLevel=1", "-Dpw=from-property", "-Dempty=", "JavaSasl.java")
	in, out := harness.Pipe(t, cmd)
	return &jvm{in, bufio.NewReader(out)}
}

// ask sends a command and returns the answer's words, the second decoded.
func (j *jvm) ask(t *testing.T, command string, args ...string) (word, value string) {
	t.Helper()
	line := command
	for _, arg := range args {
		line += " " + base64.StdEncoding.EncodeToString([]byte(arg))
	}
	fmt.Fprintln(j.in, line)
	answer, err := j.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	word, coded, _ := strings.Cut(strings.TrimSpace(answer), " ")
	if coded == "" || coded == "-" {
		return word, ""
	}
	decoded, err := base64.StdEncoding.DecodeString(coded)
	if err != nil {
		t.Fatal(err)
	}
	return word, string(decoded)
}

var accounts = [][2]string{
	{"bob", "secret"}, {"super", "adminsecret"}, {`q"u\o`, `p"\w`}, {"jürgen", "größe"}, {"пользователь", "пароль"},
	{"mixed", "größe€"}, {"with space, comma", "=\"="},
}

func TestJavaClient(t *testing.T) {
	j := startJVM(t)
	for _, a := range accounts {
		for _, password := range []string{a[1], a[1] + "x"} {
			s := sasl.NewDigestServer(sasl.ClientProtocol, sasl.ClientServerName,
				func(user string) (string, bool) { return a[1], user == a[0] }, sasl.Nonce([]byte("not random")))
			j.ask(t, "client", sasl.ClientProtocol, sasl.ClientServerName, a[0], password)
			challenge, _, err := s.Step(nil)
			if err != nil {
				t.Fatal(err)
			}
			word, response := j.ask(t, "step", string(challenge))
			if word != "more" {
				t.Fatalf("Java answers %s to %s", word, challenge)
			}
			last, done, err := s.Step([]byte(response))
			if password != a[1] {
				if err == nil || done {
					t.Errorf("%s is in with a wrong password", a[0])
				}
				continue
			}
			if err != nil || !done || s.AuthenticationID() != a[0] || s.AuthorizationID() != a[0] {
				t.Fatalf("%s: %v: %v, as %q for %q", a[0], response, err, s.AuthenticationID(), s.AuthorizationID())
			}
			if word, _ := j.ask(t, "step", string(last)); word != "done" {
				t.Errorf("%s: Java does not believe %s", a[0], last)
			}
		}
	}
}

func TestJavaServer(t *testing.T) {
	j := startJVM(t)
	for _, a := range accounts {
		for _, password := range []string{a[1], a[1] + "x"} {
			j.ask(t, "server", sasl.QuorumProtocol, sasl.QuorumServerName, a[0], a[1])
			c := sasl.NewDigestClient(sasl.QuorumProtocol, sasl.QuorumServerName, a[0], password, sasl.Nonce([]byte("not random")))
			word, challenge := j.ask(t, "step", "")
			if want := `realm="zk-quorum-sasl-md5",nonce="`; word != "more" || !strings.HasPrefix(challenge, want) {
				t.Fatalf("Java begins with %s %s", word, challenge)
			}
			own := sasl.NewDigestServer(sasl.QuorumProtocol, sasl.QuorumServerName, nil, []byte(nonceOf(challenge)))
			if text, _, _ := own.Step(nil); string(text) != challenge {
				t.Errorf("challenge %s, Java's is %s", text, challenge)
			}
			response, _, err := c.Step([]byte(challenge))
			if err != nil {
				t.Fatal(err)
			}
			word, last := j.ask(t, "step", string(response))
			if password != a[1] {
				if word != "error" {
					t.Errorf("Java answers %s to a wrong password", word)
				}
				continue
			}
			if word != "done" {
				t.Fatalf("Java answers %s to %s", word, response)
			}
			if _, done, err := c.Step([]byte(last)); err != nil || !done {
				t.Errorf("%s: %v", a[0], err)
			}
		}
	}
}

func nonceOf(challenge string) string {
	_, rest, _ := strings.Cut(challenge, `nonce="`)
	nonce, _, _ := strings.Cut(rest, `"`)
	return nonce
}

// TestClientMessage holds the client's response to the order and form of
// Java's, of which only nonces and hashes differ.
func TestClientMessage(t *testing.T) {
	j := startJVM(t)
	const challenge = `realm="zk-sasl-md5",nonce="n\"\\once",charset=utf-8,algorithm=md5-sess`
	j.ask(t, "client", sasl.ClientProtocol, sasl.ClientServerName, `q"bob`, "secret")
	_, theirs := j.ask(t, "step", challenge)
	_, rest, _ := strings.Cut(theirs, `cnonce="`)
	cnonce, _, _ := strings.Cut(rest, `"`)
	ours, _, err := sasl.NewDigestClient(sasl.ClientProtocol, sasl.ClientServerName, `q"bob`, "secret", []byte(cnonce)).Step([]byte(challenge))
	if err != nil || string(ours) != theirs {
		t.Errorf("response, error %v:\n%s\nJava's:\n%s", err, ours, theirs)
	}
}

// TestMalformed feeds both servers responses with changed, lost and added
// pieces. What makes Java's throw something that is no SaslException is an
// error of ours like any other.
func TestMalformed(t *testing.T) {
	j := startJVM(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{",", "=", `"`, `\`, " ", "qop=auth", "qop=auth-int", "maxbuf=x", "nc=1", "nc=+1", "stale=true", `charset="utf-8"`,
		"charset=ascii", "authzid=bob", `authzid=""`, "realm=", `digest-uri="ZOOKEEPER/zk-sasl-md5"`, "username=bob", "x", "\t", "maxbuf=-1", "nc=00000002"}
	for range 1500 {
		j.ask(t, "server", sasl.ClientProtocol, sasl.ClientServerName, "bob", "secret")
		_, challenge := j.ask(t, "step", "")
		nonce := nonceOf(challenge)
		s := sasl.NewDigestServer(sasl.ClientProtocol, sasl.ClientServerName,
			func(user string) (string, bool) { return "secret", user == "bob" }, []byte(nonce))
		c := sasl.NewDigestClient(sasl.ClientProtocol, sasl.ClientServerName, "bob", "secret", []byte("cnonce"))
		own, _, err := s.Step(nil)
		if err != nil {
			t.Fatal(err)
		}
		good, _, err := c.Step(own)
		if err != nil {
			t.Fatal(err)
		}
		response := damage(random, string(good), pieces)
		word, theirs := j.ask(t, "step", response)
		last, done, err := s.Step([]byte(response))
		if (word == "done") != done || (word == "done") != (err == nil) || done && string(last) != theirs {
			t.Errorf("%s\nJava: %s %s\nours: %s, %v", response, word, theirs, last, err)
		}
	}
}

func damage(random *rand.Rand, text string, pieces []string) string {
	parts := strings.Split(text, ",")
	for range random.IntN(3) {
		piece := pieces[random.IntN(len(pieces))]
		switch at := random.IntN(len(parts)); random.IntN(5) {
		case 0:
			parts = slices.Delete(parts, at, at+1)
		case 1, 2:
			parts = slices.Insert(parts, at, piece)
		case 3:
			cut := random.IntN(len(parts[at]) + 1)
			parts[at] = parts[at][:cut] + piece + parts[at][cut:]
		default:
			parts[at] += piece
		}
		if len(parts) == 0 {
			break
		}
	}
	return strings.Join(parts, ",")
}

// TestJAAS feeds both parsers files made of pieces that mean something to one
// of them.
func TestJAAS(t *testing.T) {
	j := startJVM(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const good = "S {\n a.b.C required\n x=\"y\" z=w; };\nT { D optional; E sufficient user_bob=\"q\"; };"
	pieces := []string{"{", "}", ";", "=", `"`, "'", "/", "//", "/*", "*/", "\n", "\r", "\r\n", " ", "-", ".", "1", "-1.5", "a1", "1a", "\\", `"\101\477\n\""`,
		`"${pw}"`, `"a${empty}"`, `"${empty}"`, `"${nosuch}"`, `"${{pw}}x"`, `"${{pw"`, `"${pw"`, `"${/}"`, "${pw}", "$", "*", "_", "@", "ü", "€", "\u0085", "S", `"S"`, "required", `""`, "T { };", "#", ","}
	for range 3000 {
		text := good
		for range 1 + random.IntN(3) {
			at := random.IntN(len(text) + 1)
			to := at + random.IntN(2)*random.IntN(min(4, len(text)-at+1))
			text = text[:at] + pieces[random.IntN(len(pieces))] + text[to:]
		}
		text = strings.ToValidUTF8(text, "")
		word, theirs := j.ask(t, "jaas", text, "S", "T")
		ours, err := sasl.ParseJAAS([]byte(text), func(name string) (string, bool) {
			value, ok := map[string]string{"pw": "from-property", "empty": ""}[name]
			return value, ok
		})
		if (word == "error") != (err != nil) || err == nil && describe(ours) != theirs {
			t.Errorf("%q\nJava: %s\n%s\nours: %v\n%s", text, word, theirs, err, describe(ours))
		}
	}
}

func describe(sections sasl.Sections) string {
	var b strings.Builder
	for _, name := range []string{"S", "T"} {
		if len(sections[name]) == 0 {
			continue
		}
		b.WriteString("section " + name + "\n")
		for _, m := range sections[name] {
			b.WriteString("module " + m.Class + " " + m.Flag + "\n")
			for _, key := range sortedKeys(m.Options) {
				b.WriteString("option " + key + " " + m.Options[key] + "\n")
			}
		}
	}
	return b.String()
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
