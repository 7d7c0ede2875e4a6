package ensemble

// Mutant is a mistake that a shell could make; the simulator has to find it.
type Mutant int

// The mutants. What each does stands in Mutants.
const (
	_ Mutant = iota
	ackBeforeSync
	ackTheQueue
	epochFirst
	storedEarly
	truncateNot
	dropNot
	dropOnce
	receivedUnwritten
	epochNotSynced
	forgetAccepted
	forgetCurrent
	recoverUnsynced
	lostPacket
	twicePacket
	overtake
	receivedLate
	streamNotExact
	logBeginsLate
	foundAnyway
	noTicks
)

// Mutants describes every mutant, in order.
var Mutants = []struct {
	Mutant Mutant
	Name   string
	Does   string
	// Unnoticed says that no seed so far has shown it: a gap of the simulator.
	Unnoticed bool
}{
	{ackBeforeSync, "ack before sync", "reports records as durable before they are written", false},
	{ackTheQueue, "ack the queue", "reports the newest record that waits instead of the newest one of the batch", false},
	{epochFirst, "epoch first", "stores the current epoch before the records that it was handed before", false},
	{storedEarly, "stored early", "answers a record that is no entry when it takes it, not when it has done it", false},
	{truncateNot, "log not cut", "does not take back what the leader does not have", false},
	{dropNot, "log not dropped", "leaves what is behind the leader's snapshot in the log", false},
	{dropOnce, "later snapshots stay", "leaves snapshots that are behind the one of the leader", true},
	{receivedUnwritten, "snapshot not written", "reports the leader's snapshot as written when it begins with it", false},
	{epochNotSynced, "epoch not synced", "does not make the epoch files durable", false},
	{forgetAccepted, "accepted epoch forgotten", "starts with the epoch of the log instead of the accepted one", false},
	{forgetCurrent, "current epoch forgotten", "starts with the epoch of the log instead of the current one", false},
	{recoverUnsynced, "recovery not synced", "does not sync what a killed process left behind in the log", false},
	{lostPacket, "packet lost", "drops a part of the stream between two servers, once in a while", false},
	{twicePacket, "packet twice", "sends packets twice, once in a while", false},
	{overtake, "snapshot overtaken", "sends packets at once though a snapshot is on its way before them", false},
	{receivedLate, "snapshot late", "hands the leader's snapshot over after packets that followed it", false},
	{streamNotExact, "snapshot not exact", "sends the tree as it is when the nodes are sent, not as it was at the cut", false},
	{logBeginsLate, "log begins late", "leaves the first entry out when it sends its log", false},
	{foundAnyway, "found anyway", "says that the log helps though it does not reach that far back", false},
	{noTicks, "no ticks", "never lets time pass in the core", false},
}
