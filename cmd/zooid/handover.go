package main

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// handoverWait bounds how long handover waits until the server follows another
// one.
const handoverWait = 5 * time.Second

// leaderMode is what srvr says of a leader.
const leaderMode = "Mode: leader"

// handover asks the server of the pid file to have another one lead, and says
// what it does afterwards. A server that does not lead is left alone.
func (d *daemon) handover() error {
	const verdict = "FAILED TO HAND OVER"
	fmt.Fprint(d.stdout, "Handing over the leadership ... ")
	pidFile, err := d.pidPath(false)
	if err != nil {
		return d.failed(verdict, err)
	}
	pid, err := readPid(pidFile)
	if err != nil {
		return d.failed(verdict, fmt.Errorf("no server is known here: %w", err))
	}
	// The signal ends what does not know it.
	if !alive(pid) || !isZooid(pid) {
		return d.failed(verdict, fmt.Errorf("%s names process %d, which is no zooid", pidFile, pid))
	}
	raw, err := readRawConfig(d.config)
	if err != nil {
		return d.failed(verdict, err)
	}
	at, err := findClientPort(io.Discard, raw)
	if err != nil {
		return d.failed(verdict, fmt.Errorf("the server cannot be asked whether it leads: %w", err))
	}
	mode, err := askMode(at, d.props)
	if err != nil {
		return d.failed(verdict, err)
	}
	if mode != leaderMode {
		fmt.Fprintln(d.stdout, "nothing to hand over,", mode)
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		return d.failed(verdict, fmt.Errorf("process %d: %w", pid, err))
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for end := time.Now().Add(handoverWait); time.Now().Before(end); <-poll.C {
		// In between it has no mode, or says for a moment that it is looking.
		if mode, err = askMode(at, d.props); err == nil && mode != leaderMode && mode != "Mode: looking" {
			fmt.Fprintln(d.stdout, "HANDED OVER,", mode)
			return nil
		}
	}
	return d.failed(verdict, errors.Join(err, fmt.Errorf("the server still leads %s after it was asked; %s says why", handoverWait, d.out)))
}
