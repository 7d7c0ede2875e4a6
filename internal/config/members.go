package config

import (
	"sort"
	"strconv"
	"strings"
)

// A Membership is what the server, group and weight lines of a file say.
type Membership struct {
	// File is the file that holds the lines.
	File string
	// Members are sorted by id.
	Members []Member
	// Groups and Weights are those of the group and weight lines, sorted by
	// number; a member without a weight line weighs 1 and is not listed.
	Groups  []Group
	Weights []Weight
	// Version is the version of the configuration: the hexadecimal end of the
	// name of a dynamic file, or its version line; 0 without either.
	Version int64

	line int // of the first line, 0 without any
}

// A Member is one server line.
type Member struct {
	ID int64
	// Addresses has more than one element only with multiAddress.enabled.
	Addresses []Address
	// Observer says that the member does not vote.
	Observer bool
	// ClientHost and ClientPort are the client part of the line; without one
	// ClientPort is NoPort. A bare port has the host 0.0.0.0.
	ClientHost string
	ClientPort int
	// Line is the line of the file.
	Line int
}

// An Address is where the other members reach a member. The host is not
// resolved; an IPv6 address stands without its brackets.
type Address struct {
	Host                     string
	QuorumPort, ElectionPort int
}

// A Group is one group line.
type Group struct {
	ID      int64
	Members []int64
	Line    int
}

// A Weight is one weight line.
type Weight struct {
	ID, Weight int64
	Line       int
}

// Voters are the members that vote, sorted by id.
func (m *Membership) Voters() []Member { return m.withRole(false) }

// Observers are the members that do not vote, sorted by id.
func (m *Membership) Observers() []Member { return m.withRole(true) }

func (m *Membership) withRole(observer bool) []Member {
	var list []Member
	for _, one := range m.Members {
		if one.Observer == observer {
			list = append(list, one)
		}
	}
	return list
}

// Member finds a member by id.
func (m *Membership) Member(id int64) (Member, bool) {
	for _, one := range m.Members {
		if one.ID == id {
			return one, true
		}
	}
	return Member{}, false
}

// Hierarchical says whether quorums go by groups and weights.
func (m *Membership) Hierarchical() bool { return len(m.Groups)+len(m.Weights) > 0 }

// Text is the configuration text as ZooKeeper writes it into /zookeeper/config
// and its packets: a line for each member, group and weight, and the version
// last, without a newline at the end.
func (m *Membership) Text() string {
	var b strings.Builder
	for _, one := range m.Members {
		b.WriteString("server." + strconv.FormatInt(one.ID, 10) + "=" + one.String() + "\n")
	}
	for _, g := range m.Groups {
		ids := make([]string, len(g.Members))
		for i, id := range g.Members {
			ids[i] = strconv.FormatInt(id, 10)
		}
		b.WriteString("group." + strconv.FormatInt(g.ID, 10) + "=" + strings.Join(ids, ":") + "\n")
	}
	for _, w := range m.allWeights() {
		b.WriteString("weight." + strconv.FormatInt(w.ID, 10) + "=" + strconv.FormatInt(w.Weight, 10) + "\n")
	}
	b.WriteString("version=" + strconv.FormatInt(m.Version, 16))
	return b.String()
}

