package auth

import (
	"bytes"
	"math"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// Fixup checks the encoded vector that a client sends with create or setACL
// and returns the one to store: duplicates dropped, auth entries replaced by
// one entry for each authenticated identity of the connection. It returns
// rawACL itself when nothing changes, and allocates nothing then.
//
// The refusals are CodeInvalidACL (a null or empty vector, an unknown scheme,
// an id that the scheme does not accept, auth without an authenticated
// identity) and CodeMarshallingError for a null id where Java's provider
// fails on it. A vector of more than most bytes is refused as well, and not even
// made; 0 for any.
func (p *Policy) Fixup(rawACL []byte, ids []wire.ID, most int) ([]byte, wire.Code) {
	if bytes.Equal(rawACL, wire.OpenACL) {
		return rawACL, wire.CodeOK
	}
	d := jute.NewDecoder(rawACL)
	n := d.Count(minEntry)
	if n <= 0 || d.Err() != nil {
		return nil, wire.CodeInvalidACL
	}
	same := true
	seen := seenEntries{raw: rawACL, many: n > fewEntries}
	for i := range n {
		start := d.Offset()
		a := wire.NextACL(&d)
		if d.Err() != nil {
			return nil, wire.CodeMarshallingError
		}
		if seen.before(i, d.Since(start)) {
			same = false
			continue
		}
		if string(a.Scheme) == "auth" {
			if !p.anyAuthenticated(ids) {
				return nil, wire.CodeInvalidACL
			}
			same = false
		} else if code := p.checkEntry(&a); code != wire.CodeOK {
			return nil, code
		}
	}
	if most <= 0 {
		most = math.MaxInt
	}
	switch out := rawACL[:d.Offset():d.Offset()]; {
	case !same:
		return p.rewrite(rawACL, ids, most)
	case len(out) > most:
		return nil, wire.CodeInvalidACL
	default:
		return out, wire.CodeOK
	}
}

// seenEntries finds the entries of a vector that stand in it twice. They are asked
// after in order, once each.
type seenEntries struct {
	raw  []byte
	many bool
	all  map[string]struct{} // if they are many
}

// fewEntries is how many entries are compared each with each.
const fewEntries = 16

// before reports whether one of the first n entries has the bytes entry.
func (s *seenEntries) before(n int, entry []byte) bool {
	if s.many {
		if s.all == nil {
			s.all = map[string]struct{}{}
		}
		_, is := s.all[string(entry)]
		s.all[string(entry)] = struct{}{}
		return is
	}
	d := jute.NewDecoder(s.raw)
	d.Int()
	for ; n > 0; n-- {
		start := d.Offset()
		wire.NextACL(&d)
		if bytes.Equal(d.Since(start), entry) {
			return true
		}
	}
	return false
}

// checkEntry checks an entry that is not of the scheme auth.
func (p *Policy) checkEntry(a *wire.ACLView) wire.Code {
	if a.Scheme == nil {
		return wire.CodeInvalidACL
	}
	if string(a.Scheme) == "world" {
		switch {
		case a.ID == nil:
			return wire.CodeMarshallingError
		case string(a.ID) == "anyone":
			return wire.CodeOK
		}
		return wire.CodeInvalidACL
	}
	s := p.provider(a.Scheme)
	if s == nil || s.valid == nil {
		return wire.CodeInvalidACL
	}
	if a.ID == nil {
		return wire.CodeMarshallingError
	}
	if !s.valid(a.ID) {
		return wire.CodeInvalidACL
	}
	return wire.CodeOK
}

func (p *Policy) anyAuthenticated(ids []wire.ID) bool {
	for i := range ids {
		if s := p.providerOf(ids[i].Scheme); s != nil && s.authenticated {
			return true
		}
	}
	return false
}

// rewrite builds the vector that Fixup found to differ from what was sent.
// Entries that auth expands to are not compared with the others: Java keeps
// such duplicates.
func (p *Policy) rewrite(rawACL []byte, ids []wire.ID, most int) ([]byte, wire.Code) {
	out := jute.AppendInt(make([]byte, 0, len(rawACL)+64), 0)
	count := int32(0)
	d := jute.NewDecoder(rawACL)
	n := d.Count(minEntry)
	seen := seenEntries{raw: rawACL, many: n > fewEntries}
	for i := range n {
		if len(out) > most {
			return nil, wire.CodeInvalidACL
		}
		start := d.Offset()
		a := wire.NextACL(&d)
		entry := d.Since(start)
		if seen.before(i, entry) {
			continue
		}
		if string(a.Scheme) != "auth" {
			out = append(out, entry...)
			count++
			continue
		}
		for j := range ids {
			if s := p.providerOf(ids[j].Scheme); s != nil && s.authenticated {
				out = jute.AppendInt(out, a.Perms)
				out = jute.AppendString(out, ids[j].Scheme)
				out = jute.AppendString(out, ids[j].ID)
				count++
			}
		}
	}
	if len(out) > most {
		return nil, wire.CodeInvalidACL
	}
	jute.PutInt(out, count)
	return out, wire.CodeOK
}
