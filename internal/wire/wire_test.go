package wire

import (
	"bytes"
	"encoding/hex"
	"testing"

	"zooid/internal/jute"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The createSession record of a log that Apache 3.9 wrote.
func TestCreateSessionRecord(t *testing.T) {
	want := unhex(t, "01000017a6310000"+"00000000"+"0000000000000001"+"000001a2027350e4"+"fffffff6"+
		"00002710"+"00000002"+"0000000051c6d660")
	h := TxnHeader{ClientID: 0x1000017a6310000, Zxid: 1, Time: 0x1a2027350e4, Type: OpCreateSession}
	b := h.Append(nil)
	b = (&CreateSessionTxn{TimeOut: 10000}).Append(b)
	b = (&TxnDigest{Version: DigestVersion, Digest: 0x51c6d660}).Append(b)
	if !bytes.Equal(b, want) {
		t.Fatalf("got  % x\nwant % x", b, want)
	}
	var got TxnHeader
	d := jute.NewDecoder(b)
	got.Decode(&d)
	if got != h || d.Err() != nil {
		t.Fatalf("decoded %+v, %v", got, d.Err())
	}
	if n, ok := TxnBodySize(h.Type, d.Rest()); n != 4 || !ok {
		t.Fatalf("body size %d %v", n, ok)
	}
}

func TestBodySizeFindsTheDigest(t *testing.T) {
	digest := (&TxnDigest{Version: DigestVersion, Digest: 7}).Append(nil)
	create := (&CreateTxn{Path: []byte("/a"), Data: []byte("x"), ACL: OpenACL, ParentCVersion: 3}).Append(nil)
	for _, c := range []struct {
		name string
		typ  Opcode
		body []byte
	}{
		{"create", OpCreate, create},
		{"create of 3.3", OpCreate, create[:len(create)-4]},
		{"closeSession without a body", OpCloseSession, nil},
		{"closeSession without paths", OpCloseSession, AppendPaths(nil, nil)},
		{"closeSession", OpCloseSession, AppendPaths(nil, [][]byte{[]byte("/a"), []byte("/b")})},
		{"multi", OpMulti, AppendSubTxn(jute.AppendInt(nil, 1), OpDelete, []byte{0, 0, 0, 1, '/'})},
		{"error", OpError, (&ErrorTxn{CodeNoNode}).Append(nil)},
	} {
		for _, tail := range [][]byte{nil, digest} {
			b := append(append([]byte{}, c.body...), tail...)
			if n, ok := TxnBodySize(c.typ, b); n != len(c.body) || !ok {
				t.Errorf("%s, %d bytes behind: size %d %v, want %d", c.name, len(tail), n, ok, len(c.body))
			}
		}
	}
}

func TestConnectRequestOfOldClients(t *testing.T) {
	r := ConnectRequest{TimeOut: 3, SessionID: 4, Passwd: make([]byte, 16), HasReadOnly: true, ReadOnly: true}
	b := r.Append(nil)
	for _, n := range []int{len(b), len(b) - 1} {
		var got ConnectRequest
		d := jute.NewDecoder(b[:n])
		got.Decode(&d)
		if d.Err() != nil || got.HasReadOnly != (n == len(b)) || got.ReadOnly != got.HasReadOnly {
			t.Errorf("%d bytes: %+v %v", n, got, d.Err())
		}
	}
}

func TestACLsKeepTheirBytes(t *testing.T) {
	acls := []ACL{{PermAll, ID{"world", "anyone"}}, {PermRead, ID{"digest", "u:p"}}}
	raw := AppendACLs(nil, acls)
	d := jute.NewDecoder(append(append([]byte{}, raw...), 9))
	if got := RawACLs(&d); !bytes.Equal(got, raw) || d.Len() != 1 {
		t.Fatalf("raw % x, %d left", got, d.Len())
	}
	back, err := DecodeACLs(raw)
	if err != nil || len(back) != 2 || back[1] != acls[1] {
		t.Fatalf("decoded %v %v", back, err)
	}
	if null, err := DecodeACLs(AppendACLs(nil, nil)); null != nil || err != nil {
		t.Fatalf("null vector decoded to %v %v", null, err)
	}
}

// FuzzRecords decodes any bytes as every record: no panic, and what decodes
// encodes to a form that decodes to the same again.
func FuzzRecords(f *testing.F) {
	f.Add((&CreateRequest{Path: []byte("/a"), ACL: OpenACL}).Append(nil))
	f.Add((&SetWatches{Data: [][]byte{[]byte("/a")}}).Append(nil, true))
	f.Fuzz(func(t *testing.T, in []byte) {
		for typ := range opcodeNames {
			TxnBodySize(typ, in)
		}
		d := jute.NewDecoder(in)
		var c CreateTTLRequest
		if c.Decode(&d); d.Err() == nil {
			again := c.Append(nil)
			if !bytes.Equal(again, in[:d.Offset()]) {
				t.Fatalf("create: % x became % x", in[:d.Offset()], again)
			}
		}
		d = jute.NewDecoder(in)
		var w SetWatches
		if w.Decode(&d, true); d.Err() == nil {
			b := w.Append(nil, true)
			var w2 SetWatches
			d2 := jute.NewDecoder(b)
			if w2.Decode(&d2, true); d2.Err() != nil || !bytes.Equal(w2.Append(nil, true), b) {
				t.Fatal("setWatches is not stable")
			}
		}
	})
}
