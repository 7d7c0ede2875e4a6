package ensemble

import (
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/judge"
)

// checkEqual fails unless all living members have the same tree, the last zxid
// and the digests of the tree on the way. Nothing may be writing.
func checkEqual(t *testing.T, e *harness.Ensemble) {
	t.Helper()
	judge.Equal(t, e)
}

// checkTrees is checkEqual without the digests on the way.
func checkTrees(t *testing.T, e *harness.Ensemble) {
	t.Helper()
	judge.Trees(t, e)
}

// checkZxids waits until all living members are at the same zxid.
func checkZxids(t *testing.T, e *harness.Ensemble) {
	t.Helper()
	judge.Zxids(t, e)
}
