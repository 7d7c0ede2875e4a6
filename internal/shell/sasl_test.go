package shell

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestClientLogin(t *testing.T) {
	const module = "org.apache.zookeeper.server.auth.DigestLoginModule required "
	files := map[string]string{
		"/good":     "Client {" + module + `username="bob" password="${pw}"; }; Mine {` + module + "username=me password=mine; };",
		"/wrong":    "Client {\nx",
		"/kerberos": "Client { com.sun.security.auth.module.Krb5LoginModule required; };",
		"/nobody":   "Client {" + module + "password=x; };",
	}
	read := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	for _, x := range []struct {
		properties properties
		want       string
	}{
		{properties{loginFile: "/good", "pw": "secret"}, "bob/secret"},
		{properties{loginFile: "=file:/good", "pw": "secret", loginSection: "Mine"}, "me/mine"},
		{properties{loginFile: "/good"}, "line 1"},
		{properties{loginFile: "/good", "pw": "secret", loginSection: "Other"}, "no section Other"},
		{properties{loginFile: "/good", "pw": "secret", "zookeeper.fips-mode": "true"}, "fips-mode"},
		{properties{loginSection: "Mine"}, "names no file"},
		{properties{loginFile: "/nosuch"}, "not exist"},
		{properties{loginFile: "/wrong"}, "line 2"},
		{properties{loginFile: "/kerberos"}, "Kerberos"},
		{properties{loginFile: "/nobody"}, `no username="..."`},
	} {
		user, password, err := clientLogin(x.properties, read)
		got := user + "/" + password
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, x.want) {
			t.Errorf("%v: %s, want %s", x.properties, got, x.want)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	env := &Environment{ReadFile: func(string) ([]byte, error) { return nil, errors.New("unreadable") }}
	for _, x := range []struct {
		properties properties
		failed     bool
	}{
		{properties{}, false},
		{properties{loginFile: "/x"}, true},
		{properties{loginSection: "X"}, true},
		{properties{loginFile: "/x", "zookeeper.sasl.client": "false"}, false},
	} {
		var o startOptions
		o.authenticate(x.properties, env)
		if o.loginFailed != x.failed || (len(o.notes) > 0) != x.failed || len(o.clientOptions) != 0 {
			t.Errorf("%v: failed %v, notes %q", x.properties, o.loginFailed, o.notes)
		}
	}
}
