// Package zktest runs a ZooKeeper server inside a test: a whole Zooid on a
// loopback port, with its log on disk, started in a few milliseconds.
//
// Programs that use package zk, and that package's own tests and those of the
// shell, call it. It must never be used to serve anything but tests: it does
// not wait for the disk unless told to (forceSync=yes), and it logs nothing
// unless the variable ZKTEST_LOG is set.
package zktest

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"zooid/internal/config"
	"zooid/internal/node"
)

// TB is what this package needs of *testing.T and its like.
type TB interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
	Cleanup(f func())
	TempDir() string
}

// Server is a standalone server.
type Server struct {
	dir   string
	lines []string

	mu   sync.Mutex
	port int
	node *node.Node // nil while stopped
}

// Start starts a server that ends with the test. lines are further lines for
// its zoo.cfg, such as "tickTime=100" or "enforceQuota=true".
func Start(t TB, lines ...string) *Server {
	t.Helper()
	s, err := New(t.TempDir(), lines...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("zktest: stop: %v", err)
		}
	})
	return s
}

// New starts a server with its data below dir, for use where there is no test
// to end it; call Stop.
func New(dir string, lines ...string) (*Server, error) {
	s := &Server{dir: dir, lines: lines}
	if err := s.Restart(); err != nil {
		return nil, err
	}
	return s, nil
}

// Addr is the host:port of the server; it stays the same over restarts.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Stop stops the server; its data stay.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop()
}

func (s *Server) stop() error {
	if s.node == nil {
		return nil
	}
	err := s.node.Stop()
	s.node = nil
	return err
}

// Restart stops the server, if it runs, and starts it on the same port and
// data.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(); err != nil {
		return err
	}
	text := append([]string{
		"tickTime=2000", "clientPort=2181", "clientPortAddress=127.0.0.1", "dataDir=" + s.dir,
		"maxClientCnxns=0", "forceSync=no", "preAllocSize=256", "4lw.commands.whitelist=*",
		"extendedTypesEnabled=true", "admin.enableServer=false",
	}, s.lines...)
	cfg, _, err := config.Parse("zktest", []byte(strings.Join(text, "\n")+"\n"), nil)
	if err != nil {
		return fmt.Errorf("zktest: %w", err)
	}
	if _, err := cfg.Complete(config.NoID, nil); err != nil {
		return fmt.Errorf("zktest: %w", err)
	}
	cfg.ClientPort = s.port // 0 at first: any that is free
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("ZKTEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	n, err := node.Start(cfg, node.Options{Log: log})
	if err != nil {
		return fmt.Errorf("zktest: %w", err)
	}
	_, port, err := net.SplitHostPort(n.Addr())
	if err == nil {
		s.port, err = strconv.Atoi(port)
	}
	s.node = n
	return err
}
