package shell

import (
	"context"
	"strconv"
)

// connectCommand begins a new session, with the same servers unless others are
// named.
func connectCommand(s *Shell, line []string) error {
	if len(line) > 1 {
		return s.connect(line[1])
	}
	return s.connect(s.host)
}

// closeCommand ends the session; the shell goes on without one.
func closeCommand(_ context.Context, s *Shell, _ *arguments) error {
	s.hangUp()
	return nil
}

// quitCommand ends the shell with the exit code of the command before it.
func quitCommand(s *Shell, _ []string) error {
	if s.alive() {
		s.hangUp()
	}
	s.quitting = true
	return nil
}

// historySize is how many lines `history` looks back.
const historySize = 10

func historyCommand(s *Shell, _ []string) error {
	for i := max(s.count-historySize, 0); i <= s.count; i++ {
		line, ok := s.typed[i]
		if !ok {
			line = "null" // a one-shot command has no history
		}
		s.console.printf("%d - %s\n", i, line)
	}
	return nil
}

// redoCommand runs a line of the history again; that line takes the place of
// the redo in the history.
func redoCommand(s *Shell, line []string) error {
	if len(line) < 2 {
		return nil
	}
	n, err := strconv.ParseInt(line[1], 0, 32)
	if err != nil {
		return complain("cmdno must be a number of the history, not %q", line[1])
	}
	if n < 0 || int(n) >= s.count {
		return complain("Command index out of range")
	}
	again := s.typed[int(n)]
	words := splitLine(again)
	if words[0] == "redo" {
		return complain("No redoing redos")
	}
	s.typed[s.count] = again
	s.execute(words)
	return nil
}

func printWatchesCommand(s *Shell, line []string) error {
	if len(line) > 1 {
		s.muted.Store(line[1] != "on")
		return nil
	}
	state := "on"
	if s.muted.Load() {
		state = "off"
	}
	s.console.printf("printwatches is %s\n", state)
	return nil
}
