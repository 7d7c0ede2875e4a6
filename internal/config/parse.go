package config

import (
	"bytes"
	"strconv"
	"strings"

	"zooid/internal/properties"
)

// Parse reads the text of a zoo.cfg, called name in messages, together with
// the -D properties of the command line; of two properties of the same name
// the later one counts. The Config that it returns still lacks what stands in
// myid and in a dynamic configuration file: Complete adds it.
//
// What the server must refuse comes as Errors, all at once, each with file,
// line, key, value and what is allowed; the Config then shows what could be
// read and is good for explaining only. Warnings come in the order of the
// file, those about properties at the end.
func Parse(name string, text []byte, properties []Property) (*Config, []Warning, error) {
	p := newParser(name, properties)
	entries, err := ReadProperties(text)
	if err != nil {
		errs := err.(Errors)
		for _, e := range errs {
			e.File = name
		}
		return p.c, nil, errs
	}
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		p.warn(Warning{File: name, Line: 1,
			Text:   "the file starts with a byte order mark, which becomes part of the first key",
			Advice: "save it as UTF-8 without a byte order mark"})
	}
	p.run(p.distinct(entries))
	return p.c, inOrder(p.warnings), p.errs.orNil()
}

// ParseArgs reads the arguments `port dataDir [tickTime [maxClientCnxns]]`, the
// other form of Apache's ZooKeeperServerMain. The same rules and checks hold as
// for a file with these four keys, except that without the last argument the
// connections of an address are not limited.
func ParseArgs(args []string, flags []Property) (*Config, []Warning, error) {
	p := newParser(CommandLine, flags)
	if len(args) < 2 || len(args) > 4 {
		return p.c, nil, Errors{{File: CommandLine,
			Text: strconv.Itoa(len(args)) + " arguments; give the configuration file, or port dataDir [tickTime [maxClientCnxns]]"}}
	}
	var settings []setting
	for i, key := range []string{"clientPort", "dataDir", "tickTime", "maxClientCnxns"} {
		value := "0" // the default of maxClientCnxns in this form
		if i < len(args) {
			value = args[i]
		} else if key == "tickTime" {
			continue
		}
		settings = append(settings, setting{key: key, value: properties.Trim(value), file: CommandLine, shown: key})
	}
	p.run(settings)
	return p.c, inOrder(p.warnings), p.errs.orNil()
}

type parser struct {
	c          *Config
	warnings   []Warning
	errs       Errors
	flags      []Property         // the -D properties, the last of each name
	settings   map[string]setting // by key of the file
	properties map[string]setting // by name of the property
}

func newParser(name string, flags []Property) *parser {
	p := &parser{
		c: &Config{
			File:       name,
			ServerID:   NoID,
			Members:    &Membership{File: name},
			properties: map[string]string{},
			sources:    map[*Option]setting{},
		},
		settings:   map[string]setting{},
		properties: map[string]setting{},
	}
	last := map[string]int{}
	for i, f := range flags {
		last[f.Name] = i
	}
	for i, f := range flags {
		if last[f.Name] == i {
			p.flags = append(p.flags, f)
			p.setProperty(f.Name, setting{key: f.Name, value: properties.Trim(f.Value), shown: "-D" + f.Name})
		}
	}
	p.defaults()
	return p
}

// defaults gives every field the default of its row.
func (p *parser) defaults() {
	c := p.c
	for _, s := range sections {
		for i := range s.Options {
			o := &s.Options[i]
			if len(o.fields) == 0 || o.computed || o.Default == "" {
				continue
			}
			v, _, problem := o.read(o.Default)
			if problem != "" {
				panic("config: the default of " + o.Key + " is " + problem)
			}
			for _, field := range o.fields {
				store(field(c), v)
			}
		}
	}
	// What finish works out must be told from what is set.
	c.ClientPort, c.SecureClientPort = NoPort, NoPort
	c.MinSessionTimeoutMs, c.MaxSessionTimeoutMs = -1, -1
	c.MaxWriteQueuePollTimeMs, c.JuteMaxBufferExtraBytes = -1, -1
}

