package ensemble

import (
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"zooid/internal/properties"
)

// serverForm is what a server line may look like.
const serverForm = "allowed is host:quorumPort:electionPort[:participant|:observer][;[clientHost:]clientPort]"

// Add takes one line, whose key and value are trimmed, and says what is wrong
// with it. Sort must follow the last one.
func (m *Membership) Add(key, value string, line int) *Problem {
	refuse := func(text string) *Problem { return &Problem{Line: line, Key: key, Value: value, Text: text} }
	if key == "version" {
		version, problem := properties.Number(value, 16, 64)
		if problem != "" {
			return refuse("not a version; allowed is a hexadecimal number")
		}
		m.Version = version
		return nil
	}
	if m.FirstLine == 0 {
		m.FirstLine = line
	}
	kind, number, _ := strings.Cut(key, ".")
	if kind != "server" && kind != "group" && kind != "weight" {
		return &Problem{Line: line, Key: key, Text: "allowed are server, group, weight and version lines only"}
	}
	id, problem := properties.Number(number, 10, 64)
	if problem != "" {
		return &Problem{Line: line, Key: key,
			Text: `"` + properties.Printable(number) + `" is ` + problem + "; allowed is " + kind + ".N with a number N"}
	}
	switch kind {
	case "server":
		problem = m.addServer(id, value, line)
	case "group":
		problem = m.addGroup(id, value, line)
	case "weight":
		problem = m.addWeight(id, value, line)
	}
	if problem != "" {
		return refuse(problem)
	}
	return nil
}

// addServer reads the value of a server line.
func (m *Membership) addServer(id int64, value string, line int) (problem string) {
	one := Member{ID: id, ClientPort: NoClientPort, Line: line}
	parts := properties.Split(value, ";")
	if len(parts) > 2 {
		if len(parts) == 3 && strings.TrimSpace(parts[2]) != "" {
			return "a third part after ; is the TLS client port of ZooKeeper 3.10; remove it, and write secureClientPort into the file of the server"
		}
		return "too many parts between semicolons; " + serverForm
	}
	if len(parts) == 2 {
		if problem = one.readClient(properties.Trim(parts[1])); problem != "" {
			return problem
		}
	}
	role := ""
	for _, text := range properties.Split(parts[0], "|") {
		a, r, problem := readAddress(properties.Trim(text))
		if problem == "" && role != "" && r != "" && r != role {
			problem = "all addresses of one server must have the same role"
		}
		if problem != "" {
			return problem
		}
		if r != "" {
			role = r
		}
		one.Addresses = append(one.Addresses, a)
	}
	one.Observer = role == "observer"
	// server.1 and server.01 are two keys and one server.
	m.Members = slices.DeleteFunc(m.Members, func(other Member) bool { return other.ID == id })
	m.Members = append(m.Members, one)
	return ""
}

func (m *Membership) addGroup(id int64, value string, line int) (problem string) {
	g := Group{ID: id, Line: line}
	for _, part := range properties.Split(value, ":") {
		sid, problem := properties.Number(properties.Trim(part), 10, 64)
		if problem != "" {
			return `"` + properties.Printable(part) + `" is ` + problem + "; allowed are server numbers with colons between them, such as 1:2:3"
		}
		g.Members = append(g.Members, sid)
	}
	m.Groups = append(m.Groups, g)
	return ""
}

func (m *Membership) addWeight(id int64, value string, line int) (problem string) {
	weight, problem := properties.Number(value, 10, 64)
	if problem != "" || weight < 0 {
		return "not a weight; allowed is a whole number from 0 up"
	}
	m.Weights = append(m.Weights, Weight{ID: id, Weight: weight, Line: line})
	return ""
}

// readClient reads [host:]port.
func (m *Member) readClient(text string) (problem string) {
	fields, problem := HostAndPorts(text)
	if problem == "" && len(fields) > 2 {
		problem = "the client part has too many colons; " + serverForm
	}
	if problem != "" {
		return problem
	}
	m.ClientHost = "0.0.0.0"
	if len(fields) == 2 {
		m.ClientHost = fields[0]
	}
	m.ClientPort, problem = readPort("client port", fields[len(fields)-1])
	return problem
}

