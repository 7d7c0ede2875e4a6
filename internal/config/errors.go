package config

import (
	"sort"
	"strconv"
	"strings"

	"zooid/internal/properties"
)

// CommandLine is the file name that errors and sources bear when the setting
// came from the arguments of ParseArgs and not from a file.
const CommandLine = "command line"

// An Error is one setting that the server must refuse.
type Error struct {
	// File and Line say where the setting stands. File is empty for a -D
	// property, and Line is 0 when no single line is at fault.
	File string
	Line int
	// Key is the key as written (for a property -Dname), Value its value; both
	// may be empty.
	Key, Value string
	// Text says what is wrong and what is allowed, without a full stop.
	Text string
}

// Error renders the refusal as FILE:LINE: KEY=VALUE: TEXT, without the parts
// that do not apply.
func (e *Error) Error() string {
	key := e.Key
	if key != "" && e.Value != "" {
		key += "=" + properties.Printable(e.Value)
	}
	return place(e.File, e.Line, key) + e.Text
}

// Errors are all refusals of one configuration, in the order of the file.
type Errors []*Error

// Error renders one refusal a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the single refusals.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// orNil is the list as an error, and nil when there is nothing in it.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	sort.SliceStable(e, func(i, j int) bool {
		if e[i].File != e[j].File {
			return e[i].File > e[j].File // properties have no file and come last
		}
		return e[i].Line < e[j].Line
	})
	return e
}

// A Warning is something that the server starts with, but that the person who
// wrote the file would want to know.
type Warning struct {
	// File, Line and Key say where, as in Error.
	File string
	Line int
	Key  string
	// Text says what is the matter and what follows from it, without a full
	// stop.
	Text string
	// Advice says what to do; it may be empty.
	Advice string
	// Note marks what is only worth knowing, such as an option that has no
	// meaning in this server; everything else is a risk.
	Note bool
}

// String renders the warning as FILE:LINE: KEY: TEXT; ADVICE.
func (w Warning) String() string {
	s := place(w.File, w.Line, w.Key) + w.Text
	if w.Advice != "" {
		s += "; " + w.Advice
	}
	return s
}

// inOrder sorts warnings by line, those about properties last.
func inOrder(all []Warning) []Warning {
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].File != all[j].File {
			return all[i].File > all[j].File
		}
		return all[i].Line < all[j].Line
	})
	return all
}

// place renders where something stands, ready to be followed by what it is.
func place(file string, line int, key string) string {
	var b strings.Builder
	if file != "" {
		b.WriteString(file)
		if line > 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(line))
		}
		b.WriteString(": ")
	}
	if key != "" {
		b.WriteString(properties.Printable(key))
		b.WriteString(": ")
	}
	return b.String()
}
