package storage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// streamOfApache is a file of Apache's as its leader sends it: LearnerHandler
// calls the same serializer as FileSnap and writes the signature behind it.
func streamOfApache(t testing.TB, name string, tail int) []byte {
	t.Helper()
	file := javaFile(t, name)
	body := file[snapshotHeader : len(file)-tail]
	if !bytes.HasSuffix(body, terminator) {
		t.Fatalf("%s has no %d bytes behind its nodes", name, tail)
	}
	return append(bytes.Clone(body), "\x00\x00\x00\x0aBenWasHere"...)
}

// bothTails is what stands behind the nodes of a file with digest and last
// zxid.
const bothTails = sealSize + 20 + sealSize + 8 + sealSize

// Apache's content is read as from the file, and the sender's end is the same.
func TestStreamOfApache(t *testing.T) {
	for name, nodes := range map[string]int{"snapshot.0": 4, "snapshot.41": 52} {
		stream := streamOfApache(t, name, bothTails)
		var got body
		info, err := ReadStream(bufio.NewReader(bytes.NewReader(stream)), Limits{}, &got, nil)
		if err != nil {
			t.Fatal(err)
		}
		if info.Nodes != nodes || info.Bytes != int64(len(stream)) || info.Sessions != got.nSessions || info.ACLs != got.nACLs {
			t.Fatalf("%+v", info)
		}
		if sent := AppendStreamEnd(got.bytes()); !bytes.Equal(sent, stream) {
			t.Fatalf("%s: %d bytes are sent, by Apache %d", name, len(sent), len(stream))
		}
	}
}

// mixedBody has nodes from nothing to several times any buffer in use here,
// and an ACL list longer than the smallest.
func mixedBody() []byte {
	b := jute.AppendInt(nil, 2)
	for id := range int64(2) {
		b = jute.AppendInt(jute.AppendLong(b, 0x100+id), 30_000)
	}
	b = jute.AppendInt(b, 2)
	b = append(jute.AppendLong(b, 1), wire.OpenACL...)
	b = jute.AppendInt(jute.AppendLong(b, 2), 2)
	for _, id := range []string{"a", strings.Repeat("long", 50)} {
		b = jute.AppendString(jute.AppendString(jute.AppendInt(b, 31), "digest"), id)
	}
	b = appendNode(b, "", nil, -1)
	for i, size := range []int{0, 1, 90, 4096, 5, 70_000, 300_000, 300_001, 17, 1 << 20, 0, 2} {
		b = appendNode(b, fmt.Sprintf("/node-%d", i), bytes.Repeat([]byte{byte(i + 1)}, size), 1)
	}
	return appendNode(b, "/"+strings.Repeat("p", 9000), []byte("x"), 2)
}

// Whatever the size of the buffer and of what arrives at a time, the content
// is the same and what follows the signature is left to the next reader.
func TestStreamLeavesWhatFollows(t *testing.T) {
	content := mixedBody()
	stream := AppendStreamEnd(bytes.Clone(content))
	follows := []byte("the next packet, which is longer than some buffers are")
	for _, size := range []int{16, 100, 4096, 64 << 10, 4 << 20} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "last": iotest.DataErrReader,
			"single": iotest.OneByteReader,
		} {
			r := bufio.NewReaderSize(wrap(bytes.NewReader(append(bytes.Clone(stream), follows...))), size)
			var got body
			info, err := ReadStream(r, Limits{}, &got, nil)
			if err != nil {
				t.Fatalf("%s, %d: %v", how, size, err)
			}
			if !bytes.Equal(got.bytes(), content) || info.Bytes != int64(len(stream)) {
				t.Fatalf("%s, %d: %+v", how, size, info)
			}
			if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, follows) {
				t.Fatalf("%s, %d: %q, %v are left", how, size, rest, err)
			}
		}
	}
}

// patient is a link on which nothing follows for now: a reader that asks for
// more than it needs would wait for ever.
type patient struct {
	t *testing.T
	r *bytes.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if p.r.Len() == 0 {
		p.t.Fatal("waits for bytes that are not part of the stream")
	}
	return p.r.Read(b)
}

