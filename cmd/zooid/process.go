package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readPid reads a pid file. A missing file is os.ErrNotExist.
func readPid(name string) (int, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s holds %q and not a process id; remove it once no server runs", name, text)
	}
	return pid, nil
}

// alive tells whether a process runs, be it another user's. A zombie, which
// stays where the first process of a container reaps none, does not run.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// The state follows the name, which stands in parentheses and may hold
	// any character.
	if i := bytes.LastIndexByte(stat, ')'); i >= 0 && i+2 < len(stat) {
		return stat[i+2] != 'Z' && stat[i+2] != 'X'
	}
	return true
}

// isServer tells whether a live process may be a ZooKeeper server, ours or
// Java's: after a reboot the number in a pid file can belong to anything. Where
// the system does not say what a process runs, it is taken for one.
func isServer(pid int) bool {
	program, cmdline := commandOf(pid)
	return len(cmdline) == 0 || program == "zooid" || bytes.Contains(cmdline, []byte("org.apache.zookeeper.server."))
}

// isZooid tells whether a process is ours for certain.
func isZooid(pid int) bool {
	program, _ := commandOf(pid)
	return program == "zooid"
}

// commandOf is the name of the program that a process runs, and its whole command
// line; nothing where the system does not say it.
func commandOf(pid int) (program string, cmdline []byte) {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(cmdline) == 0 {
		return "", nil
	}
	first, _, _ := bytes.Cut(cmdline, []byte{0})
	return filepath.Base(string(first)), cmdline
}

// waitGone waits until a process that is not a child has ended.
func waitGone(pid int, limit time.Duration) bool {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); alive(pid); <-ticker.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
