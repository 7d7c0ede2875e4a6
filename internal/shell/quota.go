package shell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zooid/zk"
)

// Where quotas are kept: below the quota root, at the path of the znode that
// is limited, one child with the limits and one with what is used.
const (
	quotaRoot  = "/zookeeper/quota"
	limitsName = "zookeeper_limits"
	statsName  = "zookeeper_stats"
)

// quota is the text of a limits or stats znode: counts and bytes, -1 where
// there is no limit, and further keys for the hard limits.
type quota map[string]int64

// The keys of a quota.
const (
	softCount = "count"
	softBytes = "bytes"
	hardCount = "countHardLimit"
	hardBytes = "byteHardLimit"
)

// quotaKeys is the key that each option of setquota and delquota stands for.
var quotaKeys = map[string]string{"n": softCount, "b": softBytes, "N": hardCount, "B": hardBytes}

func (q quota) get(key string) int64 {
	if v, ok := q[key]; ok {
		return v
	}
	return -1
}

// String writes count and bytes first and, behind a second '=' that makes old
// readers overlook them, the others by name.
func (q quota) String() string {
	text := fmt.Sprintf("count=%d,bytes=%d", q.get(softCount), q.get(softBytes))
	var others []string
	for key, v := range q {
		if key != softCount && key != softBytes {
			others = append(others, fmt.Sprintf(";%s=%d", key, v))
		}
	}
	if len(others) == 0 {
		return text
	}
	slices.Sort(others)
	return text + "=" + strings.Join(others, "")
}

func parseQuota(text []byte) (quota, error) {
	q := quota{}
	for pair := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == ',' || r == ';' }) {
		parts := strings.Split(pair, "=")
		if len(parts) < 2 || parts[1] == "" {
			q[parts[0]] = -1
			continue
		}
		n, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("malformed quota %q: %w", text, err)
		}
		q[parts[0]] = n
	}
	return q, nil
}

func (s *Shell) readQuota(ctx context.Context, path string) (quota, error) {
	data, _, err := s.client.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	return parseQuota(data)
}

// wantedQuota reads the limit that setquota shall set.
func wantedQuota(a *arguments) (quota, error) {
	q := quota{softCount: -1, softBytes: -1, hardCount: -1, hardBytes: -1}
	for name, key := range quotaKeys {
		if !a.has(name) {
			continue
		}
		counts := key == softCount || key == hardCount
		bits := 64
		if counts {
			bits = 32
		}
		n, err := strconv.ParseInt(a.values[name], 10, bits)
		switch {
		case err != nil:
			return nil, complain("NumberFormatException happens when parsing the option value")
		case counts && n <= 0:
			return nil, complain("the num quota must be greater than zero")
		case n < 0:
			return nil, complain("the bytes quota must be greater than or equal to zero")
		}
		q[key] = n
	}
	return q, nil
}

func setQuota(ctx context.Context, s *Shell, a *arguments) error {
	path := a.words[1]
	if strings.HasPrefix(path, quotaRoot) {
		s.console.errorf("cannot set a quota under the path: %s", quotaRoot)
		return nil
	}
	wanted, err := wantedQuota(a)
	if err != nil {
		// Apache's shell takes this for a success.
		s.console.errorf("%v", err)
		return nil
	}
	found, _, err := s.client.Exists(ctx, path)
	switch {
	case err != nil:
		return err
	case !found:
		return complain("%s does not exist.", path)
	}
	if err := s.checkQuotaBelow(ctx, path); err != nil {
		return err
	}
	if err := s.checkQuotaAbove(ctx, path); err != nil {
		return err
	}
	if err := s.makeQuotaParents(ctx, path); err != nil {
		return err
	}
	limits, stats := quotaRoot+path+"/"+limitsName, quotaRoot+path+"/"+statsName
	if found, _, err = s.client.Exists(ctx, limits); err != nil {
		return err
	}
	if found {
		return s.changeQuota(ctx, limits, stats, wanted)
	}
	return s.createQuota(ctx, limits, stats, wanted)
}

