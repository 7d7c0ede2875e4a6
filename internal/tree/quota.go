package tree

import (
	"bytes"
	"math"
	"slices"
	"strconv"
)

// A quota lies in two ordinary nodes below /zookeeper/quota<prefix>: a client
// writes the limits, and every server keeps the stats up to date by itself,
// beside the transactions. The text of the nodes is the truth; this file holds
// only which prefixes have limits.
//
// The rules are those of DataTree, StatsTrack and ZooKeeperServer.checkQuota.
type quotas struct {
	prefixes map[string]struct{}
}

const (
	quotaRoot  = "/zookeeper/quota"
	limitsName = "zookeeper_limits"
	statsName  = "zookeeper_stats"
)

// quotaPrefix returns what a path below /zookeeper/quota is about, when its
// last part is name.
func quotaPrefix(path []byte, name string) (prefix []byte, ok bool) {
	n := len(path) - len(name) - 1
	if n <= len(quotaRoot) || string(path[n+1:]) != name || path[n] != '/' ||
		string(path[:len(quotaRoot)]) != quotaRoot || path[len(quotaRoot)] != '/' {
		return nil, false
	}
	return path[len(quotaRoot):n], true
}

// find returns the longest prefix of a path, the path itself included, that
// has limits.
func (q *quotas) find(path []byte) (prefix []byte, ok bool) {
	if len(q.prefixes) == 0 {
		return nil, false
	}
	for n := len(path); n > 0; n = lastSlash(path[:n]) {
		if _, ok := q.prefixes[string(path[:n])]; ok {
			return path[:n], true
		}
	}
	return nil, false
}

// lookupQuota returns the limits or stats node of a prefix.
func (t *Tree) lookupQuota(prefix []byte, name string) Ref {
	var buf [256]byte
	p := append(append(append(append(buf[:0], quotaRoot...), prefix...), '/'), name...)
	return t.Lookup(p)
}

// quotaCreated notes a new node.
func (t *Tree) quotaCreated(path []byte, i uint32) {
	if prefix, ok := quotaPrefix(path, limitsName); ok {
		if t.quotas.prefixes == nil {
			t.quotas.prefixes = make(map[string]struct{})
		}
		t.quotas.prefixes[string(prefix)] = struct{}{}
	} else if prefix, ok := quotaPrefix(path, statsName); ok {
		t.recount(prefix, i)
	}
	t.addStats(path, 1, int64(max(t.nodes.at(i).dataLen, 0)))
}

// quotaDeleted notes a node that is gone, and the size of its data.
func (t *Tree) quotaDeleted(path []byte, size int64) {
	if prefix, ok := quotaPrefix(path, limitsName); ok {
		delete(t.quotas.prefixes, string(prefix))
	}
	t.addStats(path, -1, -size)
}

// quotaSet notes new data.
func (t *Tree) quotaSet(path []byte, change int64) { t.addStats(path, 0, change) }

// recount writes the totals of a subtree, its root included, to a stats node.
func (t *Tree) recount(prefix []byte, stats uint32) {
	var count, size int64
	if r := t.Lookup(prefix); r != 0 {
		n := t.nodes.at(uint32(r))
		count, size = 1, int64(max(n.dataLen, 0))
		if n.dir != 0 {
			d := t.dirs.at(n.dir)
			count, size = count+int64(d.below), size+d.bytes
		}
	}
	t.scratch = appendTrack(t.scratch[:0], count, size, nil)
	t.writeStats(stats)
}

// addStats changes the stats of the quota that a path is under.
func (t *Tree) addStats(path []byte, count, size int64) {
	prefix, ok := t.quotas.find(path)
	if !ok {
		return
	}
	r := t.lookupQuota(prefix, statsName)
	if r == 0 {
		return // not made yet; it counts for itself then
	}
	text := t.Data(r)
	now, ok := parseTrack(text)
	if !ok {
		return // not ours; Java dies here
	}
	t.scratch = appendTrack(t.scratch[:0], now.count+count, now.bytes+size, text)
	t.writeStats(uint32(r))
}

// writeStats replaces the data of a stats node by the scratch: no version, no
// zxid and no watch take part in it.
func (t *Tree) writeStats(i uint32) {
	if bytes.Equal(t.data(t.nodes.at(i)), t.scratch) {
		return
	}
	t.touch(i)
	t.setData(i, t.scratch)
}

// quotaLoad finds the quotas of a loaded tree and counts them anew.
func (t *Tree) quotaLoad() {
	t.quotas.prefixes = nil
	top := uint32(t.Lookup([]byte(quotaRoot)))
	if top == 0 {
		return
	}
	end := t.afterSubtree(top)
	var path []byte
	for i := top; i != end; i = t.following(i) {
		path = t.appendPath(path[:0], i)
		prefix, ok := quotaPrefix(path, limitsName)
		if !ok || t.firstChild(t.nodes.at(i)) != 0 {
			continue
		}
		if t.quotas.prefixes == nil {
			t.quotas.prefixes = make(map[string]struct{})
		}
		t.quotas.prefixes[string(prefix)] = struct{}{}
		if r := t.lookupQuota(prefix, statsName); r != 0 {
			t.recount(prefix, uint32(r))
		}
	}
}

