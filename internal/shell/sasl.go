package shell

import (
	"errors"
	"fmt"

	"zooid/internal/sasl"
	"zooid/zk"
)

const (
	loginFile    = "java.security.auth.login.config"
	loginSection = "zookeeper.sasl.clientconfig"
)

// authenticate has the client log in with SASL if the properties ask for it. As
// Apache's shell does, this one goes on without if it cannot.
func (o *startOptions) authenticate(p properties, env *Environment) {
	_, file := p[loginFile]
	_, section := p[loginSection]
	if !p.yes("zookeeper.sasl.client", true) || !file && !section {
		return
	}
	user, password, err := clientLogin(p, env.ReadFile)
	if err != nil {
		o.notes = append(o.notes, "SASL: "+err.Error()+"; this shell goes on without SASL")
		o.loginFailed = true
		return
	}
	o.clientOptions = append(o.clientOptions, zk.WithSASLDigest(user, password))
}

// clientLogin finds user and password in the client's section of the JAAS file.
func clientLogin(p properties, read func(string) ([]byte, error)) (user, password string, err error) {
	name, set := p[loginFile]
	if !set {
		return "", "", errors.New(loginSection + " is set, but " + loginFile + " names no file")
	}
	name = sasl.FileName(name)
	text, err := read(name)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", loginFile, err)
	}
	sections, err := sasl.ParseJAAS(text, func(property string) (string, bool) {
		value, ok := p[property]
		return value, ok
	})
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	title := "Client"
	if other, ok := p[loginSection]; ok {
		title = other
	}
	section := sections[title]
	if len(section) == 0 {
		return "", "", fmt.Errorf("%s has no section %s (%s)", name, title, loginSection)
	}
	if err := sasl.CheckModules(title, section); err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	user, password, ok := sasl.DigestLogin(section)
	switch {
	case !ok:
		return "", "", fmt.Errorf(`%s: section %s has no username="..."`, name, title)
	case p.yes("zookeeper.fips-mode", false):
		return "", "", errors.New("zookeeper.fips-mode=true forbids DIGEST-MD5, the one mechanism there is")
	}
	return user, password, nil
}
