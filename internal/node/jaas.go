package node

import (
	"crypto/rand"
	"log/slog"
	"os"
	"time"

	"zooid/internal/config"
	"zooid/internal/replica"
	"zooid/internal/sasl"
)

// ReadJAAS reads the JAAS file that the configuration names; nothing when it
// names none.
func ReadJAAS(cfg *config.Config) (sasl.Sections, error) {
	name, named := cfg.JAASFile()
	if !named {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, cfg.JAASUnread(err)
	}
	return cfg.ReadJAAS(text)
}

// newSASL returns what clients authenticate with, nil when the server goes on
// without SASL.
func newSASL(cfg *config.Config, log *slog.Logger) (*replica.SASL, error) {
	sections, err := ReadJAAS(cfg)
	if err != nil {
		return nil, err
	}
	users, warnings, err := cfg.Login(sections)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn(w.String())
	}
	if users == nil {
		return nil, nil
	}
	log.Info("clients can authenticate with SASL", "mechanism", "DIGEST-MD5", "users", len(users))
	s := &replica.SASL{
		Password:   func(user string) (string, bool) { p, ok := users[user]; return p, ok },
		KeepFailed: cfg.AllowSaslFailedClients,
	}
	rand.Read(s.Secret[:])
	return s, nil
}

// sayLogins tells of the SASL exchanges that have ended; of many failures, which
// cost whoever makes them nothing, some.
func (l *loop) sayLogins() {
	for i := range l.fx.Logins {
		x := &l.fx.Logins[i]
		c := l.conns[x.Conn]
		if c == nil {
			continue
		}
		log := l.n.log.With("client", c.RemoteAddr(), "session", sessionHex(x.Session))
		if x.Why == "" {
			log.Debug("a client has authenticated with SASL", "user", x.User)
			continue
		}
		kept, ok := l.loginLines.Pass(20, 10*time.Second)
		if !ok {
			continue
		}
		if kept > 0 {
			log = log.With("more_before", kept)
		}
		log.Warn("a client failed to authenticate with SASL", "error", x.Why)
	}
}
