package config

import (
	"errors"
	"strings"
)

// SplitJVMFlags reads the value of SERVER_JVMFLAGS or JVMFLAGS: words as a
// shell has them, with single and double quotes and backslashes. It returns the
// -Dname=value words as properties in their order (-Dname alone has an empty
// value) and all other words, such as -Xmx1000m, which mean nothing to this
// server. A quote that is not closed is an error; what came before it is
// returned all the same.
func SplitJVMFlags(flags string) (properties []Property, others []string, err error) {
	words, err := shellWords(flags)
	for _, w := range words {
		name, ok := strings.CutPrefix(w, "-D")
		if !ok || name == "" {
			others = append(others, w)
			continue
		}
		name, value, _ := strings.Cut(name, "=")
		properties = append(properties, Property{name, value})
	}
	return properties, others, err
}

// shellWords cuts text into words at blanks and line ends outside quotes.
func shellWords(text string) (words []string, err error) {
	var word []byte
	started := false
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if started {
				words = append(words, string(word))
				word, started = word[:0], false
			}
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, started = c, true
		case c == '\\' && quote != '\'' && i+1 < len(text) && (quote == 0 || strings.IndexByte("\\\"$`\n", text[i+1]) >= 0):
			i++
			if text[i] != '\n' { // a backslash before a line end joins the lines
				word, started = append(word, text[i]), true
			}
		default:
			word, started = append(word, c), true
		}
	}
	if quote != 0 {
		return words, errors.New("a " + string(quote) + " is not closed")
	}
	if started {
		words = append(words, string(word))
	}
	return words, nil
}
