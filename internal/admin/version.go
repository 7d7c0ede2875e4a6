package admin

import (
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// SpokenVersion is the level of Apache ZooKeeper whose behaviour Zooid shows.
// It stands first wherever ZooKeeper's version is shown, because tools parse
// it there to find out what a server can do.
const SpokenVersion = "3.9.5"

// Version is Zooid's own.
const Version = "0.1.0"

// The build is told by the linker, as in
//
//	-ldflags "-X zooid/internal/admin.commit=<40 hex digits> -X zooid/internal/admin.built=<RFC 3339>"
//
// and otherwise by what the go command stamps into the binary.
var commit, built string

// noCommit stands for the commit of a binary that does not know it.
const noCommit = "0000000000000000000000000000000000000000"

// Build is where the running binary comes from.
type Build struct {
	// Commit is 40 hex digits, all 0 if unknown.
	Commit string
	// Time is when the commit was made or, failing that, the file of the
	// binary was written, in UTC.
	Time time.Time
}

// CurrentBuild tells where the running binary comes from.
var CurrentBuild = sync.OnceValue(func() Build {
	revision, stamp := commit, built
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			switch {
			case setting.Key == "vcs.revision" && revision == "":
				revision = setting.Value
			case setting.Key == "vcs.time" && stamp == "":
				stamp = setting.Value
			}
		}
	}
	return build(revision, stamp)
})

func build(revision, stamp string) Build {
	b := Build{Commit: noCommit}
	if len(revision) == len(noCommit) && strings.Trim(revision, "0123456789abcdef") == "" {
		b.Commit = revision
	}
	if t, err := time.Parse(time.RFC3339, stamp); err == nil {
		b.Time = t.UTC()
		return b
	}
	if path, err := os.Executable(); err == nil {
		if info, err := os.Stat(path); err == nil {
			b.Time = info.ModTime().UTC()
		}
	}
	return b
}

// ZooKeeperVersion is the version as srvr, mntr, envi and zkServer.sh show it:
// "3.9.5-<commit>, built on 2026-01-31 12:00 UTC", the form of Apache's.
func ZooKeeperVersion() string {
	b := CurrentBuild()
	return SpokenVersion + "-" + b.Commit + ", built on " + b.Time.Format("2006-01-02 15:04 UTC")
}
