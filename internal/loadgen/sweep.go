package loadgen

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"zooid/internal/wire"
)

// sweepAtOnce is how many connections deletion uses at most.
const sweepAtOnce = 8

// sweep deletes a root and what a run can have put below it; znodes of other
// names stay, and so does then the root.
func (r *run) sweep(ctx context.Context, root string) error {
	c, err := dialControl(ctx, r.opt)
	if err != nil {
		return err
	}
	defer c.close()
	names, err := c.children(root)
	if err != nil {
		return err
	}
	keys, err := listKeys(c, root, names)
	if err != nil {
		return err
	}
	if len(keys) > 0 {
		r.say("deleting %d znodes below %s", len(keys), root)
		if err := r.deleteKeys(ctx, root, keys); err != nil {
			return err
		}
	}
	for _, name := range names {
		if name == "watched" || number(name, 'p', 4) >= 0 || number(name, 'e', 5) >= 0 {
			if err := c.remove(root + "/" + name); err != nil {
				return err
			}
		}
	}
	if err := c.remove(root); err != nil {
		return err
	}
	return c.remove(r.opt.Path)
}

// listKeys finds the keys that are there.
func listKeys(c *control, root string, parents []string) ([]int32, error) {
	var keys []int32
	for _, parent := range parents {
		p := number(parent, 'p', 4)
		if p < 0 {
			continue
		}
		names, err := c.children(root + "/" + parent)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if k := number(name, 'k', 4); k >= 0 {
				keys = append(keys, int32(p*childrenPerParent+k))
			}
		}
	}
	return keys, nil
}

// number reads a name that is one letter and so many digits; -1 for any other.
func number(name string, letter byte, digits int) int {
	if len(name) != digits+1 || name[0] != letter {
		return -1
	}
	n := 0
	for _, d := range []byte(name[1:]) {
		if d < '0' || d > '9' {
			return -1
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// deleteKeys deletes keys over a few connections.
func (r *run) deleteKeys(ctx context.Context, root string, keys []int32) error {
	e, err := r.open(ctx, min(sweepAtOnce, r.opt.Connections))
	if err != nil {
		return err
	}
	defer e.close()
	e.limit(int64(len(keys)))
	src := &inTurn{engine: e, of: deleteTemplate(layout{root, len(keys)}), keys: keys}
	return errors.Join(r.quietly(ctx, e, src, wire.CodeNoNode), e.leave())
}

// clean is the workload Clean.
func (r *run) clean(ctx context.Context) error {
	c, err := dialControl(ctx, r.opt)
	if err != nil {
		return err
	}
	found, err := c.exists(r.opt.Path)
	var names []string
	if err == nil && found {
		names, err = c.children(r.opt.Path)
	}
	c.close()
	if err != nil {
		return err
	}
	if !found {
		r.result.Notes = append(r.result.Notes, r.opt.Path+" is not there: nothing to clean")
		return nil
	}
	for _, name := range names {
		if "/"+name != fillName && !strings.HasPrefix(name, "run-") {
			r.result.Notes = append(r.result.Notes, fmt.Sprintf("%s/%s is none of ours and stays", r.opt.Path, name))
			continue
		}
		if err := r.sweep(ctx, r.opt.Path+"/"+name); err != nil {
			return err
		}
		r.result.Notes = append(r.result.Notes, fmt.Sprintf("%s/%s is deleted", r.opt.Path, name))
	}
	c, err = dialControl(ctx, r.opt)
	if err != nil {
		return err
	}
	defer c.close()
	return c.remove(r.opt.Path)
}
