package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"zooid/test/interop/raw"
)

// Slots is the number of connections that a script can hold open at a time.
const Slots = 5

// Player plays a script against one server.
type Player struct {
	addr     string
	conns    [Slots]*raw.Conn
	owner    [Slots]int // label of the session that the slot's connection holds
	sessions map[int]raw.Session
	labels   map[int64]string
	mask     Mask
}

// Outcome is all that a step brought, in the order in which each connection
// received it, masked: one line a frame, "closed" for the end of a connection.
type Outcome [Slots][]string

// NewPlayer makes a player for the server at addr.
func NewPlayer(addr string) *Player {
	p := &Player{addr: addr, sessions: map[int]raw.Session{}, labels: map[int64]string{0: "0"}}
	p.mask = Mask{Time: maskTime, Session: p.label, Sort: true}
	return p
}

// Close drops all connections.
func (p *Player) Close() {
	for i, c := range p.conns {
		if c != nil {
			c.Close()
			p.conns[i] = nil
		}
	}
}

// Mask is how this player writes what differs between servers.
func (p *Player) Mask() Mask { return p.mask }

// Sessions lists what the server gave, by label.
func (p *Player) Sessions() map[int]raw.Session { return p.sessions }

// Live lists the labels of the sessions whose connections are open now.
func (p *Player) Live() []int {
	var live []int
	for i, c := range p.conns {
		if c != nil {
			live = append(live, p.owner[i])
		}
	}
	return live
}

// label names a session id: S3, or its value when no session of ours has it.
func (p *Player) label(id int64) string {
	if l, ok := p.labels[id]; ok {
		return l
	}
	return fmt.Sprintf("0x%x", uint64(id))
}

// maskTime keeps whether there is a time at all: built-in nodes have none.
func maskTime(ms int64) string {
	switch {
	case ms == 0:
		return "0"
	case ms > 1e12:
		return "T"
	default:
		return fmt.Sprint(ms)
	}
}

// Play plays one step and waits until everything that it causes has arrived
// on every connection.
func (p *Player) Play(s Step) (Outcome, error) {
	var out Outcome
	var err error
	switch s.Kind {
	case Open, Resume:
		err = p.open(s, &out)
	case Drop:
		err = p.leave(s.Conn)
	case Send:
		err = p.send(s, &out)
	case Raw:
		err = p.raw(s, &out)
	}
	if err == nil {
		err = p.fence(s, &out)
	}
	return out, err
}

// open makes the handshake. What an earlier connection in the same slot held
// is dropped first.
func (p *Player) open(s Step, out *Outcome) error {
	req := s.Connect
	if s.Kind == Resume {
		old, ok := p.sessions[s.Session]
		if !ok {
			return nil
		}
		req.SessionID, req.Passwd = old.ID, bytes.Clone(old.Passwd)
		if s.WrongPwd {
			req.Passwd[3] ^= 0x40
		}
	}
	if err := p.leave(s.Conn); err != nil {
		return err
	}
	c, err := raw.Dial(p.addr)
	if err != nil {
		return err
	}
	got, err := c.Handshake(req)
	switch {
	case err == io.EOF:
		c.Close()
		out[s.Conn] = append(out[s.Conn], "handshake: closed")
		return nil
	case err != nil:
		c.Close()
		return err
	}
	if s.Kind == Open && got.ID != 0 {
		p.sessions[s.Session] = got
		p.labels[got.ID] = fmt.Sprintf("S%d", s.Session)
	}
	out[s.Conn] = append(out[s.Conn], p.describeSession(got))
	if got.Timeout <= 0 {
		if !c.Closed() {
			out[s.Conn] = append(out[s.Conn], "not closed after a refusal")
		}
		c.Close()
		return nil
	}
	p.conns[s.Conn], p.owner[s.Conn] = c, s.Session
	return nil
}

