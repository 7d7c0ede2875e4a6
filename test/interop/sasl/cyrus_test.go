package sasl_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"zooid/internal/sasl"
	"zooid/test/interop/harness"
)

// TestCyrusClient has a client of Cyrus' library log in, as ZooKeeper's C client
// is one.
func TestCyrusClient(t *testing.T) {
	harness.Gate(t)
	harness.Cyrus(t)
	for _, a := range accounts {
		for _, password := range []string{a[1], a[1] + "x"} {
			s := sasl.NewDigestServer(sasl.ClientProtocol, sasl.ClientServerName,
				func(user string) (string, bool) { return a[1], user == a[0] }, sasl.Nonce([]byte("not random")))
			said, err := cyrus(t, s, a[0], password)
			if right := password == a[1]; right != (err == nil) || right != (said == "done") || right != (s.AuthenticationID() == a[0]) {
				t.Errorf("%s: Cyrus says %q, ours %v", a[0], said, err)
			}
		}
	}
}

// cyrus has the exchange and returns the last that the client says and why the
// server refuses it.
func cyrus(t *testing.T, s *sasl.DigestServer, user, password string) (said string, refused error) {
	t.Helper()
	cmd := exec.Command("python3", harness.Source("sasl", "cyrus.py"), user, password)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("cyrus.py: %v", err)
		}
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said = lines.Text()
		token, err := base64.StdEncoding.DecodeString(said)
		if said == "done" || strings.HasPrefix(said, "error") || err != nil {
			break
		}
		answer, _, err := s.Step(token)
		if err != nil {
			return said, err
		}
		fmt.Fprintln(in, base64.StdEncoding.EncodeToString(answer))
	}
	return said, nil
}
