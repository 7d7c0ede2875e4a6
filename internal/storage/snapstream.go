package storage

import (
	"io"

	"zooid/internal/jute"
)

// StreamSignature ends a snapshot that a leader sends to a learner
// (LearnerHandler).
const StreamSignature = "BenWasHere"

// AppendStreamEnd appends what follows the nodes of a snapshot that is sent to
// a learner: the terminator and the signature.
func AppendStreamEnd(b []byte) []byte {
	return jute.AppendString(append(b, terminator...), StreamSignature)
}

// ReadStream reads a snapshot as a leader sends it into sink: what a file has
// without its header, seals, digest and last zxid, and then the signature. Not
// a byte behind that is read, so r should be buffered. tell, which may be nil,
// is told now and then how many bytes and nodes have been read. A stream that is
// not whole is a *DamageError.
func ReadStream(r io.Reader, limits Limits, sink Sink, tell func(bytes int64, nodes int)) (*SnapshotInfo, error) {
	s := &snapReader{name: "the leader's stream", limit: limits.field(), sink: sink, tell: tell, stream: true}
	s.win = newWindow(r, windowSize, false)
	s.win.exact = true
	for _, part := range []func() error{s.sessions, s.acls, s.nodes, s.signature} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	s.info.Bytes = s.win.off
	return &s.info, nil
}

func (r *snapReader) signature() error {
	b, err := r.need(4+len(StreamSignature), "the signature")
	if err != nil {
		return err
	}
	if be32(b) != int32(len(StreamSignature)) || string(b[4:]) != StreamSignature {
		return r.damage("it ends with %q and not with the signature", b[4:])
	}
	r.win.skip(len(b))
	return nil
}
