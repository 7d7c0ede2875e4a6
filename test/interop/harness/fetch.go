package harness

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The versions that the ring fetches. The jars' versions stand in
// test/interop/java/pom.xml.
const (
	kazooVersion  = "2.11.0"
	nodeVersion   = "1.1.3" // node-zookeeper-client
	goZkVersion   = "v1.0.4"
	loggerVersion = "2.0.13" // slf4j-simple, to see what Apache's server says
)

// kazooTestLibraries are kazoo and what its tests need: they count objects with
// objgraph, and its harness makes key stores with the others, an older
// pyOpenSSL, as later ones have no extensions of certificates.
var kazooTestLibraries = []string{
	"kazoo==" + kazooVersion, "pytest==8.3.5", "objgraph==3.6.2", "pure-sasl==0.6.2", "pyjks==20.0.0", "pyopenssl==23.2.0",
}

// fetchOnce runs fill once for the folder .cache/name, over all test binaries
// and all runs: key says what the folder must hold, and a folder that holds it
// already is left alone. It prints what it does, since it may take a while.
func fetchOnce(t testing.TB, name, key string, fill func(dir string) error) string {
	t.Helper()
	if err := os.MkdirAll(Cache(), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := Cache(name)
	lock, err := os.OpenFile(Cache(".fetch.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x\n", sha256.Sum256([]byte(key)))
	marker := Cache("." + strings.ReplaceAll(name, "/", "-") + ".complete")
	if have, err := os.ReadFile(marker); err == nil && string(have) == sum {
		return dir
	}
	fmt.Fprintf(os.Stderr, "interop: filling .cache/%s\n", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := fill(dir); err != nil {
		t.Fatalf("fill .cache/%s: %v", name, err)
	}
	if err := os.WriteFile(marker, []byte(sum), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a command in dir, prints it, and returns its output with the error.
func run(dir string, name string, args ...string) error {
	fmt.Fprintf(os.Stderr, "interop: %s %s\n", name, strings.Join(args, " "))
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, tail(string(out), 40))
	}
	return nil
}

var zooidOnce struct {
	sync.Once
	path string
	err  error
}

// ZooidBinary is the path of the zooid binary under test: ZOOID_BIN, or
// build/zooid, built now.
func ZooidBinary(t testing.TB) string {
	t.Helper()
	zooidOnce.Do(func() {
		if zooidOnce.path = os.Getenv("ZOOID_BIN"); zooidOnce.path != "" {
			return
		}
		zooidOnce.path = filepath.Join(Root(), "build", "zooid")
		zooidOnce.err = run(Root(), "go", "build", "-o", zooidOnce.path, "./cmd/zooid")
	})
	if zooidOnce.err != nil {
		t.Fatal(zooidOnce.err)
	}
	return zooidOnce.path
}

// Jars fetches Apache ZooKeeper, Curator and what they need through Maven and
// returns the class path, a logger that writes to standard error included.
func Jars(t testing.TB) string {
	t.Helper()
	jars := jarsOf(t, "java", Source("java", "pom.xml"))
	logger := fetchOnce(t, "java-logger", loggerVersion, func(dir string) error {
		return run(Root(), "mvn", "-q", "-B", "dependency:copy",
			"-Dartifact=org.slf4j:slf4j-simple:"+loggerVersion, "-DoutputDirectory="+dir)
	})
	return jars + ":" + filepath.Join(logger, "*")
}

// jarsOf fetches what a Maven project depends on into the folder .cache/name,
// and returns the class path.
func jarsOf(t testing.TB, name, pom string, options ...string) string {
	t.Helper()
	text, err := os.ReadFile(pom)
	if err != nil {
		t.Fatal(err)
	}
	dir := fetchOnce(t, name, string(text), func(dir string) error {
		args := append([]string{"-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory=" + dir}, options...)
		return run(Root(), "mvn", args...)
	})
	return filepath.Join(dir, "*")
}

// KafkaJars fetches Apache Kafka and what it needs through Maven and returns the
// class path.
func KafkaJars(t testing.TB) string {
	t.Helper()
	return jarsOf(t, "kafka", Source("applications", "kafka.xml"))
}

// JavaCommand is a java command line on Apache's jars. The options favour a
// short start: the ring starts many small processes.
func JavaCommand(t testing.TB, options []string, class string, args ...string) *exec.Cmd {
	t.Helper()
	line := []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-cp", Jars(t) + ":" + classes(t)}
	line = append(line, options...)
	line = append(line, class)
	return exec.Command("java", append(line, args...)...)
}

// classes compiles the Java programs of test/interop/java/src.
func classes(t testing.TB) string {
	t.Helper()
	sources, err := filepath.Glob(Source("java", "src", "*.java"))
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) == 0 {
		return Cache("java-classes")
	}
	return compiled(t, "java-classes", Jars(t), sources, "")
}

// compiled compiles Java sources into the folder .cache/name. A class that is
// named then works on the folder.
func compiled(t testing.TB, name, cp string, sources []string, then string) string {
	t.Helper()
	sort.Strings(sources)
	var key strings.Builder
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		key.Write(text)
	}
	return fetchOnce(t, name, key.String(), func(dir string) error {
		err := run(Root(), "javac", append([]string{"-nowarn", "-cp", cp, "-d", dir}, sources...)...)
		if err == nil && then != "" {
			err = run(Root(), "java", "-cp", dir+":"+cp, then, dir)
		}
		return err
	})
}

// ApacheTests fetches Apache's own tests and returns the class path to run them
// with. In front of it are the classes of test/interop/apache/java: RunTests, and
// those that put Zooid in the place of Apache's server.
func ApacheTests(t testing.TB) string {
	t.Helper()
	cp := jarsOf(t, "apache-tests", Source("apache", "pom.xml"), "-DexcludeTransitive=true") + ":" + Jars(t)
	sources, err := filepath.Glob(Source("apache", "java", "*.java"))
	if err != nil {
		t.Fatal(err)
	}
	return compiled(t, "apache-classes", cp, sources, "zooid.Patch") + ":" + cp
}

// Python fetches kazoo into a virtual environment and returns its python.
func Python(t testing.TB) string {
	t.Helper()
	dir := fetchOnce(t, "python", kazooVersion, func(dir string) error {
		if err := run(Root(), "python3", "-m", "venv", "--clear", dir); err != nil {
			return err
		}
		return run(Root(), filepath.Join(dir, "bin", "pip"), "install", "-q", "kazoo=="+kazooVersion)
	})
	return filepath.Join(dir, "bin", "python")
}

// KazooTests fetches kazoo, with the tests that lie in it, and pytest into a
// virtual environment of their own and returns its python.
func KazooTests(t testing.TB) string {
	t.Helper()
	dir := fetchOnce(t, "python-tests", strings.Join(kazooTestLibraries, " "), func(dir string) error {
		if err := run(Root(), "python3", "-m", "venv", "--clear", dir); err != nil {
			return err
		}
		return run(Root(), filepath.Join(dir, "bin", "pip"), append([]string{"install", "-q"}, kazooTestLibraries...)...)
	})
	return filepath.Join(dir, "bin", "python")
}

// NodeModules fetches the Node client and returns the folder to put into
// NODE_PATH.
func NodeModules(t testing.TB) string {
	t.Helper()
	dir := fetchOnce(t, "node", nodeVersion, func(dir string) error {
		return run(dir, "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", dir,
			"node-zookeeper-client@"+nodeVersion)
	})
	return filepath.Join(dir, "node_modules")
}

// goZkServing replaces how go-zookeeper/zk's test suite waits for a server: its
// parser of `srvr` wants the build date as servers before 3.6 wrote it, so it
// never sees a 3.9 server of Apache's come up either.
const goZkServing = `package zk

import (
	"bytes"
	"time"
)

func serving(addrs []string) bool {
	for _, a := range addrs {
		out, err := fourLetterWord(a, "srvr", time.Second)
		if err != nil || !bytes.Contains(out, []byte("Mode: ")) {
			return false
		}
	}
	return true
}
`

// GoZk fetches the sources of go-zookeeper/zk, its test suite included,
// through the Go module proxy and returns a copy that `go test` can run in.
func GoZk(t testing.TB) string {
	t.Helper()
	return fetchOnce(t, "go-zookeeper", goZkVersion+goZkServing, func(dir string) error {
		const module = "github.com/go-zookeeper/zk"
		if err := run(os.TempDir(), "go", "mod", "download", module+"@"+goZkVersion); err != nil {
			return err
		}
		cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
		if err != nil {
			return err
		}
		from := filepath.Join(strings.TrimSpace(string(cache)), module+"@"+goZkVersion)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			return err
		}
		name := filepath.Join(dir, "server_help_test.go")
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		const old, serving = "_, ok := FLWSrvr(serverAddrs, time.Second)", "ok := serving(serverAddrs)"
		if !strings.Contains(string(text), old) {
			return fmt.Errorf("%s does not wait for servers as %s did", name, goZkVersion)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), old, serving, 1)), 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "serving_test.go"), []byte(goZkServing), 0o644)
	})
}

