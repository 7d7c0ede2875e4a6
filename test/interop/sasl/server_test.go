package sasl_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zooid/internal/sasl"
	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

const jaasText = `Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_super="adminsecret" // behind the comment
    user_bob="bobsecret"
    user_any="anysecret";
};
Client {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    username="bob"
    password="bobsecret";
};
`

const provider = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"

// start starts a server of a kind with the users above.
func start(t *testing.T, kind harness.Kind, lines, properties []string) *harness.Server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "jaas.conf")
	if err := os.WriteFile(file, []byte(jaasText), 0o600); err != nil {
		t.Fatal(err)
	}
	all := append([]string{"java.security.auth.login.config=" + file}, properties...)
	return harness.Start(t, harness.Options{Kind: kind, Dir: dir, Lines: lines, Properties: all})
}

// A talk is one connection whose answers are written down.
type talk struct {
	*raw.Conn
	addr   string
	client *sasl.DigestClient
	said   []string
}

func (k *talk) say(format string, args ...any) {
	k.said = append(k.said, fmt.Sprintf(format, args...))
}

var nonces = regexp.MustCompile(`nonce="[^"]*"|rspauth=.*`)

// token sends a token and returns the answer's.
func (k *talk) token(token []byte) []byte {
	r, err := k.Call(raw.OpSASL, raw.Bytes(nil).Buf(token))
	if err != nil {
		k.end(err)
		return nil
	}
	answer := r.Body.Buf()
	k.say("sasl: zxid %d, error %d, null %v, bad %v: %s", r.Zxid, r.Err, answer == nil, r.Body.Bad, nonces.ReplaceAll(answer, []byte("...")))
	return answer
}

// login goes through a whole exchange.
func (k *talk) login(user, password string) {
	k.client = sasl.NewDigestClient(sasl.ClientProtocol, sasl.ClientServerName, user, password, []byte("cnonce"))
	challenge := k.token([]byte{})
	response, _, err := k.client.Step(challenge)
	if err != nil {
		k.say("no challenge")
		return
	}
	if last := k.token(response); last != nil {
		_, done, err := k.client.Step(last)
		k.say("login done %v, error %v", done, err)
	}
}

func (k *talk) call(op int32, body raw.Bytes) {
	r, err := k.Call(op, body)
	if err != nil {
		k.end(err)
		return
	}
	k.say("%s: error %d", raw.OpName(op), r.Err)
}

func (k *talk) end(err error) {
	if !errors.Is(err, io.EOF) {
		k.say("failed: %v", err)
		return
	}
	k.say("closed")
}

func (k *talk) ping() { k.call(raw.OpPing, nil) }

func acl(scheme, id string) []raw.ACL { return []raw.ACL{{Perms: 31, Scheme: scheme, ID: id}} }

func (k *talk) create(path string, list []raw.ACL) {
	k.call(raw.OpCreate, raw.Create(path, nil, list, 0))
}
func (k *talk) get(path string) { k.call(raw.OpGetData, raw.PathBool(path, false)) }

func (k *talk) whoAmI() {
	r, err := k.Call(raw.OpWhoAmI, nil)
	if err != nil {
		k.end(err)
		return
	}
	var names []string
	for range r.Body.Count() {
		names = append(names, r.Body.Str()+":"+r.Body.Str())
	}
	slices.Sort(names) // Apache's order is that of a hash table
	k.say("I am %v", names)
}

// response is a good one of bob with something changed.
func (k *talk) response(change func(string) string) {
	k.client = sasl.NewDigestClient(sasl.ClientProtocol, sasl.ClientServerName, "bob", "bobsecret", []byte("cnonce"))
	response, _, err := k.client.Step(k.token([]byte{}))
	if err != nil {
		k.say("no challenge")
		return
	}
	k.token([]byte(change(string(response))))
}

func replaced(old, with string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, with, 1) }
}

