package script

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"zooid/test/interop/raw"
)

// Mask says how the values that two servers need not share are written.
type Mask struct {
	Time    func(ms int64) string
	Session func(id int64) string
	Sort    bool // put unordered lists in order
}

// Plain masks nothing but the order of unordered lists: for two servers that
// work on the same data directory.
var Plain = Mask{
	Time:    func(ms int64) string { return fmt.Sprint(ms) },
	Session: func(id int64) string { return fmt.Sprintf("0x%x", id) },
	Sort:    true,
}

// Reply writes a whole reply frame as text without losing a byte: what does
// not belong to the record follows in hexadecimal.
func (m Mask) Reply(op int32, r raw.Reply) string {
	var b strings.Builder
	fmt.Fprintf(&b, "xid=%d zxid=%d err=%d", r.Xid, r.Zxid, r.Err)
	body := r.Body
	if f := bodies()[op]; f != nil && (r.Err == 0 || op == raw.OpMultiRead) && len(body.Rest) > 0 {
		b.WriteString(" " + f(m, &body))
	}
	if body.Bad {
		fmt.Fprintf(&b, " BAD BODY %x", r.Body.Rest)
	} else if len(body.Rest) > 0 {
		fmt.Fprintf(&b, " +%x", body.Rest)
	}
	return b.String()
}

// Event writes a notification frame as text.
func (m Mask) Event(r raw.Reply) string {
	body := r.Body
	text := fmt.Sprintf("event zxid=%d err=%d type=%d state=%d path=%s", r.Zxid, r.Err, body.Int(), body.Int(), text(&body))
	if body.Bad || len(body.Rest) > 0 {
		text += fmt.Sprintf(" +%x", body.Rest)
	}
	return text
}

// bodies returns what decodes the response record of each op that has one. A
// function, as the list of a multi leads back to it.
func bodies() map[int32]func(Mask, *raw.Reader) string {
	stat := func(m Mask, r *raw.Reader) string { return m.Stat(r.Stat()) }
	pathStat := func(m Mask, r *raw.Reader) string { return text(r) + " " + m.Stat(r.Stat()) }
	path := func(_ Mask, r *raw.Reader) string { return text(r) }
	number := func(_ Mask, r *raw.Reader) string { return fmt.Sprintf("int=%d", r.Int()) }
	data := func(m Mask, r *raw.Reader) string { return Data(r.Buf()) + " " + m.Stat(r.Stat()) }
	return map[int32]func(Mask, *raw.Reader) string{
		raw.OpCreate: path, raw.OpSync: path,
		raw.OpCreate2: pathStat, raw.OpCreateContainer: pathStat, raw.OpCreateTTL: pathStat,
		raw.OpExists: stat, raw.OpSetData: stat, raw.OpSetACL: stat,
		raw.OpGetData: data, raw.OpReconfig: data,
		raw.OpGetACL:               func(m Mask, r *raw.Reader) string { return ACLs(r.ACLs()) + " " + m.Stat(r.Stat()) },
		raw.OpGetChildren:          Mask.names,
		raw.OpGetChildren2:         func(m Mask, r *raw.Reader) string { return m.names(r) + " " + m.Stat(r.Stat()) },
		raw.OpGetEphemerals:        Mask.names,
		raw.OpGetAllChildrenNumber: number, raw.OpAddWatch: number,
		raw.OpSASL:   func(_ Mask, r *raw.Reader) string { return "token=" + hexOrNull(r.Buf()) },
		raw.OpWhoAmI: Mask.ids,
		raw.OpMulti:  Mask.results, raw.OpMultiRead: Mask.results,
	}
}

// Stat writes a Stat.
func (m Mask) Stat(s raw.Stat) string {
	return fmt.Sprintf("{cz=%d mz=%d pz=%d ct=%s mt=%s v=%d cv=%d av=%d eo=%s len=%d kids=%d}",
		s.Czxid, s.Mzxid, s.Pzxid, m.Time(s.Ctime), m.Time(s.Mtime), s.Version, s.Cversion, s.Aversion,
		m.Session(s.EphemeralOwner), s.DataLength, s.NumChildren)
}

func (m Mask) names(r *raw.Reader) string {
	n := r.Int()
	if n == -1 {
		return "names=null"
	}
	var list []string
	for range n {
		if r.Bad {
			break
		}
		list = append(list, text(r))
	}
	if m.Sort {
		slices.Sort(list)
	}
	return fmt.Sprintf("names=%d%v", n, list)
}

func (m Mask) ids(r *raw.Reader) string {
	var list []string
	n := r.Count()
	for range n {
		list = append(list, text(r)+":"+text(r))
	}
	if m.Sort {
		slices.Sort(list)
	}
	return fmt.Sprintf("ids=%d%v", n, list)
}

func (m Mask) results(r *raw.Reader) string {
	var b strings.Builder
	b.WriteString("[")
	for !r.Bad {
		op, done, err := r.Int(), r.Bool(), r.Int()
		fmt.Fprintf(&b, " {%d,%v,%d", op, done, err)
		if done {
			b.WriteString("}")
			break
		}
		if f := bodies()[op]; f != nil && op != raw.OpMulti && op != raw.OpMultiRead {
			b.WriteString(" " + f(m, r))
		} else if op == -1 {
			fmt.Fprintf(&b, " e=%d", r.Int())
		}
		b.WriteString("}")
	}
	b.WriteString(" ]")
	return b.String()
}

// ACLs writes an access control list.
func ACLs(list []raw.ACL) string {
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = fmt.Sprintf("%d:%q:%q", a.Perms, a.Scheme, a.ID)
	}
	return fmt.Sprintf("acl=%d[%s]", len(list), strings.Join(parts, " "))
}

// Data writes a znode's data: null, empty, or what it holds, long data as its
// length and hash.
func Data(b []byte) string {
	switch {
	case b == nil:
		return "data=null"
	case len(b) > 64:
		return fmt.Sprintf("data=%d bytes sha256 %x", len(b), sha256.Sum256(b))
	default:
		return fmt.Sprintf("data=%q", b)
	}
}

// text writes a ustring, null and empty told apart.
func text(r *raw.Reader) string {
	b := r.Buf()
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}