// leave drops the connection of a slot and waits until the server has seen it.
// An Apache server that sees it late forgets the session's next connection with
// it (ServerCnxnFactory.removeCnxnFromSessionMap), and a later move of the
// session leaves that one open.
func (p *Player) leave(slot int) error {
	c := p.conns[slot]
	if c == nil {
		return nil
	}
	p.conns[slot] = nil
	if err := c.Leave(); err != nil {
		return fmt.Errorf("c%d, dropping its connection: %w", slot, err)
	}
	return nil
}

func (p *Player) describeSession(s raw.Session) string {
	passwd := fmt.Sprintf("%x", s.Passwd)
	if s.ID != 0 && bytes.Equal(s.Passwd, raw.SessionPassword(s.ID)) {
		passwd = "right"
	}
	return fmt.Sprintf("handshake: version=%d timeout=%d session=%s passwd=%s readOnly=%v short=%v +%x",
		s.Version, s.Timeout, p.label(s.ID), passwd, s.ReadOnly, s.Short, s.Extra)
}

// send writes all requests of the step at once and reads until each has its
// reply or the connection is closed.
func (p *Player) send(s Step, out *Outcome) error {
	c := p.conns[s.Conn]
	if c == nil {
		return nil
	}
	frames := make([][]byte, len(s.Requests))
	for i, r := range s.Requests {
		frames[i] = raw.Frame(r.Xid, r.Op, r.Body)
	}
	if err := c.Send(frames...); err != nil {
		p.lost(s.Conn, out)
		return nil
	}
	if err := p.read(s.Conn, slices.Clone(s.Requests), out); err != nil {
		return err
	}
	if s.Ends && p.conns[s.Conn] != nil {
		return p.awaitEnd(s.Conn, out)
	}
	return nil
}

// awaitEnd reads until the server closes the connection. A ping must not be
// sent first: whether it is still answered is a matter of the server's timing.
func (p *Player) awaitEnd(slot int, out *Outcome) error {
	for {
		frame, err := p.conns[slot].Recv()
		if err == io.EOF {
			p.lost(slot, out)
			return nil
		}
		if err != nil {
			return fmt.Errorf("the connection should be closed: %w", err)
		}
		out[slot] = append(out[slot], p.mask.Event(raw.ParseReply(frame)))
	}
}

// read takes frames until every pending request has its reply.
func (p *Player) read(slot int, pending []Request, out *Outcome) error {
	for len(pending) > 0 {
		frame, err := p.conns[slot].Recv()
		if err == io.EOF {
			p.lost(slot, out)
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for the reply to %v: %w", pending[0], err)
		}
		r := raw.ParseReply(frame)
		if r.Xid == raw.XidNotification {
			out[slot] = append(out[slot], p.mask.Event(r))
			continue
		}
		i := slices.IndexFunc(pending, func(q Request) bool { return replyXid(q) == r.Xid })
		if i < 0 {
			out[slot] = append(out[slot], fmt.Sprintf("reply to nothing asked: %x", frame))
			continue
		}
		out[slot] = append(out[slot], p.mask.Reply(pending[i].Op, r))
		pending = slices.Delete(pending, i, i+1)
	}
	return nil
}

// replyXid is the xid that the reply to a request carries.
func replyXid(q Request) int32 {
	if q.Op == raw.OpPing {
		return raw.XidPing
	}
	return q.Xid
}

func (p *Player) lost(slot int, out *Outcome) {
	p.conns[slot].Close()
	p.conns[slot] = nil
	out[slot] = append(out[slot], "closed")
}

// raw sends bytes as they are and waits for what they bring: an answer or the
// end of the connection.
func (p *Player) raw(s Step, out *Outcome) error {
	c := p.conns[s.Conn]
	if s.Fresh {
		fresh, err := raw.Dial(p.addr)
		if err != nil {
			return err
		}
		defer fresh.Close()
		c = fresh
	}
	if c == nil {
		return nil
	}
	if err := c.SendRaw(s.Bytes); err != nil && !s.Fresh {
		p.lost(s.Conn, out)
		return nil
	}
	for {
		frame, err := c.Recv()
		switch {
		case errors.Is(err, raw.ErrSilent):
			return fmt.Errorf("after raw bytes: %w", err)
		case err != nil:
			out[s.Conn] = append(out[s.Conn], "raw: closed")
			if !s.Fresh {
				c.Close()
				p.conns[s.Conn] = nil
			}
			return nil
		case s.Fresh:
			out[s.Conn] = append(out[s.Conn], fmt.Sprintf("raw: %x", frame))
		default:
			out[s.Conn] = append(out[s.Conn], p.mask.Reply(raw.OpPing, raw.ParseReply(frame)))
		}
	}
}

