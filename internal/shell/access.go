package shell

import (
	"context"
	"strings"

	"zooid/zk"
)

// parseACL reads "scheme:id:perms,...". Entries that are malformed are left
// out with a complaint, so that the list may come out empty; the server then
// refuses it.
func (s *Shell) parseACL(text string) []zk.ACL {
	acl := []zk.ACL{}
	for _, entry := range splitList(text) {
		first, last := strings.IndexByte(entry, ':'), strings.LastIndexByte(entry, ':')
		if first == last {
			s.console.errorf("%s does not have the form scheme:id:perm", entry)
			continue
		}
		acl = append(acl, zk.ACL{
			Perms: s.parsePermissions(entry[last+1:]), Scheme: entry[:first], ID: entry[first+1 : last],
		})
	}
	return acl
}

// emptyACL refuses a list without entries, as Apache's client does before it
// asks the server; what is wrong has been said entry by entry.
func emptyACL(acl []zk.ACL) error {
	if len(acl) > 0 {
		return nil
	}
	return &zk.OpError{Op: "acl", Err: zk.ErrInvalidACL}
}

// splitList splits at commas; empty parts at the end do not count.
func splitList(text string) []string {
	parts := strings.Split(text, ",")
	for len(parts) > 1 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

func (s *Shell) parsePermissions(text string) (perms int32) {
	for _, letter := range text {
		switch letter {
		case 'r':
			perms |= zk.PermRead
		case 'w':
			perms |= zk.PermWrite
		case 'c':
			perms |= zk.PermCreate
		case 'd':
			perms |= zk.PermDelete
		case 'a':
			perms |= zk.PermAdmin
		default:
			s.console.errorf("Unknown perm type: %c", letter)
		}
	}
	return perms
}

func getACL(ctx context.Context, s *Shell, a *arguments) error {
	acl, st, err := s.client.GetACL(ctx, a.words[1])
	if err != nil {
		return err
	}
	for _, e := range acl {
		s.console.printf("'%s,'%s\n: %s\n", e.Scheme, e.ID, permissions(e.Perms))
	}
	if a.has("s") {
		s.console.stat(st)
	}
	return nil
}

func setACL(ctx context.Context, s *Shell, a *arguments) error {
	acl := s.parseACL(a.words[2])
	version, err := a.version()
	if err != nil {
		return err
	}
	path := a.words[1]
	if err := emptyACL(acl); err != nil && !a.has("R") {
		return err
	}
	if a.has("R") {
		return s.walk(ctx, path, false, func(p string) error {
			if _, err := s.client.SetACL(ctx, p, acl, version); err != nil {
				s.console.printf("%s\n", keeperMessage(err))
			}
			return nil
		})
	}
	st, err := s.client.SetACL(ctx, path, acl, version)
	if err != nil {
		return err
	}
	if a.has("s") {
		s.console.stat(st)
	}
	return nil
}

func addAuth(ctx context.Context, s *Shell, a *arguments) error {
	var auth []byte
	if len(a.words) > 2 {
		auth = []byte(a.words[2])
	}
	// Apache's shell does not wait for the answer; here the next command finds
	// what there is, and a script learns of a refusal.
	return s.client.AddAuth(ctx, a.words[1], auth)
}

func whoAmI(ctx context.Context, s *Shell, _ *arguments) error {
	ids, err := s.client.WhoAmI(ctx)
	if err != nil {
		return err
	}
	s.console.printf("Auth scheme: User\n")
	for _, id := range ids {
		user := id.User
		if !id.Named {
			user = "null"
		}
		s.console.printf("%s: %s\n", id.Scheme, user)
	}
	return nil
}
