package sasl_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zooid/test/interop/harness"
)

// TestActAs has users ask to act as somebody else, by authzid. Apache's server
// takes no notice, but of a user with a realm that no rule of auth_to_local
// knows: such a user becomes whoever it likes. Ours never takes notice.
func TestActAs(t *testing.T) {
	harness.Gate(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "jaas.conf")
	const text = `Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="s" "user_bob@REALM"="s"; };`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[harness.Kind]string{harness.Java: "sasl:root super:]", harness.Zooid: "sasl:bob@REALM]"} {
		s := harness.Start(t, harness.Options{
			Kind: kind, Lines: []string{provider, "superUser=root"}, Properties: []string{"java.security.auth.login.config=" + file},
		})
		for user, identity := range map[string]string{"bob": "sasl:bob]", "bob@REALM": want} {
			said := have(t, s, func(k *talk) { k.actAs(user, "s", "root"); k.whoAmI() })
			if !strings.HasSuffix(said, identity) {
				t.Errorf("%s, %s: %s, want %s", kind, user, said, identity)
			}
		}
	}
}

// actAs logs in as user and asks to act as another.
func (k *talk) actAs(user, password, other string) {
	hash := func(text string) string {
		sum := md5.Sum([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	const realm, uri, cnonce = "zk-sasl-md5", "zookeeper/zk-sasl-md5", "cnonce"
	nonce := nonceOf(string(k.token([]byte{})))
	login := md5.Sum([]byte(user + ":" + realm + ":" + password))
	a1 := hash(string(login[:]) + ":" + nonce + ":" + cnonce + ":" + other)
	response := hash(a1 + ":" + nonce + ":00000001:" + cnonce + ":auth:" + hash("AUTHENTICATE:"+uri))
	k.token(fmt.Appendf(nil, `charset=utf-8,username="%s",realm="%s",nonce="%s",nc=00000001,cnonce="%s",digest-uri="%s",response=%s,qop=auth,authzid="%s"`,
		user, realm, nonce, cnonce, uri, response, other))
}
