package loadgen

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
)

// A wrong option is refused by its flag's name, before anything is dialled.
func TestOptionErrors(t *testing.T) {
	for want, change := range map[string]func(o *Options){
		`unknown workload "nap"`:         func(o *Options) { o.Workload = "nap" },
		"--servers":                      func(o *Options) { o.Servers = nil },
		"--servers a:b:c":                func(o *Options) { o.Servers = []string{"a:b:c"} },
		"a chroot belongs into --path":   func(o *Options) { o.Servers = []string{"127.0.0.1:2181/app"} },
		"--connections 0":                func(o *Options) { o.Connections = 0 },
		"may open only":                  func(o *Options) { o.Connections = 1 << 40 },
		"--depth 0":                      func(o *Options) { o.Depth = 0 },
		"--depth 65537":                  func(o *Options) { o.Depth = 65537 },
		"--read-share 1.5":               func(o *Options) { o.ReadShare = 1.5 },
		"--read-share NaN":               func(o *Options) { o.ReadShare = math.NaN() },
		"--size -1":                      func(o *Options) { o.Size = -1 },
		"--keys -1":                      func(o *Options) { o.Keys = -1 },
		"--duration 0s":                  func(o *Options) { o.Duration = 0 },
		"--warmup -1s":                   func(o *Options) { o.Warmup = -time.Second },
		"--ops -1":                       func(o *Options) { o.Ops = -1 },
		"--rate -1":                      func(o *Options) { o.Rate = -1 },
		"--rate is for the workloads":    func(o *Options) { o.Workload, o.Rate = Churn, 5 },
		"--session-timeout 1ms":          func(o *Options) { o.SessionTimeout = time.Millisecond },
		"--pid is for the workload idle": func(o *Options) { o.PID = 1 },
		"--reuse is for the workloads":   func(o *Options) { o.Workload, o.Reuse = Watch, true },
		`--path "/"`:                     func(o *Options) { o.Path = "/" },
		`--path "a"`:                     func(o *Options) { o.Path = "a" },
		`--path "/a/"`:                   func(o *Options) { o.Path = "/a/" },
		`--path "/zookeeper/quota": /zookeeper b`: func(o *Options) { o.Path = "/zookeeper/quota" },
		`--auth "digest"`:                         func(o *Options) { o.Auth = []string{"digest"} },
		"a slice of 1ms":                          func(o *Options) { o.Slice = time.Millisecond },
	} {
		o := NewOptions(Read)
		o.Servers = []string{"127.0.0.1:1"}
		change(&o)
		if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestDefaultsDependOnTheWorkload(t *testing.T) {
	for _, w := range Workloads {
		o := NewOptions(w.Name)
		if err := o.settle(); err != nil {
			t.Errorf("%s: the defaults are refused: %v", w.Name, err)
		}
		if w.Name == Fill && (o.Keys != 100000 || o.Ops != 100000 || o.Warmup != 0) {
			t.Errorf("fill: %d keys, %d operations, warm-up %v", o.Keys, o.Ops, o.Warmup)
		}
		if w.Name == Watch && o.Threads != 1 {
			t.Errorf("watch: %d loops, but the last event is found by one", o.Threads)
		}
	}
}

func TestWithPort(t *testing.T) {
	for in, want := range map[string]string{
		"zoo-01": "zoo-01:2181", "zoo-01:2182": "zoo-01:2182", "::1": "", "[::1]": "[::1]:2181", "[::1]:5": "[::1]:5",
	} {
		got, err := withPort(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("withPort(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}
