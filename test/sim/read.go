package sim

import (
	"slices"
	"strings"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// read says what a request that is no transaction has to answer when the
// server has applied everything up to zxid: the code of the header and the
// body, with lists sorted as normal does it.
func (m *model) read(q *request, zxid int64, st *stream) (wire.Code, []byte) {
	switch q.op {
	case wire.OpPing:
		return wire.CodeOK, nil
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		return m.readNode(q, zxid, st)
	case wire.OpGetACL:
		return m.readACL(q, zxid, st)
	case wire.OpSync:
		return wire.CodeOK, jute.AppendString(nil, q.path)
	case wire.OpGetEphemerals:
		all := m.ephemerals(st.session.id, zxid)
		all = slices.DeleteFunc(all, func(p string) bool { return q.path != "/" && !strings.HasPrefix(p, q.path) })
		return wire.CodeOK, appendStrings(nil, all)
	case wire.OpGetAllChildrenNumber:
		n := m.at(q.path, zxid)
		switch {
		case n == nil:
			return wire.CodeNoNode, nil
		case !may(n.acl, wire.PermRead, st.ids):
			return wire.CodeNoAuth, nil
		}
		return wire.CodeOK, jute.AppendInt(nil, m.below(q.path, zxid))
	case wire.OpMultiRead:
		return wire.CodeOK, m.readMulti(q, zxid, st)
	case wire.OpWhoAmI:
		return wire.CodeOK, whoAmI(st.ids)
	}
	return wire.CodeMarshallingError, nil
}

func (m *model) readNode(q *request, zxid int64, st *stream) (wire.Code, []byte) {
	n := m.at(q.path, zxid)
	if n == nil {
		return wire.CodeNoNode, nil
	}
	if !may(n.acl, wire.PermRead, st.ids) {
		return wire.CodeNoAuth, nil
	}
	var b []byte
	shown := n.shown()
	switch q.op {
	case wire.OpGetData:
		b = jute.AppendBuffer(b, n.data)
	case wire.OpGetChildren:
		return wire.CodeOK, appendStrings(b, n.kids)
	case wire.OpGetChildren2:
		b = appendStrings(b, n.kids)
	}
	return wire.CodeOK, shown.Append(b)
}

func (m *model) readACL(q *request, zxid int64, st *stream) (wire.Code, []byte) {
	n := m.at(q.path, zxid)
	if n == nil {
		return wire.CodeNoNode, nil
	}
	if !may(n.acl, wire.PermRead|wire.PermAdmin, st.ids) {
		return wire.CodeNoAuth, nil
	}
	acl := []byte(n.acl)
	if !may(n.acl, wire.PermAdmin, st.ids) {
		entries, _ := wire.DecodeACLs(acl)
		for i, e := range entries {
			if user, _, ok := strings.Cut(e.ID.ID, ":"); ok && e.ID.Scheme == "digest" {
				entries[i].ID.ID = user + ":x"
			}
		}
		acl = wire.AppendACLs(nil, entries)
	}
	shown := n.shown()
	return wire.CodeOK, shown.Append(acl)
}

// below counts the descendants of a path.
func (m *model) below(path string, zxid int64) int32 {
	prefix := strings.TrimSuffix(path, "/") + "/"
	count := int32(0)
	for _, p := range m.paths {
		if p != "/" && strings.HasPrefix(p, prefix) && m.at(p, zxid) != nil {
			count++
		}
	}
	return count
}

func (m *model) readMulti(q *request, zxid int64, st *stream) []byte {
	var b []byte
	for _, s := range q.subs {
		code, body := m.readNode(s, zxid, st)
		h := wire.MultiHeader{Type: s.op}
		if code != wire.CodeOK {
			h = wire.MultiHeader{Type: wire.OpError, Err: code}
			body = jute.AppendInt(nil, int32(code))
		}
		b = append(h.Append(b), body...)
	}
	end := wire.MultiEnd
	return end.Append(b)
}

func whoAmI(ids []wire.ID) []byte {
	b := jute.AppendInt(nil, int32(len(ids)))
	for _, id := range ids {
		user := id.ID
		if id.Scheme == "digest" {
			user, _, _ = strings.Cut(id.ID, ":")
		}
		b = wire.AppendClientInfo(b, id.Scheme, []byte(user))
	}
	return b
}

// normal sorts the lists in the body of a reply whose order is the server's
// choice: names of children and ephemerals.
func normal(q *request, body []byte) []byte {
	d := jute.NewDecoder(body)
	switch q.op {
	case wire.OpGetChildren, wire.OpGetChildren2, wire.OpGetEphemerals:
		b := sortedStrings(nil, &d)
		return append(b, d.Rest()...)
	case wire.OpMultiRead:
		var b []byte
		for d.Err() == nil && d.Len() > 0 {
			start := d.Offset()
			var h wire.MultiHeader
			h.Decode(&d)
			switch {
			case h.Done:
			case h.Type == wire.OpGetChildren:
				b = sortedStrings(append(b, d.Since(start)...), &d)
				continue
			case h.Type == wire.OpGetData:
				d.Buffer()
				var st wire.Stat
				st.Decode(&d)
			default:
				d.Int()
			}
			b = append(b, d.Since(start)...)
		}
		return b
	}
	return body
}

func sortedStrings(b []byte, d *jute.Decoder) []byte {
	var all []string
	for n := d.Count(4); n > 0 && d.Err() == nil; n-- {
		all = append(all, d.String())
	}
	slices.Sort(all)
	return appendStrings(b, all)
}