// fence pings every open connection. A server writes the notifications of a
// change before the reply to the change, and a ping's reply after both, so all
// that the step caused has arrived when the pings are answered.
func (p *Player) fence(s Step, out *Outcome) error {
	ping := raw.Frame(raw.XidPing, raw.OpPing, nil)
	for slot, c := range p.conns {
		if c == nil {
			continue
		}
		if err := c.Send(ping); err != nil {
			p.lost(slot, out)
			continue
		}
		if err := p.awaitPing(slot, out); err != nil {
			return fmt.Errorf("c%d after the step: %w", slot, err)
		}
	}
	if closesSession(s) {
		// A closed session's ephemerals go in no set order.
		for slot := range out {
			sortEvents(out[slot])
		}
	}
	return nil
}

func (p *Player) awaitPing(slot int, out *Outcome) error {
	for {
		frame, err := p.conns[slot].Recv()
		if err == io.EOF {
			p.lost(slot, out)
			return nil
		}
		if err != nil {
			return err
		}
		r := raw.ParseReply(frame)
		switch r.Xid {
		case raw.XidPing:
			out[slot] = append(out[slot], p.mask.Reply(raw.OpPing, r))
			return nil
		case raw.XidNotification:
			out[slot] = append(out[slot], p.mask.Event(r))
		default:
			out[slot] = append(out[slot], fmt.Sprintf("reply to nothing asked: %x", frame))
		}
	}
}

func closesSession(s Step) bool {
	return slices.ContainsFunc(s.Requests, func(r Request) bool { return r.Op == raw.OpCloseSession })
}

// sortEvents puts each run of notifications in order.
func sortEvents(lines []string) {
	for from := 0; from < len(lines); from++ {
		to := from
		for to < len(lines) && strings.HasPrefix(lines[to], "event ") {
			to++
		}
		slices.Sort(lines[from:to])
		from = to
	}
}

// Diff tells where two outcomes part, empty when they are equal.
func Diff(a, b Outcome, nameA, nameB string) string {
	var d strings.Builder
	for slot := range a {
		if slices.Equal(a[slot], b[slot]) || equalButACLOrder(a[slot], b[slot]) {
			continue
		}
		for i := range max(len(a[slot]), len(b[slot])) {
			la, lb := line(a[slot], i), line(b[slot], i)
			if la != lb {
				fmt.Fprintf(&d, "  c%d line %d:\n    %-5s %s\n    %-5s %s\n", slot, i+1, nameA, la, nameB, lb)
			}
		}
	}
	return d.String()
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

func equalButACLOrder(a, b []string) bool {
	return slices.EqualFunc(a, b, func(x, y string) bool { return x == y || AnyACLOrder(x) == AnyACLOrder(y) })
}

var aclList = regexp.MustCompile(`acl=\d+\[[^\]]*\]`)

// AnyACLOrder puts the entries of a printed list in order when two of them are
// digest ids: an `auth` entry is replaced by the ids of the connection, and
// Apache's server keeps those in a hash set, so their order is nobody's promise.
func AnyACLOrder(line string) string {
	if strings.Count(line, `"digest"`) < 2 {
		return line
	}
	return aclList.ReplaceAllStringFunc(line, func(list string) string {
		head, entries, _ := strings.Cut(strings.TrimSuffix(list, "]"), "[")
		parts := strings.Split(entries, " ")
		slices.Sort(parts)
		return head + "[" + strings.Join(parts, " ") + "]"
	})
}