var talks = []struct {
	name string
	talk func(k *talk)
}{
	{"right", func(k *talk) {
		k.login("bob", "bobsecret")
		k.whoAmI()
		k.create("/bob", acl("sasl", "bob"))
		k.create("/expanded", acl("auth", ""))
		k.create("/other", acl("sasl", "other"))
		k.get("/bob")
		k.get("/expanded")
		k.get("/other")
	}},
	{"someone else", func(k *talk) {
		k.get("/bob")
		k.login("any", "anysecret")
		k.get("/bob")
		k.get("/expanded")
	}},
	{"super", func(k *talk) {
		k.login("super", "adminsecret")
		k.whoAmI()
		k.get("/bob")
		k.get("/other")
		k.create("/digest", acl("digest", "x:y"))
		k.get("/digest")
	}},
	{"wrong password", func(k *talk) { k.login("bob", "wrong"); k.ping(); k.get("/bob") }},
	{"unknown user", func(k *talk) { k.login("nobody", "x"); k.ping() }},
	{"first token not empty", func(k *talk) { k.token([]byte("x")); k.ping(); k.login("bob", "bobsecret") }},
	{"first token too long", func(k *talk) { k.token(make([]byte, 5000)); k.ping(); k.login("bob", "bobsecret") }},
	{"second token too long", func(k *talk) { k.token([]byte{}); k.token(make([]byte, 5000)); k.ping() }},
	{"twice empty", func(k *talk) { k.token([]byte{}); k.token([]byte{}); k.ping() }},
	{"garbage", func(k *talk) { k.token([]byte{}); k.token([]byte("\x00\xff=,\"")); k.ping(); k.token([]byte{}) }},
	{"second exchange", func(k *talk) { k.login("bob", "bobsecret"); k.token([]byte{}); k.ping(); k.whoAmI() }},
	{"third token", func(k *talk) { k.login("bob", "bobsecret"); k.token([]byte("x")); k.whoAmI() }},
	{"null token", func(k *talk) { k.token(nil); k.ping() }},
	{"no body", func(k *talk) { k.call(raw.OpSASL, nil); k.ping() }},
	{"negative length", func(k *talk) { k.call(raw.OpSASL, raw.Bytes(nil).Int(-5)); k.ping() }},
	{"length behind the end", func(k *talk) { k.call(raw.OpSASL, raw.Bytes(nil).Int(5)); k.ping() }},
	{"charset", func(k *talk) { k.response(replaced("charset=utf-8", "charset=ascii")); k.ping() }},
	{"realm", func(k *talk) { k.response(replaced(`realm="zk-sasl-md5"`, `realm="r"`)); k.ping() }},
	{"uri", func(k *talk) { k.response(replaced("zookeeper/", "http/")); k.ping() }},
	{"qop", func(k *talk) { k.response(replaced("qop=auth", "qop=auth-int")); k.ping() }},
	{"scheme sasl", func(k *talk) { k.call(raw.OpAuth, raw.Auth("sasl", []byte("bob"))); k.ping() }},
	{"pipeline", func(k *talk) {
		err := k.Send(raw.Frame(1, raw.OpCreate, raw.Create("/pipe", nil, acl("world", "anyone"), 0)),
			raw.Frame(2, raw.OpSASL, raw.Bytes(nil).Buf([]byte{})), raw.Frame(3, raw.OpGetData, raw.PathBool("/pipe", false)))
		if err != nil {
			k.end(err)
		}
		k.replies(3)
	}},
	{"behind the handshake", func(k *talk) {
		c, err := raw.Dial(k.addr)
		if err != nil {
			k.end(err)
			return
		}
		defer c.Close()
		k.Conn = c
		hello := raw.ConnectRequest{Timeout: 10000, Passwd: make([]byte, 16)}
		if err := c.Send(hello.Bytes(), raw.Frame(1, raw.OpSASL, raw.Bytes(nil).Buf([]byte{}))); err != nil {
			k.end(err)
		}
		for range 2 {
			frame, err := c.Recv()
			if err != nil {
				k.end(err)
				return
			}
			k.say("session %v, challenge %v", bytes.Contains(frame, []byte{0, 0, 0x27, 0x10}), bytes.Contains(frame, []byte("nonce=")))
		}
		slices.Sort(k.said) // Apache's may answer the token first
		k.ping()
	}},
	{"digest as well", func(k *talk) {
		k.call(raw.OpAuth, raw.Auth("digest", []byte("u:p")))
		k.login("bob", "bobsecret")
		k.whoAmI()
		k.create("/both", acl("auth", ""))
	}},
	{"end", func(k *talk) { k.login("any", "anysecret"); k.call(raw.OpCloseSession, nil) }},
}

// replies writes down the answers to a pipeline by xid, in any order: a SASL
// token is answered outside the queue.
func (k *talk) replies(n int) {
	errs := map[int32]int32{}
	for range n {
		frame, err := k.Recv()
		if err != nil {
			k.end(err)
			break
		}
		r := raw.ParseReply(frame)
		errs[r.Xid] = r.Err
	}
	k.say("replies %v", errs)
}

// configurations are the ways in which a server may be told about SASL.
var configurations = []struct {
	name              string
	lines, properties []string
}{
	{"plain", []string{provider}, nil},
	{"super users", []string{provider, "superUser=bob", "superUser.2=any", "superUserX=x"}, nil},
	{"super password", []string{provider, "SASLAuthenticationProvider.superPassword=other"}, nil},
	{"any user", []string{provider, "letAnySaslUserDoX=bob"}, nil},
	{"failed clients", []string{provider, "allowSaslFailedClients=true"}, nil},
	{"required", []string{provider, "sessionRequireClientSASLAuth=true"}, nil},
	{"required, failed clients", []string{provider, "sessionRequireClientSASLAuth=true", "allowSaslFailedClients=true"}, nil},
	{"enforced", []string{provider, "enforce.auth.enabled=true", "enforce.auth.schemes=digest,sasl"}, nil},
	{"no provider", nil, nil},
	{"no section", []string{provider}, []string{"zookeeper.sasl.serverconfig=Other"}},
	{"FIPS mode", []string{provider}, []string{"zookeeper.fips-mode=true"}},
}

// TestServersAgree has the same talks with both servers.
func TestServersAgree(t *testing.T) {
	harness.Gate(t)
	for _, c := range configurations {
		t.Run(c.name, func(t *testing.T) {
			theirs := start(t, harness.Java, c.lines, c.properties)
			ours := start(t, harness.Zooid, c.lines, c.properties)
			for _, one := range talks {
				want, got := have(t, theirs, one.talk), have(t, ours, one.talk)
				if got != want {
					t.Errorf("%s\n--- Apache\n%s\n--- ours\n%s", one.name, want, got)
				}
			}
		})
	}
}

func have(t *testing.T, s *harness.Server, act func(k *talk)) string {
	t.Helper()
	c, _, err := raw.Connect(s.Addr(), 10000)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	k := &talk{Conn: c, addr: s.Addr()}
	act(k)
	return strings.Join(k.said, "\n")
}
