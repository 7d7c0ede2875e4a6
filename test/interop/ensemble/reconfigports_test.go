package ensemble

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// TestPortsMove: members get other ports for quorums, elections and clients
// without a restart. Connections of clients stay; the old ports are closed.
func TestPortsMove(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(kinds))
		f := e.Followers()[0]
		stays := dial(t, f.Addr())
		id, old := stays.SessionID(), f.Addr()
		c := dial(t, e.Leader().Addr())
		f.MoveClientPort()
		settledAt := reconfig(t, c, zk.Change{Joining: f.ReconfigLine("participant")})
		waitRole(t, f, "follower")
		settled(t, e, settledAt)
		harness.Until(t, "the old client port is closed", f.Done(), func() bool {
			nc, err := net.DialTimeout("tcp", old, time.Second)
			if err == nil {
				nc.Close()
			}
			return err != nil
		})
		create(t, stays, "/stays", "1", zk.Persistent)
		if stays.SessionID() != id || stays.Server() != old {
			t.Errorf("the client of the old port has session 0x%x at %s, had 0x%x", stays.SessionID(), stays.Server(), id)
		}

		// A follower moves for the others; it goes on following.
		f.MovePorts()
		settled(t, e, reconfig(t, c, zk.Change{Joining: f.ReconfigLine("participant")}))
		e.WaitRoles()
		// Once it leads it is where it said.
		others := e.Followers()
		leader := e.Leader()
		c = dial(t, e.ClientAddrs())
		leader.MovePorts()
		text := handOver(t, e, c, zk.Change{Joining: leader.ReconfigLine("participant")})
		settled(t, e, text)
		// Apache's leader takes requests until it goes, so that it may be ahead of
		// the one that it has named, which then gives up.
		if next := e.WaitRoles(); next == leader && allZooid(e) {
			t.Errorf("member %d (%s) still leads, from another port", leader.ID, leader.Kind())
		}
		create(t, dial(t, e.ClientAddrs()), "/moved", "1", zk.Persistent)
		// Everybody finds everybody by the new ports.
		for _, m := range append(others, leader) {
			m.Restart()
			e.WaitRoles()
		}
		settled(t, e, text)
		checkTrees(t, e)
	})
}

// TestGrowsFromOne: an ensemble of one (standaloneEnabled=false) grows to three
// and shrinks to one again.
func TestGrowsFromOne(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		opt := reconfigurable(kinds, "standaloneEnabled=false")
		opt.Joiners = []int{2, 3}
		e := harness.StartEnsemble(t, opt)
		c := dial(t, e.Member(1).Addr())
		create(t, c, "/one", "1", zk.Persistent)
		for _, id := range opt.Joiners {
			e.Launch(e.Member(id))
			e.WaitRoles()
			text := reconfig(t, c, zk.Change{Joining: e.Member(id).ReconfigLine("participant")})
			settled(t, e, text)
			create(t, c, fmt.Sprint("/grown-", id), "1", zk.Persistent)
		}
		leader := e.WaitRoles()
		dial(t, e.Member(1).Addr())
		e.Kill(leader)
		create(t, dial(t, e.ClientAddrs()), "/survived", "1", zk.Persistent)
		e.Launch(leader)
		e.WaitRoles()
		c = dial(t, e.ClientAddrs())
		for _, id := range opt.Joiners {
			text := handOver(t, e, c, zk.Change{Leaving: fmt.Sprint(id)})
			settled(t, e, text)
			e.WaitRoles()
			c = dial(t, e.ClientAddrs())
		}
		if _, _, err := c.Reconfig(within(t), zk.Change{Leaving: "1", From: zk.AnyConfig}); !errors.Is(err, zk.ErrBadArguments) {
			t.Errorf("the last one leaves: %v", err)
		}
		if l := e.Leader(); l.ID != 1 {
			t.Fatalf("member %d leads and not the only voter", l.ID)
		}
		e.Kill(e.Member(2), e.Member(3))
		create(t, dial(t, e.Member(1).Addr()), "/alone", "1", zk.Persistent)
		for _, path := range []string{"/one", "/grown-2", "/grown-3", "/survived"} {
			if !exists(t, c, path) {
				t.Errorf("%s is lost", path)
			}
		}
	})
}