// allWeights adds to the weight lines the weight 1 of the participants without
// one, as ZooKeeper does when quorums are hierarchical.
func (m *Membership) allWeights() []Weight {
	all := append([]Weight(nil), m.Weights...)
	if !m.Hierarchical() {
		return all
	}
	for _, one := range m.Voters() {
		if !m.weighed(one.ID) {
			all = append(all, Weight{ID: one.ID, Weight: 1})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}

func (m *Membership) weighed(id int64) bool {
	for _, w := range m.Weights {
		if w.ID == id {
			return true
		}
	}
	return false
}

// ParseDynamic reads a dynamic configuration file: server, group, weight and
// version lines and nothing else. The version is the end of the file name
// behind its last dot, if that is hexadecimal; a version line may repeat it,
// or give it when the name does not. Errors are of type Errors.
func ParseDynamic(name string, text []byte) (*Membership, []Warning, error) {
	p := newParser(name, nil)
	entries, err := ReadProperties(text)
	if err != nil {
		errs := err.(Errors)
		for _, e := range errs {
			e.File = name
		}
		return p.c.Members, nil, errs
	}
	settings := p.distinct(entries)
	known := settings[:0]
	for _, s := range settings {
		if o := table.byKey(s.key); s.key == "version" || o != nil && o.Type == Members {
			known = append(known, s)
			continue
		}
		p.refuse(&Error{File: s.file, Line: s.line, Key: s.key,
			Text: "only server, group, weight and version lines may stand in a dynamic configuration file; move it to the main file"})
	}
	m := p.c.Members
	version, named := versionOf(name)
	if named {
		m.Version = version
	}
	p.memberLines(known)
	if named && m.Version != version {
		p.refuse(&Error{File: name, Key: "version", Value: strconv.FormatInt(m.Version, 16),
			Text: "contradicts the version " + strconv.FormatInt(version, 16) + " in the name of the file; remove the line"})
	}
	return m, inOrder(p.warnings), p.errs.orNil()
}

// versionOf reads the configuration version at the end of a file name.
func versionOf(name string) (version int64, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return 0, false
	}
	version, err := strconv.ParseInt(name[i+1:], 16, 64)
	return version, err == nil
}

// ParseMyID reads a myid file: a number on the first line. An error is of type
// Errors and names the file.
func ParseMyID(name string, text []byte) (int64, error) {
	line, _, _ := strings.Cut(string(text), "\n")
	line = trim(line)
	refuse := func(what string) (int64, error) {
		return NoID, Errors{{File: name, Line: 1, Text: what + "; allowed is the number N of the own server.N line, from 1 to 255"}}
	}
	if line == "" {
		return refuse("no server id")
	}
	id, problem := parseNumber(line, 64, true)
	switch {
	case problem != "":
		return refuse(`"` + printable(line) + `" is ` + problem)
	case id < 0:
		return refuse(printable(line) + " is negative")
	}
	return id, nil
}

// members reads the member lines of the main file.
func (p *parser) members(lines []setting) {
	if dynamic, ok := p.settings["dynamicConfigFile"]; ok {
		for _, s := range lines {
			if s.key == "version" {
				continue
			}
			p.refuse(&Error{File: s.file, Line: s.line, Key: s.key,
				Text: "must stand in the dynamic configuration file " + printable(dynamic.value) + ", which line " +
					strconv.Itoa(dynamic.line) + " names; move it there"})
		}
		return
	}
	p.memberLines(lines)
	p.membership()
}

// memberLines reads server, group, weight and version lines.
func (p *parser) memberLines(lines []setting) {
	m := p.c.Members
	for _, s := range lines {
		if m.line == 0 && s.key != "version" {
			m.line = s.line
		}
		if s.key == "version" {
			n, err := strconv.ParseInt(s.value, 16, 64)
			if err != nil {
				p.refuseLine(s, "not a version; allowed is a hexadecimal number")
			}
			m.Version = n
			continue
		}
		kind, number, _ := strings.Cut(s.key, ".")
		id, problem := parseNumber(number, 64, true)
		if problem != "" {
			p.refuse(&Error{File: s.file, Line: s.line, Key: s.key,
				Text: `"` + printable(number) + `" is ` + problem + "; allowed is " + kind + ".N with a number N"})
			continue
		}
		switch kind {
		case "server":
			p.serverLine(id, s)
		case "group":
			p.groupLine(id, s)
		case "weight":
			p.weightLine(id, s)
		}
	}
	sort.Slice(m.Members, func(i, j int) bool { return m.Members[i].ID < m.Members[j].ID })
	sort.Slice(m.Groups, func(i, j int) bool { return m.Groups[i].ID < m.Groups[j].ID })
	sort.Slice(m.Weights, func(i, j int) bool { return m.Weights[i].ID < m.Weights[j].ID })
}

func (p *parser) refuseLine(s setting, text string) {
	p.refuse(&Error{File: s.file, Line: s.line, Key: s.key, Value: s.value, Text: text})
}

func (p *parser) groupLine(id int64, s setting) {
	g := Group{ID: id, Line: s.line}
	for _, part := range javaSplit(s.value, ":") {
		sid, problem := parseNumber(trim(part), 64, true)
		if problem != "" {
			p.refuseLine(s, `"`+printable(part)+`" is `+problem+"; allowed are server numbers with colons between them, such as 1:2:3")
			return
		}
		g.Members = append(g.Members, sid)
	}
	p.c.Members.Groups = append(p.c.Members.Groups, g)
}

func (p *parser) weightLine(id int64, s setting) {
	weight, problem := parseNumber(s.value, 64, true)
	if problem != "" || weight < 0 {
		p.refuseLine(s, "not a weight; allowed is a whole number from 0 up")
		return
	}
	p.c.Members.Weights = append(p.c.Members.Weights, Weight{ID: id, Weight: weight, Line: s.line})
}

// javaSplit splits as java.lang.String.split does, which drops empty parts at
// the end.
func javaSplit(s, separator string) []string {
	parts := strings.Split(s, separator)
	for len(parts) > 1 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}
