package raw

import (
	"encoding/hex"
	"testing"
)

// The vector was taken from a running Apache server.
func TestSessionPassword(t *testing.T) {
	if got := hex.EncodeToString(SessionPassword(0x10000106f150002)); got != "7b408741dade3526fdea5b4a4cd3ee22" {
		t.Errorf("got %s", got)
	}
}
