package shell

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zooid/zk"
)

// ttlText is the complaint about a time to live that is out of range.
const ttlText = "ttl must be positive and cannot be larger than: 1099511627775"

func createZnode(ctx context.Context, s *Shell, a *arguments) error {
	mode, ttl, err := createMode(a)
	if err != nil {
		return err
	}
	path := a.words[1]
	var data []byte
	if len(a.words) > 2 {
		data = []byte(a.words[2])
	}
	acl := zk.WorldACL(zk.PermAll)
	if len(a.words) > 3 {
		acl = s.parseACL(a.words[3])
	}
	var made string
	if err = emptyACL(acl); err != nil {
		path = ""
	} else if a.has("t") {
		made, _, err = s.client.CreateTTL(ctx, path, data, mode, ttl, acl)
	} else {
		made, err = s.client.Create(ctx, path, data, mode, acl)
	}
	switch {
	case err == nil:
		s.owned = s.owned || a.has("e")
		s.console.errorf("Created %s", made)
	case errors.Is(err, zk.ErrEphemeralOnLocalSession):
		s.console.errorf("Unable to create ephemeral node on a local session")
	case errors.Is(err, zk.ErrInvalidACL):
		s.console.errorf("%s", keeperText(zk.ErrInvalidACL, path))
	}
	return err
}

// createMode reads the kind of znode from the options.
func createMode(a *arguments) (zk.CreateMode, time.Duration, error) {
	e, seq, c, t := a.has("e"), a.has("s"), a.has("c"), a.has("t")
	if c && (e || seq) {
		return 0, 0, complain("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.")
	}
	ms, err := a.number("t", 64, 0)
	switch {
	case err != nil:
		return 0, 0, err
	case t && e:
		return 0, 0, complain("TTLs cannot be used with Ephemeral znodes")
	case t && c:
		return 0, 0, complain("TTLs cannot be used with Container znodes")
	case t && (ms <= 0 || ms > zk.MaxTTL.Milliseconds()):
		return 0, 0, complain(ttlText)
	}
	mode := zk.Persistent
	switch {
	case e && seq:
		mode = zk.EphemeralSequential
	case e:
		mode = zk.Ephemeral
	case c:
		mode = zk.Container
	case seq && t:
		mode = zk.PersistentSequentialWithTTL
	case t:
		mode = zk.PersistentWithTTL
	case seq:
		mode = zk.PersistentSequential
	}
	return mode, time.Duration(ms) * time.Millisecond, nil
}

// deprecated warns of the old way to give the last argument.
func (s *Shell) deprecated(old, now string) {
	s.console.errorf("'%s' has been deprecated. Please use '%s' instead.", old, now)
}

func deleteZnode(ctx context.Context, s *Shell, a *arguments) error {
	version, err := a.version()
	if err != nil {
		return err
	}
	if len(a.words) > 2 {
		s.deprecated("delete path [version]", "delete [-v version] path")
		// Apache's shell forgets the number that follows and deletes whatever
		// version there is; here the check that was asked for is made.
		if n, err := strconv.ParseInt(a.words[2], 10, 32); err == nil && !a.has("v") {
			version = int32(n)
		}
	}
	return s.client.Delete(ctx, a.words[1], version)
}

func setData(ctx context.Context, s *Shell, a *arguments) error {
	data := []byte(a.words[2])
	if a.has("b") {
		decoded, err := decodeBase64(a.words[2])
		if err != nil {
			return complain("data is not base64: %v", err)
		}
		data = decoded
	}
	version, err := a.version()
	if err != nil {
		return err
	}
	st, err := s.client.Set(ctx, a.words[1], data, version)
	if err != nil {
		return err
	}
	if a.has("s") {
		s.console.stat(st)
	}
	return nil
}

// decodeBase64 takes the padding as optional, as Java's decoder does.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, base64.CorruptInputError(strings.IndexAny(text, "\r\n"))
	}
	if len(text)%4 == 0 {
		return base64.StdEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}

func getData(ctx context.Context, s *Shell, a *arguments) error {
	watch := a.has("w")
	if len(a.words) > 2 {
		s.deprecated("get path [watch]", "get [-s] [-w] path")
		watch = true
	}
	var data []byte
	var st zk.Stat
	var err error
	if watch {
		data, st, _, err = s.client.GetW(ctx, a.words[1])
	} else {
		data, st, err = s.client.Get(ctx, a.words[1])
	}
	if err != nil {
		return err
	}
	if data == nil {
		data = []byte("null")
	}
	switch {
	case a.has("x"):
		s.console.printf("%s\n", hexDump(data))
	case a.has("b"):
		s.console.printf("%s\n", base64.StdEncoding.EncodeToString(data))
	default:
		s.console.write(append(data, '\n'))
	}
	if a.has("s") {
		s.console.stat(st)
	}
	return nil
}

func listChildren(ctx context.Context, s *Shell, a *arguments) error {
	cmd := s.find("ls")
	if a.has("?") {
		s.console.printf("usage: ls [options] path\n%s", cmd.optionHelp())
	}
	watch := a.has("w")
	if len(a.words) > 2 {
		s.deprecated("ls path [watch]", "ls [-w] path")
		watch = true
	}
	if len(a.words) < 2 {
		return cmd.usage()
	}
	path := a.words[1]
	if a.has("R") {
		return s.walk(ctx, path, watch, func(p string) error {
			s.console.printf("%s\n", p)
			return nil
		})
	}
	names, st, err := s.children(ctx, path, watch)
	if err != nil {
		return err
	}
	s.console.printf("[%s]\n", strings.Join(sorted(names), ", "))
	if a.has("s") {
		s.console.stat(st)
	}
	return nil
}

