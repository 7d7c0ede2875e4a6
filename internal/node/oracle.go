package node

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"zooid/internal/replica"
)

// watchOracle tells the core what the file of oraclePath says, whenever that
// changes: "1" at its beginning lets this server go on without the other of two,
// anything else and no file does not (QuorumOracleMaj.askOracle).
func (n *Node) watchOracle() {
	t := time.NewTicker(n.tickEvery())
	defer t.Stop()
	said, warned := false, false
	for {
		grants, err := n.askOracle()
		if broken := err != nil && !errors.Is(err, fs.ErrNotExist); broken != warned {
			if warned = broken; broken {
				n.log.Warn("the oracle cannot be read, which counts as a no", "file", n.cfg.Quorum.OraclePath, "error", err)
			}
		}
		if grants != said {
			said = grants
			n.inbox.put(item{event: replica.Event{Kind: replica.Consulted, Peer: &replica.PeerEvent{Grants: grants}}})
		}
		select {
		case <-t.C:
		case <-n.stopping:
			return
		}
	}
}

func (n *Node) askOracle() (bool, error) {
	f, err := n.opts.FS.Open(n.cfg.Quorum.OraclePath)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var first [1]byte
	if _, err := f.ReadAt(first[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return first[0] == '1', nil
}