// checkQuotaBelow refuses a quota above another one: only one applies.
func (s *Shell) checkQuotaBelow(ctx context.Context, path string) error {
	err := s.walk(ctx, quotaRoot+path, false, func(p string) error {
		names, _, err := s.client.Children(ctx, p)
		if err != nil && !errors.Is(err, zk.ErrNoNode) {
			return err
		}
		if p != quotaRoot+path && slices.Contains(names, limitsName) {
			return complain("%s has a child %s which has a quota", path, strings.TrimPrefix(p, quotaRoot))
		}
		return nil
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	return err
}

// checkQuotaAbove refuses a quota below another one.
func (s *Shell) checkQuotaAbove(ctx context.Context, path string) error {
	at := quotaRoot
	segments := strings.Split(path, "/")
	for _, segment := range segments[1 : len(segments)-1] {
		at += "/" + segment
		names, _, err := s.client.Children(ctx, at)
		switch {
		case errors.Is(err, zk.ErrNoNode) || err == nil && len(names) == 0:
			return nil
		case err != nil:
			return err
		case slices.Contains(names, limitsName):
			return complain("%s has a parent %s which has a quota", path, strings.TrimPrefix(at, quotaRoot))
		}
	}
	return nil
}

// makeQuotaParents creates the quota's own path.
func (s *Shell) makeQuotaParents(ctx context.Context, path string) error {
	at := quotaRoot
	for _, segment := range strings.Split(path, "/")[1:] {
		at += "/" + segment
		if _, err := s.client.Create(ctx, at, nil, zk.Persistent, nil); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return err
		}
	}
	return nil
}

func (s *Shell) createQuota(ctx context.Context, limits, stats string, wanted quota) error {
	if _, err := s.client.Create(ctx, limits, []byte(wanted.String()), zk.Persistent, nil); err != nil {
		return err
	}
	used := quota{softCount: 0, softBytes: 0}
	if _, err := s.client.Create(ctx, stats, []byte(used.String()), zk.Persistent, nil); err != nil {
		return err
	}
	return s.warnOfQuota(ctx, stats, wanted)
}

func (s *Shell) changeQuota(ctx context.Context, limits, stats string, wanted quota) error {
	q, err := s.readQuota(ctx, limits)
	if err != nil {
		return err
	}
	for key, v := range wanted {
		if v > -1 {
			q[key] = v
		}
	}
	if err := s.warnOfQuota(ctx, stats, q); err != nil {
		return err
	}
	_, err = s.client.Set(ctx, limits, []byte(q.String()), zk.AnyVersion)
	return err
}

// warnOfQuota tells of limits that are exceeded from the start.
func (s *Shell) warnOfQuota(ctx context.Context, stats string, q quota) error {
	used, err := s.readQuota(ctx, stats)
	if err != nil {
		return err
	}
	exceeded := func(key, usedKey string) bool { return q.get(key) > -1 && q.get(key) < used.get(usedKey) }
	if exceeded(softCount, softCount) || exceeded(hardCount, softCount) {
		s.console.printf("[Warning]: the count quota you create is less than the existing count:%d\n", used.get(softCount))
	}
	if exceeded(softBytes, softBytes) || exceeded(hardBytes, softBytes) {
		s.console.printf("[Warning]: the bytes quota you create is less than the existing bytes:%d\n", used.get(softBytes))
	}
	return nil
}

func listQuota(ctx context.Context, s *Shell, a *arguments) error {
	path := a.words[1]
	limits, stats := quotaRoot+path+"/"+limitsName, quotaRoot+path+"/"+statsName
	s.console.errorf("absolute path is %s", limits)
	limit, err := s.readQuota(ctx, limits)
	var used quota
	if err == nil {
		used, err = s.readQuota(ctx, stats)
	}
	if errors.Is(err, zk.ErrNoNode) {
		s.console.errorf("quota for %s does not exist.", path)
		return nil
	}
	if err != nil {
		return err
	}
	s.console.printf("Output quota for %s %v\nOutput stat for %s %v\n", path, limit, path, used)
	return nil
}

func deleteQuota(ctx context.Context, s *Shell, a *arguments) error {
	path := a.words[1]
	err := s.dropQuota(ctx, path, a)
	if errors.Is(err, zk.ErrNoNode) {
		s.console.errorf("quota for %s does not exist.", path)
		return nil
	}
	return err
}

// dropQuota takes one limit away, or without an option the whole quota and
// those of its parents in the quota tree that hold nothing else.
func (s *Shell) dropQuota(ctx context.Context, path string, a *arguments) error {
	parent := quotaRoot + path
	limits := parent + "/" + limitsName
	found, _, err := s.client.Exists(ctx, limits)
	if err != nil {
		return err
	}
	if !found {
		s.console.printf("Quota does not exist for %s\n", path)
		return nil
	}
	q, err := s.readQuota(ctx, limits)
	if err != nil {
		return err
	}
	for name, key := range quotaKeys {
		if a.has(name) {
			q[key] = -1
			_, err := s.client.Set(ctx, limits, []byte(q.String()), zk.AnyVersion)
			return err
		}
	}
	names, _, err := s.client.Children(ctx, parent)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.client.Delete(ctx, parent+"/"+name, zk.AnyVersion); err != nil {
			return err
		}
	}
	for at := parent; at != quotaRoot; at = at[:strings.LastIndexByte(at, '/')] {
		names, _, err := s.client.Children(ctx, at)
		if err != nil || len(names) > 0 {
			return err
		}
		if err := s.client.Delete(ctx, at, zk.AnyVersion); err != nil {
			return err
		}
	}
	return nil
}