func (s *Shell) children(ctx context.Context, path string, watch bool) ([]string, zk.Stat, error) {
	if watch {
		names, st, _, err := s.client.ChildrenW(ctx, path)
		return names, st, err
	}
	return s.client.Children(ctx, path)
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// walk visits a znode and all below it: the children of each before their own.
// What is deleted meanwhile is passed over.
func (s *Shell) walk(ctx context.Context, path string, watch bool, visit func(string) error) error {
	var err error
	if watch {
		_, _, _, err = s.client.GetW(ctx, path)
	} else {
		_, _, err = s.client.Get(ctx, path)
	}
	if err != nil {
		return err
	}
	if err := visit(path); err != nil {
		return err
	}
	// A stack in place of recursion: trees may be deeper than is good.
	stack := []string{path}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		names, _, err := s.children(ctx, at, watch)
		if errors.Is(err, zk.ErrNoNode) {
			continue
		}
		if err != nil {
			return err
		}
		below := sorted(names)
		for i, name := range below {
			below[i] = join(at, name)
			if err := visit(below[i]); err != nil {
				return err
			}
		}
		slices.Reverse(below)
		stack = append(stack, below...)
	}
	return nil
}

func join(parent, name string) string {
	if parent == "/" {
		return "/" + name
	}
	return parent + "/" + name
}

func showStat(ctx context.Context, s *Shell, a *arguments) error {
	watch := a.has("w")
	if len(a.words) > 2 {
		s.deprecated("stat path [watch]", "stat [-w] path")
		watch = true
	}
	path := a.words[1]
	var found bool
	var st zk.Stat
	var err error
	if watch {
		found, st, _, err = s.client.ExistsW(ctx, path)
	} else {
		found, st, err = s.client.Exists(ctx, path)
	}
	switch {
	case err != nil:
		return err
	case !found:
		return &zk.OpError{Op: "exists", Path: path, Err: zk.ErrNoNode}
	}
	s.console.stat(st)
	return nil
}

// syncTime is how long Apache's shell waits for a sync.
const syncTime = 30 * time.Second

func syncPath(ctx context.Context, s *Shell, a *arguments) error {
	ctx, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	err := s.client.Sync(ctx, a.words[1])
	var path *zk.PathError
	var code zk.Code
	switch {
	case err == nil:
		s.console.printf("Sync is OK\n")
		return nil
	case errors.As(err, &path) || !errors.As(err, &code):
		return err
	}
	// Apache's shell takes this for a success; a script should not.
	s.console.printf("Sync has failed. rc=%d\n", int32(code))
	return err
}

func getEphemerals(ctx context.Context, s *Shell, a *arguments) error {
	prefix := "/"
	if len(a.words) > 1 {
		prefix = a.words[1]
	}
	paths, err := s.client.GetEphemerals(ctx, prefix)
	if err != nil {
		return err
	}
	s.console.printf("[%s]\n", strings.Join(paths, ", "))
	return nil
}

func getAllChildrenNumber(ctx context.Context, s *Shell, a *arguments) error {
	n, err := s.client.GetAllChildrenNumber(ctx, a.words[1])
	if err != nil {
		return err
	}
	s.console.printf("%d\n", n)
	return nil
}

// deleteBatch is the number of znodes that deleteall deletes in one
// transaction unless told otherwise.
const deleteBatch = 1000

func deleteTree(ctx context.Context, s *Shell, a *arguments) error {
	size, err := a.number("b", 32, deleteBatch)
	if err != nil {
		return err
	}
	tree, err := s.breadthFirst(ctx, a.words[1])
	if err != nil {
		return err
	}
	slices.Reverse(tree) // the leaves first
	if size <= 0 {
		for _, p := range tree {
			if err := s.client.Delete(ctx, p, zk.AnyVersion); err != nil {
				return err
			}
		}
		return nil
	}
	for batch := range slices.Chunk(tree, int(size)) {
		ops := make([]zk.Op, len(batch))
		for i, p := range batch {
			ops[i] = zk.DeleteOp(p, zk.AnyVersion)
		}
		if _, err := s.client.Multi(ctx, ops...); err != nil {
			s.console.errorf("Failed to delete some node(s) in the subtree!")
			return nil
		}
	}
	return nil
}

// listers is the number of questions for children that are under way at once.
const listers = 64

// breadthFirst lists a subtree from the top, level by level.
func (s *Shell) breadthFirst(ctx context.Context, path string) ([]string, error) {
	if err := zk.ValidatePath(path); err != nil {
		return nil, err
	}
	tree, level := []string{path}, []string{path}
	for len(level) > 0 {
		below, err := s.listAll(ctx, level)
		if err != nil {
			return nil, err
		}
		var next []string
		for i, names := range below {
			for _, name := range names {
				next = append(next, join(level[i], name))
			}
		}
		tree, level = append(tree, next...), next
	}
	return tree, nil
}

// listAll lists the children of several znodes at once.
func (s *Shell) listAll(ctx context.Context, paths []string) ([][]string, error) {
	below, errs := make([][]string, len(paths)), make([]error, len(paths))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(listers, len(paths)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(paths); i = int(next.Add(1)) - 1 {
				below[i], _, errs[i] = s.client.Children(ctx, paths[i])
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return below, nil
}
