package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/peterh/liner"

	"zooid/zk"
)

// maxLine bounds a line of input, above what a server takes in one request:
// longer ones are refused as a whole.
const maxLine = 8 << 20

// readLines takes commands from a pipe or file.
func (s *Shell) readLines() {
	in := bufio.NewReaderSize(s.env.Stdin, 64<<10)
	for !s.quitting {
		line, err := readLine(in)
		switch {
		case errors.Is(err, errLongLine):
			s.status = exitFailed
			s.console.errorf("a line of more than %d bytes is passed over", maxLine)
			continue
		case err != nil && !errors.Is(err, io.EOF):
			s.status = exitFailed
			s.console.errorf("zooid cli: standard input: %v", err)
			return
		}
		s.executeLine(line)
		if err != nil {
			return
		}
	}
}

// errLongLine says that a line was above maxLine; it has been read to its end.
var errLongLine = errors.New("line too long")

// readLine returns a line without its end. The last one comes with io.EOF.
func readLine(in *bufio.Reader) (string, error) {
	var line []byte
	tooLong := false
	for {
		part, err := in.ReadSlice('\n')
		if !tooLong {
			line = append(line, part...)
		}
		if len(line) > maxLine {
			line, tooLong = nil, true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if tooLong && (err == nil || errors.Is(err, io.EOF)) {
			return "", errLongLine
		}
		return strings.TrimRight(string(line), "\r\n"), err
	}
}

// IsTerminal reports whether standard input is a terminal, so that a shell on
// it is interactive.
func IsTerminal() bool {
	_, err := liner.TerminalMode()
	return err == nil
}

// typeLines takes commands from a person.
func (s *Shell) typeLines() {
	l := liner.NewLiner()
	defer func() { _ = l.Close() }() // a terminal that stays raw cannot be helped from here
	l.SetCtrlCAborts(true)
	l.SetTabCompletionStyle(liner.TabPrints)
	l.SetWordCompleter(s.complete)
	s.loadHistory(l)
	defer s.saveHistory(l)
	s.interrupts = make(chan os.Signal, 1)
	signal.Notify(s.interrupts, os.Interrupt)
	defer signal.Stop(s.interrupts)
	s.awaitConnection()
	for !s.quitting {
		_ = s.console.flush() // what fails here fails again at the end
		line, err := l.Prompt(s.prompt())
		switch {
		case errors.Is(err, liner.ErrPromptAborted):
			continue
		case err != nil:
			s.console.printf("\n") // the shell of the user begins on a line of its own
			return
		}
		if strings.TrimSpace(line) != "" && !secret(line) {
			l.AppendHistory(line)
		}
		s.executeLine(line)
	}
}

// firstPrompt is how long the first prompt waits, so that it can say CONNECTED.
const firstPrompt = 500 * time.Millisecond

func (s *Shell) awaitConnection() {
	ctx, cancel := context.WithTimeout(context.Background(), firstPrompt)
	defer cancel()
	_ = s.client.Wait(ctx) // the prompt shows how it ended
	s.settle()
}

// secret reports lines that hold a password and are not kept.
func secret(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "addauth") }

// prompt is "[zk: host:port(CONNECTED) 0] ".
func (s *Shell) prompt() string {
	return fmt.Sprintf("[zk: %s(%s) %d] ", s.host, stateName(s.client.State()), s.count)
}

// stateName is the state in the words of Apache's client.
func stateName(st zk.State) string {
	switch st {
	case zk.StateConnected:
		return "CONNECTED"
	case zk.StateConnectedReadOnly:
		return "CONNECTEDREADONLY"
	case zk.StateAuthFailed:
		return "AUTH_FAILED"
	case zk.StateClosed, zk.StateExpired:
		return "CLOSED"
	}
	return "CONNECTING"
}

func (s *Shell) historyFile() string {
	if s.env.HistoryDir == "" {
		return ""
	}
	return filepath.Join(s.env.HistoryDir, historyFileName)
}

// loadHistory brings back earlier lines; without the file there are none.
func (s *Shell) loadHistory(l *liner.State) {
	f, err := os.Open(s.historyFile())
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = l.ReadHistory(f) // what cannot be read is not offered
}

// saveHistory keeps the lines for the next time, for the user's eyes only.
func (s *Shell) saveHistory(l *liner.State) {
	name := s.historyFile()
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = l.WriteHistory(f)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		s.console.errorf("zooid cli: the history is not kept: %v", err)
	}
}

// completionTime bounds the question for children on a press of the tab key.
const completionTime = time.Second

// complete offers what the word before the cursor may become: a command, an
// option of the command, or a path.
func (s *Shell) complete(line string, pos int) (head string, words []string, tail string) {
	before, tail := line[:runeOffset(line, pos)], line[runeOffset(line, pos):]
	start := strings.LastIndexAny(before, blanks) + 1
	head, word := before[:start], before[start:]
	first := strings.TrimSpace(head) == ""
	switch {
	case first:
		words = s.completeCommand(word)
	case strings.HasPrefix(word, "/"):
		words = s.completePath(word)
	case strings.HasPrefix(word, "-"):
		words = s.completeOption(strings.Fields(head)[0], word)
	}
	return head, words, tail
}

// runeOffset turns a position in characters into one in bytes.
func runeOffset(line string, pos int) int {
	for i := range line {
		if pos == 0 {
			return i
		}
		pos--
	}
	return len(line)
}

func (s *Shell) completeCommand(word string) (list []string) {
	for _, c := range s.commands {
		if strings.HasPrefix(c.name, word) {
			list = append(list, c.name+" ")
		}
	}
	return list
}

func (s *Shell) completeOption(name, word string) (list []string) {
	cmd := s.find(name)
	if cmd == nil {
		return nil
	}
	for _, o := range cmd.options {
		if !o.hidden && strings.HasPrefix("-"+o.name, word) {
			list = append(list, "-"+o.name+" ")
		}
	}
	return list
}

// completePath offers the children of the word's last whole znode.
func (s *Shell) completePath(word string) (list []string) {
	if !s.alive() || !s.client.State().Connected() {
		return nil
	}
	cut := strings.LastIndexByte(word, '/')
	dir, prefix := word[:cut], word[cut+1:]
	parent := dir
	if parent == "" {
		parent = "/"
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	names, _, err := s.client.Children(ctx, parent)
	if err != nil {
		return nil
	}
	for _, name := range sorted(names) {
		if strings.HasPrefix(name, prefix) {
			list = append(list, dir+"/"+name)
		}
	}
	return list
}
