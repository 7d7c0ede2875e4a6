package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
)

// Compression is the way a snapshot file is compressed as a whole.
type Compression int

// The methods of zookeeper.snapshot.compression.method.
const (
	NoCompression Compression = iota
	Gzip
	Snappy
)

// ParseCompression returns the method that a setting names: "", "gz" or
// "snappy".
func ParseCompression(s string) (Compression, error) {
	switch s {
	case "":
		return NoCompression, nil
	case "gz":
		return Gzip, nil
	case "snappy":
		return Snappy, nil
	}
	return 0, fmt.Errorf(`unknown snapshot compression %q; allowed are "gz", "snappy" and nothing`, s)
}

// compressionOf returns the method that a file name stands for; an unknown
// ending stands for none.
func compressionOf(name string) Compression {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return Gzip
	case strings.HasSuffix(name, ".snappy"):
		return Snappy
	}
	return NoCompression
}

func (c Compression) suffix() string {
	switch c {
	case Gzip:
		return ".gz"
	case Snappy:
		return ".snappy"
	}
	return ""
}

// writer returns a stream that compresses into w. Closing it ends the
// compressed stream and leaves w open.
func (c Compression) writer(w io.Writer) io.WriteCloser {
	switch c {
	case Gzip:
		gz, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			panic(err) // the level is a constant
		}
		return gz
	case Snappy:
		return newSnappyWriter(w)
	}
	return nopCloser{w}
}

// reader returns the uncompressed bytes of r.
func (c Compression) reader(r io.Reader) (io.Reader, error) {
	switch c {
	case Gzip:
		return gzip.NewReader(r)
	case Snappy:
		return newSnappyReader(r)
	}
	return r, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// The stream of snappy-java (SnappyOutputStream): a header of magic, version
// and lowest compatible version, then blocks of a length and that many bytes
// of raw snappy. Streams may follow each other, each with its header.
var snappyMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	snappyHeaderSize = 16
	snappyVersion    = 1
	snappyBlock      = 32 << 10 // what snappy-java puts into one block
	// snappyMaxBlock bounds what a block may say it holds; snappy-java lets
	// users choose block sizes up to half a gigabyte, Apache's server does not.
	snappyMaxBlock = 64 << 20
)

type snappyWriter struct {
	w     io.Writer
	block []byte
	out   []byte
	began bool
}

func newSnappyWriter(w io.Writer) *snappyWriter {
	return &snappyWriter{w: w, block: make([]byte, 0, snappyBlock), out: make([]byte, 4+snappy.MaxEncodedLen(snappyBlock))}
}

func (s *snappyWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), snappyBlock-len(s.block))
		s.block = append(s.block, p[:k]...)
		p = p[k:]
		if len(s.block) == snappyBlock {
			if err := s.flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

func (s *snappyWriter) begin() error {
	if s.began {
		return nil
	}
	s.began = true
	h := append([]byte{}, snappyMagic...)
	h = binary.BigEndian.AppendUint32(h, snappyVersion)
	h = binary.BigEndian.AppendUint32(h, snappyVersion)
	_, err := s.w.Write(h)
	return err
}

func (s *snappyWriter) flush() error {
	if err := s.begin(); err != nil || len(s.block) == 0 {
		return err
	}
	enc := snappy.Encode(s.out[4:], s.block)
	binary.BigEndian.PutUint32(s.out, uint32(len(enc)))
	s.block = s.block[:0]
	_, err := s.w.Write(s.out[:4+len(enc)])
	return err
}

func (s *snappyWriter) Close() error { return s.flush() }

type snappyReader struct {
	r     io.Reader
	in    []byte
	block []byte // uncompressed
	next  int    // in block
}

func newSnappyReader(r io.Reader) (*snappyReader, error) {
	var h [snappyHeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, fmt.Errorf("snappy stream header: %w", noEOF(err))
	}
	s := &snappyReader{r: r}
	return s, s.header(h[:])
}

func (s *snappyReader) header(h []byte) error {
	if !bytes.Equal(h[:8], snappyMagic) {
		return fmt.Errorf("snappy stream begins with % x and not with the magic bytes of snappy-java", h[:8])
	}
	if v := be32(h[12:]); v > snappyVersion {
		return fmt.Errorf("snappy stream asks for version %d, known is %d", v, snappyVersion)
	}
	return nil
}

func (s *snappyReader) Read(p []byte) (int, error) {
	for s.next == len(s.block) {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.block[s.next:])
	s.next += n
	return n, nil
}

// fill decodes the next block. The end of the stream between two blocks is
// io.EOF.
func (s *snappyReader) fill() error {
	var h [snappyHeaderSize]byte
	if n, err := io.ReadFull(s.r, h[:4]); err != nil {
		if n == 0 {
			return err
		}
		return fmt.Errorf("snappy block length: %w", noEOF(err))
	}
	if bytes.Equal(h[:4], snappyMagic[:4]) { // another stream begins
		if _, err := io.ReadFull(s.r, h[4:]); err != nil {
			return fmt.Errorf("snappy stream header: %w", noEOF(err))
		}
		return s.header(h[:])
	}
	n := be32(h[:])
	if n < 0 || int(n) > snappy.MaxEncodedLen(snappyMaxBlock) {
		return fmt.Errorf("snappy block claims %d bytes", n)
	}
	var err error
	if s.in, err = readGrowing(s.r, s.in[:0], int(n)); err != nil {
		return fmt.Errorf("snappy block of %d bytes: %w", n, noEOF(err))
	}
	size, err := snappy.DecodedLen(s.in)
	if err != nil || size > snappyMaxBlock {
		return fmt.Errorf("snappy block of %d bytes claims to hold %d", n, size)
	}
	// A wild size in a small block must not cost its memory: snappy packs at
	// most 64 bytes into 3.
	if size > 32*int(n)+64 {
		return fmt.Errorf("snappy block of %d bytes claims to hold %d", n, size)
	}
	if s.block, err = snappy.Decode(s.block[:cap(s.block)], s.in); err != nil {
		s.block, s.next = nil, 0
		return fmt.Errorf("snappy block of %d bytes: %w", n, err)
	}
	s.next = 0
	return nil
}

// readGrowing appends n bytes of r to b, asking for memory only as they come.
func readGrowing(r io.Reader, b []byte, n int) ([]byte, error) {
	for n > 0 {
		k := min(n, windowSize)
		at := len(b)
		if cap(b)-at < k {
			b = append(make([]byte, 0, at+max(k, at)), b...)
		}
		b = b[:at+k]
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return b[:at], err
		}
		n -= k
	}
	return b, nil
}

// noEOF turns the end of the input, where it must not be, into an error that
// nobody takes for a good end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
