package storage

import (
	"errors"
	"io"
	"testing"

	"zooid/internal/vfs"
	"zooid/internal/wire"
)

// txn returns the encoded entry of a setData of size bytes.
func txn(zxid int64, size int) []byte {
	h := wire.TxnHeader{ClientID: 0x100, Cxid: int32(zxid), Zxid: zxid, Time: 1000 + zxid, Type: wire.OpSetData}
	b := h.Append(nil)
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(zxid) | 1
	}
	b = (&wire.SetDataTxn{Path: []byte("/a"), Data: data, Version: int32(zxid)}).Append(b)
	return (&wire.TxnDigest{Version: wire.DigestVersion, Digest: zxid * 7}).Append(b)
}

func memDirs(t testing.TB, fs vfs.FS) *Dirs {
	t.Helper()
	d, err := OpenDirs(fs, "/data", "/log", true)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func appendTxns(t testing.TB, l *Log, from, to int64, size int) {
	t.Helper()
	for z := from; z <= to; z++ {
		if err := l.Append(z, txn(z, size)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Commit(); err != nil {
		t.Fatal(err)
	}
}

// zxids reads every transaction from the given one on.
func zxids(t testing.TB, fs vfs.FS, dir string, from int64) ([]int64, *Txns, error) {
	t.Helper()
	txns, err := OpenTxns(fs, dir, from, Limits{})
	if err != nil {
		return nil, nil, err
	}
	defer txns.Close()
	var got []int64
	for {
		e, err := txns.Next()
		if errors.Is(err, io.EOF) {
			return got, txns, nil
		}
		if err != nil {
			return got, txns, err
		}
		got = append(got, e.Header.Zxid)
	}
}

func TestLogRoundTrip(t *testing.T) {
	mem := vfs.NewMem()
	d := memDirs(t, mem)
	l := OpenLog(mem, d.Log, LogOptions{PreAlloc: 1 << 16})
	appendTxns(t, l, 1, 300, 100)
	if err := l.Roll(); err != nil {
		t.Fatal(err)
	}
	appendTxns(t, l, 301, 302, 100)
	appendTxns(t, l, 303, 303, 700_000)
	appendTxns(t, l, 304, 310, 0)
	got, txns, err := zxids(t, mem, d.Log, 250)
	if err != nil || len(got) != 61 || got[0] != 250 || got[60] != 310 {
		t.Fatalf("%v %v", got, err)
	}
	if len(txns.Torn) != 0 || txns.Files != 2 {
		t.Fatalf("%+v", txns)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := Logs(mem, d.Log)
	if err != nil || len(files) != 2 || files[1].Path != "/log/version-2/log.12d" {
		t.Fatalf("%v %v", files, err)
	}
}
