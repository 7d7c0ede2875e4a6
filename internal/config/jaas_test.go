package config

import (
	"errors"
	"strings"
	"testing"
)

// login parses a file with properties and reads a JAAS text, as a server does.
func login(t *testing.T, lines string, props []Property, text string) (users map[string]string, said []string, err error) {
	t.Helper()
	c, _, err := Parse("zoo.cfg", []byte("dataDir=/data\nclientPort=2181\n"+lines), props)
	if err != nil {
		t.Fatal(err)
	}
	sections, err := c.ReadJAAS([]byte(text))
	if err != nil {
		return nil, nil, err
	}
	users, warnings, err := c.Login(sections)
	for _, w := range warnings {
		said = append(said, w.String())
	}
	return users, said, err
}

func TestLogin(t *testing.T) {
	const (
		module = "org.apache.zookeeper.server.auth.DigestLoginModule required "
		good   = "Server {" + module + `user_super="s" user_bob="${pw}"; };`
		sasl   = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
	)
	file := []Property{{"java.security.auth.login.config", "/etc/jaas.conf"}, {"pw", "b"}}
	for _, x := range []struct {
		name, lines, text string
		props             []Property
		users, super      string // number of users; password of super
		said              string
	}{
		{"good", "", good, file, "2", "s", ""},
		{"super's password", "SASLAuthenticationProvider.superPassword=x\n", good, file, "2", "x", ""},
		{"super's password without super", "SASLAuthenticationProvider.superPassword=x\n", "Server {" + module + "user_a=b; };", file, "1", "", "no user super"},
		{"other section", "sasl.serverconfig=Mine\n", "Mine {" + module + "user_super=m; };", file, "1", "m", ""},
		{"no section", "", "Client {" + module + "username=b; };", file, "", "", "no section Server"},
		{"empty section", "", "Server { };", file, "", "", "no section Server"},
		{"empty file", "", "", file, "", "", "no section Server"},
		{"no file", "", "", nil, "", "", ""},
		{"no file, but required", sasl + "sessionRequireClientSASLAuth=true\n", "", nil, "", "", "sessionRequireClientSASLAuth: no client can be served"},
		{"no file, but enforced", sasl + "enforce.auth.enabled=true\nenforce.auth.schemes=sasl\n", "", nil, "", "", "enforce.auth.schemes: no client can be served"},
		{"no users", "", "Server {" + module + "username=b; };", file, "0", "", "no user_<name>"},
		{"FIPS mode", "fips-mode=true\n", good, file, "2", "s", "all the same"},
	} {
		users, said, err := login(t, x.lines, x.props, x.text)
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		count := ""
		if users != nil {
			count = string(rune('0' + len(users)))
		}
		if all := strings.Join(said, "\n"); count != x.users || users["super"] != x.super || (all == "") != (x.said == "") || !strings.Contains(all, x.said) {
			t.Errorf("%s: users %v, said %q", x.name, users, said)
		}
	}
}

func TestLoginRefused(t *testing.T) {
	file := []Property{{"java.security.auth.login.config", "=/etc/jaas.conf"}}
	for text, want := range map[string]string{
		"Server {\nx":                              "-Djava.security.auth.login.config=/etc/jaas.conf: line 2: expected required",
		"Server { no.Module required; };":          "line 1: section Server names the login module no.Module",
		"Server {\n a.Krb5LoginModule required;};": "line 2: section Server logs in with Kerberos",
	} {
		_, _, err := login(t, "", file, text)
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestJAASFile(t *testing.T) {
	for value, want := range map[string]string{"": "", "/a/b": "/a/b", "=/a": "/a", "file:/a": "/a", "file:///a": "/a", "=file:a": "a", "a": "a"} {
		c, _, err := Parse("zoo.cfg", []byte("dataDir=/data\n"), []Property{{"java.security.auth.login.config", value}})
		if err != nil {
			t.Fatal(err)
		}
		if name, named := c.JAASFile(); name != want || !named {
			t.Errorf("%q is %q, %v", value, name, named)
		}
	}
	c, warnings, _ := Parse("zoo.cfg", []byte("dataDir=/data\njava.security.auth.login.config=/etc/jaas.conf\n"), nil)
	if name, named := c.JAASFile(); named || len(warnings) != 1 || !strings.Contains(warnings[0].Advice, "SERVER_JVMFLAGS") {
		t.Errorf("the file names %q, where ZooKeeper does not look; warnings %v", name, warnings)
	}
	if err := c.JAASUnread(errors.New("no such file")); !strings.Contains(err.Error(), "property is empty") {
		t.Error(err)
	}
}

func TestSuperUsers(t *testing.T) {
	c, _, err := Parse("zoo.cfg", []byte("dataDir=/data\nsuperUser=a\nsuperUser.x=c\nsuperUserX=d\nsuperUser.1=b\n"), nil)
	if err != nil || c.SASL.SuperUser != "a" || strings.Join(c.SASL.SuperUsers, " ") != "b c" {
		t.Errorf("%v: %+v", err, c.SASL)
	}
}
