package storage

import (
	"fmt"
	"io"

	"zooid/internal/jute"
)

// StreamSignature is the string behind a snapshot that a leader sends
// (LearnerHandler).
const StreamSignature = "BenWasHere"

// streamName is what errors call a snapshot that comes from a leader.
const streamName = "snapshot stream"

// Peeker is the part of *bufio.Reader by which ReadStream looks at bytes
// without taking them. Peek and Discard must agree with Read on what comes
// next, and Peek must return bufio.ErrBufferFull when n bytes do not fit.
type Peeker interface {
	io.Reader
	Peek(n int) ([]byte, error)
	Discard(n int) (int, error)
	Buffered() int
}

// StreamError says that a snapshot from a leader is not one. The link it came
// by is of no more use: where the next packet begins is unknown.
type StreamError struct {
	Offset int64 // of the value that is wrong, from the first byte behind the SNAP packet
	Reason string
	// Err is the cause, if there is one: an error of the link, or
	// io.ErrUnexpectedEOF if it was closed.
	Err error
	// Behind is true if all nodes were read.
	Behind bool
}

// Error implements error.
func (e *StreamError) Error() string {
	s := fmt.Sprintf("%s is broken at offset %d: %s", streamName, e.Offset, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *StreamError) Unwrap() error { return e.Err }

// ReadStream reads into sink a snapshot as a leader sends it behind a SNAP
// packet: what a snapshot file holds from the sessions to the end of the
// nodes, then StreamSignature. Not a byte behind it is taken from r; a buffer
// of 64 KiB or more there makes it fast. tell, if not nil, is told now and
// then how many bytes and nodes have been read. Of the info Sessions, ACLs,
// Nodes and Bytes are set.
//
// What is not such a stream is a *StreamError; an error of the sink is
// returned with the offset before it. The sink has taken part of the content
// by then.
func ReadStream(r Peeker, limits Limits, sink Sink, tell func(bytes int64, nodes int)) (*SnapshotInfo, error) {
	s := &snapReader{limit: limits.field(), sink: sink, tell: tell, win: &window{r: r, ahead: r, sum: 1}}
	for _, part := range []func() error{s.sessions, s.acls, s.nodes, s.signature} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	s.win.give()
	s.info.Bytes = s.win.off
	return &s.info, nil
}

// signature reads the string behind the nodes.
func (r *snapReader) signature() error {
	const what = "the signature " + StreamSignature
	r.behind = true
	b, err := r.need(4, what)
	if err != nil {
		return err
	}
	if n := be32(b); n != int32(len(StreamSignature)) {
		return r.damage("%s is missing behind the nodes: there is a string of %d bytes", what, n)
	}
	if b, err = r.need(4+len(StreamSignature), what); err != nil {
		return err
	}
	if got := b[4:]; string(got) != StreamSignature {
		return r.damage("%s is missing behind the nodes: there is %q", what, got)
	}
	r.win.skip(4 + len(StreamSignature))
	return nil
}

// AppendStreamEnd appends what a leader sends behind the last node: the mark
// that ends the nodes, and StreamSignature.
func AppendStreamEnd(b []byte) []byte {
	return jute.AppendString(append(b, terminator...), StreamSignature)
}
