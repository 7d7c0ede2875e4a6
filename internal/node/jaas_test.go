package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zooid/internal/jute"
	"zooid/internal/sasl"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

func writeJAAS(t *testing.T, text string) (flag string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "jaas.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "-Djava.security.auth.login.config=" + file
}

const saslProvider = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"

// login has the exchange and returns the reply that ends it.
func (c *client) login(user, password string) reply {
	c.t.Helper()
	token := func(b []byte) func([]byte) []byte {
		return func(dst []byte) []byte { return jute.AppendBuffer(dst, b) }
	}
	r := c.do(wire.OpSASL, token([]byte{}), wire.CodeOK)
	d := jute.NewDecoder(r.body)
	response, _, err := sasl.NewDigestClient(sasl.ClientProtocol, sasl.ClientServerName, user, password, []byte("c")).Step(d.Buffer())
	if err != nil {
		c.t.Fatal(err)
	}
	c.raw(c.request(wire.OpSASL, token(response)))
	return c.reply()
}

func TestLogin(t *testing.T) {
	flag := writeJAAS(t, `Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_super="secret" user_bob="secret"; };`)
	s := start(t, flag, saslProvider, "superUser.1=super", "SASLAuthenticationProvider.superPassword=other")
	c := s.connect()
	if r := c.login("bob", "secret"); r.Err != wire.CodeOK {
		t.Fatalf("bob: %v", r.Err)
	}
	own := wire.AppendACLs(nil, []wire.ACL{{Perms: wire.PermAll, ID: wire.ID{Scheme: "sasl", ID: "bob"}}})
	c.do(wire.OpCreate, (&wire.CreateRequest{Path: []byte("/bob"), ACL: own}).Append, wire.CodeOK)
	c.do(wire.OpGetData, get("/bob", false), wire.CodeOK)
	s.connect().do(wire.OpGetData, get("/bob", false), wire.CodeNoAuth)
	super := s.connect()
	if r := super.login("super", "other"); r.Err != wire.CodeOK {
		t.Fatalf("super: %v", r.Err)
	}
	super.do(wire.OpGetData, get("/bob", false), wire.CodeOK)
	wrong := s.connect()
	if r := wrong.login("super", "secret"); r.Err != wire.CodeAuthFailed {
		t.Fatalf("super with another password: %v", r.Err)
	}
	wrong.wantClosed()
	until(t, "the failure in the log", func() bool {
		return strings.Contains(s.log.String(), `DIGEST-MD5: user \"super\": the password`) && strings.Contains(s.log.String(), "client="+wrong.nc.LocalAddr().String())
	})
	if log := s.log.String(); strings.Contains(log, "secret") || strings.Contains(log, "=other") {
		t.Errorf("the log has a password:\n%s", log)
	}
}

// Many failures are not as many lines.
func TestLoginFailuresInTheLog(t *testing.T) {
	s := start(t, writeJAAS(t, `Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="b"; };`))
	for range 50 {
		c := s.connect()
		c.login("bob", "wrong")
		c.wantClosed()
	}
	if n := strings.Count(s.log.String(), "failed to authenticate"); n != 20 {
		t.Errorf("%d lines about 50 failures", n)
	}
}

func TestLoginFileIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"Server {": "line 1",
		"Server { com.sun.security.auth.module.Krb5LoginModule required; };": "Kerberos",
	} {
		s, err := tryStart(t, vfs.NewMem(), "/data", writeJAAS(t, text))
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != exitUnexpected || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\n%s", text, err, s.log)
		}
	}
	_, err := tryStart(t, vfs.NewMem(), "/data", "-Djava.security.auth.login.config=/nosuch/jaas.conf")
	if !errors.Is(err, os.ErrNotExist) && (err == nil || !strings.Contains(err.Error(), "no such file")) {
		t.Errorf("a missing file: %v", err)
	}
}
