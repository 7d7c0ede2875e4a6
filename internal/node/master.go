package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"zooid/internal/ensemble"
	"zooid/internal/quorumport"
	"zooid/internal/replica"
)

// What this file does is bring observers to followers instead of the leader: a
// follower listens on observerMasterPort, and an observer for which that is set
// tries the voters, one after the other, at that port (ObserverMaster,
// QuorumPeer.findLearnerMaster).

// learnerMaster is a voter that an observer may learn from.
type learnerMaster struct {
	id        int64
	addresses []string
}

// masterAddresses are where a voter listens for observers while it follows.
func masterAddresses(one ensemble.Member, port int) []string {
	var list []string
	for _, a := range one.Addresses {
		list = append(list, net.JoinHostPort(a.Host, strconv.Itoa(port)))
	}
	return list
}

// learnerMasters are the voters in an order of their own for each observer, so
// that they share the load. It begins with the one whose turn it is. Without
// observerMasterPort there are none.
func (m *member) learnerMasters() []learnerMaster {
	port := m.n.cfg.Quorum.ObserverMasterPort
	if port <= 0 {
		return nil
	}
	if m.masterOrder == nil || m.masterVersion != m.config.Version {
		m.masterOrder, m.masterVersion = nil, m.config.Version
		for _, one := range m.config.Voters() {
			m.masterOrder = append(m.masterOrder, learnerMaster{one.ID, masterAddresses(one, port)})
		}
		rand.Shuffle(len(m.masterOrder), func(i, j int) {
			m.masterOrder[i], m.masterOrder[j] = m.masterOrder[j], m.masterOrder[i]
		})
	}
	if len(m.masterOrder) == 0 {
		return nil
	}
	first := int(m.masterTurn.Load()) % len(m.masterOrder)
	return append(append([]learnerMaster(nil), m.masterOrder[first:]...), m.masterOrder[:first]...)
}

// reachMaster connects an observer to the leader, or to the first of the masters
// that answers. They open their port only once they follow, so they are tried
// as often as a leader is.
func (m *member) reachMaster(ctx context.Context, c *replica.RoleChange, masters []learnerMaster, o quorumport.DialOptions) (net.Conn, error) {
	wait := time.Duration(m.n.cfg.Quorum.ObserverReconnectDelayMs) * time.Millisecond
	if len(masters) == 0 {
		pause(ctx, randomPart(wait))
		return quorumport.DialLeader(ctx, quorumAddresses(c.Member), o)
	}
	if o.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Limit)
		defer cancel()
	}
	rounds, between := o.Attempts, o.Delay
	o.Attempts, o.Quick, o.Limit = 1, false, 0
	var err error
	for round := range rounds {
		if round > 0 {
			pause(ctx, max(between, randomPart(wait)))
		}
		for _, one := range masters {
			m.masterTurn.Add(1)
			var nc net.Conn
			if nc, err = quorumport.DialLeader(ctx, one.addresses, o); err == nil {
				m.n.log.Info("learning from a follower", "server", one.id, "address", nc.RemoteAddr())
				m.master.Store(one.id)
				return nc, nil
			}
			if ctx.Err() != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("no voter answers at observerMasterPort %d; the last one: %w", m.n.cfg.Quorum.ObserverMasterPort, err)
}

// randomPart is a random time below limit.
func randomPart(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return rand.N(limit)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
