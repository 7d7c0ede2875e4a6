package harness

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// EnsembleOptions says which members an ensemble has and how they are
// configured. Members have the ids 1, 2, 3, ...
type EnsembleOptions struct {
	Kinds      []Kind           // the implementation of each member
	Observers  []int            // ids of the members that do not vote
	Joiners    []int            // ids of the members that only their own configuration knows; StartEnsemble does not start them
	TickTime   time.Duration    // 0: 500 ms
	InitLimit  int              // ticks; 0: 10
	SyncLimit  int              // ticks; 0: 5
	Lines      []string         // further lines of every zoo.cfg: groups, weights, options
	Properties []string         // "name=value" system properties of every member
	Own        map[int]OwnLines // what only one member has, by id
	Machines   []Machine        // where each member runs; nil: all here
	// SeparateLog gives the members a dataLogDir of their own.
	SeparateLog bool
	// ObserverMasters lets followers take observers, at the same port on an
	// address of loopback of their own each.
	ObserverMasters bool
}

// OwnLines are lines of zoo.cfg and properties of one member, behind those of
// all.
type OwnLines struct{ Lines, Properties []string }

// Ensemble is a set of server processes that are configured as one ensemble.
type Ensemble struct {
	t       testing.TB
	members []*Member
}

// Member is one server of an ensemble. Launch starts it without waiting, Stop
// ends it with SIGTERM and Kill with SIGKILL, see Server.
type Member struct {
	*Server
	ID       int
	Observer bool // what Roles expects of it

	hosts                    []string // of quorums and elections; one but with Machine.Nets
	quorumPort, electionPort int
	paused                   atomic.Bool
}

// StartEnsemble starts an ensemble and waits until all members have their
// roles. The test's clean-up kills what is left of it.
func StartEnsemble(t testing.TB, opt EnsembleOptions) *Ensemble {
	t.Helper()
	e := PrepareEnsemble(t, opt)
	for _, m := range e.members {
		if !slices.Contains(opt.Joiners, m.ID) {
			m.Launch()
		}
	}
	e.WaitRoles()
	return e
}

// PrepareEnsemble makes the directories and configurations of an ensemble
// without starting a member.
func PrepareEnsemble(t testing.TB, opt EnsembleOptions) *Ensemble {
	t.Helper()
	e := &Ensemble{t: t}
	for i := range opt.Kinds {
		id := i + 1
		e.members = append(e.members, &Member{
			ID: id, Observer: slices.Contains(opt.Observers, id),
			hosts: []string{"127.0.0.1"}, quorumPort: freePort(t), electionPort: freePort(t),
		})
		if opt.Machines != nil {
			e.members[i].hosts = opt.Machines[i].nets()
		}
		if opt.ObserverMasters {
			e.members[i].hosts = []string{fmt.Sprintf("127.0.0.%d", id)}
		}
	}
	if opt.ObserverMasters {
		opt.Lines = append(slices.Clone(opt.Lines), fmt.Sprintf("observerMasterPort=%d", freePort(t)))
	}
	shared := opt.lines(e.members)
	for i, m := range e.members {
		own := opt.Own[m.ID]
		lines := slices.Concat(shared, own.Lines)
		if slices.Contains(opt.Joiners, m.ID) {
			lines = append(lines, m.ServerLine(m.role()))
		}
		if m.Observer {
			lines = append(lines, "peerType=observer")
		}
		var machine Machine
		if opt.Machines != nil {
			machine = opt.Machines[i]
		}
		m.Server = Prepare(t, Options{
			Kind: opt.Kinds[i], member: m.ID, Dir: t.TempDir(), Machine: machine, SeparateLog: opt.SeparateLog,
			Lines: lines, Properties: slices.Concat(opt.Properties, own.Properties),
		})
		m.writeID()
	}
	// All at once, before each shows its log: the members must not fill the ends
	// of their logs with how they miss each other.
	t.Cleanup(func() { e.Kill(e.members...) })
	return e
}

func (opt *EnsembleOptions) lines(members []*Member) []string {
	tick, initLimit, syncLimit := opt.TickTime, opt.InitLimit, opt.SyncLimit
	if tick == 0 {
		tick = 500 * time.Millisecond
	}
	if initLimit == 0 {
		initLimit = 10
	}
	if syncLimit == 0 {
		syncLimit = 5
	}
	lines := []string{
		fmt.Sprintf("tickTime=%d", tick.Milliseconds()),
		fmt.Sprintf("initLimit=%d", initLimit), fmt.Sprintf("syncLimit=%d", syncLimit),
		"maxClientCnxns=0",
	}
	for _, m := range members {
		if !slices.Contains(opt.Joiners, m.ID) {
			lines = append(lines, m.ServerLine(m.role()))
		}
	}
	return append(lines, opt.Lines...)
}

