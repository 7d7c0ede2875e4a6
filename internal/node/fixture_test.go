package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zooid/internal/config"
	"zooid/internal/jute"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// logText gathers the log of a server.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// server is a node under test.
type server struct {
	*Node
	t   testing.TB
	fs  vfs.FS
	dir string
	log *logText
	cfg string
}

// start runs a server on a file system in memory. lines are added to zoo.cfg,
// where a later line wins; -Dname=value is a property.
func start(t testing.TB, lines ...string) *server {
	return startOn(t, vfs.NewMem(), "/data", lines...)
}

func startOn(t testing.TB, fs vfs.FS, dir string, lines ...string) *server {
	t.Helper()
	s, err := tryStart(t, fs, dir, lines...)
	if err != nil {
		t.Fatalf("start: %v\n%s", err, s.log)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

func tryStart(t testing.TB, fs vfs.FS, dir string, lines ...string) (*server, error) {
	t.Helper()
	file := []string{
		"dataDir=" + dir, "clientPort=0", "clientPortAddress=127.0.0.1", "tickTime=2000",
		"4lw.commands.whitelist=*", "maxClientCnxns=0",
	}
	var props []config.Property
	for _, line := range lines {
		if flag, ok := strings.CutPrefix(line, "-D"); ok {
			name, value, _ := strings.Cut(flag, "=")
			props = append(props, config.Property{Name: name, Value: value})
		} else {
			file = append(file, line)
		}
	}
	text := strings.Join(file, "\n")
	cfg, _, err := config.Parse("zoo.cfg", []byte(text), props)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.Complete(config.NoID, nil); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, fs: fs, dir: dir, cfg: text, log: &logText{}}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Node, err = Start(cfg, Options{Log: log, FS: fs})
	return s, err
}

// restart stops the server and starts it again on what it left.
func (s *server) restart(lines ...string) *server {
	s.t.Helper()
	if err := s.Stop(); err != nil {
		s.t.Fatalf("stop: %v", err)
	}
	return startOn(s.t, s.fs, s.dir, lines...)
}

// client is a connection with a hand in every byte.
type client struct {
	t        testing.TB
	nc       *net.TCPConn
	xid      int32
	session  int64
	password []byte
	timeout  int32
	zxid     int64
}

// dial connects without a word.
func (s *server) dial() *client {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		s.t.Fatal(err)
	}
	c := &client{t: s.t, nc: nc.(*net.TCPConn)}
	s.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return c
}

// connect opens a new session.
func (s *server) connect() *client {
	s.t.Helper()
	c := s.dial()
	c.open(wire.ConnectRequest{TimeOut: 10000, Passwd: make([]byte, 16), HasReadOnly: true})
	if c.session == 0 {
		s.t.Fatal("no session")
	}
	return c
}

// open sends a connect request and reads the response.
func (c *client) open(q wire.ConnectRequest) wire.ConnectResponse {
	c.t.Helper()
	c.send(q.Append(nil))
	var r wire.ConnectResponse
	d := jute.NewDecoder(c.frame())
	r.Decode(&d)
	if d.Err() != nil {
		c.t.Fatal(d.Err())
	}
	c.session, c.password, c.timeout = r.SessionID, bytes.Clone(r.Passwd), r.TimeOut
	return r
}

// framed puts the length in front.
func framed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func (c *client) send(body []byte) { c.raw(framed(body)) }

func (c *client) raw(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// request encodes a request with the next xid.
func (c *client) request(op wire.Opcode, record func([]byte) []byte) []byte {
	c.xid++
	return c.requestAs(c.xid, op, record)
}

func (c *client) requestAs(xid int32, op wire.Opcode, record func([]byte) []byte) []byte {
	b := (&wire.RequestHeader{Xid: xid, Type: op}).Append(nil)
	if record != nil {
		b = record(b)
	}
	return framed(b)
}

func create(path, data string, flags int32) func([]byte) []byte {
	return (&wire.CreateRequest{Path: []byte(path), Data: []byte(data), ACL: wire.OpenACL, Flags: flags}).Append
}

func get(path string, watch bool) func([]byte) []byte {
	return (&wire.PathWatchRequest{Path: []byte(path), Watch: watch}).Append
}

func set(path, data string) func([]byte) []byte {
	return (&wire.SetDataRequest{Path: []byte(path), Data: []byte(data), Version: -1}).Append
}

func credentials(scheme, cred string) func([]byte) []byte {
	return (&wire.AuthPacket{Scheme: []byte(scheme), Auth: []byte(cred)}).Append
}

// tryFrame reads one frame.
func (c *client) tryFrame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.nc, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c.nc, b)
	return b, err
}

func (c *client) frame() []byte {
	c.t.Helper()
	b, err := c.tryFrame()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return b
}

// reply is one frame of a session.
type reply struct {
	wire.ReplyHeader
	body []byte
}

func parseReply(b []byte) (reply, error) {
	d := jute.NewDecoder(b)
	var r reply
	r.Decode(&d)
	if d.Err() != nil {
		return r, d.Err()
	}
	r.body = b[wire.ReplyHeaderSize:]
	return r, nil
}

func (c *client) reply() reply {
	c.t.Helper()
	r, err := parseReply(c.frame())
	if err != nil {
		c.t.Fatal(err)
	}
	c.zxid = max(c.zxid, r.Zxid)
	return r
}

// want reads a reply and checks its header.
func (c *client) want(xid int32, code wire.Code) reply {
	c.t.Helper()
	r := c.reply()
	if r.Xid != xid || r.Err != code {
		c.t.Fatalf("reply xid %d err %v, want xid %d err %v", r.Xid, r.Err, xid, code)
	}
	return r
}

// do sends one request and reads its reply.
func (c *client) do(op wire.Opcode, record func([]byte) []byte, code wire.Code) reply {
	c.t.Helper()
	c.raw(c.request(op, record))
	return c.want(c.xid, code)
}

// wantClosed demands the end of the stream, without another byte, and not a
// reset.
func (c *client) wantClosed() {
	c.t.Helper()
	b, err := c.tryFrame()
	if !errors.Is(err, io.EOF) {
		c.t.Fatalf("read %d bytes, %v; want the end of the stream", len(b), err)
	}
}

// wantGone demands the end of the connection, cleanly or not.
func (c *client) wantGone() {
	c.t.Helper()
	if b, err := c.tryFrame(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("read %q, %v; want the connection closed", b, err)
	} else if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.t.Fatal(err)
	}
}

// word asks a four-letter word.
func (s *server) word(w string) string {
	s.t.Helper()
	c := s.dial()
	defer c.nc.Close()
	c.raw([]byte(w))
	text, err := io.ReadAll(c.nc)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// until waits until ok holds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
		waitABit()
	}
}

// waitABit lets other goroutines run between two looks.
func waitABit() { <-time.After(time.Millisecond) }

// leakFree demands that no request is counted as outstanding any more and no
// connection as alive.
func (s *server) leakFree() {
	s.t.Helper()
	until(s.t, "outstanding requests and connections back to 0", func() bool {
		return s.metrics.OutstandingRequests.Value() == 0 && s.metrics.NumAliveConnections.Value() == 0
	})
}

func path(i int) string { return fmt.Sprintf("/n%d", i) }
