package ensemble

import (
	"testing"

	"zooid/test/interop/harness"
)

// TestLinearizable: whatever is killed or paused, there is one order of all
// writes, and of the reads that are behind a write of their own session, that
// agrees with the clock and explains every answer; and no session ever goes
// back in time.
func TestLinearizable(t *testing.T) {
	back := func(e *harness.Ensemble, m *harness.Member) {
		m.Launch()
		m.WaitServing()
	}
	faults := []struct {
		name   string
		strict bool // no leader is paused, so a sync is as good as a write
		steps  []func(r *recorder, e *harness.Ensemble)
	}{
		{"killed", true, []func(r *recorder, e *harness.Ensemble){
			func(r *recorder, e *harness.Ensemble) {
				m := e.Leader()
				m.Kill()
				e.WaitRoles()
				r.more(300)
				back(e, m)
			},
			func(r *recorder, e *harness.Ensemble) {
				m := e.Followers()[0]
				m.Kill()
				r.more(300)
				back(e, m)
			},
			func(r *recorder, e *harness.Ensemble) {
				m := e.Leader()
				m.Kill()
				m.Launch()
			},
			func(r *recorder, e *harness.Ensemble) {
				e.Kill(e.Members()...)
				e.Launch(e.Members()...)
			},
		}},
		{"paused", false, []func(r *recorder, e *harness.Ensemble){
			func(r *recorder, e *harness.Ensemble) {
				m := e.Leader()
				m.Pause()
				e.WaitRoles()
				r.more(200)
				m.Resume()
			},
			func(r *recorder, e *harness.Ensemble) {
				m := e.Followers()[0]
				m.Pause()
				r.more(200)
				m.Resume()
			},
			func(r *recorder, e *harness.Ensemble) {
				// Both at once: the leader dies while a follower is deaf.
				m, deaf := e.Leader(), e.Followers()[0]
				deaf.Pause()
				m.Kill()
				m.Launch()
				e.WaitRoles()
				deaf.Resume()
			},
		}},
	}
	each(t, func(t *testing.T, kinds []harness.Kind) {
		for _, f := range faults {
			t.Run(f.name, func(t *testing.T) {
				e := start(t, kinds)
				r := record(t, e, 5, 5, f.strict)
				r.more(300)
				for _, step := range f.steps {
					step(r, e)
					e.WaitRoles()
					r.more(300)
				}
				r.judge()
				checkTrees(t, e)
			})
		}
	})
}