func TestStreamDoesNotWait(t *testing.T) {
	stream := AppendStreamEnd(mixedBody())
	for _, size := range []int{16, 1000, 64 << 10} {
		r := bufio.NewReaderSize(patient{t, bytes.NewReader(stream)}, size)
		if _, err := ReadStream(r, Limits{}, &count{}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Cut at any byte it is an error that says so, and never a panic.
func TestStreamCut(t *testing.T) {
	stream := streamOfApache(t, "snapshot.41", bothTails)
	for cut := range stream {
		_, err := ReadStream(bufio.NewReaderSize(bytes.NewReader(stream[:cut]), 64), Limits{}, &count{}, nil)
		var broken *StreamError
		if !errors.As(err, &broken) || !errors.Is(err, io.ErrUnexpectedEOF) || broken.Offset > int64(cut) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if behind := cut >= len(stream)-4-len(StreamSignature); broken.Behind != behind {
			t.Fatalf("cut at %d: %v, behind %v", cut, err, broken.Behind)
		}
	}
}

type refusing struct{ count }

func (*refusing) Node(path, _ []byte, _ int64, _ *wire.StatPersisted) error {
	if string(path) == "/bench-1" {
		return errors.New("no such parent")
	}
	return nil
}

func TestStreamErrors(t *testing.T) {
	small := bigBody(3)
	with := func(end ...byte) []byte { return append(bytes.Clone(small), end...) }
	wrong := AppendStreamEnd(bytes.Clone(small))
	wrong[len(wrong)-1] = 'd'
	long := appendNode(bytes.Clone(small), "/long", make([]byte, 3000), 1)
	for _, c := range []struct {
		stream []byte
		sink   Sink
		want   string
	}{
		{nil, &count{}, "snapshot stream is broken at offset 0: it ends inside the number of sessions: unexpected EOF"},
		{[]byte{0xff, 0, 0, 0}, &count{}, "at offset 0: the number of sessions is -16777216"},
		{[]byte{0, 0, 0, 0, 0x80, 0, 0, 0}, &count{}, "at offset 4: the number of ACL lists is -2147483648"},
		{small, &count{}, "it ends inside the nodes: unexpected EOF"},
		{with(terminator...), &count{}, "it ends inside the signature BenWasHere: unexpected EOF"},
		{wrong, &count{}, `the signature BenWasHere is missing behind the nodes: there is "BenWasHerd"`},
		{with(append(bytes.Clone(terminator), 0, 0, 0, 9)...), &count{}, "the signature BenWasHere is missing behind the nodes: there is a string of 9 bytes"},
		{with(0x7f, 0, 0, 0, 0), &count{}, "a path claims 2130706432 bytes, allowed are 1000"},
		{long, &count{}, `the data of "/long" claims 3000 bytes, allowed are 1000; if a server with a larger jute.maxbuffer wrote it set the same here`},
		{AppendStreamEnd(bytes.Clone(small)), &refusing{}, "snapshot stream, node at offset "},
	} {
		info, err := ReadStream(bufio.NewReader(bytes.NewReader(c.stream)), Limits{MaxField: 1000}, c.sink, nil)
		if err == nil || info != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	broken := io.MultiReader(bytes.NewReader(small[:200]), iotest.ErrReader(syscall.ECONNRESET))
	_, err := ReadStream(bufio.NewReader(broken), Limits{}, &count{}, nil)
	if !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(err.Error(), "the nodes cannot be read: connection reset") {
		t.Error(err)
	}
}

// Large nodes are told of in time, too.
func TestStreamTells(t *testing.T) {
	b := jute.AppendInt(jute.AppendInt(nil, 0), 0)
	for i := range 20 {
		b = appendNode(b, fmt.Sprintf("/%d", i), make([]byte, 1<<20), -1)
	}
	var told []string
	_, err := ReadStream(bufio.NewReader(bytes.NewReader(AppendStreamEnd(b))), Limits{MaxField: 1 << 20}, &count{}, func(bytes int64, nodes int) {
		told = append(told, fmt.Sprintf("%d:%d", bytes>>20, nodes))
	})
	if got := strings.Join(told, " "); err != nil || got != "8:8 16:16" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReadStreamAllocates(t *testing.T) {
	run := func(nodes int) float64 {
		stream := AppendStreamEnd(bigBody(nodes))
		src := bytes.NewReader(stream)
		r := bufio.NewReaderSize(src, 64<<10)
		return testing.AllocsPerRun(10, func() {
			src.Reset(stream)
			r.Reset(src)
			if _, err := ReadStream(r, Limits{}, &count{}, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := run(10), run(5000); many > few {
		t.Errorf("%v allocations for 10 nodes, %v for 5000", few, many)
	}
}

// FuzzStream reads any bytes as a stream: never a panic, the same result
// whatever the buffer, no byte taken that is not part of it, and what was read
// is sent again as the same bytes.
func FuzzStream(f *testing.F) {
	for _, name := range []string{"snapshot.0", "snapshot.41"} {
		b := streamOfApache(f, name, bothTails)
		f.Add(b)
		f.Add(append(bytes.Clone(b), "more"...))
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var first string
		for _, size := range []int{16, 200, 64 << 10} {
			r := bufio.NewReaderSize(bytes.NewReader(b), size)
			var got body
			info, err := ReadStream(r, Limits{}, &got, nil)
			outcome := fmt.Sprint(info, err)
			if first == "" {
				first = outcome
			}
			if outcome != first {
				t.Fatalf("buffer of %d: %s\nbefore: %s", size, outcome, first)
			}
			if err != nil {
				var broken *StreamError
				if !errors.As(err, &broken) {
					t.Fatal(err)
				}
				continue
			}
			rest, err := io.ReadAll(r)
			if err != nil || info.Bytes+int64(len(rest)) != int64(len(b)) {
				t.Fatalf("%d bytes read, %d left of %d, %v", info.Bytes, len(rest), len(b), err)
			}
			if sent := AppendStreamEnd(got.bytes()); !bytes.Equal(sent, b[:info.Bytes]) {
				t.Fatalf("%d bytes read, %d sent again", info.Bytes, len(sent))
			}
		}
	})
}

// BenchmarkStream is to be compared with reading the same from a plain file
// (BenchmarkSnapshot) and from memory without a link.
func BenchmarkStream(b *testing.B) {
	const nodes = 1_000_000
	stream := AppendStreamEnd(bigBody(nodes))
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("buffer=%dK", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				var c count
				r := bufio.NewReaderSize(bytes.NewReader(stream), size)
				if _, err := ReadStream(r, Limits{}, &c, nil); err != nil || c.nodes != nodes+1 {
					b.Fatal(err, c.nodes)
				}
			}
		})
	}
}