func (p *parser) warn(w Warning)  { p.warnings = append(p.warnings, w) }
func (p *parser) refuse(e *Error) { p.errs = append(p.errs, e) }

func (p *parser) setProperty(name string, s setting) {
	p.properties[name] = s
	p.c.properties[name] = s.value
}

// distinct trims the entries and keeps the last of each key.
func (p *parser) distinct(entries []Entry) []setting {
	settings := make([]setting, 0, len(entries))
	last := map[string]int{}
	for i, e := range entries {
		key := properties.Trim(e.Key)
		settings = append(settings, setting{key: key, value: properties.Trim(e.Value), file: p.c.File, line: e.Line, shown: key})
		last[key] = i
	}
	kept := settings[:0]
	for i, s := range settings {
		winner := last[s.key]
		if winner == i {
			kept = append(kept, s)
			continue
		}
		line := entries[winner].Line
		w := Warning{File: s.file, Line: s.line, Key: s.key,
			Text:   "given again in line " + strconv.Itoa(line) + ", which counts",
			Advice: "keep one of the two"}
		p.warn(w)
	}
	return kept
}

// run takes the settings through all steps: sort them into keys, properties
// and member lines, give each option its value, check them against each other.
func (p *parser) run(settings []setting) {
	var members []setting
	for _, s := range settings {
		o := table.byKey(s.key)
		switch {
		case s.key == "version" || o != nil && o.Type == Members:
			members = append(members, s)
			p.setProperty("zookeeper."+s.key, s) // ZooKeeper does so as well
		case o != nil && o.Typed:
			p.settings[s.key] = s
		default:
			p.fileProperty(o, s)
		}
	}
	p.flagNames()
	for _, section := range sections {
		for i := range section.Options {
			p.option(&section.Options[i])
		}
	}
	p.families(settings)
	p.members(members)
	p.finish()
	p.notYet(false)
}

// fileProperty makes a key of the file a system property.
func (p *parser) fileProperty(o *Option, s setting) {
	name := "zookeeper." + s.key
	switch flag, ok := p.properties[name]; {
	case ok && flag.file != "":
		// ZooKeeper has no two keys with one property, but be sure.
	case ok && flag.value != s.value:
		p.warn(Warning{File: s.file, Line: s.line, Key: s.key, Text: "overrides " + flag.shown + " of the command line"})
	}
	p.setProperty(name, s)
	if o == nil {
		p.unknown(s)
		return
	}
	if !o.Plain {
		return
	}
	w := Warning{File: s.file, Line: s.line, Key: s.key, Note: true,
		Text: "honoured here; ZooKeeper itself reads it as -D" + o.Key + " only"}
	if flag, ok := p.properties[o.Key]; ok && flag.value != s.value {
		w.Text = "-D" + o.Key + " of the command line counts, as in ZooKeeper, which does not read this key from the file"
		w.Note = false
	}
	p.warn(w)
}

// unknown warns about a key that no row knows.
func (p *parser) unknown(s setting) {
	w := Warning{File: s.file, Line: s.line, Key: s.key, Text: "unknown key; nothing reads the property zookeeper." + properties.Printable(s.key)}
	bare := strings.TrimPrefix(s.key, "zookeeper.")
	miss, known := misnamed[s.key]
	switch {
	case s.key == "":
		w.Key, w.Text = "=", "a line without a key"
	case bare != s.key && table.byKey(bare) != nil:
		w.Text = "unknown key; in the file the prefix zookeeper. is left out"
		w.Advice = "write " + bare
	case known && miss.real != "":
		w.Text = "nothing reads this name"
		w.Advice = "write " + miss.real
	case known:
		w.Text = "nothing reads this key"
		w.Advice = miss.instead
	default:
		if close := nearest(s.key, table.keys); close != "" {
			w.Advice = "did you mean " + close + "?"
		}
	}
	p.warn(w)
}

