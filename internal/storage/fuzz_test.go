package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"zooid/internal/vfs"
)

// FuzzLog reads any bytes as a log: never a panic, never a transaction behind
// a failure, and what was read is written again to the same bytes.
func FuzzLog(f *testing.F) {
	for _, name := range []string{"log.1", "log.42"} {
		b := javaFile(f, name)[:1500]
		f.Add(b)
		f.Add(b[:900])
		torn := bytes.Clone(b)
		clear(torn[700:1300])
		f.Add(torn)
	}
	f.Add([]byte("ZKLG\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		mem := vfs.NewMem()
		writeFile(t, mem, "/log.1", b)
		r, err := OpenLogReader(mem, "/log.1", Limits{})
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		again := appendLogHeader(nil)
		for {
			e, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					mustBeKnown(t, err)
				}
				break
			}
			if e.Offset != int64(len(again)) {
				t.Fatalf("record at %d, %d bytes before it", e.Offset, len(again))
			}
			again = appendRecord(again, e.Raw)
		}
		if _, err := r.Next(); err == nil {
			t.Fatal("an entry behind the end")
		}
		if int64(len(again)) != r.Offset() || !bytes.Equal(again[logHeaderSize:], b[logHeaderSize:len(again)]) {
			t.Fatalf("%d bytes read, %d written", r.Offset(), len(again))
		}
	})
}

// mustBeKnown fails for an error that is neither damage nor a torn end.
func mustBeKnown(t *testing.T, err error) {
	t.Helper()
	var damage *DamageError
	var torn *TornError
	if !errors.As(err, &damage) && !errors.As(err, &torn) {
		t.Fatalf("%v", err)
	}
}

// FuzzSnapshot reads any bytes as a snapshot in each form.
func FuzzSnapshot(f *testing.F) {
	for i, name := range []string{"snapshot.0", "snapshot.41.gz", "snapshot.41.snappy"} {
		b := javaFile(f, name)
		f.Add(b, byte(i))
		f.Add(b[:len(b)/2], byte(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, form byte) {
		name := "/snapshot.1" + Compression(form%3).suffix()
		mem := vfs.NewMem()
		writeFile(t, mem, name, b)
		var got body
		info, err := ReadSnapshot(mem, name, Limits{}, &got)
		sameAhead(t, mem, name, info, err, &got)
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		if form%3 != 0 {
			return
		}
		// A null string has two encodings of a path; all else is the same.
		if rest := got.bytes(); !bytes.Contains(b, rest) || int64(len(b)) != info.Bytes {
			t.Fatalf("%d bytes of body in %d", len(rest), len(b))
		}
	})
}

// sameAhead demands of a snapshot read ahead what reading it has given.
func sameAhead(t *testing.T, fs vfs.FS, name string, info *SnapshotInfo, err error, got *body) {
	t.Helper()
	var also body
	info2, err2 := readSnapshot(fs, name, Limits{}, &also, true, nil)
	if fmt.Sprint(err) != fmt.Sprint(err2) || err == nil && *info != *info2 || !bytes.Equal(got.bytes(), also.bytes()) {
		t.Fatalf("read ahead: %v, %+v, %d bytes; else %v, %+v, %d bytes", err2, info2, len(also.bytes()), err, info, len(got.bytes()))
	}
}

// FuzzSnappy reads any bytes as a stream of snappy-java, and writes any bytes
// as one.
func FuzzSnappy(f *testing.F) {
	f.Add(javaFile(f, "snapshot.41.snappy"))
	f.Add(javaFile(f, "snapshot.0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := newSnappyReader(bytes.NewReader(b)); err == nil {
			n, err := io.Copy(io.Discard, r)
			if n > int64(64*len(b)+64) {
				t.Fatalf("%d bytes became %d (%v)", len(b), n, err)
			}
		}
		var out bytes.Buffer
		w := newSnappyWriter(&out)
		for rest := b; len(rest) > 0; {
			n := min(len(rest), 1+len(rest)/3)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := newSnappyReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%d bytes came back as %d, %v", len(b), len(got), err)
		}
	})
}

// Streams that follow each other, as snappy-java concatenates them, are one.
func TestSnappyStreamsInARow(t *testing.T) {
	one := javaFile(t, "snapshot.41.snappy")
	r, err := newSnappyReader(bytes.NewReader(append(bytes.Clone(one), one...)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || len(got) != 2*5526 || !bytes.Equal(got[:5526], got[5526:]) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}
