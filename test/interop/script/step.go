// Package script makes seeded random request scripts, valid and invalid, and
// plays them against a server over raw sockets.
//
// A script is plain data: playing it against two servers gives two transcripts
// that must be equal line for line, since all that may differ (times, session
// ids, passwords, the order of unordered lists) is masked where it is read.
// The differential suite compares transcripts, the data directory suite plays
// scripts to fill directories. The package starts no server and judges nothing.
package script

import (
	"encoding/hex"
	"fmt"
	"strings"

	"zooid/test/interop/raw"
)

// Kind says what a step does.
type Kind int

// The kinds of step.
const (
	Open   Kind = iota // a new connection with a handshake
	Resume             // a new connection that takes up an earlier session
	Drop               // close the socket without a closeSession
	Send               // one or more pipelined requests
	Raw                // bytes as they are, on a connection of their own or an open one
)

// Step is one step of a script. Conn is the slot of the connection; a step on
// a slot that is not open is passed over, so that any part of a script is a
// script (that is what lets a failing one be made smaller).
type Step struct {
	Kind     Kind
	Conn     int
	Connect  raw.ConnectRequest // Open, Resume
	Session  int                // Open: label of the new session; Resume: of the old
	WrongPwd bool               // Resume
	Requests []Request          // Send
	Ends     bool               // Send: the server closes the connection after the reply
	Bytes    []byte             // Raw: sent as it is
	Fresh    bool               // Raw: on a new connection without a handshake
	Note     string             // Raw: what it is about
}

// Request is one request frame.
type Request struct {
	Xid, Op int32
	Body    raw.Bytes
	Note    string // the arguments in readable form
}

// String is the request in readable form.
func (r Request) String() string {
	return fmt.Sprintf("xid=%d %s(%s)", r.Xid, raw.OpName(r.Op), r.Note)
}

// String is the step in readable form, without its bytes.
func (s Step) String() string {
	switch s.Kind {
	case Open, Resume:
		c := s.Connect
		what := fmt.Sprintf("open new session S%d", s.Session)
		if s.Kind == Resume {
			what = fmt.Sprintf("resume session S%d", s.Session)
			if s.WrongPwd {
				what += " with a wrong password"
			}
		}
		return fmt.Sprintf("c%d: %s version=%d lastZxid=%d timeout=%d passwd=%s readOnly=%v old=%v",
			s.Conn, what, c.Version, c.LastZxidSeen, c.Timeout, hexOrNull(c.Passwd), c.ReadOnly, c.Old)
	case Drop:
		return fmt.Sprintf("c%d: drop", s.Conn)
	case Raw:
		where := fmt.Sprintf("c%d", s.Conn)
		if s.Fresh {
			where = "fresh connection"
		}
		return fmt.Sprintf("%s: raw %s %s", where, s.Note, clip(hex.EncodeToString(s.Bytes), 200))
	}
	parts := make([]string, len(s.Requests))
	for i, r := range s.Requests {
		parts[i] = r.String()
	}
	return fmt.Sprintf("c%d: %s", s.Conn, strings.Join(parts, " | "))
}

// Hex is the bytes that the step sends, for a report.
func (s Step) Hex() string {
	var b strings.Builder
	switch s.Kind {
	case Open, Resume:
		fmt.Fprintf(&b, "  %x\n", s.Connect.Bytes())
	case Raw:
		fmt.Fprintf(&b, "  %x\n", s.Bytes)
	}
	for _, r := range s.Requests {
		fmt.Fprintf(&b, "  %s\n", clip(hex.EncodeToString(raw.Frame(r.Xid, r.Op, r.Body)), 4000))
	}
	return b.String()
}

func hexOrNull(b []byte) string {
	if b == nil {
		return "null"
	}
	return hex.EncodeToString(b)
}

func clip(s string, n int) string {
	if len(s) > n {
		return fmt.Sprintf("%s...(%d more)", s[:n], len(s)-n)
	}
	return s
}
