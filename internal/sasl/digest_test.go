package sasl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// The exchanges of RFC 2831, section 4.
var rfcExchanges = []struct{ protocol, nonce, response, rspauth string }{
	{
		"imap", "OA6MG9tEQGm2hh",
		`charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,` +
			`cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",` +
			`response=d388dad90d4bbd760a152321f2143af7,qop=auth`,
		"rspauth=ea40f60335c427b5527b84dbabcdfffd",
	},
	{
		"acap", "OA9BSXrbuRhWay",
		`charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA9BSXrbuRhWay",nc=00000001,` +
			`cnonce="OA9BSuZWMSpW8m",digest-uri="acap/elwood.innosoft.com",` +
			`response=6084c6db3fede7352c551284490fd0fc,qop=auth`,
		"rspauth=2f0b3d7c3c2e486600ef710726aa2eae",
	},
}

func oneUser(name, password string) func(string) (string, bool) {
	return func(user string) (string, bool) { return password, user == name }
}

func TestServerOfRFC(t *testing.T) {
	for _, x := range rfcExchanges {
		s := NewDigestServer(x.protocol, "elwood.innosoft.com", oneUser("chris", "secret"), []byte(x.nonce))
		challenge, done, err := s.Step(nil)
		want := `realm="elwood.innosoft.com",nonce="` + x.nonce + `",charset=utf-8,algorithm=md5-sess`
		if err != nil || done || string(challenge) != want {
			t.Fatalf("challenge %q, done %v, error %v; want %q", challenge, done, err, want)
		}
		last, done, err := s.Step([]byte(x.response))
		if err != nil || !done || string(last) != x.rspauth {
			t.Errorf("rspauth %q, done %v, error %v; want %q", last, done, err, x.rspauth)
		}
		if !s.Done() || s.AuthenticationID() != "chris" || s.AuthorizationID() != "chris" {
			t.Errorf("done %v as %q for %q", s.Done(), s.AuthenticationID(), s.AuthorizationID())
		}
		if _, _, err := s.Step(nil); err == nil {
			t.Error("a token after the end is accepted")
		}
	}
}

// exchange lets the two sides talk until the client is done.
func exchange(s *DigestServer, c *DigestClient) (client, server error) {
	challenge, _, err := s.Step(nil)
	for err == nil {
		response, done, cerr := c.Step(challenge)
		if done || cerr != nil {
			return cerr, nil
		}
		challenge, _, err = s.Step(response)
	}
	return nil, err
}

func TestBothSides(t *testing.T) {
	users := map[string]string{
		"bob": "secret", `q"uo\te`: `p"\w`, "jürgen": "größe", "пользователь": "пароль", "both": "größe€", "none": "",
	}
	known := func(user string) (string, bool) { p, ok := users[user]; return p, ok }
	for user, password := range users {
		s := NewDigestServer(ClientProtocol, ClientServerName, known, Nonce(make([]byte, NonceBytes)))
		c := NewDigestClient(ClientProtocol, ClientServerName, user, password, Nonce([]byte("c")))
		if client, server := exchange(s, c); client != nil || server != nil || !s.Done() {
			t.Errorf("%s: client: %v, server: %v", user, client, server)
		}
		if s.AuthenticationID() != user || s.AuthorizationID() != user {
			t.Errorf("%s is known as %q for %q", user, s.AuthenticationID(), s.AuthorizationID())
		}
		c = NewDigestClient(ClientProtocol, ClientServerName, user, password+"x", Nonce([]byte("c")))
		s = NewDigestServer(ClientProtocol, ClientServerName, known, Nonce(nil))
		if _, server := exchange(s, c); server == nil || strings.Contains(server.Error(), "secret") || s.Done() {
			t.Errorf("%s with a wrong password: %v", user, server)
		}
	}
}

func TestClientVerifiesServer(t *testing.T) {
	s := NewDigestServer(ClientProtocol, ClientServerName, oneUser("bob", "secret"), []byte("n"))
	c := NewDigestClient(ClientProtocol, ClientServerName, "bob", "secret", []byte("c"))
	challenge, _, _ := s.Step(nil)
	if _, _, err := c.Step(challenge); err != nil {
		t.Fatal(err)
	}
	if _, done, err := c.Step([]byte("rspauth=" + strings.Repeat("0", 32))); err == nil || done {
		t.Errorf("a server that does not know the password is believed: done %v, error %v", done, err)
	}
	if _, _, err := c.Step(challenge); err == nil {
		t.Error("a challenge after the end is accepted")
	}
}

