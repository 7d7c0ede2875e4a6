package config

import (
	"sort"
	"strings"
)

// misnamed are names that people write, many of them from Apache's own
// documentation, with the name that is really read. An empty name means that
// nothing ever read the key; the text then says what to use.
var misnamed = map[string]struct{ real, instead string }{
	"connectionMaxTokens":         {real: "connection_throttle_tokens"},
	"connectionTokenFillTime":     {real: "connection_throttle_fill_time"},
	"connectionTokenFillCount":    {real: "connection_throttle_fill_count"},
	"connectionFreezeTime":        {real: "connection_throttle_freeze_time"},
	"connectionDropIncrease":      {real: "connection_throttle_drop_increase"},
	"connectionDropDecrease":      {real: "connection_throttle_drop_decrease"},
	"connectionDecreaseRatio":     {real: "connection_throttle_decrease_ratio"},
	"requestThrottleLimit":        {real: "request_throttle_max_requests"},
	"requestThrottleStallTime":    {real: "request_throttle_stall_time"},
	"requestThrottleDropStale":    {real: "request_throttle_drop_stale"},
	"requestStaleLatencyCheck":    {real: "request_stale_latency_check"},
	"requestStaleConnectionCheck": {real: "request_stale_connection_check"},
	"throttledOpWaitTime":         {real: "throttled_op_wait_time"},
	"advancedFlowControlEnabled":  {real: "netty.advancedFlowControl.enabled"},
	"outstandingHandshake.limit":  {real: "netty.server.outstandingHandshake.limit"},
	"maxConcurrentSnapSyncs":      {real: "leader.maxConcurrentSnapSyncs"},
	"maxConcurrentDiffSyncs":      {real: "leader.maxConcurrentDiffSyncs"},
	"maxTimeToWaitForEpoch":       {real: "leader.maxTimeToWaitForEpoch"},
	"ackLoggingFrequency":         {real: "leader.ackLoggingFrequency"},
	"sessionlessCnxnTimeout":      {real: "nio.sessionlessCnxnTimeout"},
	"superDigest":                 {real: "DigestAuthenticationProvider.superDigest"},
	"purgeInterval":               {real: "autopurge.purgeInterval"},
	"snapRetainCount":             {real: "autopurge.snapRetainCount"},
	"trust.empty.snapshot":        {real: "snapshot.trust.empty"},
	"readonlymode":                {real: "readonlymode.enabled"},
	"requireClientAuthScheme":     {instead: "use enforce.auth.enabled and enforce.auth.schemes"},
	"jaasLoginRenew":              {instead: "logins are renewed by the life time of the ticket"},

	"java.security.auth.login.config": {instead: "write -Djava.security.auth.login.config=FILE into SERVER_JVMFLAGS"},
}

// longestKey bounds the keys for which a nearest one is looked for; no option
// has a longer name.
const longestKey = 80

// nearest finds the known key that an unknown one was most likely meant to be,
// or nothing when none is close. Case does not count, so that a key with the
// wrong case is found too.
func nearest(key string, candidates map[string]*Option) string {
	if len(key) > longestKey {
		return ""
	}
	low := strings.ToLower(key)
	allowed := 1 + len(key)/5
	best := ""
	for name, o := range candidates {
		if o.OnlyProperty || len(name)-len(low) > allowed || len(low)-len(name) > allowed {
			continue
		}
		d := distance(low, strings.ToLower(name))
		if d < allowed || d == allowed && (best == "" || name < best) {
			best, allowed = name, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap with their
// neighbour that turn a into b. Neither is much longer than longestKey.
func distance(a, b string) int {
	var rows [3][2 * longestKey]int
	before, last, row := rows[0][:len(b)+1], rows[1][:len(b)+1], rows[2][:len(b)+1]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// Misnamed lists the names that are written but that nothing reads, sorted,
// each with the name that is read or what to do instead.
func Misnamed() []Property {
	var all []Property
	for name, m := range misnamed {
		all = append(all, Property{name, m.real + m.instead})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