// CClient installs Debian's C client library with its headers and command
// line programs (it must be root for that) and returns the folder of cli_mt.
func CClient(t testing.TB) string {
	t.Helper()
	const bin = "/usr/lib/zookeeper/bin"
	_, cli := os.Stat(filepath.Join(bin, "cli_mt"))
	_, header := os.Stat("/usr/include/zookeeper/zookeeper.h")
	if cli == nil && header == nil {
		return bin
	}
	if err := run("/", "apt-get", "update", "-q"); err != nil {
		t.Fatal(err)
	}
	if err := run("/", "apt-get", "install", "-y", "-q", "libzookeeper-mt-dev", "zookeeper-bin", "gcc", "libc6-dev"); err != nil {
		t.Fatal(err)
	}
	return bin
}

// CProgram compiles a C program of test/interop/c against the thread-safe C
// client and returns the path of the binary.
func CProgram(t testing.TB, name string) string {
	t.Helper()
	CClient(t)
	source := Source("c", name+".c")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	dir := fetchOnce(t, "c/"+name, string(text), func(dir string) error {
		return run(Root(), "gcc", "-Wall", "-Werror", "-DTHREADED", "-o", filepath.Join(dir, name), source,
			"-lzookeeper_mt", "-lpthread")
	})
	return filepath.Join(dir, name)
}

// Cyrus installs Cyrus' SASL library with the plug-in for DIGEST-MD5 (it must
// be root for that).
func Cyrus(t testing.TB) {
	t.Helper()
	if found, err := filepath.Glob("/usr/lib/*/sasl2/libdigestmd5.so"); err == nil && len(found) > 0 {
		return
	}
	if err := run("/", "apt-get", "update", "-q"); err != nil {
		t.Fatal(err)
	}
	if err := run("/", "apt-get", "install", "-y", "-q", "libsasl2-2", "libsasl2-modules"); err != nil {
		t.Fatal(err)
	}
}
