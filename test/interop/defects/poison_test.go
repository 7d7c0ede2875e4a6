package defects

import (
	"fmt"
	"math"
	"testing"

	"zooid/test/interop/harness"
	"zooid/test/interop/raw"
)

// survives checks that the server still serves, and does so after a restart
// that replays its log.
func survives(t *testing.T, s *harness.Server, what string) {
	t.Helper()
	for _, when := range []string{"", " after a restart"} {
		if when != "" {
			s.Kill()
			s.Restart()
		}
		c, _, err := raw.Connect(s.Addr(), 30000)
		if err != nil {
			t.Fatalf("%s: the server is gone%s: %v", what, when, err)
		}
		must(t, c, raw.OpExists, raw.PathBool("/", false), 0)
		c.Close()
	}
}

// TestPoisonCreateTTL: a createTTL whose flags mean no TTL node, with a
// negative ttl, passes the checks of Apache's server, is logged, and kills it
// when applied, and again at every restart.
func TestPoisonCreateTTL(t *testing.T) {
	harness.Ring(t)
	for flags := int32(0); flags <= 4; flags++ {
		for _, ttl := range []int64{-1, -2, math.MinInt64} {
			t.Run(fmt.Sprintf("flags=%d/ttl=%d", flags, ttl), func(t *testing.T) {
				if harness.UnderTest() == harness.Java && (flags != 0 || ttl != -1) {
					return // one death shows it
				}
				s := harness.Start(t, harness.Options{Properties: []string{"zookeeper.extendedTypesEnabled=true"}})
				c := connect(t, s)
				r, err := c.Call(raw.OpCreateTTL, raw.CreateTTL("/poison", nil, raw.World, flags, ttl))
				if harness.UnderTest() == harness.Java {
					if err == nil {
						t.Error("Apache's server has lost this defect: compare it in the differential suite again")
					}
					return
				}
				if err != nil || r.Err != raw.ErrBadArguments {
					t.Errorf("createTTL: %v, code %d, want -8", err, r.Err)
				}
				must(t, c, raw.OpExists, raw.PathBool("/poison", false), raw.ErrNoNode)
				survives(t, s, "createTTL")
			})
		}
	}
}

// TestQuotaGarbage: text that is no quota in a quota node. In a stats node it
// kills Apache's server at the next write below the path; in a limits node it
// breaks the writes below and mntr.
func TestQuotaGarbage(t *testing.T) {
	harness.Ring(t)
	garbage := []string{"v7", "", "count", "count=", "=", "=;=;=", ",,", "count=99999999999999999999,bytes=1",
		"count=x,bytes=y", "bytes=5", "count=1,bytes=1=;countHardLimit", "\xff\xfe", "count=1=2=3"}
	for _, node := range []string{"zookeeper_limits", "zookeeper_stats"} {
		t.Run(node, func(t *testing.T) {
			s := harness.Start(t, harness.Options{Properties: []string{"zookeeper.enforceQuota=true"}})
			c := connect(t, s)
			must(t, c, raw.OpCreate, raw.Create("/q", nil, raw.World, 0), 0)
			for _, path := range []string{"", "/zookeeper_limits", "/zookeeper_stats"} {
				must(t, c, raw.OpCreate, raw.Create("/zookeeper/quota/q"+path, []byte("count=100,bytes=1000"), raw.World, 0), 0)
			}
			for i, text := range garbage {
				must(t, c, raw.OpSetData, raw.SetData("/zookeeper/quota/q/"+node, []byte(text), -1), 0)
				_, err := c.Call(raw.OpCreate, raw.Create(fmt.Sprintf("/q/%d", i), []byte("x"), raw.World, 0))
				if err == nil {
					_, err = c.Call(raw.OpSetData, raw.SetData("/q", []byte(text), -1))
				}
				if harness.UnderTest() == harness.Java && err != nil {
					t.Logf("Apache's server dies of %q", text)
					return
				}
				if err != nil {
					t.Fatalf("%s with %q: %v", node, text, err)
				}
				if s.Metric("zk_znode_count") == "" && harness.UnderTest() == harness.Zooid {
					t.Fatalf("%s with %q: mntr says nothing", node, text)
				}
			}
			survives(t, s, node)
		})
	}
}
