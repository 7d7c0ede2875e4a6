package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"zooid/internal/storage"
	"zooid/internal/wire"
)

// node is one znode of a snapshot.
type node struct {
	path     string
	data     []byte // only if tree.keepData
	size     int    // of the data
	stat     wire.StatPersisted
	children []*node // as the file has them
}

// name returns the last part of the path.
func (n *node) name() string {
	return n.path[strings.LastIndexByte(n.path, '/')+1:]
}

// session is one entry of the session table.
type session struct {
	id      int64
	timeout int32
}

// tree is the content of a snapshot.
type tree struct {
	keepData   bool
	nodes      map[string]*node
	sessions   []session
	ephemerals map[int64]int // by session
}

// loadTree reads a snapshot. One whose nodes are all there but whose checksum
// is wrong is shown too, as a person may need what is in it, with a warning.
func loadTree(env *Env, name string, keepData bool) (*tree, error) {
	t := &tree{keepData: keepData, nodes: map[string]*node{}, ephemerals: map[int64]int{}}
	_, err := storage.ReadSnapshot(env.FS, name, env.Limits, t)
	var damage *storage.DamageError
	if errors.As(err, &damage) && damage.Behind {
		env.complain("warning: a server would not load this snapshot: %v", err)
		err = nil
	}
	if err == nil && t.find("/") == nil {
		err = fmt.Errorf("%s holds no root node", name)
	}
	return t, err
}

// Session implements storage.Sink.
func (t *tree) Session(id int64, timeout int32) {
	t.sessions = append(t.sessions, session{id, timeout})
}

// ACL implements storage.Sink.
func (t *tree) ACL(int64, []byte) {}

// Node implements storage.Sink.
func (t *tree) Node(path, data []byte, _ int64, st *wire.StatPersisted) error {
	n := &node{path: string(path), size: len(data), stat: *st}
	if t.keepData {
		n.data = append([]byte(nil), data...)
	}
	t.nodes[n.path] = n
	if st.EphemeralOwner != 0 {
		t.ephemerals[st.EphemeralOwner]++
	}
	if len(path) == 0 {
		return nil
	}
	parent := t.nodes[n.path[:max(strings.LastIndexByte(n.path, '/'), 0)]]
	if parent == nil {
		return fmt.Errorf("node %s comes before its parent", n.path)
	}
	parent.children = append(parent.children, n)
	return nil
}

// find returns the node of a path as a person writes it, where the root is
// "/" or nothing; nil if there is none.
func (t *tree) find(path string) *node {
	if path == "/" {
		path = ""
	}
	return t.nodes[path]
}

// ordered returns the children in the order in which Java's tools print them:
// that of a HashSet<String> that was filled in the order of the file.
func (n *node) ordered() []*node {
	const capacity = 8 // DataNode asks for it
	return hashOrder(n.children, capacity, func(c *node) int32 { return hashString(c.name()) })
}

// hashOrder returns values in the order of a java.util.HashMap that began
// with a capacity and took them in order.
func hashOrder[T any](values []T, capacity int, hash func(T) int32) []T {
	for len(values) > capacity*3/4 {
		capacity *= 2
	}
	buckets := make([][]T, capacity)
	for _, v := range values {
		h := uint32(hash(v))
		h ^= h >> 16
		i := int(h) & (capacity - 1)
		buckets[i] = append(buckets[i], v)
	}
	out := make([]T, 0, len(values))
	for _, b := range buckets {
		out = append(out, b...)
	}
	return out
}

// hashString is String.hashCode.
func hashString(s string) int32 {
	var h int32
	for _, c := range utf16.Encode([]rune(s)) {
		h = 31*h + int32(c)
	}
	return h
}

// hashLong is Long.hashCode.
func hashLong(n int64) int32 { return int32(uint64(n) ^ uint64(n)>>32) }

// checkInput complains about a file that cannot be read, in the words of
// ZKUtil.validateFileInput.
func checkInput(env *Env, name string) error {
	full, err := filepath.Abs(name)
	if err != nil {
		full = name
	}
	info, err := env.FS.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("File '%s' does not exist.", full)
	case err == nil && info.Dir:
		return fmt.Errorf("'%s' is a directory. it must be a file.", full)
	}
	if err == nil {
		f, oerr := env.FS.Open(name)
		if err = oerr; err == nil {
			f.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("Read permission is denied on the file '%s'", full)
	}
	return nil
}
