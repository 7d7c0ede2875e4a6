// Package harness is the bench on which the interop ring works: it fetches
// Apache's jars and the foreign clients, and it starts, stops, kills and
// restarts a server under test, which is Zooid or Apache's own Java server.
//
// The suites beside it (differential, datadirs, clients, defects) are its only
// callers. It must never judge an answer: a suite says what is right, and says
// it of Apache's server first. It waits for events and answers, never for time
// to pass.
package harness

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Kind names an implementation that can be put under test.
type Kind string

// The implementations that the ring knows.
const (
	Java  Kind = "java"  // Apache ZooKeeper 3.9.5, ZooKeeperServerMain
	Zooid Kind = "zooid" // this project's `zooid server`
)

// Other is the implementation that the suites hold k against.
func (k Kind) Other() Kind {
	if k == Java {
		return Zooid
	}
	return Java
}

var serverFlag = flag.String("server", envOr("ZOOID_INTEROP_SERVER", string(Zooid)),
	"the server under test: zooid or java (a suite must pass on java before it may judge zooid)")

// UnderTest is the implementation chosen by -server or ZOOID_INTEROP_SERVER.
func UnderTest() Kind {
	switch k := Kind(*serverFlag); k {
	case Java, Zooid:
		return k
	default:
		panic(fmt.Sprintf("-server=%s: must be java or zooid", k))
	}
}

// Ring guards every test of the interop ring: the ring fetches foreign
// software and takes minutes, so it is run by `make interop` and not by
// `go test ./...`. It also logs how long the test took.
func Ring(t testing.TB) {
	t.Helper()
	Gate(t)
	began := time.Now()
	t.Cleanup(func() {
		t.Logf("%s on %s: %.1fs", t.Name(), UnderTest(), time.Since(began).Seconds())
	})
}

// Gate is Ring for tests that choose by themselves which servers they start.
func Gate(t testing.TB) {
	t.Helper()
	if os.Getenv("ZOOID_INTEROP") == "" {
		t.Skip("interop ring: make interop")
	}
}

// Root is the top folder of the checkout, the one that holds go.mod.
var Root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if up := filepath.Dir(dir); up != dir {
			dir = up
			continue
		}
		break
	}
	panic(fmt.Sprintf("no go.mod above the working directory (%v)", err))
})

// Cache is a path below the git-ignored folder that keeps what was fetched.
func Cache(parts ...string) string {
	return filepath.Join(append([]string{Root(), ".cache"}, parts...)...)
}

// Source is a path below test/interop in the checkout.
func Source(parts ...string) string {
	return filepath.Join(append([]string{Root(), "test", "interop"}, parts...)...)
}

func envOr(name, other string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return other
}