func (m *Member) role() string {
	if m.Observer {
		return "observer"
	}
	return "participant"
}

// Extend adds lines to the member's zoo.cfg, of which a later one of a key wins,
// and puts others in the place of its properties if there are any; they hold
// from the next start on.
func (m *Member) Extend(lines, properties []string) {
	m.t.Helper()
	if properties == nil {
		properties = m.opt.Properties
	}
	m.Configure(slices.Concat(m.opt.Lines, lines), properties)
}

// MovePorts gives the member other ports for quorums and elections, or for
// clients, as ServerLine shows them: the process knows nothing of it yet.
func (m *Member) MovePorts() { m.quorumPort, m.electionPort = freePort(m.t), freePort(m.t) }

// MoveClientPort is MovePorts for the client port.
func (m *Member) MoveClientPort() { m.port = freePort(m.t) }

// QuorumAddr is where the member takes learners while it leads, ElectionAddr
// where it hears votes.
func (m *Member) QuorumAddr() string { return net.JoinHostPort(m.hosts[0], strconv.Itoa(m.quorumPort)) }

// ElectionAddr: see QuorumAddr.
func (m *Member) ElectionAddr() string {
	return net.JoinHostPort(m.hosts[0], strconv.Itoa(m.electionPort))
}

// ReconfigLine is ServerLine with the client port.
func (m *Member) ReconfigLine(role string) string {
	return fmt.Sprintf("%s;%s", m.ServerLine(role), m.Addr())
}

// ServerLine is the server line of a member in a role, without a client part.
func (m *Member) ServerLine(role string) string {
	var addresses []string
	for _, host := range m.hosts {
		addresses = append(addresses, fmt.Sprintf("%s:%d:%d", host, m.quorumPort, m.electionPort))
	}
	return fmt.Sprintf("server.%d=%s:%s", m.ID, strings.Join(addresses, "|"), role)
}

func (m *Member) writeID() {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.DataDir(), "myid"), fmt.Appendln(nil, m.ID), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// Members are all members in the order of their ids.
func (e *Ensemble) Members() []*Member { return slices.Clone(e.members) }

// Member is the member with an id.
func (e *Ensemble) Member(id int) *Member { return e.members[id-1] }

// Alive are the members that run and are not paused.
func (e *Ensemble) Alive() []*Member {
	return slices.DeleteFunc(e.Members(), func(m *Member) bool { return !m.Alive() })
}

// ClientAddrs is the connect string of all members.
func (e *Ensemble) ClientAddrs() string {
	var addrs []string
	for _, m := range e.members {
		addrs = append(addrs, m.Addr())
	}
	return strings.Join(addrs, ",")
}

// Leader is the member that says that it leads; the test fails if none or
// more than one does.
func (e *Ensemble) Leader() *Member {
	e.t.Helper()
	roles := e.Roles()
	if len(roles.leaders) != 1 {
		e.t.Fatalf("there is not one leader: %s", roles)
	}
	return roles.leaders[0]
}

// Followers are the members that say that they follow.
func (e *Ensemble) Followers() []*Member {
	return slices.DeleteFunc(e.Alive(), func(m *Member) bool { return m.Role() != "follower" })
}

// Roles is what the living members answered to srvr about themselves.
type Roles struct {
	leaders []*Member
	settled bool // one leader, and everybody else serves as what it is
	text    string
}

// String lists the answers: "1 java leader, 2 java follower, 3 java down".
func (r Roles) String() string { return r.text }

// Roles asks all members for their roles.
func (e *Ensemble) Roles() Roles {
	r := Roles{settled: true}
	var words []string
	for _, m := range e.members {
		role := "down"
		switch {
		case m.paused.Load():
			role = "paused"
		case m.Running():
			role = m.Role()
			switch {
			case role == "leader" && !m.Observer:
				r.leaders = append(r.leaders, m)
			case role == "observer" && m.Observer, role == "follower" && !m.Observer:
			default:
				r.settled = false
			}
		}
		words = append(words, fmt.Sprintf("%d %s %s", m.ID, m.Kind(), role))
	}
	r.settled = r.settled && len(r.leaders) == 1
	r.text = strings.Join(words, ", ")
	return r
}

