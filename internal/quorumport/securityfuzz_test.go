package quorumport

import (
	"bytes"
	"testing"

	"zooid/internal/wire"
)

// FuzzReceiveAuth: whatever a stranger sends as a packet of the authentication,
// it is refused or read, and takes no more memory than a token may have.
func FuzzReceiveAuth(f *testing.F) {
	for _, p := range []wire.QuorumAuthPacket{{}, {Status: wire.AuthSuccess, Token: []byte("token")}, {Status: 9, Token: []byte{}}} {
		f.Add(p.Append(nil))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		in := bytes.NewReader(text)
		status, token, err := receiveAuth(in)
		if err != nil {
			return
		}
		if len(token) > maxSASLToken {
			t.Fatalf("a token of %d bytes", len(token))
		}
		again := (&wire.QuorumAuthPacket{Status: status, Token: token}).Append(nil)
		if read := text[:len(text)-in.Len()]; !bytes.Equal(again, read) {
			t.Fatalf("%x is read from %x", again, read)
		}
	})
}

// FuzzDetect: no bytes with which a connection may begin make the look for TLS
// panic, and none of ours count as TLS.
func FuzzDetect(f *testing.F) {
	f.Add([]byte{0x16, 3, 1, 2, 0})
	f.Add(hello(1, "127.0.0.1:1"))
	f.Add(introduction(1))
	f.Add((&wire.QuorumAuthPacket{}).Append(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 {
			return
		}
		var h wire.Hello
		var p wire.QuorumPacket
		_, helloErr := h.Decode(text)
		_, packetErr := p.Decode(text, 1<<20)
		greets := helloErr == nil && h.Addresses != nil || packetErr == nil && (p.Type == wire.PacketFollowerInfo || p.Type == wire.PacketObserverInfo)
		if greets && isTLS(text[:min(len(text), tlsHead)]) {
			t.Fatalf("%x greets and counts as TLS", text)
		}
	})
}
