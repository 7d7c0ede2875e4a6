// Package election_test lets the election port talk to Apache's
// QuorumCnxManager, which runs by itself in a JVM: what either side sends the
// other one gets, whoever has the larger id, asks first, or was restarted.
package election_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"zooid/internal/quorumport"
	"zooid/internal/wire"
	"zooid/test/interop/harness"
)

// patience is longer than the second after which a server knocks again.
const patience = harness.Patience

// pair is Apache's server and ours in one configuration.
type pair struct {
	t        *testing.T
	java, us int64
	multiple bool
	lines    []string // of the configuration
	election map[int64][]string

	cmd  *exec.Cmd
	in   io.WriteCloser
	said chan string // by Apache's server

	port *quorumport.Election
	got  chan *wire.Notification
}

func freeAddress(t *testing.T, host string) string {
	t.Helper()
	ln, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func newPair(t *testing.T, java, us int64, multiple bool) *pair {
	t.Helper()
	harness.Ring(t)
	p := &pair{t: t, java: java, us: us, multiple: multiple, election: map[int64][]string{}}
	for _, id := range []int64{java, us} {
		hosts := []string{"127.0.0.1"}
		if multiple {
			hosts = append(hosts, "127.0.0.2")
		}
		var addresses []string
		for _, host := range hosts {
			a := freeAddress(t, host)
			_, port, _ := net.SplitHostPort(a)
			p.election[id] = append(p.election[id], a)
			addresses = append(addresses, host+":1:"+port)
		}
		p.lines = append(p.lines, fmt.Sprintf("server.%d=%s", id, strings.Join(addresses, "|")))
	}
	p.startJava()
	p.startUs()
	t.Cleanup(func() {
		p.stopJava()
		p.port.Close()
	})
	return p
}

func (p *pair) startJava() {
	p.t.Helper()
	args := append([]string{fmt.Sprint(p.java), fmt.Sprint(p.multiple)}, p.lines...)
	p.cmd = harness.JavaCommand(p.t, []string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=off"},
		"org.apache.zookeeper.server.quorum.ElectionPort", args...)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	said := make(chan string, 1000)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said <- lines.Text()
		}
		close(said)
	}()
	p.in, p.said = in, said
	harness.Until(p.t, "Apache's election port", nil, func() bool {
		nc, err := net.Dial("tcp", p.election[p.java][0])
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
}

func (p *pair) stopJava() {
	p.in.Close()
	for range p.said {
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("ElectionPort.java: %v", err)
	}
}

func (p *pair) startUs() {
	p.t.Helper()
	got := make(chan *wire.Notification, 1000)
	p.got = got
	p.port = quorumport.NewElection(quorumport.ElectionOptions{
		Self: p.us, Multiple: p.multiple, BindRetry: 3,
		Log: slog.New(slog.NewTextHandler(p.t.Output(), nil)),
		Deliver: func(from int64, n *wire.Notification) {
			if from == p.java {
				got <- n
			}
		},
	})
	if err := p.port.Listen(p.election[p.us]); err != nil {
		p.t.Fatal(err)
	}
	p.port.SetPeers(p.election[p.us], p.election)
}

func (p *pair) order(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
}

func vote(round int64) *wire.Notification {
	return &wire.Notification{Leader: 1, Zxid: 1<<32 + 5, Round: round, PeerEpoch: 1, Version: 2, Config: []byte("version=0")}
}

func (p *pair) javaSends(round int64) {
	p.t.Helper()
	p.order("send %d %x", p.us, vote(round).Append(nil))
}

// weGet waits for a round.
func (p *pair) weGet(round int64) {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case n := <-p.got:
			if n.Round == round {
				if string(n.Config) != "version=0" || n.Zxid != 1<<32+5 {
					p.t.Fatalf("came damaged: %+v", n)
				}
				return
			}
		case <-limit:
			p.t.Fatalf("round %d of Apache's server does not come", round)
		}
	}
}

// javaSays waits for a line.
func (p *pair) javaSays(want string) {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-p.said:
			if !ok {
				p.t.Fatal("ElectionPort.java has ended")
			}
			if line == want {
				return
			}
		case <-limit:
			p.t.Fatalf("Apache's server does not say %q", want)
		}
	}
}

func (p *pair) javaGets(round int64) {
	p.t.Helper()
	p.javaSays(fmt.Sprintf("got %d %s", p.us, hex.EncodeToString(vote(round).Append(nil))))
}

func TestElectionPort(t *testing.T) {
	for _, c := range []struct {
		java, us int64
		multiple bool
	}{{1, 2, false}, {2, 1, false}, {1, 2, true}, {2, 1, true}} {
		t.Run(fmt.Sprintf("java=%d,us=%d,multiple=%v", c.java, c.us, c.multiple), func(t *testing.T) {
			p := newPair(t, c.java, c.us, c.multiple)
			p.javaSends(1)
			p.weGet(1)
			p.port.Send(p.java, vote(2))
			p.javaGets(2)

			// Either side drops everything, the other asks first.
			p.order("drop")
			p.port.Send(p.java, vote(3))
			p.weAsk(func() { p.javaGets(3) })
			p.port.Reset()
			p.javaSends(4)
			p.javaAsks(func() { p.weGet(4) })

			// Apache's server is a new process: what was sent last comes again.
			p.port.Send(p.java, vote(5))
			p.javaGets(5)
			p.stopJava()
			p.startJava()
			p.weAsk(func() { p.javaGets(5) })
			p.javaSends(6)
			p.weGet(6)
			p.order("delivered")
			p.javaSays("delivered true")

			// And so are we.
			p.port.Close()
			p.startUs()
			p.javaAsks(func() { p.weGet(6) })
			p.port.Send(p.java, vote(7))
			p.javaGets(7)
		})
	}
}

// weAsk and javaAsks do what an election does while it hears nothing: they ask
// for connections, and again after a while.
func (p *pair) weAsk(wait func()) { again(p.port.ConnectAll, wait) }

func (p *pair) javaAsks(wait func()) { again(func() { fmt.Fprintln(p.in, "connect") }, wait) }

func again(ask, wait func()) {
	ticker := time.NewTicker(500 * time.Millisecond)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			ask()
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
		}
	}()
	defer func() {
		ticker.Stop()
		close(stop)
		<-stopped
	}()
	wait()
}
