package shell

import "strings"

// blanks are what separates words, and what a Java pattern takes for \s.
const blanks = " \t\n\v\f\r"

// splitLine breaks a line into words as Apache's shell does. A word that
// begins with a quote ends with the next quote of its kind and may be empty;
// quotes within a word are part of it, there are no escapes, and a quote that
// is never closed is skipped.
func splitLine(line string) []string {
	var words []string
	for {
		line = strings.TrimLeft(line, blanks)
		if line == "" {
			return words
		}
		if q := line[0]; q == '"' || q == '\'' {
			end := strings.IndexByte(line[1:], q)
			if end < 0 {
				line = line[1:]
				continue
			}
			words = append(words, line[1:1+end])
			line = line[end+2:]
			continue
		}
		end := strings.IndexAny(line, blanks)
		if end < 0 {
			end = len(line)
		}
		words = append(words, line[:end])
		line = line[end:]
	}
}