// WaitRoles waits until the living members are one leader and its followers
// and observers, all serving, and returns the leader.
func (e *Ensemble) WaitRoles() *Member {
	e.t.Helper()
	var r Roles
	ok := Eventually(nil, func() bool {
		r = e.Roles()
		return r.settled
	})
	if !ok {
		e.t.Fatalf("the ensemble does not settle within %v: %s", Patience, r)
	}
	return r.leaders[0]
}

// Kill kills members with SIGKILL, all at once.
func (e *Ensemble) Kill(members ...*Member) {
	for _, m := range members {
		m.signal(syscall.SIGKILL)
	}
	for _, m := range members {
		m.Kill()
	}
}

// Launch starts members without waiting for them.
func (e *Ensemble) Launch(members ...*Member) {
	e.t.Helper()
	for _, m := range members {
		m.Launch()
	}
}

var modeLine = regexp.MustCompile(`(?m)^Mode: (\S+)$`)

// Role is the mode that srvr shows: leader, follower, observer or read-only;
// empty for a server that does not serve or does not answer.
func (m *Member) Role() string {
	role, _ := m.State()
	return role
}

// State is Role with the last zxid, as one answer shows them.
func (m *Member) State() (role string, zxid int64) {
	if !m.Alive() {
		return "", 0
	}
	out, err := fourLetter(m.Addr(), "srvr", 300*time.Millisecond)
	if err != nil {
		return "", 0
	}
	if found := zxidLine.FindStringSubmatch(out); found != nil {
		// What is no number is no zxid that anybody waits for.
		zxid, _ = strconv.ParseInt(found[1], 0, 64)
	}
	if found := modeLine.FindStringSubmatch(out); found != nil {
		role = found[1]
	}
	return role, zxid
}

// Alive reports whether the member runs and is not paused.
func (m *Member) Alive() bool { return m.Running() && !m.paused.Load() }

// Launch starts the process without waiting for it to serve.
func (m *Member) Launch() {
	m.t.Helper()
	if m.Running() {
		m.t.Fatalf("member %d runs already", m.ID)
	}
	m.paused.Store(false)
	m.Server.Launch()
}

// Restart ends the member with SIGTERM if it runs, starts it, and waits until
// it serves, which needs a quorum.
func (m *Member) Restart() {
	m.t.Helper()
	m.Stop()
	m.Launch()
	m.WaitServing()
}

// WaitServing waits until the member serves as leader, follower or observer.
func (m *Member) WaitServing() {
	m.t.Helper()
	Until(m.t, fmt.Sprintf("member %d (%s) serves", m.ID, m.Kind()), m.Done(), func() bool {
		switch m.Role() {
		case "leader", "follower", "observer":
			return true
		}
		return false
	})
}

// Stop ends the member with SIGTERM and waits until the process is gone.
func (m *Member) Stop() {
	m.Resume()
	m.Server.Stop()
}

// Pause stops the process with SIGSTOP and waits until the last of its threads
// stands still: its connections stay open and silent.
func (m *Member) Pause() {
	m.t.Helper()
	m.paused.Store(true)
	m.signal(syscall.SIGSTOP)
	for {
		// Without taking the report, since the process is waited for elsewhere.
		err := unix.Waitid(unix.P_PID, m.Pid(), nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			m.t.Fatalf("member %d (%s) cannot be paused: %v", m.ID, m.Kind(), err)
		}
		return
	}
}

// Resume lets a paused process go on.
func (m *Member) Resume() {
	if m.paused.CompareAndSwap(true, false) {
		m.signal(syscall.SIGCONT)
	}
}

// HandOver asks a member of ours to have another one lead.
func (m *Member) HandOver() { m.signal(syscall.SIGUSR2) }

func (m *Member) signal(sig syscall.Signal) {
	if m.Running() {
		// An error means that it has just ended by itself.
		_ = m.cmd.Process.Signal(sig)
	}
}

// Wipe empties the directories of a member that does not run, but for its id.
func (m *Member) Wipe() {
	m.t.Helper()
	if m.Running() {
		m.t.Fatalf("member %d runs, its data cannot be wiped", m.ID)
	}
	for _, dir := range []string{m.DataDir(), m.LogDir()} {
		if err := os.RemoveAll(dir); err != nil {
			m.t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
	m.writeID()
}

// Replace makes the stopped member one of another implementation, which finds
// the directories and addresses of the old one when it is launched.
func (m *Member) Replace(k Kind) {
	m.t.Helper()
	if m.Running() {
		m.t.Fatalf("member %d runs and cannot be replaced", m.ID)
	}
	m.opt.Kind = k
}
