package ensemble

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"zooid/internal/properties"
)

// A Change is what a reconfig request asks for: all members anew, or first
// those that leave and then those that join or get another line. A nil list is
// the null string, which Java tells from an empty one.
type Change struct {
	Members          []byte // server, group and weight lines, with commas or newlines between them
	Leaving, Joining []byte // ids; server lines; with commas between them
}

// ChangeRules are the options that a Change is held against.
type ChangeRules struct {
	StandaloneEnabled bool // standaloneEnabled: fewer than two voters are refused
	MultiAddress      bool // multiAddress.enabled: a member may have several addresses
}

// A Refusal is why a Change cannot be made.
type Refusal struct {
	Text string
	// Crash says that Apache's server ends the request with an exception that
	// it does not expect, so that the client gets MARSHALLINGERROR and not
	// BADARGUMENTS.
	Crash bool
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

func refused(text string) *Refusal { return &Refusal{Text: text} }

// Apply returns what the members are after a change, without a version, or why
// it is refused, in the order of the checks of PrepRequestProcessor.
func (m *Membership) Apply(c *Change, rules ChangeRules) (*Membership, *Refusal) {
	var next *Membership
	var no *Refusal
	if c.Members != nil {
		next, no = replaced(c.Members, rules)
	} else {
		next, no = m.altered(c, rules)
	}
	if no != nil {
		return nil, no
	}
	switch voters := len(next.Voters()); {
	case voters < 2 && rules.StandaloneEnabled:
		return nil, refused("the new configuration must have at least 2 participants")
	case voters < 1:
		return nil, refused("the new configuration must have at least 1 participant")
	}
	return next, nil
}

// replaced reads a complete new membership (QuorumPeerConfig.parseDynamicConfig).
func replaced(text []byte, rules ChangeRules) (*Membership, *Refusal) {
	entries, err := properties.Read([]byte(strings.ReplaceAll(string(text), ",", "\n")))
	if err != nil {
		return nil, &Refusal{Text: err.Error(), Crash: true}
	}
	last := map[string]int{}
	for i, e := range entries {
		last[e.Key] = i
	}
	m := &Membership{}
	for i, e := range entries {
		if last[e.Key] != i {
			continue
		}
		if problem := m.Add(properties.Trim(e.Key), properties.Trim(e.Value), e.Line); problem != nil {
			return nil, &Refusal{Text: problem.Error(), Crash: problem.crashes()}
		}
	}
	m.Sort()
	for _, one := range m.Members {
		if len(one.Addresses) > 1 && !rules.MultiAddress {
			return nil, refused("several addresses of one server need multiAddress.enabled=true")
		}
	}
	for _, problem := range m.GroupProblems() {
		return nil, &Refusal{Text: problem.Error(), Crash: strings.HasPrefix(problem.Key, "group.") && !strings.Contains(problem.Text, "as well")}
	}
	voters, observers := len(m.Voters()), len(m.Observers())
	if voters == 0 && (!rules.StandaloneEnabled || observers > 0) || voters == 1 && rules.StandaloneEnabled && observers > 0 {
		return nil, &Refusal{Text: "observers need participants", Crash: true}
	}
	return m, nil
}

// crashes says whether Apache's parser meets a line that cannot be taken with
// an exception that nobody catches: for what is no number, and for a port out
// of range.
func (p *Problem) crashes() bool {
	kind, number, found := strings.Cut(p.Key, ".")
	if !found || kind != "server" && kind != "group" && kind != "weight" {
		return p.Key == "version"
	}
	if _, bad := properties.Number(number, 10, 64); bad != "" || kind != "server" {
		return true
	}
	return portOutOfRange(p.Value)
}

// portOutOfRange says whether a server line has a number for a port that is
// none.
func portOutOfRange(line string) bool {
	for _, field := range strings.FieldsFunc(line, func(r rune) bool { return r == ':' || r == ';' || r == '|' }) {
		n, bad := properties.Number(field, 10, 32)
		if bad == "" && (n < 0 || n > 65535) {
			return true
		}
	}
	return false
}

// altered makes an incremental change.
func (m *Membership) altered(c *Change, rules ChangeRules) (*Membership, *Refusal) {
	if m.Hierarchical() {
		return nil, refused("an ensemble with groups or weights can only be changed as a whole")
	}
	next := &Membership{Members: slices.Clone(m.Members)}
	for _, text := range parts(c.Leaving, ",") {
		id, bad := properties.Number(text, 10, 64)
		if bad != "" {
			return nil, &Refusal{Text: `"` + properties.Printable(text) + `" is no server id`, Crash: true}
		}
		next.Members = slices.DeleteFunc(next.Members, func(one Member) bool { return one.ID == id })
	}
	for _, text := range parts(c.Joining, ",") {
		if no := next.join(text, rules); no != nil {
			return nil, no
		}
	}
	next.Sort()
	return next, nil
}

// join adds or replaces one member, "server.N=..." with a client port.
func (m *Membership) join(text string, rules ChangeRules) *Refusal {
	sides := parts([]byte(text), "=")
	if len(sides) != 2 {
		return refused("a joining server is server.N=host:quorumPort:electionPort[:role];[host:]clientPort")
	}
	number := sides[0][strings.LastIndexByte(sides[0], '.')+1:]
	id, bad := properties.Number(number, 10, 64)
	if bad != "" {
		return &Refusal{Text: `"` + properties.Printable(number) + `" is no server id`, Crash: true}
	}
	if problem := m.addServer(id, sides[1], 0); problem != "" {
		return &Refusal{Text: problem, Crash: portOutOfRange(sides[1])}
	}
	one := m.Members[len(m.Members)-1]
	switch {
	case len(one.Addresses) > 1 && !rules.MultiAddress:
		return refused("several addresses of one server need multiAddress.enabled=true")
	case one.ClientPort == NoClientPort:
		return refused("a joining server needs its client port: server.N=host:quorumPort:electionPort[:role];[host:]clientPort")
	}
	for _, other := range m.Members[:len(m.Members)-1] {
		if at, twice := one.clash(other); twice {
			return refused(at + " of server." + strconv.FormatInt(one.ID, 10) + " is taken by server." + strconv.FormatInt(other.ID, 10))
		}
	}
	return nil
}

// clash finds an address that two members both claim. Wildcards and loopback
// addresses do not count (QuorumServer.checkAddressDuplicate).
func (m Member) clash(other Member) (at string, found bool) {
	mine := m.endpoints()
	for _, theirs := range other.endpoints() {
		if slices.Contains(mine, theirs) {
			return theirs, true
		}
	}
	return "", false
}

func (m Member) endpoints() []string {
	var list []string
	add := func(host string, port int) {
		if a, err := netip.ParseAddr(host); strings.EqualFold(host, "localhost") || err == nil && (a.IsUnspecified() || a.IsLoopback()) {
			return
		}
		list = append(list, Bracketed(PlainHost(host))+":"+strconv.Itoa(port))
	}
	for _, a := range m.Addresses {
		add(a.Host, a.QuorumPort)
		add(a.Host, a.ElectionPort)
	}
	if m.ClientPort != NoClientPort {
		add(m.ClientHost, m.ClientPort)
	}
	return list
}

// PlainHost is the one spelling of a host by which hosts are compared: localhost
// is 127.0.0.1, and an IP address has one form. Other names are not looked up: a
// name and the address behind it are two hosts here, and one for Apache's server,
// which compares what it has resolved.
func PlainHost(host string) string {
	if strings.EqualFold(host, "localhost") {
		return "127.0.0.1"
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().String()
	}
	return strings.ToLower(host)
}

// SameAddresses says whether two members are reached by each other at the same
// places for quorums.
func (m Member) SameAddresses(other Member) bool {
	quorum := func(m Member) []string {
		var list []string
		for _, a := range m.Addresses {
			list = append(list, PlainHost(a.Host)+" "+strconv.Itoa(a.QuorumPort))
		}
		slices.Sort(list)
		return list
	}
	return slices.Equal(quorum(m), quorum(other))
}

// parts cuts at a separator; blanks around the parts and empty parts do not
// count (StringUtils.split).
func parts(text []byte, separator string) []string {
	var list []string
	for _, part := range strings.Split(string(text), separator) {
		if part = properties.Trim(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// At returns the membership with another version.
func (m *Membership) At(version int64) *Membership {
	c := *m
	c.Version = version
	return &c
}
