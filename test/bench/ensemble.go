package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"zooid/internal/loadgen"
)

// The size of the ensemble in all rows but those about growth, and the
// connections that loads deal over it.
const (
	ensembleServers     = 3
	ensembleConnections = 48
)

// ensemble is the members of one ensemble, in the order of their ids, which
// begin with 1.
type ensemble struct {
	b       *bench
	members []*process
}

func (e *ensemble) kind() string { return e.members[0].name }

func (e *ensemble) addrs() []string {
	var all []string
	for _, m := range e.members {
		all = append(all, m.addr)
	}
	return all
}

func (e *ensemble) alive() error {
	for _, m := range e.members {
		if err := m.alive(); err != nil {
			return err
		}
	}
	return nil
}

// withoutBare are the servers that can be members.
func withoutBare(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == bareServer })
}

// gather starts an ensemble in a new directory, with the configuration that
// Apache's documentation has, and waits until all members serve.
func (b *bench) gather(ctx context.Context, name, dir string, voters, observers int) (*ensemble, error) {
	e := &ensemble{b: b}
	lines := []string{"initLimit=10", "syncLimit=5", "4lw.commands.whitelist=*"}
	if b.tls {
		more, err := secured(b.dir)
		if err != nil {
			return nil, err
		}
		lines = append(lines, more...)
	}
	for id := 1; id <= voters+observers; id++ {
		role := "participant"
		if id > voters {
			role = "observer"
		}
		var ports [3]int
		for i := range ports {
			var err error
			if ports[i], err = b.memberPort(); err != nil {
				return nil, err
			}
		}
		e.members = append(e.members, &process{
			name: name, addr: fmt.Sprintf("127.0.0.1:%d", ports[0]), dir: filepath.Join(dir, strconv.Itoa(id)),
		})
		lines = append(lines, fmt.Sprintf("server.%d=127.0.0.1:%d:%d:%s", id, ports[1], ports[2], role))
	}
	for i, m := range e.members {
		m.lines = lines
		if i >= voters {
			m.lines = append(slices.Clone(lines), "peerType=observer")
		}
		if err := e.writeID(m); err != nil {
			return nil, err
		}
		if err := b.launch(m); err != nil {
			return nil, err
		}
	}
	return e, e.settle(ctx)
}

// writeID makes the data directory of a member.
func (e *ensemble) writeID(m *process) error {
	data := filepath.Join(m.dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(data, "myid"), fmt.Appendln(nil, slices.Index(e.members, m)+1), 0o644)
}

// wipe empties the data directory of a member that does not run.
func (e *ensemble) wipe(m *process) error {
	if err := os.RemoveAll(filepath.Join(m.dir, "data")); err != nil {
		return err
	}
	return e.writeID(m)
}

// The ports of members lie above the range from which the kernel takes the
// ports of connections: no client may sit on the port of a member that is down.
const lowPort, highPort = 61000, 65500

// memberPort finds a port that nobody uses and that no other member has.
func (b *bench) memberPort() (int, error) {
	if b.lastPort == 0 {
		b.lastPort = lowPort + rand.IntN(highPort-lowPort)
	}
	for range highPort - lowPort {
		if b.lastPort++; b.lastPort >= highPort {
			b.lastPort = lowPort
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", b.lastPort))
		if err == nil {
			return b.lastPort, ln.Close()
		}
	}
	return 0, fmt.Errorf("no port is free between %d and %d", lowPort, highPort)
}

var modeLine = regexp.MustCompile(`(?m)^Mode: (\S+)$`)

// mode asks a member what it is; empty if it does not serve or not answer.
func (p *process) mode() string {
	nc, err := net.DialTimeout("tcp", p.addr, time.Second)
	if err != nil {
		return ""
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(nc, "srvr"); err != nil {
		return ""
	}
	// A server that resets the connection behind its answer has answered.
	text, _ := io.ReadAll(nc)
	if found := modeLine.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return ""
}

// settle waits until one member leads and all others serve.
func (e *ensemble) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if err := e.alive(); err != nil {
			return err
		}
		var modes []string
		leaders := 0
		for _, m := range e.members {
			mode := m.mode()
			if mode == "leader" {
				leaders++
			}
			modes = append(modes, mode)
		}
		if leaders == 1 && !slices.Contains(modes, "") {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("the ensemble did not settle: modes %q: %w\n%s", modes, ctx.Err(), e.members[0].tail())
		}
	}
}

