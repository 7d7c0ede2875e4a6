package sim

// Mutant is a mistake that a shell could make; the simulator has to find it.
type Mutant int

// The mutants. What each does stands in Mutants.
const (
	_ Mutant = iota
	ackBeforeSync
	ackTheQueue
	rollNotSynced
	noDirSync
	goOn
	snapshotTooNew
	snapshotNotExact
	snapshotNotSynced
	noFirstSnapshot
	dropSession
	skipReplayed
	wrongLog
	recoverReadOnly
	recoverUnsynced
	purgeTooMuch
	lostTouch
	lastReadLost
	wallClock
	lostReply
	lateEvents
	forgetClosed
	outOfOrder
	twice
	hastyStop
	noTicks
	startInThePast
)

// Mutants describes every mutant, in order.
var Mutants = []struct {
	Mutant Mutant
	Name   string
	Does   string
}{
	{ackBeforeSync, "ack before sync", "reports records as durable when they are written and not yet synced"},
	{ackTheQueue, "ack the queue", "reports the newest record that waits instead of the newest one of the batch"},
	{rollNotSynced, "roll without sync", "ends a log file without syncing what was just written to it"},
	{noDirSync, "no sync of the directory", "never makes the name of a new file durable"},
	{goOn, "go on after a failed sync", "takes a new log file after a write or sync that failed, and acknowledges the batch"},
	{snapshotTooNew, "snapshot named too new", "names a snapshot by the newest zxid handed out instead of the newest applied"},
	{snapshotNotExact, "snapshot not exact", "walks the tree as it is when the nodes are written, not as it was at the cut"},
	{snapshotNotSynced, "snapshot not synced", "gives a snapshot its name before its data is durable"},
	{noFirstSnapshot, "no first snapshot", "serves an empty directory without writing a snapshot first"},
	{dropSession, "session dropped", "loses one session of the snapshot at recovery"},
	{skipReplayed, "replay begins late", "skips the first transaction behind the snapshot"},
	{wrongLog, "replay from the wrong log", "replays only the newest log file"},
	{recoverReadOnly, "torn end left", "does not cut off the torn end of the log that it recovers"},
	{recoverUnsynced, "recovery not synced", "does not sync what a killed process left behind in the log"},
	{purgeTooMuch, "purge too much", "deletes every log file but the newest"},
	{lostTouch, "touch lost", "does not tell the core of reads outside the loop, so that reading keeps no session alive"},
	{lastReadLost, "last touch lost", "forgets the reads of a connection that closes before the next tick"},
	{wallClock, "wall clock", "lets the sessions live by the wall clock"},
	{lostReply, "reply lost", "drops what the core has to say to a connection, once in a while"},
	{lateEvents, "events late", "leaves events and replies in the core while reads go on"},
	{forgetClosed, "closed connection forgotten", "does not tell the core that a connection is gone"},
	{outOfOrder, "records out of order", "swaps two records of a batch, once in a while"},
	{twice, "said twice", "sends what the core has to say twice, once in a while"},
	{hastyStop, "hasty stop", "stops on request without writing what waits for the log"},
	{noTicks, "no ticks", "never lets time pass in the core"},
	{startInThePast, "start in the past", "restores the sessions with a clock that is behind"},
}
