package node

import (
	"slices"
	"strconv"
	"strings"

	"zooid/internal/metrics"
	"zooid/internal/replica"
)

// Where quotas are kept: below the root for each path that has one.
const (
	quotaRoot   = "/zookeeper/quota"
	quotaLimits = "/zookeeper_limits"
	quotaStats  = "/zookeeper_stats"
)

// quotaTrack is what a limits or a stats znode says; -1 = not set.
type quotaTrack struct{ count, bytes int64 }

// parseTrack reads the text of such a znode. A hard limit goes before a soft
// one, as it is the one that is enforced.
func parseTrack(text string) quotaTrack {
	values := map[string]int64{"count": -1, "bytes": -1, "countHardLimit": -1, "byteHardLimit": -1}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' }) {
		key, value, _ := strings.Cut(part, "=")
		value, _, _ = strings.Cut(value, "=")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			values[key] = n
		}
	}
	t := quotaTrack{values["count"], values["bytes"]}
	if hard := values["countHardLimit"]; hard > -1 {
		t.count = hard
	}
	if hard := values["byteHardLimit"]; hard > -1 {
		t.bytes = hard
	}
	return t
}

// quotas returns what the quota znodes of one kind say, added up by top-level
// znode.
func (n *Node) quotas(kind string, pick func(quotaTrack) int64) func() []metrics.LabelValue {
	return func() []metrics.LabelValue {
		sums := map[string]int64{}
		n.core.view(func(r *replica.Replica) {
			t := r.Tree()
			for paths := []string{quotaRoot}; len(paths) > 0; {
				p := paths[len(paths)-1]
				paths = paths[:len(paths)-1]
				ref := t.Lookup([]byte(p))
				if ref == 0 {
					continue
				}
				of, found := strings.CutSuffix(p[len(quotaRoot):], kind)
				if label := metrics.Namespace([]byte(of)); found && label != nil {
					sums[string(label)] += pick(parseTrack(string(t.Data(ref))))
				}
				t.Children(ref, func(name []byte) bool {
					paths = append(paths, p+"/"+string(name))
					return true
				})
			}
		})
		var list []metrics.LabelValue
		for label, v := range sums {
			list = append(list, metrics.LabelValue{Label: label, Value: v})
		}
		slices.SortFunc(list, func(a, b metrics.LabelValue) int { return strings.Compare(a.Label, b.Label) })
		return list
	}
}

// wireQuotas connects the sets of gauges to the quota znodes.
func (n *Node) wireQuotas() {
	count := func(t quotaTrack) int64 { return t.count }
	size := func(t quotaTrack) int64 { return t.bytes }
	m := &n.metrics.Quotas
	m.QuotaCountLimit.From(n.quotas(quotaLimits, count))
	m.QuotaBytesLimit.From(n.quotas(quotaLimits, size))
	m.QuotaCountUsage.From(n.quotas(quotaStats, count))
	m.QuotaBytesUsage.From(n.quotas(quotaStats, size))
}
