package node

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zooid/internal/config"
	"zooid/internal/ensemble"
	"zooid/internal/metrics"
	"zooid/internal/quorumport"
	"zooid/internal/replica"
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// member is what the shell of a member of an ensemble has beside that of a
// server: the election port, and the connections between learners and leader.
// Its fields belong to the loop unless they say otherwise.
type member struct {
	n        *Node
	config   *ensemble.Membership   // committed
	next     *ensemble.Membership   // last seen, if it is newer
	own      ensemble.Member        // the newest line of this server in config
	clients  atomic.Pointer[string] // the address of the client port; any goroutine
	security *memberSecurity
	election *quorumport.Election
	learners *quorumport.LearnerPort // while the server leads, or follows and takes observers
	links    map[zab.LinkID]*quorumport.Link
	lastLink atomic.Uint32 // the newest id that was given; any goroutine
	// What waits for learners that no configuration has, and what is said of
	// learners that go or are refused.
	strangers    *quorumport.QueueShare
	learnerLines quorumport.Lines

	role     replica.RoleChange // the newest one
	endRole  context.CancelFunc // ends what goroutines do for the role
	roleCtx  context.Context
	state    atomic.Int32  // wire.PeerState; any goroutine
	readOnly atomic.Bool   // serves clients that only read; any goroutine
	epoch    atomic.Int64  // any goroutine
	leader   atomic.Int64  // server id; any goroutine
	master   atomic.Int64  // server id of the one that is learnt from; any goroutine
	halted   bool          // the server stops
	heir     chan struct{} // closed once another server leads, nil if nobody waits for it; under heirLock
	heirLock sync.Mutex
	votes    atomic.Int32 // messages of the election that wait for the loop
	since    atomic.Int64 // clock at which the role began to serve; any goroutine
	phase    atomic.Pointer[peerPhase]
	measured roleTimes
	buf      []byte

	// The voters that an observer may learn from, in the order in which it tries
	// them, of which configuration, and how many it has tried.
	masterOrder   []learnerMaster
	masterVersion int64
	masterTurn    atomic.Int64 // any goroutine
}

// maxVotes is how many messages of the election may wait for the loop; more are
// dropped, as their senders repeat them (QuorumCnxManager.RECV_CAPACITY).
const maxVotes = 1000

func (n *Node) newMember() (*member, error) {
	m := &member{n: n, config: n.cfg.Members, next: n.cfg.LastSeen, links: map[zab.LinkID]*quorumport.Link{},
		strangers: quorumport.NewQueueShare(maxLinkQueue)}
	var err error
	if m.security, err = openMemberSecurity(n.cfg, n.log); err != nil {
		return nil, &ExitError{exitConfig, err}
	}
	m.own, _ = m.config.Member(n.cfg.ServerID)
	clients := clientAddress(n.cfg.ClientPortAddress, n.cfg.ClientPort)
	m.clients.Store(&clients)
	q := &n.cfg.Quorum
	handshake := time.Duration(q.SyncLimitTicks*n.cfg.TickTimeMs) * time.Millisecond
	if q.CnxnTimeoutMs > 0 {
		handshake = time.Duration(q.CnxnTimeoutMs) * time.Millisecond
	}
	m.election = quorumport.NewElection(quorumport.ElectionOptions{
		Self: n.cfg.ServerID, Log: n.log, Multiple: q.MultiAddressEnabled,
		ConnectTimeout: time.Duration(q.CnxTimeoutMs) * time.Millisecond, HandshakeTimeout: handshake,
		KeepAlive: q.TCPKeepAlive, BindRetry: q.ElectionPortBindRetry, Security: m.security.port,
		Deliver: func(from int64, v *wire.Notification) {
			if m.votes.Add(1) > maxVotes {
				m.votes.Add(-1)
				return
			}
			n.inbox.put(item{event: replica.Event{Kind: replica.Vote, Peer: &replica.PeerEvent{From: from, Vote: v}}})
		},
		Changed: func(id int64, up bool) {
			n.inbox.put(item{event: replica.Event{Kind: replica.Reach, Peer: &replica.PeerEvent{From: id, Lost: !up}}})
		},
	})
	m.roleCtx, m.endRole = context.WithCancel(context.Background())
	m.setPeers()
	return m, nil
}

