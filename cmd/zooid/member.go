package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zooid/internal/ensemble"
	"zooid/internal/shell"
	"zooid/zk"
)

// newMemberCommand changes who is in an ensemble. It looks first and says what
// it will do, so that nobody loses a quorum by a slip.
func newMemberCommand() *cobra.Command {
	m := &memberTool{}
	cmd := &cobra.Command{
		Use:   "member",
		Short: "List, add, remove and promote members of an ensemble",
		Long: `Show the members of an ensemble, and change them while it works. Before a change
it checks the ensemble, says what will be done and what that means for quorums,
and asks. The ensemble needs reconfigEnabled=true on all members, and whoever
changes it the permission to write /zookeeper/config: the super user's, as a rule.`,
		Example: `  zooid member list --server zk1:2181
  zooid member add "server.4=zk4:2888:3888:participant;2181" --server zk1:2181 --auth-file super.auth
  zooid member remove 2 --dry-run
  zooid member promote 4 --yes`,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { m.in, m.out = cmd.InOrStdin(), cmd.OutOrStdout() },
	}
	f := cmd.PersistentFlags()
	f.StringVarP(&m.server, "server", "s", "localhost:2181", "a member of the ensemble, or several with commas")
	f.StringVar(&m.authFile, "auth-file", "", "file with one line scheme:credentials, such as digest:super:secret")
	f.DurationVar(&m.timeout, "timeout", 15*time.Second, "how long to wait for the ensemble")
	f.BoolVar(&m.yes, "yes", false, "do it without asking")
	f.BoolVar(&m.dryRun, "dry-run", false, "only say what would be done")
	f.BoolVar(&m.force, "force", false, "do it in spite of warnings")
	for _, one := range []struct {
		use, short string
		args       cobra.PositionalArgs
		run        func(ctx context.Context, args []string) error
	}{
		{"list", "Show the members, where they are and what they do", cobra.NoArgs, m.list},
		{"add SERVERLINE", "Add a member: server.N=host:quorumPort:electionPort[:role];[host:]clientPort", cobra.ExactArgs(1), m.add},
		{"remove ID", "Remove a member; its process goes on until it is stopped", cobra.ExactArgs(1), m.remove},
		{"promote ID", "Give an observer a vote", cobra.ExactArgs(1), m.promote},
	} {
		cmd.AddCommand(&cobra.Command{Use: one.use, Short: one.short, Args: one.args,
			RunE: func(cmd *cobra.Command, args []string) error { return one.run(cmd.Context(), args) }})
	}
	return cmd
}

// memberTool is one run of the command.
type memberTool struct {
	server, authFile   string
	timeout            time.Duration
	yes, dryRun, force bool
	in                 io.Reader
	out                io.Writer
}

// errNoConfig is the answer of a server that is in no ensemble.
var errNoConfig = errors.New("the server shows no configuration of an ensemble: it is standalone")