func TestServerRefuses(t *testing.T) {
	good := rfcExchanges[0].response
	without := func(name string) string {
		var kept []string
		for _, part := range strings.Split(good, ",") {
			if !strings.HasPrefix(part, name+"=") {
				kept = append(kept, part)
			}
		}
		return strings.Join(kept, ",")
	}
	for _, x := range []struct{ response, want string }{
		{"", "username is missing"},
		{"token", "username is missing"},
		{without("username"), "username is missing"},
		{without("realm"), "realm \"\" is not"},
		{without("nonce"), "nonce is missing"},
		{without("cnonce"), "cnonce is missing"},
		{without("digest-uri"), "digest-uri is missing"},
		{without("response"), "response is missing"},
		{strings.Replace(good, "elwood", "elsewhere", 1), "realm"},
		{strings.Replace(good, `nonce="OA6MG`, `nonce="OA6MH`, 1), "not the one of the challenge"},
		{strings.Replace(good, "imap/", "pop/", 1), "digest-uri"},
		{strings.Replace(good, "utf-8", "latin1", 1), "charset"},
		{strings.Replace(good, "qop=auth", "qop=auth-int", 1), "qop"},
		{strings.Replace(good, "=d388", "=d389", 1), "password"},
		{strings.Replace(good, `"chris"`, `"john"`, 1), "not among"},
		{good + ",maxbuf=many", "maxbuf"},
		{good + `,authzid="chris"`, "password"},
		{good + ",qop=auth", "more than once"},
		{good + `,x="`, "within its quotes"},
		{good + `,x="\`, "within its quotes"},
		{good + `,x="y"z`, "comma"},
		{good + ",=y", "no name"},
		{good + ",x y", "not followed by ="},
		{good + ",x=", "no value"},
		{strings.Repeat("x", maxResponse+1), "longer"},
	} {
		s := NewDigestServer("imap", "elwood.innosoft.com", oneUser("chris", "secret"), []byte(rfcExchanges[0].nonce))
		if _, _, err := s.Step(nil); err != nil {
			t.Fatal(err)
		}
		_, done, err := s.Step([]byte(x.response))
		if err == nil || done || s.Done() || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%.60s: done %v, error %v; want %q", x.response, done, err, x.want)
		}
		if err != nil && len(err.Error()) > 250 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestServerAccepts(t *testing.T) {
	good := rfcExchanges[0].response
	for _, response := range []string{
		" , " + strings.ReplaceAll(good, ",", " ,\r\n\t"),
		strings.Replace(good, "username", "UserName", 1),
		strings.Replace(good, "qop=auth", `stale=true,maxbuf=65536`, 1),
		strings.Replace(good, "nc=00000001,", "", 1),
		strings.Replace(good, "00000001", "00000002", 1),
		strings.Replace(good, `"chris"`, `"c\hris"`, 1),
		good + ",unknown",
	} {
		s := NewDigestServer("imap", "elwood.innosoft.com", oneUser("chris", "secret"), []byte(rfcExchanges[0].nonce))
		if _, _, err := s.Step(make([]byte, maxResponse+1)); err == nil {
			t.Error("a long first token is accepted")
		}
		if challenge, _, err := s.Step([]byte("whatever")); err != nil || challenge == nil {
			t.Errorf("a first token: %v", err)
		}
		if _, done, err := s.Step([]byte(response)); err != nil || !done {
			t.Errorf("%s: done %v, error %v", response, done, err)
		}
	}
}

func TestClientRefuses(t *testing.T) {
	const good = `realm="r",nonce="n",charset=utf-8,algorithm=md5-sess`
	for _, x := range []struct{ challenge, want string }{
		{"", "algorithm is missing"},
		{strings.Replace(good, "md5-sess", "md5", 1), "algorithm"},
		{strings.Replace(good, `nonce="n",`, "", 1), "nonce is missing"},
		{strings.Replace(good, "utf-8", "latin1", 1), "charset"},
		{good + `,qop="auth-int,auth-conf"`, "qop"},
		{good + ",maxbuf=x", "maxbuf"},
		{good + `,nonce="m"`, "more than once"},
		{strings.Repeat("x", maxChallenge+1), "longer"},
	} {
		c := NewDigestClient("p", "r", "u", "secret", []byte("c"))
		if _, _, err := c.Step([]byte(x.challenge)); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%.60s: %v; want %q", x.challenge, err, x.want)
		}
	}
}

func TestClientRealm(t *testing.T) {
	for realms, want := range map[string]string{"": "r", `realm="a",`: "a", `realm="a",realm="r",`: "r", `realm="a",realm="b",`: "a"} {
		c := NewDigestClient("p", "r", "u", "secret", []byte("c"))
		response, _, err := c.Step([]byte(realms + `nonce="n",qop="auth-conf, auth",algorithm=md5-sess`))
		if err != nil || !bytes.Contains(response, []byte(fmt.Sprintf("realm=%q", want))) {
			t.Errorf("%s: %s, %v; want realm %s", realms, response, err, want)
		}
	}
}

// FuzzExchange feeds both sides what strangers may send. An exchange ends
// within two tokens, and nobody gets in without the password.
func FuzzExchange(f *testing.F) {
	f.Add([]byte(rfcExchanges[0].response), []byte(`realm="r",nonce="n",charset=utf-8,algorithm=md5-sess`))
	f.Add([]byte(`a="\`), []byte(`,,=`))
	f.Fuzz(func(t *testing.T, response, challenge []byte) {
		s := NewDigestServer("p", "r", oneUser("bob", "secret"), []byte("nonce"))
		if _, _, err := s.Step(nil); err != nil {
			t.Fatal(err)
		}
		if _, done, err := s.Step(response); done || err == nil {
			t.Fatalf("%q is accepted", response)
		}
		c := NewDigestClient("p", "r", "bob", "secret", []byte("cnonce"))
		if _, done, err := c.Step(challenge); err == nil && done {
			t.Fatalf("the client believes a server after %q", challenge)
		}
	})
}