// setPeers tells the election port where the members are, those of the last-seen
// configuration too.
func (m *member) setPeers() {
	peers, hosts := map[int64][]string{}, []string(nil)
	for _, c := range []*ensemble.Membership{m.config, m.next} {
		if c == nil {
			continue
		}
		for _, one := range c.Members {
			for _, a := range one.Addresses {
				if !slices.Contains(hosts, a.Host) {
					hosts = append(hosts, a.Host)
				}
			}
			for _, a := range electionAddresses(one) {
				if !slices.Contains(peers[one.ID], a) {
					peers[one.ID] = append(peers[one.ID], a)
				}
			}
		}
	}
	m.security.hosts.Store(&hosts)
	m.election.SetPeers(electionAddresses(m.own), peers)
}

func electionAddresses(one ensemble.Member) []string {
	var list []string
	for _, a := range one.Addresses {
		list = append(list, net.JoinHostPort(a.Host, strconv.Itoa(a.ElectionPort)))
	}
	return list
}

func quorumAddresses(one ensemble.Member) []string {
	var list []string
	for _, a := range one.Addresses {
		list = append(list, net.JoinHostPort(a.Host, strconv.Itoa(a.QuorumPort)))
	}
	return list
}

// listening replaces the hosts by the wildcard where quorumListenOnAllIPs asks
// for it.
func (m *member) listening(addresses []string) []string {
	if !m.n.cfg.Quorum.ListenOnAllIPs {
		return addresses
	}
	var list []string
	for _, a := range addresses {
		_, port, _ := net.SplitHostPort(a)
		list = append(list, net.JoinHostPort("", port))
	}
	return list
}

// listen opens the election port. A server that cannot be reached there ends
// with exit code 14, as Apache's does.
func (m *member) listen() error {
	if len(m.own.Addresses) == 0 {
		return &ExitError{exitUnexpected, fmt.Errorf("server %d is not in the configuration%s: "+
			"add its server line and those of the members to it", m.n.cfg.ServerID, inFile(m.config.File))}
	}
	if err := m.election.Listen(m.listening(electionAddresses(m.own))); err != nil {
		return &ExitError{exitElectionPort, err}
	}
	return nil
}

// ensembleConfig is what the core needs to know of the ensemble.
func (n *Node) ensembleConfig(accepted, current int64) *replica.EnsembleConfig {
	q, tick := &n.cfg.Quorum, int64(n.cfg.TickTimeMs)
	return &replica.EnsembleConfig{
		Current: n.cfg.Members, Next: n.cfg.LastSeen, Observer: q.PeerType == "observer",
		StandaloneEnabled: n.cfg.StandaloneEnabled, MultiAddress: q.MultiAddressEnabled,
		AcceptedEpoch: accepted, CurrentEpoch: current,
		InitLimit: int64(q.InitLimitTicks) * tick, SyncLimit: int64(q.SyncLimitTicks) * tick,
		MinNotification: int64(q.MinNotificationIntervalMs), MaxNotification: int64(q.MaxNotificationIntervalMs),
		Hurry: true, CommitLogCount: q.CommitLogCount, ForceSnapshot: q.ForceSnapshotSync,
		LogSync: q.SnapshotSizeFactor > 0, LeaderServes: q.LeaderServes, AckSampling: int64(q.AckLoggingFrequency),
		LocalSessions: q.LocalSessionsEnabled, UpgradeSessions: q.LocalSessionsUpgradingEnabled, ReadOnly: n.cfg.ReadOnlyMode,
		Oracle: q.OraclePath != "", ObserverMaster: q.ObserverMasterPort > 0, ElectionDelay: q.ObserverElectionDelayMs,
	}
}

// carry carries out what the core asks of a member, after a step.
func (m *member) carry(fx *replica.PeerEffects) {
	n := m.n
	for i := range fx.Notes {
		m.say(&fx.Notes[i])
	}
	if fx.Config != nil {
		m.configure(fx.Config)
	}
	for i := range fx.Votes {
		m.election.Send(fx.Votes[i].To, &fx.Votes[i].Notification)
	}
	if fx.Reconnect {
		m.election.ConnectAll()
	}
	if fx.Stays {
		m.handedOver()
	}
	for i := range fx.Roles {
		m.change(&fx.Roles[i])
	}
	for _, x := range fx.CloseLinks {
		m.closeLink(x.Link, x.Why)
	}
	for i := range fx.Streams {
		m.stream(&fx.Streams[i])
	}
	for _, id := range fx.Links {
		server, stranger, packets := n.core.r.LinkQueue(id)
		m.buf = n.core.r.DrainLink(id, m.buf[:0])
		if link := m.links[id]; link != nil {
			if stranger {
				link.Share(m.strangers)
			} else {
				link.Share(nil)
			}
			link.SendPackets(m.buf, packets)
			if server != 0 && !link.Measured() {
				link.Measure(m.queueMeter(server))
			}
		}
	}
	for _, s := range fx.Searches {
		go m.search(s)
	}
	m.notePhase()
	if fx.Fatal != nil {
		n.fail(fx.Fatal.Code, fmt.Errorf("%s", fx.Fatal.Why))
	}
}

