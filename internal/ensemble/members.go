// Package ensemble says who the members of an ensemble are: the server, group
// and weight lines of a configuration, read and written as ZooKeeper does.
//
// The same lines stand in zoo.cfg and dynamic files, where package config
// reads them, and in the text that servers send each other in notifications,
// NEWLEADER and reconfig transactions, where package zab reads them; so it
// stands below both. It must never resolve a host or decide what is a quorum
// (that is package zab).
//
// The rules are those of QuorumPeerConfig, QuorumPeer.QuorumServer, QuorumMaj
// and QuorumHierarchical of Apache's server.
package ensemble

import (
	"sort"
	"strconv"
	"strings"

	"zooid/internal/properties"
)

// A Problem is one line that cannot be taken.
type Problem struct {
	// Line, Key and Value are those of the line; Value is empty when the key
	// is at fault.
	Line       int
	Key, Value string
	// Text says what is wrong and what is allowed, without a full stop.
	Text string
}

// Error renders the problem as KEY=VALUE: TEXT, without the parts that do not
// apply.
func (p *Problem) Error() string {
	at := properties.Printable(p.Key)
	if p.Value != "" {
		at += "=" + properties.Printable(p.Value)
	}
	return at + ": " + p.Text
}

// A Membership is what the server, group and weight lines of a file or of a
// configuration text say.
type Membership struct {
	// File is the file that holds the lines, empty for a text.
	File string
	// Members are sorted by id.
	Members []Member
	// Groups and Weights are those of the group and weight lines, sorted by
	// number; a member without a weight line weighs 1 and is not listed.
	Groups  []Group
	Weights []Weight
	// Version is the version of the configuration: the hexadecimal end of the
	// name of a dynamic file, or its version line; 0 without either.
	Version int64
	// FirstLine is the first line of the file that says something about
	// members, 0 without any.
	FirstLine int
}

// A Member is one server line.
type Member struct {
	ID int64
	// Addresses has more than one element only with multiAddress.enabled.
	Addresses []Address
	// Observer says that the member does not vote.
	Observer bool
	// ClientHost and ClientPort are the client part of the line; without one
	// ClientPort is NoClientPort. A bare port has the host 0.0.0.0.
	ClientHost string
	ClientPort int
	// Line is the line of the file or text.
	Line int
}

// NoClientPort is the client port of a member that names none.
const NoClientPort = -1

// An Address is where the other members reach a member. The host is not
// resolved; an IPv6 address stands without its brackets.
type Address struct {
	Host                     string
	QuorumPort, ElectionPort int
}

// A Group is one group line.
type Group struct {
	ID      int64
	Members []int64
	Line    int
}

// A Weight is one weight line.
type Weight struct {
	ID, Weight int64
	Line       int
}

// Voters are the members that vote, sorted by id.
func (m *Membership) Voters() []Member { return m.withRole(false) }

// Observers are the members that do not vote, sorted by id.
func (m *Membership) Observers() []Member { return m.withRole(true) }

func (m *Membership) withRole(observer bool) []Member {
	var list []Member
	for _, one := range m.Members {
		if one.Observer == observer {
			list = append(list, one)
		}
	}
	return list
}

// Member finds a member by id.
func (m *Membership) Member(id int64) (Member, bool) {
	for _, one := range m.Members {
		if one.ID == id {
			return one, true
		}
	}
	return Member{}, false
}

// Hierarchical says whether quorums go by groups and weights.
func (m *Membership) Hierarchical() bool { return len(m.Groups)+len(m.Weights) > 0 }

// Weight is the weight of a member in hierarchical quorums: that of its line,
// or 1.
func (m *Membership) Weight(id int64) int64 {
	for _, w := range m.Weights {
		if w.ID == id {
			return w.Weight
		}
	}
	return 1
}

func (m *Membership) weighed(id int64) bool {
	for _, w := range m.Weights {
		if w.ID == id {
			return true
		}
	}
	return false
}

// Sort puts members, groups and weights into the order of their numbers, as
// every method but Add expects them.
func (m *Membership) Sort() {
	sort.Slice(m.Members, func(i, j int) bool { return m.Members[i].ID < m.Members[j].ID })
	sort.Slice(m.Groups, func(i, j int) bool { return m.Groups[i].ID < m.Groups[j].ID })
	sort.Slice(m.Weights, func(i, j int) bool { return m.Weights[i].ID < m.Weights[j].ID })
}

// SameMembers says whether both configurations have the same members, with
// the same addresses and roles, and the same groups and weights. It is what
// QuorumVerifier.equals asks of two configurations of different versions.
func (m *Membership) SameMembers(other *Membership) bool {
	body := func(m *Membership) string {
		text := m.Text()
		return text[:strings.LastIndex(text, "version=")]
	}
	return m.Hierarchical() == other.Hierarchical() && body(m) == body(other)
}

// GroupProblems holds the group and weight lines against the members: in
// hierarchical quorums everyone who votes must be in exactly one group.
func (m *Membership) GroupProblems() []*Problem {
	if !m.Hierarchical() {
		return nil
	}
	var all []*Problem
	group := map[int64]int64{}
	number := func(id int64) string { return strconv.FormatInt(id, 10) }
	for _, g := range m.Groups {
		for _, id := range g.Members {
			other, twice := group[id]
			one, known := m.Member(id)
			text := ""
			switch {
			case twice:
				text = "server " + number(id) + " is in group." + number(other) + " as well; a server may be in one group only"
			case m.weighed(id):
				// ZooKeeper takes anyone who has a weight.
			case !known:
				text = "there is no server." + number(id)
			case one.Observer:
				text = "server " + number(id) + " is an observer; only participants count in a group"
			}
			if text != "" {
				all = append(all, &Problem{Line: g.Line, Key: "group." + number(g.ID), Text: text})
			}
			group[id] = g.ID
		}
	}
	for _, one := range m.Voters() {
		if _, ok := group[one.ID]; !ok {
			all = append(all, &Problem{Line: one.Line, Key: "server." + number(one.ID),
				Text: "in no group; with group or weight lines every participant must be in one"})
		}
	}
	return all
}
