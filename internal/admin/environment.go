package admin

import (
	"math"
	"os"
	"os/user"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
	"strconv"
	"strings"
)

// property is a key and its value.
type property struct{ key, value string }

// notKnown is Java's word for a property that is not set.
const notKnown = "<NA>"

// collectEnvironment lists the keys of org.apache.zookeeper.Environment in its
// order. What is Java's own (java.*) gets what comes nearest in Go. The name of
// the host is the system's: unlike Java this asks no DNS server.
func collectEnvironment(Source, []byte) []property {
	memory := readMemory()
	return []property{
		{"zookeeper.version", ZooKeeperVersion()},
		{"host.name", known(os.Hostname())},
		{"java.version", runtime.Version()},
		{"java.vendor", "The Go Authors"},
		{"java.home", notKnown},
		{"java.class.path", known(os.Executable())},
		{"java.library.path", notKnown},
		{"java.io.tmpdir", os.TempDir()},
		{"java.compiler", runtime.Compiler},
		{"os.name", osName(runtime.GOOS)},
		{"os.arch", osArch(runtime.GOARCH)},
		{"os.version", firstLine("/proc/sys/kernel/osrelease")},
		{"user.name", userName()},
		{"user.home", known(os.UserHomeDir())},
		{"user.dir", known(os.Getwd())},
		{"os.memory.free", megabytes(memory.free)},
		{"os.memory.max", megabytes(memory.max)},
		{"os.memory.total", megabytes(memory.total)},
	}
}

func renderEnvironment(p *page, list []property) {
	p.line("Environment:")
	for _, e := range list {
		p.line(e.key + "=" + e.value)
	}
}

func known(value string, err error) string {
	if err != nil || value == "" {
		return notKnown
	}
	return value
}

// osName and osArch spell what Java spells otherwise than Go.
func osName(goos string) string {
	switch goos {
	case "linux":
		return "Linux"
	case "darwin":
		return "Mac OS X"
	case "freebsd":
		return "FreeBSD"
	case "windows":
		return "Windows"
	}
	return goos
}

func osArch(goarch string) string {
	switch goarch {
	case "arm64":
		return "aarch64"
	case "386":
		return "i386"
	}
	return goarch
}

func firstLine(path string) string {
	content, err := os.ReadFile(path)
	line, _, _ := strings.Cut(string(content), "\n")
	return known(line, err)
}

// userName is the name of the user; a container often has no list of users,
// then $USER or, as in Java, "?".
func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	return "?"
}

// memory is in bytes what Java's Runtime calls free, max and total: unused of
// what the process holds, what it may hold, and what it holds.
type memory struct{ free, max, total uint64 }

func readMemory() memory {
	samples := []gometrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}
	gometrics.Read(samples)
	m := memory{
		total: samples[0].Value.Uint64() - samples[1].Value.Uint64(),
		free:  samples[2].Value.Uint64() + samples[3].Value.Uint64(),
	}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		m.max = uint64(limit)
	} else {
		m.max = max(machineMemory(), m.total)
	}
	return m
}

// machineMemory is the bytes of memory of the machine, or 0 if unknown.
func machineMemory() uint64 {
	fields := strings.Fields(firstLine("/proc/meminfo"))
	if len(fields) < 2 || fields[0] != "MemTotal:" {
		return 0
	}
	kilobytes, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}

func megabytes(bytes uint64) string { return strconv.FormatUint(bytes>>20, 10) + "MB" }

// OpenFiles returns the number of open files and sockets of the process, for
// open_file_descriptor_count; 0 where the system does not tell.
func OpenFiles() int64 {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0
	}
	return int64(len(names)) - 1 // dir itself
}

// MaxFiles returns how many files the process may open, for
// max_file_descriptor_count; 0 where the system does not tell.
func MaxFiles() int64 {
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(limits), "Max open files")
	soft := strings.Fields(line)
	if len(soft) == 0 {
		return 0
	}
	if soft[0] == "unlimited" {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(soft[0], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
