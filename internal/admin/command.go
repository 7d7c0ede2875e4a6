package admin

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// notServing is the answer of a server that has no database to ask.
const notServing = "This ZooKeeper instance is not currently serving requests"

// command is one row of the table: what it is called, what it collects and how
// that looks as text. Collecting and rendering are two steps so that the HTTP
// interface can show the same payload as JSON.
type command struct {
	// word and name are those of the client port.
	word uint32
	name string
	// aliases are the names below /commands/, the primary one first; none for
	// a word that HTTP does not have.
	aliases []string
	// unserved is the text instead of a payload while the server does not
	// serve; a command without one works at any time.
	unserved string
	// httpNeedsServer is the same question for HTTP, where Java answers it
	// otherwise for some commands.
	httpNeedsServer bool
	// collect does the command and returns its payload.
	collect func(Source, []byte) any
	// render writes a payload of collect as the client port shows it.
	render func(*page, any)
}

// row makes a command of a collect and a render that agree about the type of
// the payload.
func row[T any](word uint32, name string, aliases []string, unserved string, httpNeedsServer bool,
	collect func(src Source, argument []byte) T, render func(p *page, payload T)) command {
	return command{
		word: word, name: name, aliases: aliases, unserved: unserved, httpNeedsServer: httpNeedsServer,
		collect: func(src Source, argument []byte) any { return collect(src, argument) },
		render:  func(p *page, payload any) { render(p, payload.(T)) },
	}
}

// What stands in the table for unserved.
const (
	always  = ""
	refusal = notServing + "\n"
)

// commands is the table. The order is that of the words; Whitelist has a bit
// for each row.
var commands = []command{
	row(wordConf, "conf", []string{"configuration", "conf", "config"}, refusal, true, collectConf, renderConf),
	row(wordCons, "cons", []string{"connections", "cons"}, refusal, true, collectConnections, renderConnections),
	row(wordCrst, "crst", []string{"connection_stat_reset", "crst"}, refusal, true, resetConnections, renderText),
	row(wordDirs, "dirs", []string{"dirs"}, refusal, true, collectDirs, renderDirs),
	row(wordDump, "dump", []string{"dump"}, refusal, true, collectDump, renderDump),
	row(wordEnvi, "envi", []string{"environment", "env", "envi"}, always, false, collectEnvironment, renderEnvironment),
	row(wordGtmk, "gtmk", []string{"get_trace_mask", "gtmk"}, always, false, getTraceMask, renderTraceMask),
	row(wordHash, "hash", []string{"hash"}, notServing, true, collectDigests, renderDigests),
	row(wordIsro, "isro", []string{"is_read_only", "isro"}, "null", true, collectReadOnly, renderReadOnly),
	row(wordMntr, "mntr", []string{"monitor", "mntr"}, refusal, false, collectMonitor, renderMonitor),
	row(wordRuok, "ruok", []string{"ruok"}, always, true, alive, renderText),
	row(wordSrst, "srst", []string{"stat_reset", "srst"}, refusal, true, resetServer, renderText),
	row(wordSrvr, "srvr", []string{"server_stats", "srvr"}, refusal, true, collectServer, renderServer),
	row(wordStat, "stat", []string{"stats", "stat"}, refusal, true, collectStat, renderServer),
	row(wordStmk, "stmk", []string{"set_trace_mask", "stmk"}, always, false, setTraceMask, renderTraceMask),
	row(wordWchc, "wchc", []string{"watches", "wchc"}, refusal, true, collectWatches, renderWatches),
	row(wordWchp, "wchp", []string{"watches_by_path", "wchp"}, refusal, true, collectWatches, renderWatchesByPath),
	row(wordWchs, "wchs", []string{"watch_summary", "wchs"}, refusal, true, collectWatchSummary, renderWatchSummary),
	row(wordTelnetClose, "telnet close", nil, always, false, nothing, renderText),
}

// find returns the row of a word, or nil.
func find(word uint32) *command {
	for i := range commands {
		if commands[i].word == word {
			return &commands[i]
		}
	}
	return nil
}

// Execute answers the four-letter word on w, which the caller closes
// afterwards. next8 are the bytes after the word as far as TrailingBytes asks
// for them. src may be nil while there is no server. A word that the gate does
// not allow is answered with a refusal, which is no error; errors are those of
// w, a word that is none, and a stmk without its mask, which gets no answer.
func Execute(w io.Writer, word uint32, next8 []byte, src Source, gate Whitelist) error {
	c := find(word)
	if c == nil {
		return fmt.Errorf("admin: 0x%08x is no four-letter word", word)
	}
	p := &page{bufio.NewWriter(w)}
	switch {
	case !gate.Allows(word):
		p.line(c.name + " is not executed because it is not in the whitelist.")
	case len(next8) < TrailingBytes(word):
		return fmt.Errorf("admin: %d bytes follow %s, it needs %d", len(next8), c.name, TrailingBytes(word))
	case c.unserved != "" && (src == nil || !src.Status().Serving):
		p.text(c.unserved)
	default:
		c.render(p, c.collect(src, next8))
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("admin: answer %s: %w", c.name, err)
	}
	return nil
}

// page is an answer on its way out. Its writer keeps the first error, which
// Execute returns at the end.
type page struct{ w *bufio.Writer }

func (p *page) text(s string) { _, _ = p.w.WriteString(s) }

func (p *page) line(s string) {
	p.text(s)
	_ = p.w.WriteByte('\n')
}

func (p *page) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format, args...) }

// renderText writes the payload of a command whose answer is fixed.
func renderText(p *page, s string) { p.text(s) }

func alive(Source, []byte) string { return "imok" }

func nothing(Source, []byte) string { return "" }

func resetConnections(src Source, _ []byte) string {
	src.ResetConnections()
	return "Connection stats reset.\n"
}

func resetServer(src Source, _ []byte) string {
	src.Metrics().Reset()
	if proposals := src.Status().Proposals; proposals != nil {
		proposals.Reset()
	}
	return "Server stats reset.\n"
}

func setTraceMask(_ Source, mask []byte) int64 {
	traceMask.Store(int64(binary.BigEndian.Uint64(mask)))
	return traceMask.Load()
}

func getTraceMask(Source, []byte) int64 { return traceMask.Load() }

func renderTraceMask(p *page, mask int64) { p.printf("%d", mask) }
