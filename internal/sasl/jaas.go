package sasl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Sections are the entries of a JAAS file by name. Names are compared as they
// are written.
type Sections map[string][]Module

// A Module is one login module of a section.
type Module struct {
	Class   string // as "org.apache.zookeeper.server.auth.DigestLoginModule"
	Flag    string // REQUIRED, REQUISITE, SUFFICIENT or OPTIONAL
	Options map[string]string
	Line    int // of the class, from 1
}

// The login modules that ZooKeeper's documentation tells users to name.
const (
	digestModule   = "org.apache.zookeeper.server.auth.DigestLoginModule"
	kerberosModule = "com.sun.security.auth.module.Krb5LoginModule"
)

// nameless is the name of a section that has a sign or a number in place of
// one: Java takes it, and nobody can ask for it.
const nameless = "\x00"

var moduleFlags = []string{"REQUIRED", "REQUISITE", "SUFFICIENT", "OPTIONAL"}

// ParseJAAS reads a JAAS file as Java's ConfigFile does:
//
//	Server {
//	    org.apache.zookeeper.server.auth.DigestLoginModule required
//	    user_super="secret" // comment
//	    user_bob="${bob.password}";
//	};
//
// property answers the value of a system property for ${name}, false for one
// that is not set. Errors name the line and what is wrong with it, and never
// hold a text in quotes, which may be a password. An empty file is valid.
func ParseJAAS(text []byte, property func(name string) (string, bool)) (Sections, error) {
	p := &jaasParser{scan: newScanner(text), property: property}
	p.next()
	sections := Sections{}
	for p.ahead.kind != tokenEnd {
		line, name, modules, err := p.section()
		if err != nil {
			return nil, err
		}
		if _, twice := sections[name]; twice {
			return nil, fmt.Errorf("line %d: section %q stands twice in the file", line, name)
		}
		sections[name] = modules
	}
	return sections, nil
}

// FileName is the path that a value of java.security.auth.login.config names:
// a leading = and the scheme of a file: URL are left out.
func FileName(property string) string {
	name := strings.TrimPrefix(property, "=")
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		name = strings.TrimPrefix(path, "//") // an empty host
	}
	return name
}

type jaasParser struct {
	scan     *scanner
	ahead    token
	property func(name string) (string, bool)
}

func (p *jaasParser) next() { p.ahead = p.scan.next() }

func (p *jaasParser) section() (line int, name string, modules []Module, err error) {
	line, name = p.ahead.line, p.ahead.text
	if p.ahead.kind == tokenOther {
		name = nameless
	}
	p.next()
	if err := p.sign("{", "behind the name of a section"); err != nil {
		return line, "", nil, err
	}
	for !p.at("}") {
		m, err := p.module()
		if err != nil {
			return line, "", nil, err
		}
		modules = append(modules, m)
	}
	p.next()
	return line, name, modules, p.sign(";", "behind the } of a section")
}

func (p *jaasParser) module() (m Module, err error) {
	m = Module{Options: map[string]string{}, Line: p.ahead.line}
	if m.Class, err = p.word("the class of a login module, or }"); err != nil {
		return m, err
	}
	line := p.ahead.line
	flag, err := p.word("required, requisite, sufficient or optional behind the login module")
	if err != nil {
		return m, err
	}
	if m.Flag = strings.ToUpper(flag); !slices.Contains(moduleFlags, m.Flag) {
		return m, fmt.Errorf("line %d: %q stands where required, requisite, sufficient or optional must", line, flag)
	}
	for !p.at(";") {
		option := p.ahead.describe()
		key, err := p.word("an option, or the ; behind the last one")
		if err != nil {
			return m, err
		}
		if err := p.sign("=", "behind option "+option); err != nil {
			return m, err
		}
		line := p.ahead.line
		value, err := p.word("the value of option " + option + ", in quotes if it is not a plain word")
		if err != nil {
			return m, err
		}
		if m.Options[key], err = p.expand(value); err != nil {
			return m, fmt.Errorf("line %d: option %s: %w", line, option, err)
		}
	}
	p.next()
	return m, nil
}

func (p *jaasParser) at(sign string) bool {
	return p.ahead.kind == tokenOther && p.ahead.text == sign
}

// sign takes a sign that must come now.
func (p *jaasParser) sign(sign, where string) error {
	if !p.at(sign) {
		return fmt.Errorf("line %d: expected %s %s, found %s", p.ahead.line, sign, where, p.ahead.describe())
	}
	p.next()
	return nil
}

// word takes a word or a text in quotes that must come now.
func (p *jaasParser) word(what string) (string, error) {
	if p.ahead.kind != tokenWord && p.ahead.kind != tokenString {
		return "", fmt.Errorf("line %d: expected %s, found %s", p.ahead.line, what, p.ahead.describe())
	}
	text := p.ahead.text
	p.next()
	return text, nil
}

// expand puts the values of properties for ${name}. ${/} is the separator of
// paths, and ${{...}} stays as it is. A value that was not empty may not
// become empty.
func (p *jaasParser) expand(value string) (string, error) {
	var b strings.Builder
	for rest := value; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		b.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(after, "{") {
			kept, behind, closed := strings.Cut(after, "}}")
			b.WriteString("${" + kept)
			if closed {
				b.WriteString("}}")
			}
			rest = behind
			continue
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed {
			b.WriteString("${" + after)
			break
		}
		text, known := p.property(name)
		if name == "/" {
			text, known = "/", true
		}
		if !known {
			return "", fmt.Errorf("the system property %s in ${} is not set", name)
		}
		b.WriteString(text)
		rest = behind
	}
	if value != "" && b.Len() == 0 {
		return "", errors.New("the system property in its value is empty")
	}
	return b.String(), nil
}

// DigestUsers returns the passwords by user that a server's section has:
// the options user_<name> of all its modules.
func DigestUsers(section []Module) map[string]string {
	users := map[string]string{}
	for _, m := range section {
		for key, value := range m.Options {
			if user, ok := strings.CutPrefix(key, "user_"); ok {
				users[user] = value
			}
		}
	}
	return users
}

// DigestLogin returns user and password of a client's section; false when it
// has no option username.
func DigestLogin(section []Module) (user, password string, ok bool) {
	for _, m := range section {
		if user, ok := m.Options["username"]; ok {
			return user, m.Options["password"], true
		}
	}
	return "", "", false
}

// CheckModules reports a login module that is not DIGEST-MD5's: Kerberos by
// name and with what to do, any other with what there is.
func CheckModules(name string, section []Module) error {
	for _, m := range section {
		switch {
		case m.Class == digestModule:
		case m.Class == kerberosModule || strings.HasSuffix(m.Class, "Krb5LoginModule"):
			return fmt.Errorf("line %d: section %s logs in with Kerberos (%s), which is not in this release: use %s with user_<name>=\"<password>\" for each user (DIGEST-MD5), or TLS with client certificates (scheme x509)",
				m.Line, name, m.Class, digestModule)
		default:
			return fmt.Errorf("line %d: section %s names the login module %s, which there is not: the one of this release is %s", m.Line, name, m.Class, digestModule)
		}
	}
	return nil
}