// QuotaBreach is a limit that a change would exceed.
type QuotaBreach struct {
	Prefix []byte // the node that has the quota; a part of the path asked for
	Bytes  bool   // the limit is one of bytes, not of nodes
	Hard   bool   // a hard limit: refuse with CodeQuotaExceeded; a soft one: log
	Value  int64  // what the number would become
	Limit  int64
}

// QuotaCheck says which limit adding count nodes and size bytes of data at
// path would exceed; a hard one before a soft one. Prep asks it when
// enforceQuota is set: a create adds one node and its data, a setData the
// difference of the sizes. It allocates nothing. A read.
func (t *Tree) QuotaCheck(path []byte, count, size int64) (QuotaBreach, bool) {
	prefix, ok := t.quotas.find(path)
	if !ok {
		return QuotaBreach{}, false
	}
	l, s := t.lookupQuota(prefix, limitsName), t.lookupQuota(prefix, statsName)
	if l == 0 || s == 0 {
		return QuotaBreach{}, false
	}
	limits, ok := parseTrack(t.Data(l))
	stats, ok2 := parseTrack(t.Data(s))
	if !ok || !ok2 {
		return QuotaBreach{}, false
	}
	nodes, overNodes := breach(stats.count, count, limits.count, limits.countHard)
	data, overData := breach(stats.bytes, size, limits.bytes, limits.bytesHard)
	nodes.Prefix, data.Prefix, data.Bytes = prefix, prefix, true
	if overData && (!overNodes || data.Hard && !nodes.Hard) {
		return data, true
	}
	return nodes, overNodes
}

// breach compares one number with its limits; where both are set the hard one
// decides. -1 is no limit.
func breach(now, change, soft, hard int64) (b QuotaBreach, over bool) {
	b.Value, b.Limit = now+change, soft
	if hard > -1 {
		b.Hard, b.Limit = true, hard
	}
	return b, change != 0 && b.Limit > -1 && b.Value > b.Limit
}

// Namespace returns the first part of a path, by which metrics are kept; nil
// for the root.
func Namespace(path []byte) []byte {
	if len(path) < 2 || path[0] != '/' {
		return nil
	}
	name, _, _ := bytes.Cut(path[1:], []byte("/"))
	return name
}

// track is the text of a limits or stats node; -1 is unset.
type track struct{ count, bytes, countHard, bytesHard int64 }

// parseTrack reads count=N,bytes=N and what may follow; false for what Java
// could not read either.
func parseTrack(text []byte) (track, bool) {
	x := track{-1, -1, -1, -1}
	ok := eachPair(text, func(key []byte, value int64) {
		switch string(key) {
		case "count":
			x.count = value
		case "bytes":
			x.bytes = value
		case "countHardLimit":
			x.countHard = value
		case "byteHardLimit":
			x.bytesHard = value
		}
	})
	return x, ok
}

// eachPair calls f with each key=value of a text: parts stand between runs of
// , and ; and end before a further =. An empty value is -1.
func eachPair(text []byte, f func(key []byte, value int64)) bool {
	separator := func(c byte) bool { return c == ',' || c == ';' }
	for len(text) > 0 {
		n := 0
		for n < len(text) && !separator(text[n]) {
			n++
		}
		part := text[:n]
		for n < len(text) && separator(text[n]) {
			n++
		}
		text = text[n:]
		key, rest, _ := bytes.Cut(bytes.TrimRight(part, "="), []byte("="))
		number, _, more := bytes.Cut(rest, []byte("="))
		value := int64(-1)
		if len(number) > 0 {
			var ok bool
			if value, ok = parseLong(number); !ok {
				return false
			}
		} else if !more {
			return false
		}
		f(key, value)
	}
	return true
}

// parseLong is Long.parseLong for digits of ASCII.
func parseLong(s []byte) (int64, bool) {
	neg := s[0] == '-'
	if neg || s[0] == '+' {
		s = s[1:]
	}
	if len(s) == 0 {
		return 0, false
	}
	var v uint64
	for _, c := range s {
		if c < '0' || c > '9' || v > math.MaxInt64/10 {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	if neg {
		return -int64(v), v <= 1<<63
	}
	return int64(v), v <= math.MaxInt64
}

// appendTrack appends count=N,bytes=N and, in alphabetical order, the other
// keys of the former text.
func appendTrack(b []byte, count, size int64, former []byte) []byte {
	b = strconv.AppendInt(append(b, "count="...), count, 10)
	b = strconv.AppendInt(append(b, ",bytes="...), size, 10)
	type pair struct {
		key   string
		value int64
	}
	var others []pair
	eachPair(former, func(key []byte, value int64) {
		if string(key) == "count" || string(key) == "bytes" {
			return
		}
		others = slices.DeleteFunc(others, func(p pair) bool { return p.key == string(key) })
		others = append(others, pair{string(key), value})
	})
	if len(others) == 0 {
		return b
	}
	slices.SortFunc(others, func(x, y pair) int { return bytes.Compare([]byte(x.key), []byte(y.key)) })
	b = append(b, '=')
	for _, p := range others {
		b = strconv.AppendInt(append(append(append(b, ';'), p.key...), '='), p.value, 10)
	}
	return b
}
