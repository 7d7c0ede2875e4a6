package config

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"zooid/internal/properties"
	"zooid/internal/sasl"
)

const jaasFile = "java.security.auth.login.config"

// JAASFile is the path of the JAAS file, false when none is named. The shell
// reads it and hands the text to ReadJAAS.
func (c *Config) JAASFile() (name string, named bool) {
	name, named = c.properties[jaasFile]
	return sasl.FileName(name), named
}

// ReadJAAS reads the text of the JAAS file; ${name} stands for the properties
// that the server was started with.
func (c *Config) ReadJAAS(text []byte) (sasl.Sections, error) {
	sections, err := sasl.ParseJAAS(text, c.Property)
	if err != nil {
		return nil, c.jaasError(err.Error())
	}
	return sections, nil
}

func (c *Config) jaasError(text string) error {
	name, _ := c.JAASFile()
	return &Error{Key: "-D" + jaasFile, Value: name, Text: text}
}

// Login returns the passwords of clients by user, from the server's section of
// the JAAS file; nil when the server goes on without SASL, having no file or no
// such section. The errors are those with which Apache's server does not start,
// and Kerberos. fips-mode binds clients only, as in ZooKeeper 3.9.5.
func (c *Config) Login(sections sasl.Sections) (users map[string]string, warnings []Warning, err error) {
	p := &parser{c: c}
	section := sections[c.SASL.Section]
	if len(section) == 0 {
		p.noLogin()
		return nil, p.warnings, nil
	}
	if err := sasl.CheckModules(c.SASL.Section, section); err != nil {
		return nil, nil, c.jaasError(err.Error())
	}
	users = maps.Clone(sasl.DigestUsers(section))
	set := c.Set("SASLAuthenticationProvider.superPassword")
	if _, known := users["super"]; known && set {
		users["super"] = c.SASL.SuperPassword
	} else if set {
		p.login("SASLAuthenticationProvider.superPassword", "has no effect: the JAAS file has no user super",
			`write user_super="..." into section `+c.SASL.Section)
	}
	if strings.EqualFold(c.properties["zookeeper.fips-mode"], "true") {
		p.login("fips-mode", "clients can authenticate with DIGEST-MD5 all the same, as with ZooKeeper's server",
			"remove section "+properties.Printable(c.SASL.Section)+" from the JAAS file if MD5 is not allowed")
	}
	if len(users) == 0 {
		p.login(jaasFile, fmt.Sprintf("section %s has no user_<name> option, so no client can authenticate with SASL", properties.Printable(c.SASL.Section)),
			`write user_<name>="<password>" for each user`)
	}
	return users, p.warnings, nil
}

// noLogin says that SASL was asked for and the server goes on without it.
func (p *parser) noLogin() {
	c := p.c
	name, named := c.JAASFile()
	const advice = `write -Djava.security.auth.login.config=FILE into SERVER_JVMFLAGS; FILE has Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_<name>="<password>"; };`
	key := "enforce.auth.schemes"
	switch {
	case c.EnforceAuthEnabled && len(c.EnforceAuthSchemes) == 1 && c.EnforceAuthSchemes[0] == "sasl":
		if c.SASL.Required {
			key = "sessionRequireClientSASLAuth"
		}
		p.login(key, "no client can be served: SASL is required, and there is no JAAS file with the section "+properties.Printable(c.SASL.Section), advice)
	case named && !c.Quorum.Auth.Enabled:
		p.login(jaasFile, properties.Printable(name)+" has no section "+properties.Printable(c.SASL.Section)+", so no client can authenticate with SASL",
			"give the section that name, or name the section in sasl.serverconfig")
	}
}

func (p *parser) login(key, text, advice string) {
	w := p.c.At(key)
	if key == jaasFile { // a property only, which At does not find
		w = Warning{Key: "-D" + jaasFile}
	}
	w.Text, w.Advice = text, advice
	p.warn(w)
}

// JAASUnread is the refusal for a JAAS file that could not be read.
func (c *Config) JAASUnread(err error) error {
	if name, _ := c.JAASFile(); name == "" {
		err = errors.New("the property is empty; name a file or remove it")
	}
	return c.jaasError("cannot read the JAAS file: " + err.Error())
}
