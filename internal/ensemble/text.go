package ensemble

import (
	"errors"
	"sort"
	"strconv"
	"strings"

	"zooid/internal/properties"
)

// Parse reads a configuration text as servers send it: a properties text of
// server, group, weight and version lines and nothing else, the last of lines
// with the same key. An error is a *Problem, the first one in the text. As in
// QuorumPeer.configFromString, a text without a participant is refused.
func Parse(text []byte) (*Membership, error) {
	entries, err := properties.Read(text)
	var bad *properties.BadEscape
	if errors.As(err, &bad) {
		return nil, &Problem{Line: bad.Line, Text: bad.Text}
	}
	last := map[string]int{}
	for i, e := range entries {
		last[e.Key] = i
	}
	m := &Membership{}
	for i, e := range entries {
		if last[e.Key] != i {
			continue
		}
		if problem := m.Add(properties.Trim(e.Key), properties.Trim(e.Value), e.Line); problem != nil {
			return nil, problem
		}
	}
	m.Sort()
	for _, problem := range m.GroupProblems() {
		return nil, problem
	}
	if len(m.Voters()) == 0 {
		return nil, &Problem{Key: "server", Text: "no participant; at least one member must vote"}
	}
	return m, nil
}

// Text is the configuration text as ZooKeeper writes it into /zookeeper/config
// and its packets (QuorumVerifier.toString): a line for each member, group and
// weight, and the version last, without a newline at the end.
func (m *Membership) Text() string {
	var b strings.Builder
	byID := map[int64]string{}
	line := func(key string, id int64, value string) {
		byID[id] = key + strconv.FormatInt(id, 10) + "=" + value + "\n"
	}
	flush := func() {
		for _, id := range javaOrder(byID) {
			b.WriteString(byID[id])
		}
		clear(byID)
	}
	for _, one := range m.Members {
		line("server.", one.ID, one.String())
	}
	flush()
	for id, members := range m.textGroups() {
		line("group.", id, members)
	}
	flush()
	for _, w := range m.allWeights() {
		line("weight.", w.ID, strconv.FormatInt(w.Weight, 10))
	}
	flush()
	b.WriteString("version=" + strconv.FormatUint(uint64(m.Version), 16))
	return b.String()
}

// textGroups are the values of the group lines. The members of a group come
// in the order of one hash map over the members of all groups, whatever the
// order in which the line was written.
func (m *Membership) textGroups() map[int64]string {
	group := map[int64]int64{}
	for _, g := range m.Groups {
		for _, id := range g.Members {
			group[id] = g.ID
		}
	}
	lines := map[int64]string{}
	for _, id := range javaOrder(group) {
		text := strconv.FormatInt(id, 10)
		if before, ok := lines[group[id]]; ok {
			text = before + ":" + text
		}
		lines[group[id]] = text
	}
	return lines
}

// allWeights adds to the weight lines the weight 1 of the participants without
// one, as ZooKeeper does when quorums are hierarchical.
func (m *Membership) allWeights() []Weight {
	all := append([]Weight(nil), m.Weights...)
	if !m.Hierarchical() {
		return all
	}
	for _, one := range m.Voters() {
		if !m.weighed(one.ID) {
			all = append(all, Weight{ID: one.ID, Weight: 1})
		}
	}
	return all
}

// javaOrder is the order in which a java.util.HashMap with these Long keys is
// walked: by the bucket of the key, in a table that doubles from 16 whenever
// it is filled beyond three quarters. Ids below 16 come in ascending order.
// Two keys of one bucket come in the order in which Java met them, which
// depends on the hash of their text; here the lower one comes first.
func javaOrder[V any](byID map[int64]V) []int64 {
	table := uint32(16)
	for 4*len(byID) > 3*int(table) {
		table *= 2
	}
	bucket := func(id int64) uint32 {
		h := uint32(id) ^ uint32(uint64(id)>>32)
		return (h ^ h>>16) & (table - 1)
	}
	ids := make([]int64, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool {
		if a, b := bucket(ids[i]), bucket(ids[j]); a != b {
			return a < b
		}
		return ids[i] < ids[j]
	})
	return ids
}
