package tree

import "zooid/internal/wire"

// Each trigger tells a connection at most once: the connection carries the
// stamp of the last trigger that did.

var rootPath = []byte("/")

// parentOf returns the path of the parent of a path whose last slash is known.
func parentOf(path []byte, slash int) []byte {
	if slash == 0 {
		return rootPath
	}
	return path[:slash:slash]
}

func (w *watches) created(r *Result, path []byte, slash int, acl, parentACL []byte) {
	w.trigger(r, wire.EventNodeCreated, path, acl, inDataTable)
	w.trigger(r, wire.EventNodeChildrenChanged, parentOf(path, slash), parentACL, inChildTable)
}

func (w *watches) deleted(r *Result, path []byte, slash int, acl, parentACL []byte) {
	// Java asks the child table second and leaves out those whom the data
	// table told: one trigger over both does the same.
	w.trigger(r, wire.EventNodeDeleted, path, acl, inDataTable|inChildTable)
	w.trigger(r, wire.EventNodeChildrenChanged, parentOf(path, slash), parentACL, inChildTable)
}

func (w *watches) changed(r *Result, path, acl []byte) {
	w.trigger(r, wire.EventNodeDataChanged, path, acl, inDataTable)
}

// trigger appends the hits of one event in the given tables.
func (w *watches) trigger(r *Result, event int32, path, acl []byte, tables WatchMode) {
	if w.stamp++; w.stamp == 0 {
		for i := range w.conns {
			w.conns[i].stamp = 0
		}
		w.stamp = 1
	}
	if p := w.find(path); p != 0 {
		w.fire(r, event, path, acl, p, tables)
	}
	if tables&WatchRecursive == 0 || w.recursive == 0 || len(path) <= 1 {
		return
	}
	for above := path; len(above) > 1; {
		above = parentOf(above, max(lastSlash(above), 0))
		if p := w.find(above); p != 0 && w.paths.at(p).recursive > 0 {
			w.fireAbove(r, event, path, acl, p)
		}
	}
}

// fire tells the watches of the path itself and uses up the one-shot ones.
func (w *watches) fire(r *Result, event int32, path, acl []byte, p uint32, tables WatchMode) {
	for i := w.paths.at(p).first; i != 0; {
		m := w.marks.at(i)
		next := m.pnext
		if m.mode()&tables != 0 {
			w.tell(r, event, path, acl, m.id())
			left := m.mode() &^ (tables & (WatchData | WatchChild))
			if left == 0 {
				w.unlink(i)
			} else if left != m.mode() {
				w.setMode(m, left)
			}
		}
		i = next
	}
}

// fireAbove tells the recursive watches of a path above.
func (w *watches) fireAbove(r *Result, event int32, path, acl []byte, p uint32) {
	for i := w.paths.at(p).first; i != 0; {
		m := w.marks.at(i)
		if m.mode()&WatchRecursive != 0 {
			w.tell(r, event, path, acl, m.id())
		}
		i = m.pnext
	}
}

func (w *watches) tell(r *Result, event int32, path, acl []byte, conn uint32) {
	if c := &w.conns[conn]; c.stamp != w.stamp {
		c.stamp = w.stamp
		r.Hits = append(r.Hits, Hit{Conn: conn, Event: event, Path: path, ACL: acl})
	}
}
