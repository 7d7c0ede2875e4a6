package differential

// knownDifferences is the one list of what Zooid answers otherwise than
// Apache's server on purpose. The generator makes none of these requests; each
// has its own test, which holds Zooid to the answer given here.
var knownDifferences = []struct{ request, apache, zooid, reason, test string }{
	{
		request: "createTTL with flags 0 to 4 (no TTL node) and a negative ttl, alone or in a multi",
		apache:  "accepts and logs it, dies while applying it, and dies again at every restart",
		zooid:   "-8 BADARGUMENTS",
		reason:  "any client could end the service for good",
		test:    "defects: TestPoisonCreateTTL",
	},
	{
		request: "createSession (-10) from a client",
		apache:  "runs it as if the server had asked for it: a ConnectResponse out of turn, a new timeout",
		zooid:   "-6 UNIMPLEMENTED and the end of the connection, as for any unknown type",
		reason:  "an internal type of the server; no client sends it",
		test:    "differential: TestInternalTypesRefused",
	},
	{
		request: "deleteContainer (20) from a client",
		apache:  "deletes the node without any ACL or session check",
		zooid:   "-6 UNIMPLEMENTED and the end of the connection",
		reason:  "it goes round the ACLs; only the server's own container sweep may ask for it",
		test:    "differential: TestInternalTypesRefused",
	},
	{
		request: "a write pipelined behind a setACL of the node that guards it",
		apache:  "checks it against the old ACL while the setACL is under way, against the new one later",
		zooid:   "checks it against the new ACL",
		reason:  "requests of a session take effect in order; a right that was taken away is gone",
		test:    "differential: TestSetACLHoldsForWhatFollows",
	},
	{
		request: "a client's own text in a quota's zookeeper_stats node that is no quota text",
		apache:  "dies at the next write below the quota's path",
		zooid:   "goes on",
		reason:  "any client could end the service for good",
		test:    "defects: TestQuotaStatsGarbage",
	},
}
