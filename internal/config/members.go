package config

import (
	"errors"
	"sort"
	"strconv"
	"strings"

	"zooid/internal/ensemble"
	"zooid/internal/properties"
)

// The members of an ensemble are the same thing in a file and on the wire.
type (
	// Membership is what the server, group and weight lines of a file say.
	Membership = ensemble.Membership
	// Member is one server line.
	Member = ensemble.Member
)

// Entry is one key with its value as a java.util.Properties file holds it.
type Entry = properties.Entry

// ReadProperties reads text by the rules of java.util.Properties.load. An
// error is of type Errors, without a file name, and names the line.
func ReadProperties(text []byte) ([]Entry, error) {
	entries, err := properties.Read(text)
	var bad *properties.BadEscape
	if errors.As(err, &bad) {
		return nil, Errors{{Line: bad.Line, Text: bad.Text}}
	}
	return entries, err
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

// PointToDynamic returns the text of a zoo.cfg that names a dynamic file in
// place of its server, group and weight lines and its peerType, and without its
// client port if that stands in the own server line. Everything else stays as
// it is, comments too, which Apache's server drops
// (QuorumPeerConfig.editStaticConfig).
func PointToDynamic(text []byte, dynamicFile string, dropClientPort bool) []byte {
	text = properties.Without(text, func(key string) bool {
		switch key = properties.Trim(key); key {
		case "dynamicConfigFile", "peerType":
			return true
		case "clientPort", "clientPortAddress":
			return dropClientPort
		}
		kind, _, dotted := strings.Cut(key, ".")
		return dotted && (kind == "server" || kind == "group" || kind == "weight")
	})
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	return append(text, "dynamicConfigFile="+dynamicFile+"\n"...)
}

// DynamicText is the content of the dynamic file of a configuration: its lines,
// sorted, without a newline at the end. The version is a line of it only in the
// file of the last-seen configuration; that of a committed one has it in its
// name (QuorumPeerConfig.writeDynamicConfig).
func DynamicText(m *Membership, withVersion bool) []byte {
	var lines []string
	for _, line := range strings.Split(m.Text(), "\n") {
		if withVersion || !strings.HasPrefix(line, "version=") {
			lines = append(lines, line)
		}
	}
	sort.Strings(lines)
	return []byte(strings.Join(lines, "\n"))
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

// ParseMyID reads a myid file: a number on the first line. A negative one is no
// member's, but a standalone server starts with it. An error is of type Errors
// and names the file.
func ParseMyID(name string, text []byte) (int64, error) {
	line, _, _ := strings.Cut(string(text), "\n")
	line = properties.Trim(line)
	refuse := func(what string) (int64, error) {
		return NoID, Errors{{File: name, Line: 1, Text: what + "; allowed is the number N of the own server.N line, from 1 to 255"}}
	}
	if line == "" {
		return refuse("no server id")
	}
	id, problem := parseNumber(line, 64, true)
	if problem != "" {
		return refuse(`"` + properties.Printable(line) + `" is ` + problem)
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
				Text: "must stand in the dynamic configuration file " + properties.Printable(dynamic.value) + ", which line " +
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
		if problem := m.Add(s.key, s.value, s.line); problem != nil {
			p.refuseMembers(problem, s.file)
			continue
		}
		if kind, _, _ := strings.Cut(s.key, "."); kind != "server" {
			continue
		}
		for _, a := range m.Members[len(m.Members)-1].Addresses {
			if a.Host == "" {
				p.warn(Warning{File: s.file, Line: s.line, Key: s.key, Text: "without a host it is this machine's own address, as in ZooKeeper", Advice: "write the host"})
			}
		}
	}
	m.Sort()
}

// refuseMembers refuses what package ensemble found.
func (p *parser) refuseMembers(problem *ensemble.Problem, file string) {
	p.refuse(&Error{File: file, Line: problem.Line, Key: problem.Key, Value: problem.Value, Text: problem.Text})
}