// TestReconfigAsAWhole: groups and weights come with a complete new membership,
// hold from then on, and go with another one.
func TestReconfigAsAWhole(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(cycle(kinds, 5)))
		c := dial(t, e.ClientAddrs())
		var lines []string
		for _, m := range e.Members() {
			lines = append(lines, m.ReconfigLine("participant"))
		}
		plain := strings.Join(lines, ",")
		leader := e.Leader()
		var rest []string
		for _, m := range e.Members() {
			if m != leader {
				rest = append(rest, fmt.Sprint(m.ID))
			}
		}
		// The leader weighs more than all others together.
		grouped := fmt.Sprintf("%s,group.1=%d:%s,weight.%d=5", plain, leader.ID, strings.Join(rest, ":"), leader.ID)
		text := reconfig(t, c, zk.Change{Members: grouped})
		settled(t, e, text)
		for _, want := range []string{"\ngroup.1=1:2:3:4:5\n", fmt.Sprintf("\nweight.%d=5\n", leader.ID)} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		if _, _, err := c.Reconfig(within(t), zk.Change{Leaving: rest[0], From: zk.AnyConfig}); !errors.Is(err, zk.ErrBadArguments) {
			t.Errorf("an incremental change with groups: %v", err)
		}
		followers := e.Followers()
		e.Kill(followers...)
		create(t, dial(t, leader.Addr()), "/alone", "1", zk.Persistent)
		e.Launch(followers...)
		e.WaitRoles()
		c = dial(t, e.ClientAddrs())
		settled(t, e, reconfig(t, c, zk.Change{Members: strings.ReplaceAll(plain, ",", "\n")}))
		checkTrees(t, e)
	})
}

// TestConfigWatches: a reconfiguration fires the watches on /zookeeper/config at
// every member, once for a data watch and twice for one that stays: each server
// writes the node when the configuration comes into force, and again with the
// transaction.
func TestConfigWatches(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(kinds))
		clients := dialEach(t, e)
		var once []<-chan zk.Event
		var stay []*zk.Watch
		for _, c := range clients {
			_, _, w, err := c.GetConfigW(within(t))
			if err != nil {
				t.Fatal(err)
			}
			s, err := c.AddWatch(within(t), zk.ConfigPath, zk.WatchPersistent)
			if err != nil {
				t.Fatal(err)
			}
			once, stay = append(once, w), append(stay, s)
		}
		text := reconfig(t, clients[0], zk.Change{Leaving: fmt.Sprint(e.Followers()[0].ID)})
		var stats []zk.Stat
		for i, c := range clients {
			zxid := fmt.Sprintf("%x", await(t, once[i], "the configuration").Zxid)
			if zxid != versionIn(text) {
				t.Errorf("at %s the event has the zxid %s, and the version is %s", c.Server(), zxid, versionIn(text))
			}
			if got := configAt(t, c, versionIn(text)); got != text {
				t.Errorf("%s shows\n%s", c.Server(), got)
			}
			for range 2 {
				ev, err := stay[i].Next(within(t))
				if err != nil || ev.Type != zk.EventNodeDataChanged || fmt.Sprintf("%x", ev.Zxid) != versionIn(text) {
					t.Errorf("at %s: %+v, %v", c.Server(), ev, err)
				}
			}
			if err := c.Sync(within(t), "/"); err != nil {
				t.Fatal(err)
			}
			// Until the transaction is applied the time is that of the server.
			_, st, err := c.GetConfig(within(t))
			if err != nil {
				t.Fatal(err)
			}
			stats = append(stats, st)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if ev, err := stay[i].Next(ctx); err == nil {
				t.Errorf("at %s a third event: %+v", c.Server(), ev)
			}
			cancel()
		}
		for i, st := range stats {
			if st != stats[0] || st.Version != -1 || fmt.Sprintf("%x", st.Mzxid) != versionIn(text) {
				t.Errorf("%s shows the stat %+v, %s %+v", clients[i].Server(), st, clients[0].Server(), stats[0])
			}
		}
	})
}

// TestRespelled: an address that is written in another way is the same address:
// the leader goes on leading, and its clients stay where they are.
func TestRespelled(t *testing.T) {
	each(t, func(t *testing.T, kinds []harness.Kind) {
		e := harness.StartEnsemble(t, reconfigurable(kinds))
		leader := e.Leader()
		before, from := epoch(t, leader), len(leader.Output())
		c := dial(t, leader.Addr())
		id := c.SessionID()
		line := strings.ReplaceAll(leader.ReconfigLine("participant"), "127.0.0.1", "localhost")
		settled(t, e, reconfig(t, c, zk.Change{Joining: line}))
		create(t, c, "/respelled", "", zk.Persistent)
		if now := e.WaitRoles(); now != leader || epoch(t, now) != before {
			t.Errorf("member %d leads in epoch %d, it was %d in epoch %d", now.ID, epoch(t, now), leader.ID, before)
		}
		if c.SessionID() != id {
			t.Errorf("the session is 0x%x, was 0x%x", c.SessionID(), id)
		}
		if text := leader.Output()[from:]; leader.Kind() == harness.Zooid && strings.Contains(text, "level=ERROR") {
			t.Errorf("the leader complains:\n%s", text)
		}
		create(t, dial(t, leader.Addr()), "/found", "", zk.Persistent)
	})
}