func (t *memberTool) dial(ctx context.Context) (*zk.Client, error) {
	opts := []zk.Option{zk.WithSessionTimeout(30 * time.Second)}
	if t.authFile != "" {
		text, err := os.ReadFile(t.authFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the credentials: %w", err)
		}
		scheme, credentials, ok := strings.Cut(strings.TrimSpace(string(text)), ":")
		if !ok {
			return nil, &exitError{exitBadConfig, fmt.Errorf("%s: allowed is one line scheme:credentials", t.authFile)}
		}
		opts = append(opts, zk.WithAuth(scheme, []byte(credentials)))
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	c, err := zk.Dial(ctx, t.server, opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", t.server, err)
	}
	return c, nil
}

// now reads the configuration and asks every member what it does.
func (t *memberTool) now(ctx context.Context, c *zk.Client) (*ensemble.Membership, map[int64]string, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	text, _, err := c.GetConfig(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	if len(text) == 0 {
		return nil, nil, errNoConfig
	}
	m, err := ensemble.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("the configuration of %s cannot be read: %w", t.server, err)
	}
	return m, askRoles(m.Members), nil
}

// unknown is the role of a member that does not say it.
const unknown = "no answer"

// askRoles asks members for their modes, all at once.
func askRoles(members []ensemble.Member) map[int64]string {
	type answer struct {
		id   int64
		role string
	}
	answers := make(chan answer, len(members))
	for _, one := range members {
		go func() { answers <- answer{one.ID, askRole(one)} }()
	}
	roles := map[int64]string{}
	for range members {
		a := <-answers
		roles[a.id] = a.role
	}
	return roles
}

// askRole is the mode that a member shows at its client port.
func askRole(one ensemble.Member) string {
	if one.ClientPort == ensemble.NoClientPort {
		return "client port unknown"
	}
	host := one.ClientHost
	if strings.Trim(host, "0:.") == "" { // a wildcard
		host = one.Addresses[0].Host
	}
	line, err := askMode(endpoint{host: host, port: strconv.Itoa(one.ClientPort)}, nil)
	if err != nil {
		return unknown
	}
	_, mode, _ := strings.Cut(line, ": ")
	return mode
}

func (t *memberTool) list(ctx context.Context, _ []string) error {
	c, err := t.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // the session ends by itself
	m, roles, err := t.now(ctx, c)
	if err != nil {
		return err
	}
	t.table(m, roles)
	fmt.Fprintf(t.out, "version %x; %s\n", m.Version, quorumText(m))
	return nil
}

func (t *memberTool) table(m *ensemble.Membership, roles map[int64]string) {
	fmt.Fprintf(t.out, "%-5s %-12s %-20s %s\n", "id", "role", "now", "line")
	for _, one := range m.Members {
		role := "participant"
		if one.Observer {
			role = "observer"
		}
		fmt.Fprintf(t.out, "%-5d %-12s %-20s %s\n", one.ID, role, roles[one.ID], one)
	}
}

// quorumText says what the voters can bear.
func quorumText(m *ensemble.Membership) string {
	if m.Hierarchical() {
		return "quorums by groups and weights"
	}
	n := len(m.Voters())
	return fmt.Sprintf("%d voters, of which %d may fail", n, (n-1)/2)
}

func (t *memberTool) add(ctx context.Context, args []string) error {
	return t.alter(ctx, func(m *ensemble.Membership) (plan, error) {
		line := strings.TrimSpace(args[0])
		next, refusal := m.Apply(&ensemble.Change{Joining: []byte(line)}, ensemble.ChangeRules{MultiAddress: true})
		if refusal != nil {
			return plan{}, &exitError{exitBadConfig, refusal}
		}
		p := plan{change: zk.Change{Joining: line}, next: next}
		for _, one := range next.Members {
			before, there := m.Member(one.ID)
			switch {
			case !there:
				p.joins = append(p.joins, one)
				p.says("add %s", "server."+strconv.FormatInt(one.ID, 10)+"="+one.String())
			case before.String() != one.String():
				p.warns("server %d is a member already: its line changes from %s to %s", one.ID, before, one)
			}
		}
		if len(p.joins) == 0 && len(p.warnings) == 0 {
			return plan{}, errors.New("nothing to do: the ensemble has this member as it is")
		}
		return p, nil
	})
}

func (t *memberTool) remove(ctx context.Context, args []string) error {
	return t.alter(ctx, func(m *ensemble.Membership) (plan, error) {
		one, err := findMember(m, args[0])
		if err != nil {
			return plan{}, err
		}
		next, refusal := m.Apply(&ensemble.Change{Leaving: []byte(args[0])}, ensemble.ChangeRules{MultiAddress: true})
		if refusal != nil {
			return plan{}, &exitError{exitBadConfig, refusal}
		}
		p := plan{change: zk.Change{Leaving: args[0]}, next: next, leaves: one.ID}
		p.says("remove server.%d=%s", one.ID, one)
		p.says("its process goes on as a follower without a vote; stop it afterwards")
		return p, nil
	})
}

func (t *memberTool) promote(ctx context.Context, args []string) error {
	return t.alter(ctx, func(m *ensemble.Membership) (plan, error) {
		one, err := findMember(m, args[0])
		switch {
		case err != nil:
			return plan{}, err
		case !one.Observer:
			return plan{}, fmt.Errorf("nothing to do: server %d is a participant", one.ID)
		case one.ClientPort == ensemble.NoClientPort:
			return plan{}, &exitError{exitBadConfig, fmt.Errorf("server %d has no client port in its line, which a reconfiguration needs: "+
				"use zooid member add with its whole line", one.ID)}
		}
		one.Observer = false
		line := "server." + args[0] + "=" + one.String()
		next, refusal := m.Apply(&ensemble.Change{Joining: []byte(line)}, ensemble.ChangeRules{MultiAddress: true})
		if refusal != nil {
			return plan{}, &exitError{exitBadConfig, refusal}
		}
		p := plan{change: zk.Change{Joining: line}, next: next, joins: []ensemble.Member{one}}
		p.says("give server %d a vote: %s", one.ID, line)
		return p, nil
	})
}

func findMember(m *ensemble.Membership, text string) (ensemble.Member, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return ensemble.Member{}, &exitError{exitBadConfig, fmt.Errorf("%q is no server id", text)}
	}
	one, ok := m.Member(id)
	if !ok {
		return one, fmt.Errorf("server %d is not a member", id)
	}
	return one, nil
}

// plan is a change, and what is to be said of it.
type plan struct {
	change   zk.Change
	next     *ensemble.Membership
	joins    []ensemble.Member // new members, or voters
	leaves   int64
	steps    []string
	warnings []string // what must not be done without --force
}

