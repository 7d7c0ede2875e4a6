package node

import (
	"strings"
	"testing"

	"zooid/internal/wire"
)

func TestQuotaGauges(t *testing.T) {
	s := start(t)
	c := s.connect()
	for _, p := range []struct{ path, data string }{
		{"/app", "12345"}, {"/app/x", "1"}, {"/zookeeper/quota/app", ""},
		{"/zookeeper/quota/app/zookeeper_limits", "count=7,bytes=100=;byteHardLimit=50"},
		{"/zookeeper/quota/app/zookeeper_stats", "count=0,bytes=0"},
		{"/app/y", "22"},
	} {
		c.do(wire.OpCreate, create(p.path, p.data, 0), wire.CodeOK)
	}
	text := s.word("mntr")
	for _, line := range []string{
		"app_quota_count_limit_per_namespace\t7", "app_quota_bytes_limit_per_namespace\t50",
		"app_quota_count_usage_per_namespace\t3", "app_quota_bytes_usage_per_namespace\t8",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("mntr does not say %q", line)
		}
	}
}

// What a hard quota refuses is counted by top-level znode, and each session
// that a client ends has its time.
func TestRefusalsAndClosingsAreCounted(t *testing.T) {
	s := start(t, "enforceQuota=true")
	c := s.connect()
	for _, p := range []struct{ path, data string }{
		{"/app", ""}, {"/zookeeper/quota/app", ""},
		{"/zookeeper/quota/app/zookeeper_limits", "count=-1,bytes=-1=;countHardLimit=2"},
		{"/zookeeper/quota/app/zookeeper_stats", "count=0,bytes=0"},
		{"/app/x", ""},
	} {
		c.do(wire.OpCreate, create(p.path, p.data, 0), wire.CodeOK)
	}
	for range 3 {
		c.do(wire.OpCreate, create("/app/y", "", 0), wire.CodeQuotaExceeded)
	}
	c.do(wire.OpCloseSession, nil, wire.CodeOK)
	text := s.word("mntr")
	for _, line := range []string{"zk_app_quota_exceeded_error_per_namespace\t3", "zk_cnt_close_session_prep_time\t1"} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("mntr does not say %q", line)
		}
	}
}
