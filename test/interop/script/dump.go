package script

import (
	"fmt"
	"slices"
	"strings"

	"zooid/test/interop/raw"
)

// Dump reads the whole tree of a server as the super user (see SuperDigest)
// and writes each znode as one line: path, data, Stat, ACL, in path order. It
// uses a session of its own, which it closes.
func Dump(addr string, mask Mask) ([]string, error) {
	c, _, err := raw.Connect(addr, 30000)
	if err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	defer c.Close()
	if r, err := c.Call(raw.OpAuth, raw.Auth("digest", []byte(SuperPacket))); err != nil || r.Err != 0 {
		return nil, fmt.Errorf("dump: auth as super: %v, code %d", err, r.Err)
	}
	var lines []string
	todo := []string{"/"}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		line, children, err := dumpNode(c, mask, path)
		if err != nil {
			return nil, fmt.Errorf("dump %q: %w", path, err)
		}
		lines = append(lines, line)
		for _, name := range children {
			todo = append(todo, strings.TrimSuffix(path, "/")+"/"+name)
		}
	}
	slices.Sort(lines)
	if _, err := c.Call(raw.OpCloseSession, nil); err != nil {
		return nil, fmt.Errorf("dump: closeSession: %w", err)
	}
	return lines, nil
}

func dumpNode(c *raw.Conn, mask Mask, path string) (string, []string, error) {
	data, err := c.Call(raw.OpGetData, raw.PathBool(path, false))
	if err != nil || data.Err != 0 {
		return "", nil, fmt.Errorf("getData: %v, code %d", err, data.Err)
	}
	acl, err := c.Call(raw.OpGetACL, raw.Path(path))
	if err != nil || acl.Err != 0 {
		return "", nil, fmt.Errorf("getACL: %v, code %d", err, acl.Err)
	}
	kids, err := c.Call(raw.OpGetChildren, raw.PathBool(path, false))
	if err != nil || kids.Err != 0 {
		return "", nil, fmt.Errorf("getChildren: %v, code %d", err, kids.Err)
	}
	line := fmt.Sprintf("%q %s %s %s", path, Data(data.Body.Buf()), mask.Stat(data.Body.Stat()), ACLs(acl.Body.ACLs()))
	return line, kids.Body.Strs(), nil
}

// DiffLines lists the lines that only one of two sorted lists has, the first
// few of them.
func DiffLines(a, b []string, nameA, nameB string) string {
	const most = 12
	var d []string
	in := func(list []string, s string) bool { _, ok := slices.BinarySearch(list, s); return ok }
	for _, s := range a {
		if !in(b, s) {
			d = append(d, fmt.Sprintf("  only %-5s %s", nameA, s))
		}
	}
	for _, s := range b {
		if !in(a, s) {
			d = append(d, fmt.Sprintf("  only %-5s %s", nameB, s))
		}
	}
	slices.SortStableFunc(d, func(x, y string) int {
		px, py := x[strings.Index(x, `"`):], y[strings.Index(y, `"`):]
		return strings.Compare(px[:min(len(px), 40)], py[:min(len(py), 40)])
	})
	if len(d) > most {
		d = append(d[:most], fmt.Sprintf("  and %d more", len(d)-most))
	}
	if len(d) == 0 {
		return ""
	}
	return strings.Join(d, "\n") + "\n"
}