// readAddress reads host:quorumPort:electionPort[:role]; role is lower case.
func readAddress(text string) (a Address, role, problem string) {
	fields, problem := HostAndPorts(text)
	if problem != "" {
		return a, "", problem
	}
	if len(fields) < 3 || len(fields) > 4 {
		return a, "", `"` + properties.Printable(text) + `" has ` + strconv.Itoa(len(fields)-1) + " colons; " + serverForm
	}
	a.Host = fields[0]
	if a.QuorumPort, problem = readPort("quorum port", fields[1]); problem != "" {
		return a, "", problem
	}
	if a.ElectionPort, problem = readPort("election port", fields[2]); problem != "" {
		return a, "", problem
	}
	if a.QuorumPort == a.ElectionPort {
		return a, "", "quorum and election port are both " + fields[1] + "; they must differ"
	}
	if len(fields) == 4 {
		role = strings.ToLower(properties.Trim(fields[3]))
		if role != "participant" && role != "observer" {
			return a, "", `"` + properties.Printable(fields[3]) + `" is no role; allowed is participant or observer`
		}
	}
	return a, role, ""
}

// HostAndPorts cuts at the colons, except those within an IPv6 address in
// brackets, which loses them (ConfigUtils.getHostAndPort). There is always at
// least one field.
func HostAndPorts(text string) (fields []string, problem string) {
	if !strings.HasPrefix(text, "[") {
		return properties.Split(text, ":"), ""
	}
	end := strings.IndexByte(text, ']')
	switch {
	case end < 0:
		return []string{text}, `"` + properties.Printable(text) + `" has a [ without a ]`
	case end+1 == len(text):
		return []string{text[1:end]}, ""
	case text[end+1] != ':' || end+2 == len(text):
		return []string{text}, `"` + properties.Printable(text) + `" has no :port behind the ]`
	}
	return append([]string{text[1:end]}, properties.Split(text[end+2:], ":")...), ""
}

func readPort(what, text string) (port int, problem string) {
	n, err := properties.Number(properties.Trim(text), 10, 32)
	if err != "" || n < 0 || n > 65535 {
		return 0, `"` + properties.Printable(text) + `" is no ` + what + "; allowed is a port from 0 to 65535"
	}
	return int(n), ""
}

// String renders the member as ZooKeeper writes it into its configuration
// text: the role always there, several addresses sorted by host.
func (m Member) String() string {
	var b strings.Builder
	addresses := append([]Address(nil), m.Addresses...)
	sort.SliceStable(addresses, func(i, j int) bool { return addresses[i].Host < addresses[j].Host })
	for i, a := range addresses {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(Bracketed(javaHost(a.Host)) + ":" + strconv.Itoa(a.QuorumPort) + ":" + strconv.Itoa(a.ElectionPort))
	}
	if m.Observer {
		b.WriteString(":observer")
	} else {
		b.WriteString(":participant")
	}
	if m.ClientPort != NoClientPort {
		b.WriteString(";" + Bracketed(javaHost(m.ClientHost)) + ":" + strconv.Itoa(m.ClientPort))
	}
	return b.String()
}

// Bracketed puts an IPv6 address into brackets, as it stands before a port.
func Bracketed(host string) string {
	if strings.IndexByte(host, ':') >= 0 {
		return "[" + host + "]"
	}
	return host
}

// javaHost is the host as InetSocketAddress.getHostString gives it back: an
// IPv6 address with all its zeros, one that stands for an IPv4 address as
// that, and everything else as it is.
func javaHost(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return host
	}
	if a.Is4In6() {
		return a.Unmap().String()
	}
	bytes := a.As16()
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = strconv.FormatUint(uint64(bytes[2*i])<<8|uint64(bytes[2*i+1]), 16)
	}
	return strings.Join(groups, ":")
}
