package zab

// ChooseSync is the leader's choice of how a learner whose log ends at peer is
// brought up to date (LearnerHandler.syncFollower): last is the newest
// committed zxid, and committed are the zxids of the proposals that are kept in
// memory, oldest first. from is the index of the first one to send. ok is false
// if the answer is not in memory: the log on disk has to be looked at, and Snap
// is the answer if that does not help.
func ChooseSync(peer, last Zxid, committed []Zxid) (c SyncChoice, from int, ok bool) {
	lowest, highest := last, last
	if len(committed) > 0 {
		lowest, highest = committed[0], committed[len(committed)-1]
	}
	switch {
	case peer == last:
		return SyncChoice{Diff, peer}, len(committed), true
	case peer > highest && CounterOf(peer) != 0 && CounterOf(highest) != 0:
		return SyncChoice{Trunc, highest}, len(committed), true
	case peer > highest && CounterOf(peer) != 0:
		// No log has the beginning of an epoch, at which to cut.
		return SyncChoice{Snap, last}, len(committed), true
	case peer < lowest || peer > highest || len(committed) == 0:
		return SyncChoice{Snap, last}, len(committed), false
	}
	return chooseWithin(peer, highest, committed)
}

// chooseWithin walks the proposals in memory.
func chooseWithin(peer, highest Zxid, committed []Zxid) (c SyncChoice, from int, ok bool) {
	for i, zxid := range committed {
		switch {
		case zxid < peer:
		case zxid == peer:
			return SyncChoice{Diff, highest}, i + 1, true
		case CounterOf(peer) == 0:
			// It knows the start of an epoch only.
			return SyncChoice{Diff, highest}, i, true
		case i > 0 && EpochOf(zxid) == EpochOf(peer):
			// It has logged what was never committed. A cut never crosses
			// epochs.
			return SyncChoice{Trunc, committed[i-1]}, i, true
		default:
			return SyncChoice{Snap, highest}, len(committed), true
		}
	}
	return SyncChoice{Diff, highest}, len(committed), true
}

// Found is what the log on disk has for a learner (ChooseSync): with OK the
// choice, and From, the zxid behind which entries of the log are to be sent.
type Found struct {
	OK     bool
	Choice SyncChoice
	From   Zxid
	Why    string // the log does not help
}
