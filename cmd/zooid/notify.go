package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
)

// notifySocketEnv names the socket of systemd's readiness protocol, which
// `zooid daemon start` speaks too: a datagram "READY=1" says that the server
// answers clients.
const notifySocketEnv = "NOTIFY_SOCKET"

// notifyReady tells whoever started the process, if it asked, that the server
// answers clients.
func notifyReady() { notify("READY=1") }

// notifyStopping tells whoever started the process, if it asked, that the
// server is on its way out.
func notifyStopping() { notify("STOPPING=1") }

// notify is best effort: a starter that no longer listens is no concern of
// the server.
func notify(state string) {
	name := os.Getenv(notifySocketEnv)
	if name == "" {
		return
	}
	if name[0] == '@' { // Linux: a name in the abstract space
		name = "\x00" + name[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}

// readySocket is the other end: it hears a child say that it is ready.
type readySocket struct {
	dir   string
	conn  *net.UnixConn
	ready chan struct{}
}

// listenReady opens a socket whose Path goes into the child's environment.
func listenReady() (*readySocket, error) {
	dir, err := os.MkdirTemp("", "zooid-ready-")
	if err != nil {
		return nil, err
	}
	s := &readySocket{dir: dir, ready: make(chan struct{})}
	s.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.Path(), Net: "unixgram"})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	go s.listen()
	return s, nil
}

func (s *readySocket) listen() {
	buf := make([]byte, 512)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		for line := range bytes.Lines(buf[:n]) {
			if string(bytes.TrimSpace(line)) == "READY=1" {
				close(s.ready)
				return
			}
		}
	}
}

// Path is the name of the socket.
func (s *readySocket) Path() string { return filepath.Join(s.dir, "notify") }

// Ready is closed once the child said that it is ready.
func (s *readySocket) Ready() <-chan struct{} { return s.ready }

// Close stops listening and removes the socket.
func (s *readySocket) Close() {
	s.conn.Close()
	_ = os.RemoveAll(s.dir)
}
