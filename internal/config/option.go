package config

import (
	"strconv"
	"strings"
)

// Type is what the value of an option may look like.
type Type uint8

// The types of the option table.
const (
	Text     Type = iota // any text
	Bool                 // true or false, in any case of letters
	YesNo                // yes or no, as skipACL and forceSync have it
	Int                  // a whole number that fits 32 bits
	Long                 // a whole number that fits 64 bits
	Double               // a decimal number
	Path                 // a directory or file
	Port                 // a TCP port, 0 to 65535
	Host                 // a host name or address, never resolved here
	Enum                 // one of a few words
	List                 // words with commas between them
	Class                // a Java class name
	Interval             // whole hours, or a number with a unit
	Members              // server, group and weight lines
)

// String is the name of the type as docs/configuration.md has it.
func (t Type) String() string {
	return [...]string{
		"text", "bool", "yes/no", "int", "long", "double", "path", "port",
		"host", "enum", "list", "class", "interval", "members",
	}[t]
}

// Status is what this server does with an option.
type Status uint8

// The four things that can become of an option.
const (
	// Honoured options do here what they do in ZooKeeper.
	Honoured Status = iota
	// Ensemble options are read and checked, and matter only to a server that
	// is a member of an ensemble.
	Ensemble
	// NoEffect options are accepted and change nothing; the row says why.
	NoEffect
	// NotYet options belong to a part that this release lacks. Setting one so
	// that it asks for that part is refused; any other value is accepted.
	NotYet
)

// String is the status as docs/configuration.md has it.
func (s Status) String() string {
	return [...]string{"honoured", "ensemble", "no effect", "not yet"}[s]
}

// Range is the range of numbers that an option allows; the zero Range allows
// whatever fits the type.
type Range struct {
	Min, Max int64
	Set      bool
}

func between(low, high int64) Range { return Range{Min: low, Max: high, Set: true} }

// An Option is one row of the option table.
type Option struct {
	// Key is the name in zoo.cfg. A family of keys is written as server.N or
	// metricsProvider.*.
	Key string
	// Typed says that ZooKeeper reads the key from the file itself; every
	// other key of the file becomes a system property.
	Typed bool
	// Plain says that the system property is called just Key. Otherwise it is
	// called zookeeper.Key, and a Typed key has none.
	Plain bool
	// OnlyProperty says that the option is a system property that ZooKeeper
	// does not look for in the file (a part of the command line client, say).
	OnlyProperty bool
	Type         Type
	// Default is the value when the option is not set, in words where it
	// depends on others.
	Default string
	// Words are what an Enum allows.
	Words []string
	Range Range
	// Unit is the unit of a number: ms, s, h, ticks, bytes, KB, or a noun.
	Unit string
	// Since is the first release of ZooKeeper that has the option.
	Since string
	// Doc says in a sentence what the option does.
	Doc    string
	Status Status
	// Why says why a NoEffect option has none, and what is missing for a
	// NotYet option.
	Why string
	// Secret says that the value must not be shown.
	Secret bool

	computed bool // Default is words: finish works the value out
	decimal  bool // Java reads the property without 0x and octal forms
	raise    bool // a number below Range.Min becomes Range.Min, as in Java
	lenient  bool // a word that is not allowed is warned about, not refused
	property bool // a Typed key that has a zookeeper. property as well
	member   bool // asks counts in an ensemble only
	fields   []func(*Config) any
	asks     func(c *Config, value string) bool
}

// Family says that the row stands for all keys that start with Prefix.
func (o *Option) Family() bool {
	return strings.HasSuffix(o.Key, ".N") || strings.HasSuffix(o.Key, ".*")
}

// Prefix is what the keys of a family start with.
func (o *Option) Prefix() string { return o.Key[:len(o.Key)-1] }

// Property is the name of the Java system property, empty for an option that
// has none.
func (o *Option) Property() string {
	switch {
	case o.Plain:
		return o.Key
	case o.Typed && !o.property:
		return ""
	default:
		return "zookeeper." + o.Key
	}
}

