package judge

import (
	"testing"

	"github.com/anishathalye/porcupine"

	"zooid/zk"
)

// TestModel: the model accepts what servers may answer and finds what they may
// not. It needs no server.
func TestModel(t *testing.T) {
	type step struct {
		from, to int64
		in       Action
		out      Outcome
	}
	set := func(value int, version int32) Action { return Action{Verb: Set, Value: value, Version: version} }
	creation := step{0, 1, Action{Verb: Create, Value: 1}, Outcome{Value: 1}}
	lost := Outcome{Unknown: true}
	for _, test := range []struct {
		name  string
		want  bool
		steps []step
	}{
		{"one after the other", true, []step{creation, {2, 3, set(2, 0), Outcome{Value: 2, Version: 1}}, {4, 5, Action{Verb: Read}, Outcome{Value: 2, Version: 1}}}},
		{"a read while a write is under way", true, []step{creation, {2, 9, set(2, 0), Outcome{Value: 2, Version: 1}}, {4, 5, Action{Verb: Read}, Outcome{Value: 1}}}},
		{"a read of what was before", false, []step{creation, {2, 3, set(2, 0), Outcome{Value: 2, Version: 1}}, {4, 5, Action{Verb: Read}, Outcome{Value: 1}}}},
		{"an acknowledged write is lost", false, []step{creation, {2, 3, set(2, 0), Outcome{Value: 2, Version: 1}}, {4, 5, set(3, zk.AnyVersion), Outcome{Value: 3, Version: 1}}}},
		{"two writers win one version", false, []step{creation, {2, 5, set(2, 0), Outcome{Value: 2, Version: 1}}, {3, 4, set(3, 0), Outcome{Value: 3, Version: 1}}}},
		{"a write with an unknown outcome is seen late", true, []step{creation, {2, Forever, set(2, 0), lost}, {4, 5, Action{Verb: Read}, Outcome{Value: 1}}, {6, 7, Action{Verb: Read}, Outcome{Value: 2, Version: 1}}}},
		{"it is not taken back", false, []step{creation, {2, Forever, set(2, 0), lost}, {4, 5, Action{Verb: Read}, Outcome{Value: 2, Version: 1}}, {6, 7, Action{Verb: Read}, Outcome{Value: 1}}}},
		{"it is not done twice", false, []step{creation, {2, Forever, set(2, zk.AnyVersion), lost}, {4, 5, Action{Verb: Read}, Outcome{Value: 2, Version: 2}}}},
		{"a deleted znode is seen", false, []step{creation, {2, 3, Action{Verb: Delete}, Outcome{}}, {4, 5, Action{Verb: Read}, Outcome{Value: 1}}}},
		{"a refusal without a reason", false, []step{creation, {2, 3, set(2, 0), Outcome{Code: zk.ErrBadVersion}}}},
	} {
		var history []porcupine.Operation
		for i, s := range test.steps {
			history = append(history, porcupine.Operation{ClientId: i, Input: s.in, Output: s.out, Call: s.from, Return: s.to})
		}
		if got := porcupine.CheckOperations(Model, history); got != test.want {
			t.Errorf("%s: linearizable %v, want %v", test.name, got, test.want)
		}
	}
}
