package inspect

import (
	"fmt"
	"strconv"
	"strings"
)

// option is one option of a command line as Apache's tools declare them.
type option struct {
	short    string
	long     string
	arg      bool
	required bool
}

// parsed is a command line taken apart.
type parsed struct {
	options map[string]string // by short name; "" for those without argument
	args    []string
}

func (p *parsed) has(short string) bool {
	_, ok := p.options[short]
	return ok
}

// commandLine takes arguments apart by the rules of commons-cli: options may
// stand anywhere, be run together (-rvy), carry their argument (-b300,
// --left=F), and long ones may be cut short or have a single dash.
func commandLine(options []option, args []string) (*parsed, error) {
	c := &cliParser{options: options, out: &parsed{options: map[string]string{}}}
	for i, arg := range args {
		if c.pending != nil && !c.looksLikeOption(arg) {
			c.out.options[c.pending.short] = arg
			c.pending = nil
			continue
		}
		if c.pending != nil {
			return nil, c.missing()
		}
		if arg == "--" {
			c.out.args = append(c.out.args, args[i+1:]...)
			break
		}
		if err := c.token(arg); err != nil {
			return nil, err
		}
	}
	if c.pending != nil {
		return nil, c.missing()
	}
	return c.out, c.required()
}

type cliParser struct {
	options []option
	out     *parsed
	pending *option // waits for its argument
}

func (c *cliParser) missing() error {
	return fmt.Errorf("Missing argument for option: %s", c.pending.short)
}

func (c *cliParser) required() error {
	var names []string
	for _, o := range c.options {
		if o.required && !c.out.has(o.short) {
			names = append(names, o.short)
		}
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("Missing required option: %s", names[0])
	}
	return fmt.Errorf("Missing required options: %s", strings.Join(names, ", "))
}

func (c *cliParser) byShort(name string) *option {
	for i := range c.options {
		if c.options[i].short == name {
			return &c.options[i]
		}
	}
	return nil
}

// byLong finds a long name or the only one that begins so.
func (c *cliParser) byLong(name string) *option {
	var found *option
	for i := range c.options {
		o := &c.options[i]
		if o.long == name {
			return o
		}
		if name != "" && strings.HasPrefix(o.long, name) {
			if found != nil {
				return nil
			}
			found = o
		}
	}
	return found
}

// looksLikeOption reports whether an argument cannot be the value of the
// option before it.
func (c *cliParser) looksLikeOption(arg string) bool {
	name, ok := strings.CutPrefix(arg, "-")
	if !ok || name == "" {
		return false
	}
	if _, err := strconv.ParseFloat(arg, 64); err == nil {
		return false
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "-"), "=")
	return c.byLong(name) != nil || !strings.HasPrefix(arg, "--") && (c.byShort(name) != nil || c.byShort(name[:1]) != nil)
}

func (c *cliParser) token(arg string) error {
	name, dashed := strings.CutPrefix(arg, "-")
	if !dashed || name == "" {
		c.out.args = append(c.out.args, arg)
		return nil
	}
	if _, err := strconv.ParseFloat(arg, 64); err == nil {
		c.out.args = append(c.out.args, arg)
		return nil
	}
	name, long := strings.CutPrefix(name, "-")
	key, value, hasValue := strings.Cut(name, "=")
	o := c.byLong(key)
	if !long && c.byShort(key) != nil {
		o = c.byShort(key)
	}
	switch {
	case o != nil && hasValue && !o.arg:
		return unrecognized(arg)
	case o != nil && hasValue:
		c.out.options[o.short] = value
	case o != nil:
		c.take(o)
	case long:
		return unrecognized(arg)
	default:
		return c.runTogether(arg, name)
	}
	return nil
}

// take notes an option, or waits for its argument.
func (c *cliParser) take(o *option) {
	if o.arg {
		c.pending = o
		return
	}
	c.out.options[o.short] = ""
}

// runTogether takes -rvy for -r -v -y, and -b300 for -b 300.
func (c *cliParser) runTogether(arg, letters string) error {
	for i := range letters {
		o := c.byShort(letters[i : i+1])
		if o == nil {
			return unrecognized(arg)
		}
		if o.arg && i+1 < len(letters) {
			c.out.options[o.short] = letters[i+1:]
			return nil
		}
		c.take(o)
	}
	return nil
}

func unrecognized(arg string) error { return fmt.Errorf("Unrecognized option: %s", arg) }

// decodeLong reads a number as Long.decode does: decimal, 0x or # and hex, 0
// and octal.
func decodeLong(s string) (int64, error) {
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(digits, "+")
	}
	base := 10
	switch {
	case strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X"):
		base, digits = 16, digits[2:]
	case strings.HasPrefix(digits, "#"):
		base, digits = 16, digits[1:]
	case strings.HasPrefix(digits, "0") && len(digits) > 1:
		base, digits = 8, digits[1:]
	}
	if negative {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, base, 64)
	if err != nil || strings.HasPrefix(strings.TrimPrefix(digits, "-"), "+") {
		return 0, fmt.Errorf("%q is not a number; write it decimal, as 0x... or as 0... (octal)", s)
	}
	return n, nil
}
