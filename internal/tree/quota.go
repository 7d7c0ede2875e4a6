package tree

type quotas struct{}

func (t *Tree) quotaCreated(path []byte, i uint32)           {}
func (t *Tree) quotaDeleted(path []byte, size int64)         {}
func (t *Tree) quotaSet(path []byte, i uint32, change int64) {}

func (t *Tree) quotaLoad() {}

// QuotaBreach is a limit that a change would exceed.
type QuotaBreach struct {
	Prefix []byte // the node that has the quota
	Bytes  bool   // the limit is one of bytes, not of nodes
	Hard   bool   // a hard limit: refuse; a soft one: log
	Value  int64  // what the count would become
	Limit  int64
}

// QuotaCheck says which limit, if any, adding count nodes and bytes of data at
// path would exceed. A read.
func (t *Tree) QuotaCheck(path []byte, count, bytes int64) (QuotaBreach, bool) {
	return QuotaBreach{}, false
}

// Namespace returns the first part of a path, by which metrics are kept; nil
// for the root.
func Namespace(path []byte) []byte { return nil }
