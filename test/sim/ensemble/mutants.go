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
	lostRoom
)

const behindSnapshot = "scenarios/ZOOKEEPER-2832-snapshot-behind-log.txt"

// Mutants describes every mutant, in order.
var Mutants = []struct {
	Mutant Mutant
	Name   string
	Does   string
	// Story is one of testdata that shows it, if it is too rare for seeds.
	Story string
}{
	{ackBeforeSync, "ack before sync", "reports records as durable before they are written", ""},
	{ackTheQueue, "ack the queue", "reports the newest record that waits instead of the newest one of the batch", ""},
	{epochFirst, "epoch first", "stores the current epoch before the records that it was handed before", ""},
	{storedEarly, "stored early", "answers a record that is no entry when it takes it, not when it has done it", ""},
	{truncateNot, "log not cut", "does not take back what the leader does not have", ""},
	{dropNot, "log not dropped", "leaves what is behind the leader's snapshot in the log", behindSnapshot},
	{dropOnce, "later snapshots stay", "leaves snapshots that are behind the one of the leader", behindSnapshot},
	{receivedUnwritten, "snapshot not written", "reports the leader's snapshot as written when it begins with it", ""},
	{epochNotSynced, "epoch not synced", "does not make the epoch files durable", ""},
	{forgetAccepted, "accepted epoch forgotten", "starts with the epoch of the log instead of the accepted one", ""},
	{forgetCurrent, "current epoch forgotten", "starts with the epoch of the log instead of the current one", ""},
	{recoverUnsynced, "recovery not synced", "does not sync what a killed process left behind in the log", ""},
	{lostPacket, "packet lost", "drops a part of the stream between two servers, once in a while", ""},
	{twicePacket, "packet twice", "sends packets twice, once in a while", ""},
	{overtake, "snapshot overtaken", "sends packets at once though a snapshot is on its way before them", ""},
	{receivedLate, "snapshot late", "hands the leader's snapshot over after packets that followed it", ""},
	{streamNotExact, "snapshot not exact", "sends the tree as it is when the nodes are sent, not as it was at the cut", ""},
	{logBeginsLate, "log begins late", "leaves the first entry out when it sends its log", ""},
	{foundAnyway, "found anyway", "says that the log helps though it does not reach that far back", ""},
	{noTicks, "no ticks", "never lets time pass in the core", ""},
	{lostRoom, "room not told", "forgets that the core has more replies for a connection", ""},
}