// say writes a line of the core's to the log. Of the other ends of connections,
// which anybody may be, it writes only so many.
func (m *member) say(x *replica.Note) {
	log := m.n.log
	if link := m.links[x.Link]; link != nil {
		kept, ok := m.learnerLines.Pass(20, 10*time.Second)
		if !ok {
			return
		}
		if log = log.With("remote", link.RemoteAddr()); kept > 0 {
			log = log.With("more_before", kept)
		}
	}
	if x.Warn {
		log.Warn(x.Text, x.Args...)
	} else {
		log.Info(x.Text, x.Args...)
	}
}

// change ends the former role and begins the new one.
func (m *member) change(c *replica.RoleChange) {
	if m.halted {
		return
	}
	m.role = *c
	m.readOnly.Store(c.ReadOnly)
	if c.ReadOnly {
		m.n.metrics.SetRole(metrics.Alone)
		m.n.serving.Store(true)
		m.n.log.Warn("there is no quorum: serving read-only clients only")
		return
	}
	if !c.Serving {
		m.n.serving.Store(false) // first: a server that looks for a leader is not asked for its mode
	}
	m.state.Store(int32(c.State))
	m.leader.Store(c.Leader)
	if c.Serving && c.State != wire.Leading {
		m.handedOver()
	}
	m.measureRole(c)
	if c.Serving {
		m.epoch.Store(c.Epoch)
		m.n.serving.Store(true)
		what := "serving clients"
		if c.State == wire.Leading && !m.n.cfg.Quorum.LeaderServes {
			what = "serving no clients, as leaderServes=no asks for"
		}
		m.n.log.Info(what, "mode", string(m.mode()), "leader", c.Leader, "epoch", c.Epoch)
		if port := m.n.cfg.Quorum.ObserverMasterPort; port > 0 && c.State == wire.Following {
			m.openLearnerPort(c.Term, masterAddresses(m.own, port))
		}
		return
	}
	m.master.Store(c.Leader)
	m.end()
	m.roleCtx, m.endRole = context.WithCancel(context.Background())
	switch c.State {
	case wire.Leading:
		m.openLearnerPort(c.Term, quorumAddresses(m.own))
	case wire.Following:
		go m.dial(m.roleCtx, *c, nil)
	case wire.Observing:
		go m.dial(m.roleCtx, *c, m.learnerMasters())
	}
}

// halt ends the role and lets none begin.
func (m *member) halt() {
	m.halted = true
	m.end()
}

// end ends what the role had: its connections and goroutines.
func (m *member) end() {
	m.endRole()
	if m.learners != nil {
		go m.learners.Close()
		m.learners = nil
	}
	for id, link := range m.links {
		m.hangUp(link)
		delete(m.links, id)
	}
}

var errRoleOver = fmt.Errorf("this server has changed its role")

func (m *member) linkOptions() quorumport.LinkOptions {
	c := m.n.cfg
	return quorumport.LinkOptions{
		Log: m.n.log, MaxPacket: c.JuteMaxBufferBytes + c.JuteMaxBufferExtraBytes + packetExtra, MaxQueue: maxLinkQueue,
		TakesWithin: time.Duration(c.Quorum.InitLimitTicks*c.TickTimeMs) * time.Millisecond,
		NoDelay:     true, KeepAlive: c.Quorum.TCPKeepAlive,
	}
}

const (
	// packetExtra is what a packet has beside the request that it carries.
	packetExtra = 1 << 20
	// maxLinkQueue is how many bytes may wait for another server, and for all
	// together that no configuration has.
	maxLinkQueue = 512 << 20
	// firstPacket is how long a connection may take to say who it is.
	firstPacket = 10 * time.Second
)

// openLearnerPort lets learners in.
func (m *member) openLearnerPort(term uint64, addresses []string) {
	p := &quorumport.LearnerPort{
		Log: m.n.log, LinkOptions: m.linkOptions(), NextLinkID: func() uint32 { return m.lastLink.Add(1) },
		MaxPending: 256, FirstPacketWithin: firstPacket, Security: m.security.port,
	}
	p.Handler = m.handler()
	p.Accepted = func(l *quorumport.Link) { m.up(l, term) }
	m.learners = p
	go m.serveLearners(m.roleCtx, p, m.listening(addresses))
}

