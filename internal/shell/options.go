package shell

import (
	"strconv"
	"strings"
)

// option is one option of a command. Names may have several letters but have
// one hyphen, as in "-members".
type option struct {
	name   string
	value  bool   // it takes a value
	about  string // for the usage, where the command explains its options
	hidden bool   // not offered by completion
}

// arguments is a command line that has been taken apart.
type arguments struct {
	flags  map[string]bool
	values map[string]string // the first value of each option
	words  []string          // the command itself and what is no option
}

func (a *arguments) has(name string) bool { return a.flags[name] }

// number reads the value of an option that must be an integer of so many
// bits; without the option it is fallback.
func (a *arguments) number(name string, bits int, fallback int64) (int64, error) {
	if !a.has(name) {
		return fallback, nil
	}
	n, err := strconv.ParseInt(a.values[name], 10, bits)
	if err != nil {
		kind := "an int"
		if bits == 64 {
			kind = "a long"
		}
		return 0, complain("-%s argument must be %s value", name, kind)
	}
	return n, nil
}

// version reads option -v, the version that a change is to meet.
func (a *arguments) version() (int32, error) {
	n, err := a.number("v", 32, -1)
	return int32(n), err
}

// optionParser takes a command line apart by the rules of the commons-cli
// parser that Apache's shell uses.
type optionParser struct {
	cmd     *command
	got     arguments
	pending *option // waits for its value
	chosen  string  // of the options that exclude each other
	rest    bool    // behind "--"
}

func parseOptions(cmd *command, line []string) (*arguments, error) {
	p := optionParser{cmd: cmd, got: arguments{flags: map[string]bool{}, values: map[string]string{}}}
	for _, word := range line {
		if err := p.word(word); err != nil {
			return nil, err
		}
	}
	if p.pending != nil {
		return nil, missingValue(p.pending)
	}
	if cmd.oneRequired && p.chosen == "" {
		return nil, complain("Missing required option: %s", cmd.choices())
	}
	return &p.got, nil
}

func missingValue(o *option) error { return complain("Missing argument for option: %s", o.name) }

func unrecognized(word string) error { return complain("Unrecognized option: %s", word) }

func (p *optionParser) word(word string) error {
	switch {
	case p.rest:
		p.got.words = append(p.got.words, word)
	case word == "--":
		p.rest = true
	case p.pending != nil && (!p.looksLikeOption(word) || isNumber(word)):
		p.setValue(unquote(word))
	case strings.HasPrefix(word, "--"):
		return unrecognized(word)
	case len(word) > 1 && word[0] == '-':
		return p.option(word)
	default:
		p.got.words = append(p.got.words, word)
	}
	return nil
}

// option deals with -o, -name, -o=value, -ovalue and -abc.
func (p *optionParser) option(word string) error {
	name := word[1:]
	if before, value, found := strings.Cut(name, "="); found {
		o := p.cmd.option(before)
		if len(before) != 1 || o == nil || !o.value {
			return unrecognized(word)
		}
		if err := p.take(o); err != nil {
			return err
		}
		p.setValue(value)
		return nil
	}
	if o := p.cmd.option(name); o != nil {
		return p.take(o)
	}
	for i := range len(name) {
		o := p.cmd.option(name[i : i+1])
		if o == nil {
			return unrecognized(word)
		}
		if err := p.take(o); err != nil {
			return err
		}
		if p.pending != nil && i+1 < len(name) {
			p.setValue(name[i+1:])
			break
		}
	}
	return nil
}

// take notes that an option was given.
func (p *optionParser) take(o *option) error {
	if p.pending != nil {
		return missingValue(p.pending)
	}
	if strings.Contains(p.cmd.exclusive, o.name) {
		if p.chosen != "" && p.chosen != o.name {
			return complain("The option '%s' was specified but an option from this group has already been selected: '%s'", o.name, p.chosen)
		}
		p.chosen = o.name
	}
	p.got.flags[o.name] = true
	if o.value {
		p.pending = o
	}
	return nil
}

func (p *optionParser) setValue(v string) {
	if _, given := p.got.values[p.pending.name]; !given {
		p.got.values[p.pending.name] = v
	}
	p.pending = nil
}

// looksLikeOption tells whether a word where a value is expected is an option
// in its place.
func (p *optionParser) looksLikeOption(word string) bool {
	if len(word) < 2 || word[0] != '-' {
		return false
	}
	name, _, _ := strings.Cut(word[1:], "=")
	return p.cmd.option(name) != nil || name != "" && p.cmd.option(name[:1]) != nil
}

// isNumber tells what Java's Double.parseDouble takes.
func isNumber(word string) bool {
	word = strings.TrimRight(strings.TrimSpace(word), "dDfF")
	_, err := strconv.ParseFloat(word, 64)
	return err == nil
}

// unquote takes a pair of double quotes off a value.
func unquote(v string) string {
	if n := len(v); n > 1 && v[0] == '"' && v[n-1] == '"' && !strings.Contains(v[1:n-1], `"`) {
		return v[1 : n-1]
	}
	return v
}
