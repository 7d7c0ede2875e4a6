package config

import (
	"sort"
	"strconv"
	"strings"
)

// serverForm is what a server line may look like.
const serverForm = "allowed is host:quorumPort:electionPort[:participant|:observer][;[clientHost:]clientPort]"

// serverLine reads the value of a server line.
func (p *parser) serverLine(id int64, s setting) {
	m := Member{ID: id, ClientPort: NoPort, Line: s.line}
	parts := javaSplit(s.value, ";")
	if len(parts) > 2 {
		if len(parts) == 3 && strings.TrimSpace(parts[2]) != "" {
			p.refuseLine(s, "a third part after ; is a TLS client port; "+noTLS+"; remove it")
			return
		}
		p.refuseLine(s, "too many parts between semicolons; "+serverForm)
		return
	}
	if len(parts) == 2 && !p.clientPart(&m, trim(parts[1]), s) {
		return
	}
	role := ""
	for _, text := range javaSplit(parts[0], "|") {
		a, r, problem := readAddress(trim(text))
		if problem == "" && role != "" && r != "" && r != role {
			problem = "all addresses of one server must have the same role"
		}
		if problem != "" {
			p.refuseLine(s, problem)
			return
		}
		if a.Host == "" {
			p.warn(Warning{File: s.file, Line: s.line, Key: s.key, Text: "without a host it is this machine's own address, as in ZooKeeper", Advice: "write the host"})
		}
		if r != "" {
			role = r
		}
		m.Addresses = append(m.Addresses, a)
	}
	m.Observer = role == "observer"
	p.c.Members.Members = append(p.c.Members.Members, m)
}

// clientPart reads [host:]port, and says whether it could.
func (p *parser) clientPart(m *Member, text string, s setting) bool {
	fields, problem := hostAndPorts(text)
	if problem == "" && len(fields) > 2 {
		problem = "the client part has too many colons; " + serverForm
	}
	host, port := "0.0.0.0", fields[len(fields)-1]
	if len(fields) == 2 {
		host = fields[0]
	}
	if problem == "" {
		m.ClientPort, problem = readPort("client port", port)
	}
	if problem != "" {
		p.refuseLine(s, problem)
		return false
	}
	m.ClientHost = host
	return true
}

// readAddress reads host:quorumPort:electionPort[:role]; role is lower case.
func readAddress(text string) (a Address, role, problem string) {
	fields, problem := hostAndPorts(text)
	if problem != "" {
		return a, "", problem
	}
	if len(fields) < 3 || len(fields) > 4 {
		return a, "", `"` + printable(text) + `" has ` + strconv.Itoa(len(fields)-1) + " colons; " + serverForm
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
		role = strings.ToLower(trim(fields[3]))
		if role != "participant" && role != "observer" {
			return a, "", `"` + printable(fields[3]) + `" is no role; allowed is participant or observer`
		}
	}
	return a, role, ""
}

// hostAndPorts cuts at the colons, except those within an IPv6 address in
// brackets, which loses them. There is always at least one field.
func hostAndPorts(text string) (fields []string, problem string) {
	if !strings.HasPrefix(text, "[") {
		return javaSplit(text, ":"), ""
	}
	end := strings.IndexByte(text, ']')
	switch {
	case end < 0:
		return []string{text}, `"` + printable(text) + `" has a [ without a ]`
	case end+1 == len(text):
		return []string{text[1:end]}, ""
	case text[end+1] != ':' || end+2 == len(text):
		return []string{text}, `"` + printable(text) + `" has no :port behind the ]`
	}
	return append([]string{text[1:end]}, javaSplit(text[end+2:], ":")...), ""
}

func readPort(what, text string) (port int, problem string) {
	n, err := parseNumber(trim(text), 32, true)
	if err != "" || n < 0 || n > 65535 {
		return 0, `"` + printable(text) + `" is no ` + what + "; allowed is a port from 0 to 65535"
	}
	return int(n), ""
}

// String renders the member as ZooKeeper writes it into its configuration
// text: the role always there, several addresses sorted by host.
func (m Member) String() string {
	var b strings.Builder
	addresses := append([]Address(nil), m.Addresses...)
	sort.Slice(addresses, func(i, j int) bool { return addresses[i].Host < addresses[j].Host })
	for i, a := range addresses {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(bracketed(a.Host) + ":" + strconv.Itoa(a.QuorumPort) + ":" + strconv.Itoa(a.ElectionPort))
	}
	if m.Observer {
		b.WriteString(":observer")
	} else {
		b.WriteString(":participant")
	}
	if m.ClientPort != NoPort {
		b.WriteString(";" + bracketed(m.ClientHost) + ":" + strconv.Itoa(m.ClientPort))
	}
	return b.String()
}

func bracketed(host string) string {
	if strings.IndexByte(host, ':') >= 0 {
		return "[" + host + "]"
	}
	return host
}
