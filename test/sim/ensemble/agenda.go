package ensemble

import "container/heap"

// appointment is something that happens at a time.
type appointment struct {
	at, order int64
	do        func()
}

// agenda holds what is to come; at equal times in the order of its making.
type agenda struct {
	list  []appointment
	order int64
}

// Len implements heap.Interface.
func (a *agenda) Len() int { return len(a.list) }

// Less implements heap.Interface.
func (a *agenda) Less(i, j int) bool {
	x, y := &a.list[i], &a.list[j]
	return x.at < y.at || x.at == y.at && x.order < y.order
}

// Swap implements heap.Interface.
func (a *agenda) Swap(i, j int) { a.list[i], a.list[j] = a.list[j], a.list[i] }

// Push implements heap.Interface.
func (a *agenda) Push(x any) { a.list = append(a.list, x.(appointment)) }

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(a.list) - 1
	x := a.list[last]
	a.list[last] = appointment{}
	a.list = a.list[:last]
	return x
}

// tooBusy is how many things may happen in a millisecond: where nothing takes
// any time a conversation without end is one of no time.
const tooBusy = 200_000

// after lets something happen ms from now.
func (w *world) after(ms int64, do func()) {
	w.agenda.order++
	heap.Push(&w.agenda, appointment{w.now + max(ms, 0), w.agenda.order, do})
}

// play lets time go on to end, or until done, which is asked now and then.
func (w *world) play(end int64, done func() bool) bool {
	asked := w.now
	for w.agenda.Len() > 0 && w.agenda.list[0].at <= end {
		if w.agenda.list[0].at >= asked {
			if done() {
				return true
			}
			asked = w.now + w.prof.tick/4 + 1
		}
		next := heap.Pop(&w.agenda).(appointment)
		if next.at > w.now {
			w.busy = 0
		}
		if w.busy++; w.busy > tooBusy {
			w.fail("progress", "%d things happen in one millisecond, and no end: %s", tooBusy, w.describe())
		}
		w.now = next.at
		next.do()
	}
	w.now = end
	return done()
}
