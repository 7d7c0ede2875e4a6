package shell

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"zooid/zk"
)

// startOptions are the arguments of the program.
type startOptions struct {
	server        string
	timeout       time.Duration
	readOnly      bool
	wait          bool
	help          bool
	configuration string      // file of -client-configuration
	properties    [][2]string // from -Dname=value
	command       []string
	clientOptions []zk.Option
	notes         []string // for the user, before anything else
	loginFailed   bool     // SASL was asked for and cannot be had
}

// parse reads the arguments: options up to the first word that is none, which
// begins the command. Options that are not known are passed over, as they may
// be meant for a Java machine.
func (o *startOptions) parse(args []string) error {
	o.server, o.timeout = defaultServer, defaultTimeout
	for i := 0; i < len(args); i++ {
		arg := args[i]
		value := func() (string, error) {
			if i++; i >= len(args) {
				return "", complain("Error: no argument found for option %s", arg)
			}
			return args[i], nil
		}
		var err error
		switch arg {
		case "-server":
			o.server, err = value()
		case "-timeout":
			err = o.parseTimeout(value())
		case "-client-configuration":
			o.configuration, err = value()
		case "-r":
			o.readOnly = true
		case "-waitforconnection":
			o.wait = true
		case "-h", "-help", "--help":
			o.help = true
		default:
			if !strings.HasPrefix(arg, "-") {
				o.command = args[i:]
				return nil
			}
			if property, ok := strings.CutPrefix(arg, "-D"); ok {
				name, value, _ := strings.Cut(property, "=")
				o.properties = append(o.properties, [2]string{name, value})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *startOptions) parseTimeout(text string, err error) error {
	if err != nil {
		return err
	}
	ms, err := strconv.ParseInt(text, 10, 32)
	if err != nil || ms <= 0 {
		return complain("Error: -timeout takes a number of milliseconds, not %q", text)
	}
	o.timeout = time.Duration(ms) * time.Millisecond
	return nil
}

// configure applies the properties of the command line and then those of the
// configuration file, which win.
func (o *startOptions) configure(env *Environment) error {
	all := o.properties
	if o.configuration != "" {
		text, err := env.ReadFile(o.configuration)
		if err != nil {
			return fmt.Errorf("-client-configuration: %w", err)
		}
		more, err := env.Properties(text)
		if err != nil {
			return fmt.Errorf("-client-configuration %s: %w", o.configuration, err)
		}
		all = append(all, more...)
	}
	if o.readOnly {
		o.clientOptions = append(o.clientOptions, zk.WithReadOnly())
	}
	p := properties{}
	for _, kv := range all {
		p[kv[0]] = strings.TrimSpace(kv[1])
	}
	return o.apply(p, env)
}

// properties are Java system properties and those of a configuration file.
type properties map[string]string

// number reads a property that is an integer, 0 without it.
func (p properties) number(name string) (int, error) {
	text := p[name]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 0, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s=%s: must be a number that is not negative", name, text)
	}
	return int(n), nil
}

// yes reads a property that is a boolean.
func (p properties) yes(name string, fallback bool) bool {
	if text := p[name]; text != "" {
		return strings.EqualFold(text, "true")
	}
	return fallback
}

func (o *startOptions) apply(p properties, env *Environment) error {
	buffer, err := p.number("jute.maxbuffer")
	if err != nil {
		return err
	}
	if buffer > 0 {
		o.clientOptions = append(o.clientOptions, zk.WithMaxRequest(buffer), zk.WithMaxReply(buffer))
	}
	o.authenticate(p, env)
	if p.yes("zookeeper.client.secure", false) {
		dial, err := secureDialer(p)
		if err != nil {
			return err
		}
		o.clientOptions = append(o.clientOptions, zk.WithDialer(dial))
	}
	return nil
}

// attemptReporter returns a hook that says on standard error why there is no
// connection: each reason once, until there has been one.
func (s *Shell) attemptReporter() func(string, error) {
	var mu sync.Mutex
	said := map[string]bool{}
	return func(server string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			clear(said)
			return
		}
		text := connectText(server, err)
		if said[text] || s.muted.Load() && s.quitting {
			return
		}
		said[text] = true
		s.console.errorf("zooid cli: %s", text)
	}
}

// connectText explains a failed attempt and what to do about it.
func connectText(server string, err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("cannot find the address of %s (%v): check the name given to -server", server, dns.Err)
	case strings.Contains(err.Error(), "connection refused"):
		return fmt.Sprintf("cannot connect to %s: connection refused; is a server running there (zkServer.sh status), and is this its clientPort?", server)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s does not answer in time; check the address and what lies between", server)
	}
	return fmt.Sprintf("cannot connect to %s: %v", server, err)
}