// leader is the member that leads.
func (e *ensemble) leader() (*process, error) {
	for _, m := range e.members {
		if m.mode() == "leader" {
			return m, nil
		}
	}
	return nil, errors.New("no member says that it leads")
}

// others are all members but one.
func (e *ensemble) others(not *process) *ensemble {
	return &ensemble{b: e.b, members: slices.DeleteFunc(slices.Clone(e.members), func(m *process) bool { return m == not })}
}

// ensembleLoads measures the rows that put load on running ensembles.
func (b *bench) ensembleLoads(ctx context.Context) error {
	return b.loads(ctx, b.ordered("e-load"), withoutBare(b.servers), func(name string) (site, error) {
		return b.gather(ctx, name, filepath.Join(b.dir, "e-load-"+name), ensembleServers, 0)
	})
}

// cost is what a process has used so far.
type cost struct {
	cpu     time.Duration
	written int64 // bytes handed to write(2) and its kin, for files and sockets
}

// spentBy reads a process's cost from /proc.
func (p *process) spentBy() (cost, error) {
	var c cost
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return c, err
	}
	// The name, in parentheses, may hold anything; fields 14 and 15 are user and
	// system time in ticks of 10 ms.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return c, fmt.Errorf("/proc/%d/stat: %w", p.cmd.Process.Pid, err)
		}
		c.cpu += time.Duration(ticks) * 10 * time.Millisecond
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.cmd.Process.Pid))
	if err != nil {
		return c, err
	}
	for l := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(l, "wchar: "); ok {
			c.written, err = strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return c, err
}

// growth measures what a write costs Zooid's leader as the ensemble grows. The
// clients are at two followers, at a fixed rate, so that all that grows is the
// leader's work for its learners. (Seven Java servers do not keep the rate up on
// a small machine.)
func (b *bench) growth(ctx context.Context, server string, rows map[string]*row) error {
	if server != zooidServer {
		return nil
	}
	for _, size := range []struct {
		name              string
		voters, observers int
	}{{"3", 3, 0}, {"5", 5, 0}, {"7", 7, 0}, {"3o2", 3, 2}, {"3o4", 3, 4}} {
		cpu, bytes := rows["e-cpu"+size.name], rows["e-bytes"+size.name]
		if cpu == nil {
			continue
		}
		e, err := b.gather(ctx, server, filepath.Join(b.dir, "growth-"+server+"-"+size.name), size.voters, size.observers)
		if err != nil {
			return err
		}
		for range b.rounds {
			each, err := e.costOfWrite(ctx)
			if err != nil {
				return err
			}
			b.report.add(cpu, server, figure{Value: us(each.cpu)})
			b.report.add(bytes, server, figure{Value: float64(each.written)})
			b.say("growth, %s, %s servers: %s and %s for each write", server, size.name, spent.format(us(each.cpu)), sizeText(each.written))
		}
		b.stopAll()
	}
	return nil
}

func sizeText(n int64) string { return size.format(float64(n)) }

// costOfWrite puts a fixed rate on two followers and returns what the leader
// spent for each write.
func (e *ensemble) costOfWrite(ctx context.Context) (cost, error) {
	leader, err := e.leader()
	if err != nil {
		return cost{}, err
	}
	followers := e.others(leader)
	followers.members = followers.members[:2]
	o := e.b.options(loadgen.Write, followers)
	o.Depth, o.Rate, o.Duration = 4, e.b.rate, max(2*time.Second, o.Duration)
	before, err := leader.spentBy()
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	result, err := loadgen.Run(ctx, o)
	if err != nil {
		return cost{}, err
	}
	after, err := leader.spentBy()
	if err != nil {
		return cost{}, err
	}
	if result.PerSecond < 0.9*o.Rate {
		return cost{}, fmt.Errorf("only %.0f of %.0f writes/s were answered", result.PerSecond, o.Rate)
	}
	// Warm-up, keys and sessions are writes as well.
	writes := int64(result.PerSecond*(o.Duration+o.Warmup).Seconds()) + 2*int64(o.Keys+o.Connections)
	e.b.say("  %d writes in %.1f s", writes, time.Since(began).Seconds())
	return cost{(after.cpu - before.cpu) / time.Duration(writes), (after.written - before.written) / writes}, nil
}
