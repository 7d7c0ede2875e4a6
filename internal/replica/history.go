package replica

import (
	"zooid/internal/wire"
	"zooid/internal/zab"
)

// committedLog keeps the newest committed transactions of a member of an
// ensemble, so that a learner that lacks only those is brought up to date from
// memory (ZKDatabase.committedLog). Without a limit it keeps nothing.
type committedLog struct {
	limit   int // transactions
	entries []keptEntry
	head    int
	bytes   int
}

type keptEntry struct {
	zxid  int64
	entry []byte
	own   bool // the entry's memory is its own, not a chunk's
}

// maxKeptBytes bounds what the committed log holds, however few transactions
// that are.
const maxKeptBytes = 64 << 20

func newCommittedLog(cfg *Config) committedLog {
	if cfg.Ensemble == nil {
		return committedLog{}
	}
	return committedLog{limit: cfg.Ensemble.CommitLogCount}
}

// add keeps an entry, whose bytes must not change.
func (h *committedLog) add(e keptEntry) {
	if h.limit == 0 {
		return
	}
	h.entries = append(h.entries, e)
	h.bytes += len(e.entry)
	for len(h.entries)-h.head > h.limit || h.bytes > maxKeptBytes && len(h.entries)-h.head > 1 {
		h.bytes -= len(h.entries[h.head].entry)
		h.entries[h.head] = keptEntry{}
		h.head++
	}
	if h.head > h.limit {
		h.entries = h.entries[:copy(h.entries, h.entries[h.head:])]
		h.head = 0
	}
}

// remember keeps a transaction that recovery replays.
func (h *committedLog) remember(head *wire.TxnHeader, body []byte, digest *wire.TxnDigest) {
	if h.limit == 0 {
		return
	}
	b := make([]byte, 0, wire.TxnHeaderSize+len(body)+12)
	b = append(head.Append(b), body...)
	if digest != nil {
		b = digest.Append(b)
	}
	h.add(keptEntry{zxid: head.Zxid, entry: b, own: true})
}

// all returns what is kept, oldest first.
func (h *committedLog) all() []keptEntry { return h.entries[h.head:] }

// zxids returns the zxids of what is kept, oldest first.
func (h *committedLog) zxids() []zab.Zxid {
	list := make([]zab.Zxid, 0, len(h.entries)-h.head)
	for _, e := range h.all() {
		list = append(list, e.zxid)
	}
	return list
}

// oldest returns the zxid of the oldest entry that stands in a chunk, or none.
func (h *committedLog) oldest(none int64) int64 {
	for _, e := range h.all() {
		if !e.own {
			return e.zxid
		}
	}
	return none
}
