package wire

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func TestQuorumAuthPacket(t *testing.T) {
	for _, c := range []struct {
		packet QuorumAuthPacket
		text   string
	}{
		{QuorumAuthPacket{AuthInProgress, nil}, "5f2435013501edcc00000000ffffffff"},
		{QuorumAuthPacket{AuthSuccess, []byte("ab")}, "5f2435013501edcc00000001000000026162"},
		{QuorumAuthPacket{AuthError, []byte{}}, "5f2435013501edccffffffff00000000"},
	} {
		b := c.packet.Append(nil)
		if got := hex.EncodeToString(b); got != c.text {
			t.Errorf("%v: %s, not %s", c.packet, got, c.text)
		}
		var p QuorumAuthPacket
		n, err := p.DecodeHead(b[:QuorumAuthHead], 2)
		if err != nil || p.Status != c.packet.Status || n != len(c.packet.Token) && (n != -1 || c.packet.Token != nil) {
			t.Errorf("%v: %v, %d, %v", c.packet, p, n, err)
		}
		if !bytes.Equal(b[QuorumAuthHead:], c.packet.Token) {
			t.Errorf("%v: %x", c.packet, b)
		}
	}
}

func TestQuorumAuthPacketRefused(t *testing.T) {
	good := (&QuorumAuthPacket{AuthSuccess, make([]byte, 100)}).Append(nil)
	bad := func(change func([]byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		return b
	}
	for name, b := range map[string][]byte{
		"short":    good[:QuorumAuthHead-1],
		"magic":    bad(func(b []byte) { b[7]++ }),
		"large":    bad(func(b []byte) { b[15]++ }),
		"negative": bad(func(b []byte) { copy(b[12:], "\xff\xff\xff\xfe") }),
	} {
		var p QuorumAuthPacket
		if _, err := p.DecodeHead(b[:min(len(b), QuorumAuthHead)], 100); err != ErrQuorumAuth {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := AuthStatus(7).String(); s != "unknown 7" {
		t.Error(s)
	}
}