func (p *plan) says(format string, args ...any) {
	p.steps = append(p.steps, fmt.Sprintf(format, args...))
}

func (p *plan) warns(format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf(format, args...))
}

// check looks whether the ensemble can bear the change: whoever gets a vote has
// to follow already, and a quorum of the new voters has to answer.
func (p *plan) check(before *ensemble.Membership, roles map[int64]string) {
	for _, one := range p.joins {
		role := askRole(one)
		roles[one.ID] = role
		if role != "follower" && role != "observer" && role != "leader" && !one.Observer {
			p.warns("server %d does not follow (%s): with its vote the ensemble would wait for it; start it first", one.ID, role)
		}
	}
	answer, silent := 0, 0
	for _, one := range p.next.Voters() {
		switch roles[one.ID] {
		case "follower", "leader", "observer":
			answer++
		case unknown:
			silent++
		}
	}
	voters := len(p.next.Voters())
	if silent > 0 && 2*answer <= voters && !p.next.Hierarchical() {
		p.warns("only %d of the %d voters of the new configuration answer: no quorum", answer, voters)
	}
	if roles[p.leaves] == "leader" {
		p.says("server %d leads: another one takes over, which takes a moment", p.leaves)
	}
	if was, is := quorumText(before), quorumText(p.next); was != is {
		p.says("%s now, %s afterwards", was, is)
	}
	if voters%2 == 0 && len(before.Voters()) != voters && !p.next.Hierarchical() {
		p.says("note: an even number of voters bears no more failures than one less")
	}
}

// alter makes a change that plan describes.
func (t *memberTool) alter(ctx context.Context, describe func(*ensemble.Membership) (plan, error)) error {
	c, err := t.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // the session ends by itself
	m, roles, err := t.now(ctx, c)
	if err != nil {
		return err
	}
	p, err := describe(m)
	if err != nil {
		return err
	}
	p.check(m, roles)
	for _, step := range p.steps {
		fmt.Fprintln(t.out, "- "+step)
	}
	for _, w := range p.warnings {
		fmt.Fprintln(t.out, "! "+w)
	}
	switch {
	case t.dryRun:
		fmt.Fprintln(t.out, "nothing was done (--dry-run)")
		return nil
	case len(p.warnings) > 0 && !t.force:
		return &exitError{1, errors.New("not done because of the warnings above; --force does it all the same")}
	}
	if err := t.confirm(); err != nil {
		return err
	}
	p.change.From = m.Version // a change that came between is not overwritten
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	text, err := reconfigure(ctx, c, p.change, m.Version)
	if err != nil {
		return err
	}
	after, err := ensemble.Parse([]byte(text))
	if err != nil {
		return fmt.Errorf("done, but the new configuration cannot be read: %w", err)
	}
	fmt.Fprintf(t.out, "done: version %x\n", after.Version)
	t.table(after, askRoles(after.Members))
	return nil
}

// confirm asks the person at the terminal; without one --yes is needed.
func (t *memberTool) confirm() error {
	if t.yes {
		return nil
	}
	if t.in == os.Stdin && !shell.IsTerminal() {
		return &exitError{exitBadConfig, errors.New("there is no terminal to ask at; --yes does it without asking")}
	}
	fmt.Fprint(t.out, "Do it? [y/N] ")
	answer, _ := bufio.NewReader(t.in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return &exitError{1, errors.New("not done")}
	}
	return nil
}

// reconfigure makes the change. A leader that goes may end the connection before
// it answers; then the configuration tells whether it was made.
func reconfigure(ctx context.Context, c *zk.Client, change zk.Change, before int64) (string, error) {
	text, _, err := c.Reconfig(ctx, change)
	for errors.Is(err, zk.ErrConnectionLoss) && ctx.Err() == nil {
		var now []byte
		if now, _, err = c.GetConfig(ctx); err != nil {
			continue
		}
		m, bad := ensemble.Parse(now)
		if bad == nil && m.Version != before {
			return string(now), nil
		}
		text, _, err = c.Reconfig(ctx, change)
	}
	switch {
	case errors.Is(err, zk.ErrReconfigDisabled):
		err = errors.New("the ensemble does not allow it: set reconfigEnabled=true on all members and restart them one by one")
	case errors.Is(err, zk.ErrNoAuth):
		err = errors.New("not allowed: give the super user's credentials with --auth-file, or somebody WRITE on /zookeeper/config")
	case errors.Is(err, zk.ErrNewConfigNoQuorum):
		err = errors.New("refused: no quorum of the new members follows the leader and is in sync; start them and wait until they follow")
	case errors.Is(err, zk.ErrReconfigInProgress):
		err = errors.New("refused: another reconfiguration is under way; try again")
	case errors.Is(err, zk.ErrBadVersion):
		err = errors.New("refused: the configuration has changed meanwhile; look again")
	}
	return string(text), err
}
