package admin

import "strings"

// A four-letter word is the four bytes that a client sends in place of the
// length of its first frame, read as a big-endian number.
const (
	wordConf uint32 = 'c'<<24 | 'o'<<16 | 'n'<<8 | 'f'
	wordCons uint32 = 'c'<<24 | 'o'<<16 | 'n'<<8 | 's'
	wordCrst uint32 = 'c'<<24 | 'r'<<16 | 's'<<8 | 't'
	wordDirs uint32 = 'd'<<24 | 'i'<<16 | 'r'<<8 | 's'
	wordDump uint32 = 'd'<<24 | 'u'<<16 | 'm'<<8 | 'p'
	wordEnvi uint32 = 'e'<<24 | 'n'<<16 | 'v'<<8 | 'i'
	wordGtmk uint32 = 'g'<<24 | 't'<<16 | 'm'<<8 | 'k'
	wordHash uint32 = 'h'<<24 | 'a'<<16 | 's'<<8 | 'h'
	wordIsro uint32 = 'i'<<24 | 's'<<16 | 'r'<<8 | 'o'
	wordMntr uint32 = 'm'<<24 | 'n'<<16 | 't'<<8 | 'r'
	wordRuok uint32 = 'r'<<24 | 'u'<<16 | 'o'<<8 | 'k'
	wordSrst uint32 = 's'<<24 | 'r'<<16 | 's'<<8 | 't'
	wordSrvr uint32 = 's'<<24 | 'r'<<16 | 'v'<<8 | 'r'
	wordStat uint32 = 's'<<24 | 't'<<16 | 'a'<<8 | 't'
	wordStmk uint32 = 's'<<24 | 't'<<16 | 'm'<<8 | 'k'
	wordWchc uint32 = 'w'<<24 | 'c'<<16 | 'h'<<8 | 'c'
	wordWchp uint32 = 'w'<<24 | 'c'<<16 | 'h'<<8 | 'p'
	wordWchs uint32 = 'w'<<24 | 'c'<<16 | 'h'<<8 | 's'
	// wordTelnetClose is what telnet sends when its user interrupts it.
	wordTelnetClose uint32 = 0xfff4fffd
)

// TraceMaskLen is the number of bytes that follow the word stmk.
const TraceMaskLen = 8

// IsCommand tells whether the first four bytes of a connection are a
// four-letter word. What it does not know is the length of a frame.
func IsCommand(first4 uint32) bool {
	switch first4 {
	case wordConf, wordCons, wordCrst, wordDirs, wordDump, wordEnvi, wordGtmk,
		wordHash, wordIsro, wordMntr, wordRuok, wordSrst, wordSrvr, wordStat,
		wordStmk, wordWchc, wordWchp, wordWchs, wordTelnetClose:
		return true
	}
	return false
}

// TrailingBytes returns how many bytes the client port reads after a word
// before it calls Execute: TraceMaskLen for stmk, 0 for all others.
func TrailingBytes(word uint32) int {
	if word == wordStmk {
		return TraceMaskLen
	}
	return 0
}

// WordName returns the name of a four-letter word, as in "srvr", or "" for
// what is none.
func WordName(word uint32) string {
	if c := find(word); c != nil {
		return c.name
	}
	return ""
}

// Whitelist is the four-letter words that may be executed. The zero value
// allows none.
type Whitelist struct {
	// allowed has a bit for each row of the table of commands.
	allowed uint32
}

// ParseWhitelist reads the value of 4lw.commands.whitelist: words separated by
// commas, blanks allowed, "*" for all. srvr is allowed on top, because
// zkServer.sh needs it, and isro with readOnlyMode (readonlymode.enabled),
// because clients do. It returns the entries that are no four-letter word too;
// Java ignores them.
func ParseWhitelist(value string, readOnlyMode bool) (list Whitelist, unknown []string) {
	list.allow("srvr")
	if readOnlyMode {
		list.allow("isro")
	}
	for entry := range strings.SplitSeq(value, ",") {
		switch entry = strings.TrimSpace(entry); {
		case entry == "*":
			list.allowed = 1<<len(commands) - 1
			return list, unknown
		case entry != "" && !list.allow(entry):
			unknown = append(unknown, entry)
		}
	}
	return list, unknown
}

// allow adds a word by its name and tells whether there is such a word.
func (l *Whitelist) allow(name string) bool {
	for i := range commands {
		if commands[i].name == name {
			l.allowed |= 1 << i
			return true
		}
	}
	return false
}

// Allows tells whether a word may be executed.
func (l Whitelist) Allows(word uint32) bool {
	for i := range commands {
		if commands[i].word == word {
			return l.allowed&(1<<i) != 0
		}
	}
	return false
}
