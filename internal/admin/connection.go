package admin

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// OperationName spells an opcode as cons does behind lop=; of an opcode that
// is never the last operation of a connection it is "NA".
func OperationName(opcode int32) string {
	switch opcode {
	case -10:
		return "SESS"
	case -11:
		return "CLOS"
	case 1, 15, 19, 21:
		return "CREA"
	case 2, 20:
		return "DELE"
	case 8, 12:
		return "GETC"
	}
	if name, ok := operationNames[opcode]; ok {
		return name
	}
	return "NA"
}

// operationNames are the opcodes with a name of their own.
var operationNames = map[int32]string{
	3: "EXIS", 4: "GETD", 5: "SETD", 6: "GETA", 7: "SETA", 9: "SYNC", 11: "PING", 13: "CHEC", 14: "MULT",
	16: "RECO", 17: "CHKW", 18: "REMW", 22: "MLTR", 101: "SETW", 103: "GETE", 104: "GETACN", 105: "STW2",
	106: "ADDW", 107: "HOMI",
}

func collectConnections(src Source, _ []byte) []Connection { return src.Connections() }

func renderConnections(p *page, list []Connection) {
	for i := range list {
		renderConnection(p, &list[i], false)
	}
	p.line("")
}

// renderConnection writes the line of a connection, brief for stat.
func renderConnection(p *page, c *Connection, brief bool) {
	p.printf(" %s[%x](queued=%d,recved=%d,sent=%d", address(c.Remote), c.InterestOps, c.Outstanding, c.Received, c.Sent)
	if !brief && c.Session != 0 {
		p.printf(",sid=0x%x,lop=%s,est=%d,to=%d", uint64(c.Session), c.LastOperation, c.Established.UnixMilli(), c.Timeout)
		if c.LastCxid >= 0 {
			p.printf(",lcxid=0x%x", c.LastCxid)
		}
		p.printf(",lzxid=0x%x,lresp=%d,llat=%d,minlat=%d,avglat=%d,maxlat=%d",
			uint64(c.LastZxid), c.LastResponse, c.LastLatency, c.MinLatency, c.AvgLatency, c.MaxLatency)
	}
	p.line(")")
}

// address spells an address as Java's InetSocketAddress does: a slash where
// the name would stand, IPv6 in eight groups without leading zeros.
func address(a netip.AddrPort) string {
	ip := a.Addr().Unmap()
	if !ip.Is6() {
		return fmt.Sprintf("/%s:%d", ip, a.Port())
	}
	var b strings.Builder
	bytes := ip.As16()
	for i := 0; i < len(bytes); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%x", uint16(bytes[i])<<8|uint16(bytes[i+1]))
	}
	if zone := ip.Zone(); zone != "" {
		b.WriteString("%" + zone)
	}
	return fmt.Sprintf("/[%s]:%d", b.String(), a.Port())
}

// dumpPayload is the payload of dump.
type dumpPayload struct {
	sessions    Sessions
	ephemerals  []SessionPath
	connections []Connection
}

func collectDump(src Source, _ []byte) dumpPayload {
	d := dumpPayload{src.Sessions(), src.Ephemerals(), src.Connections()}
	slices.SortFunc(d.ephemerals, bySession)
	slices.SortFunc(d.connections, func(a, b Connection) int {
		return cmp.Or(a.Expires.Compare(b.Expires), a.Remote.Compare(b.Remote))
	})
	return d
}

func renderDump(p *page, d dumpPayload) {
	p.line("SessionTracker dump:")
	switch {
	case d.sessions.Learner:
		if d.sessions.LocalEnabled {
			p.text("Local ")
			renderSessions(p, d.sessions.Local)
		}
		renderLearnerSessions(p, d.sessions.Global)
	case d.sessions.LocalEnabled:
		p.text("Local ")
		renderSessions(p, d.sessions.Local)
		p.text("Global ")
		renderSessions(p, d.sessions.Global)
	default:
		renderSessions(p, d.sessions.Global)
	}

	p.line("ephemeral nodes dump:")
	owners := groups(d.ephemerals, func(e SessionPath) int64 { return e.Session })
	p.printf("Sessions with Ephemerals (%d):\n", len(owners))
	for _, owned := range owners {
		p.printf("0x%x:\n", uint64(owned[0].Session))
		for _, e := range owned {
			p.line("\t" + e.Path)
		}
	}

	p.line("Connections dump:")
	buckets := groups(d.connections, func(c Connection) int64 { return c.Expires.UnixMilli() })
	p.printf("Connections Sets (%d)/(%d):\n", len(buckets), len(d.connections))
	for _, bucket := range buckets {
		p.printf("%d expire at %s:\n", len(bucket), date(bucket[0].Expires))
		for _, c := range bucket {
			p.printf("\tip: %s sessionId: 0x%x\n", address(c.Remote), uint64(c.Session))
		}
	}
}

// renderSessions writes sessions by the bucket in which they expire.
func renderSessions(p *page, list []Session) {
	list = slices.SortedFunc(slices.Values(list), func(a, b Session) int {
		return cmp.Or(a.Expires.Compare(b.Expires), cmp.Compare(a.ID, b.ID))
	})
	buckets := groups(list, func(s Session) int64 { return s.Expires.UnixMilli() })
	p.printf("Session Sets (%d)/(%d):\n", len(buckets), len(list))
	for _, bucket := range buckets {
		p.printf("%d expire at %s:\n", len(bucket), date(bucket[0].Expires))
		for _, s := range bucket {
			p.printf("\t0x%x\n", uint64(s.ID))
		}
	}
}

// renderLearnerSessions writes the sessions that the leader keeps.
func renderLearnerSessions(p *page, list []Session) {
	list = slices.SortedFunc(slices.Values(list), func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
	p.printf("Global Sessions(%d):\n", len(list))
	for _, s := range list {
		p.printf("0x%x\t%dms\n", uint64(s.ID), s.Timeout)
	}
}

// groups cuts a sorted list where the key changes.
func groups[T any, K comparable](list []T, key func(T) K) [][]T {
	var out [][]T
	start := 0
	for i := range list {
		if i+1 == len(list) || key(list[i]) != key(list[i+1]) {
			out = append(out, list[start:i+1])
			start = i + 1
		}
	}
	return out
}

// bySession and byPath order what a session owns or watches.
func bySession(a, b SessionPath) int {
	return cmp.Or(cmp.Compare(a.Session, b.Session), strings.Compare(a.Path, b.Path))
}

func byPath(a, b SessionPath) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Session, b.Session))
}

// date spells a time as Java's Date.toString does, in the local zone.
func date(t time.Time) string { return t.Local().Format("Mon Jan 02 15:04:05 MST 2006") }