// flagNames warns about -D properties that look as if they were meant for the
// server but that nothing reads.
func (p *parser) flagNames() {
	for _, f := range p.flags {
		bare, prefixed := strings.CutPrefix(f.Name, "zookeeper.")
		if table.byProperty(f.Name) != nil {
			continue
		}
		w := Warning{Key: "-D" + f.Name, Text: "nothing reads this property"}
		switch o := table.byKey(bare); {
		case o != nil && o.Property() != "":
			w.Advice = "write -D" + o.Property()
		case o != nil && prefixed:
			w.Advice = "write " + bare + "=" + f.Value + " into the configuration file"
		case !prefixed:
			continue // any other Java property
		default:
			if real := misnamed[bare].real; real != "" {
				w.Advice = "write -Dzookeeper." + real
			} else if close := nearest(f.Name, table.properties); close != "" {
				w.Advice = "did you mean -D" + close + "?"
			}
		}
		p.warn(w)
	}
}

// option gives one option its value, if anything sets it.
func (p *parser) option(o *Option) {
	if o.Family() {
		return
	}
	if s, ok := p.settings[o.Key]; ok && o.Typed {
		p.apply(o, s)
		return
	}
	for _, name := range o.properties() {
		if s, ok := p.properties[name]; ok {
			p.apply(o, s)
			return
		}
	}
}

// apply reads a value and puts it into the fields of the option.
func (p *parser) apply(o *Option, s setting) {
	c := p.c
	c.sources[o] = s
	if s.value == "" && !o.Typed {
		if o.Type != Text && o.Type != List && o.Default != "" {
			p.warn(Warning{File: s.file, Line: s.line, Key: s.shown,
				Text: "empty, so it stays " + o.Default, Advice: "give it a value or remove the line", Note: true})
		}
		return
	}
	v, remark, problem := o.read(s.value)
	w := Warning{File: s.file, Line: s.line, Key: s.shown}
	switch {
	case problem != "" && (o.Typed && !o.lenient || o.Status == Honoured):
		p.refuse(&Error{File: s.file, Line: s.line, Key: s.shown, Value: o.display(s.value),
			Text: problem + "; allowed is " + o.Allowed()})
		return
	case problem != "":
		w.Text = o.display(s.value) + " is " + problem + ", so it stays " + o.Default
		w.Advice = "allowed is " + o.Allowed()
		p.warn(w)
		return
	case remark != "":
		w.Text = s.value + ": " + remark
		p.warn(w)
	}
	for _, field := range o.fields {
		store(field(c), v)
	}
	p.note(o, s)
}

// note says that an option changes nothing, unless what it asks for is
// refused, or it asks for what it gets anyway.
func (p *parser) note(o *Option, s setting) {
	if o.Status != NoEffect && o.Status != NotYet || o.OnlyProperty || strings.EqualFold(s.value, o.Default) ||
		strings.HasPrefix(o.Key, "admin.") || o.asks != nil {
		return
	}
	p.warn(Warning{File: s.file, Line: s.line, Key: s.shown, Note: true, Text: "has no effect: " + o.Why})
}

// display is the value for a message.
func (o *Option) display(value string) string {
	if o.Secret && value != "" {
		return "..."
	}
	return value
}

// notYet refuses the options that ask for what this release lacks; those that
// a standalone server ignores are left for the second call, by Complete.
func (p *parser) notYet(member bool) {
	for _, s := range sections {
		for i := range s.Options {
			o := &s.Options[i]
			s, set := p.c.sources[o]
			if !set || o.asks == nil || o.member != member || !o.asks(p.c, s.value) {
				continue
			}
			p.refuse(&Error{File: s.file, Line: s.line, Key: s.shown, Value: o.display(s.value),
				Text: o.Why + "; " + removal(s)})
		}
	}
}

// removal says how to get rid of a setting.
func removal(s setting) string {
	if s.file == "" {
		return "remove it from SERVER_JVMFLAGS or JVMFLAGS"
	}
	return "remove the line"
}