// serveLearners binds the port, again and again while somebody has it.
func (m *member) serveLearners(ctx context.Context, p *quorumport.LearnerPort, addresses []string) {
	for {
		err := p.Listen(addresses)
		if err == nil {
			p.Serve()
			return
		}
		m.n.log.Error("the quorum port cannot be opened, so no learner can follow", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// up hands a new connection to the loop.
func (m *member) up(l *quorumport.Link, term uint64) {
	m.n.inbox.put(item{link: l, event: replica.Event{Kind: replica.LinkUp, Peer: &replica.PeerEvent{Link: zab.LinkID(l.ID()), Term: term}}})
}

// dial connects to the leader, or an observer to one of the masters if there are
// any.
func (m *member) dial(ctx context.Context, c replica.RoleChange, masters []learnerMaster) {
	q, tick := &m.n.cfg.Quorum, time.Duration(m.n.cfg.TickTimeMs)*time.Millisecond
	limit := time.Duration(q.InitLimitTicks) * tick
	if q.ConnectToLearnerMasterTicks > 0 {
		limit = time.Duration(q.ConnectToLearnerMasterTicks) * tick
	}
	down := func(err error) {
		m.n.inbox.put(item{event: replica.Event{Kind: replica.LinkDown, Peer: &replica.PeerEvent{Term: c.Term, Why: err.Error()}}})
	}
	if len(c.Member.Addresses) == 0 && len(masters) == 0 {
		down(fmt.Errorf("the configuration has no address of the leader %d", c.Leader))
		return
	}
	options := quorumport.DialOptions{
		Attempts: 5, Delay: time.Duration(q.ConnectDelayDuringRetryMs) * time.Millisecond, Limit: limit, PerTry: time.Duration(q.CnxTimeoutMs) * time.Millisecond,
		NoDelay: q.FollowerNoDelay, KeepAlive: q.TCPKeepAlive, Quick: true, Security: m.security.port,
	}
	var nc net.Conn
	var err error
	if c.State == wire.Observing {
		nc, err = m.reachMaster(ctx, &c, masters, options)
	} else {
		nc, err = quorumport.DialLeader(ctx, quorumAddresses(c.Member), options)
	}
	if err != nil {
		if ctx.Err() == nil {
			down(err)
		}
		return
	}
	l := quorumport.NewLink(m.lastLink.Add(1), nc, m.linkOptions(), m.handler(), true)
	m.up(l, c.Term)
	l.Start()
}

func (m *member) closeLink(id zab.LinkID, why string) {
	if link := m.links[id]; link != nil {
		link.CloseAfterFlush(fmt.Errorf("%s", why))
		delete(m.links, id)
	}
}

// admit notes a link that the loop hears of for the first time.
func (m *member) admit(l *quorumport.Link, term uint64) {
	if m.halted || term != m.role.Term || m.role.State == wire.Looking {
		l.Close(errRoleOver)
		return
	}
	m.links[zab.LinkID(l.ID())] = l
}

// mode is the role as the four-letter words spell it.
func (m *member) mode() string {
	switch wire.PeerState(m.state.Load()) {
	case wire.Leading:
		return "leader"
	case wire.Following:
		return "follower"
	case wire.Observing:
		return "observer"
	}
	return "looking"
}

// notePhase keeps what peerState shows up to date.
func (m *member) notePhase() {
	phase, method := m.n.core.r.Phase()
	p := peerPhase{m.role.State, phase, method}
	if old := m.phase.Load(); old == nil || *old != p {
		m.phase.Store(&p)
	}
}

// peerPhase is how far a role is, see replica.Phase.
type peerPhase struct {
	state         wire.PeerState
	phase, method string
}

// peerState is the state as mntr shows it, "following - broadcast"
// (QuorumPeer.getDetailedPeerState).
func (m *member) peerState() string {
	p := m.phase.Load()
	if p == nil || p.state == wire.Looking {
		return "looking"
	}
	text := strings.ToLower(p.state.String()) + " - " + p.phase
	if p.method != "" {
		text += " - " + p.method
	}
	return text
}

// stop ends everything; nothing comes from the ports afterwards.
func (m *member) stop() {
	m.election.Close()
}

// ensembleMode reports whether the configuration asks for an ensemble.
func ensembleMode(c *config.Config) bool {
	return c.Mode() == config.Distributed && len(c.Members.Voters()) > 0
}