// properties lists the names under which a -D, or the file, may set the
// option; the first that is set counts.
//
// ZooKeeper reads some options without the zookeeper. prefix, which puts them
// out of reach of zoo.cfg. Here the file reaches them too, but what ZooKeeper
// itself would read comes first, so that nothing changes under a -D.
func (o *Option) properties() []string {
	switch p := o.Property(); {
	case p == "":
		return nil
	case o.Key == "fsync.warningthresholdms":
		return []string{p, o.Key} // the one that Java reads both ways
	case o.Plain && !o.OnlyProperty:
		return []string{p, "zookeeper." + o.Key}
	default:
		return []string{p}
	}
}

// Allowed says in words what the value may be.
func (o *Option) Allowed() string {
	switch o.Type {
	case Bool:
		return "true or false"
	case YesNo:
		return "yes or no"
	case Enum:
		return "one of " + strings.Join(o.Words, ", ")
	case Port:
		return "a port from 0 to 65535"
	case Double:
		return "a decimal number such as 0.5"
	case Interval:
		return "whole hours, or a number with the unit ms, s, m, h or d"
	case Int, Long:
		if !o.Range.Set || o.raise {
			return "a whole number"
		}
		if o.Range.Min == o.Range.Max {
			return "only " + strconv.FormatInt(o.Range.Min, 10)
		}
		return "a whole number " + o.Range.String()
	default:
		return "a " + o.Type.String()
	}
}

// bounds is the range that a number must lie in.
func (o *Option) bounds() Range {
	r := o.Range
	switch {
	case r.Set && !o.raise:
		return r
	case o.Type == Long:
		return between(-1<<63, 1<<63-1)
	default:
		return between(-1<<31, 1<<31-1)
	}
}

// String renders the range as "from 1 to 10" or, without an upper bound of its
// own, "from 1 up".
func (r Range) String() string {
	low, high := strconv.FormatInt(r.Min, 10), strconv.FormatInt(r.Max, 10)
	if r.Max == 1<<31-1 {
		return "from " + low + " up" // no bound of its own
	}
	return "from " + low + " to " + high
}

// A Section is a part of the option table under one heading.
type Section struct {
	Title   string
	Options []Option
}

// Sections returns the option table in the order of the documentation. It is
// shared: callers must not change it.
func Sections() []Section { return sections }

var sections = []Section{
	{"Basics", basicOptions},
	{"Snapshots and transaction logs", storageOptions},
	{"Node types", nodeOptions},
	{"Connections and requests", requestOptions},
	{"Throttles", throttleOptions},
	{"Authentication and access", authOptions},
	{"Administration", adminOptions},
	{"Metrics", metricsOptions},
	{"Ensemble", ensembleOptions},
	{"Ensemble tuning", ensembleTuning},
	{"TLS", tlsOptions},
	{"TLS stores, client port", clientStoreOptions},
	{"TLS stores, quorum and admin ports", quorumStoreOptions},
	{"SASL and Kerberos", saslOptions},
	{"Threads, buffers and caches of the JVM", jvmOptions},
	{"Command line client and scripts", clientOptions},
}

// An index finds rows by key and by property.
type index struct {
	keys       map[string]*Option
	properties map[string]*Option
	families   []*Option
}

var table = newIndex()

func newIndex() index {
	t := index{keys: map[string]*Option{}, properties: map[string]*Option{}}
	for _, s := range sections {
		for i := range s.Options {
			o := &s.Options[i]
			if o.Family() {
				t.families = append(t.families, o)
				continue
			}
			if !o.OnlyProperty {
				t.keys[o.Key] = o
			}
			for _, p := range o.properties() {
				t.properties[p] = o
			}
		}
	}
	return t
}

// byKey finds the row of a key of zoo.cfg, or nil.
func (t index) byKey(key string) *Option {
	if o := t.keys[key]; o != nil {
		return o
	}
	for _, o := range t.families {
		if !o.OnlyProperty && strings.HasPrefix(key, o.Prefix()) {
			return o
		}
	}
	return nil
}

// byProperty finds the row of a system property, or nil.
func (t index) byProperty(name string) *Option {
	if o := t.properties[name]; o != nil {
		return o
	}
	for _, o := range t.families {
		if p := o.Property(); p != "" && strings.HasPrefix(name, p[:len(p)-1]) {
			return o
		}
	}
	return nil
}

// SecretKeys lists the keys whose values must not be shown.
func SecretKeys() []string {
	var keys []string
	for _, s := range sections {
		for _, o := range s.Options {
			if o.Secret {
				keys = append(keys, o.Key)
			}
		}
	}
	return keys
}
