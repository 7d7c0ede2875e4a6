// Package zooid_test holds the rules that the project keeps about itself: who
// may import whom (deps_test.go) and what the source looks like
// (tidy_test.go). It reads the tree as text and as syntax, builds nothing,
// and is run by `go test .`, so a broken rule fails like a broken test.
package zooid_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the import graph. "a < b" means that b may import a, and with it
// whatever a stands on. Names without a slash are below internal/. A package
// that is not named here fails the test: say where it stands first.
const layers = `
# The pure core: events in, effects out. It knows bytes and rules, never a
# socket, a file or a clock.
jute < wire < {tree, auth, zab, config};
{tree, auth, zab, sasl} < replica;

# SASL is hashes and texts: whoever has a connection, of a client or of another
# server, of this side or of that, hands it tokens and nonces.
sasl < {config, quorumport, node, zk, shell, cmd/zooid};

# The lines that say who is a member stand in files and on the wire, and both
# are text as Java reads it.
properties < ensemble < {zab, config};

# Disk: formats over a file API that can crash on demand.
{wire, vfs} < storage;
{storage, tree} < storage/inspect < cmd/zooid;
storage < storage/inspect < cmd/zooid;

# The ports move frames; they know the wire, not the tree.
{wire, metrics} < {clientport, quorumport};

# Operators' commands see the server through one interface of their own.
{wire, metrics, config} < admin;

# What the properties of TLS say becomes configurations of crypto/tls, which
# the ports are handed and the shell dials with.
tlsconf < {node, shell};

# The shell wires all of it; only programs and the test server stand above.
{replica, storage, clientport, quorumport, config, admin} < node;
node < {cmd/zooid, zk/zktest};

# The client side stands on the wire alone, so that it can be used without a
# server.
wire < zk < zk/recipe;
zk < shell < cmd/zooid;

# The load generator measures any server over a socket, so it must not share
# code with ours.
wire < loadgen < cmd/zooid;

# The simulator replaces the shell, the ports and the disk: if it imported
# them it would test them instead of the core.
{replica, storage} < {test/sim, test/sim/ensemble};
test/sim/seeds < {test/sim, test/sim/ensemble};
`

// core lists the packages in which time, randomness and I/O are values that
// come in from outside, so that one seed replays one run.
var core = []string{"jute", "wire", "tree", "auth", "zab", "replica", "config", "properties", "ensemble", "sasl"}

// impure says why the core may not import a package. A trailing slash bars
// everything below it too.
var impure = map[string]string{
	"net":         "sockets belong to the ports",
	"net/":        "sockets belong to the ports",
	"os":          "the caller reads files and the environment and passes bytes in",
	"os/":         "processes and signals belong to the shell",
	"io/fs":       "files belong to vfs and storage",
	"time":        "time is a number that comes in with an event",
	"sync":        "the core has one owner at a time; the shell guards it",
	"sync/":       "the core has one owner at a time; the shell guards it",
	"context":     "a step of the core never waits, so there is nothing to cancel",
	"log":         "a refused request is a value and a broken invariant a panic; the shell logs",
	"log/":        "a refused request is a value and a broken invariant a panic; the shell logs",
	"math/rand":   "randomness is a seed that is passed in: use math/rand/v2 with a source",
	"crypto/rand": "randomness is a seed that is passed in",
	"runtime":     "nothing of the core depends on the machine",
	"unsafe":      "the core decodes bytes from strangers",
}

// pureExceptions are packages below a barred prefix that hold values only.
var pureExceptions = []string{"net/netip"}

// libraries says which package may use which module, and what for. Tests may
// use any of them; a module that stands nowhere here needs a reason first.
var libraries = map[string]struct {
	where  []string
	reason string
}{
	"github.com/spf13/cobra":                  {[]string{"cmd/zooid"}, "commands, help and completion"},
	"github.com/spf13/pflag":                  {[]string{"cmd/zooid"}, "flag values for cobra"},
	"github.com/peterh/liner":                 {[]string{"shell"}, "line editing and history of the shell"},
	"github.com/prometheus/client_golang":     {[]string{"metrics", "admin"}, "exposition of the metrics"},
	"github.com/prometheus/client_model":      {[]string{"metrics", "admin"}, "exposition of the metrics"},
	"github.com/klauspost/compress":           {[]string{"storage"}, "gzip and snappy snapshots"},
	"golang.org/x/sys":                        {[]string{"vfs", "storage", "node", "clientport", "quorumport", "loadgen", "cmd/zooid"}, "fallocate, fdatasync, limits, socket options"},
	"golang.org/x/sync":                       {[]string{"node", "clientport", "quorumport", "zk", "cmd/zooid"}, "errgroup and semaphores outside the core"},
	"github.com/anishathalye/porcupine":       {nil, "judges histories in tests"},
	"github.com/cockroachdb/datadriven":       {nil, "scenario files in tests"},
	"go.uber.org/goleak":                      {nil, "leak checks in tests"},
	"pgregory.net/rapid":                      {nil, "property tests"},
	"github.com/pavlo-v-chernykh/keystore-go": {[]string{"tlsconf"}, "Java key stores"},
	"software.sslmate.com/src/go-pkcs12":      {[]string{"tlsconf"}, "PKCS12 stores, of Java and others"},
	"github.com/youmark/pkcs8":                {[]string{"tlsconf"}, "encrypted keys of PEM stores"},
}

// source is one parsed Go file of the project.
type source struct {
	name string // slash path from the root of the project
	dir  string // slash path of its directory, "." for the root
	test bool   // _test.go, or anything below test/
	file *ast.File
	text []byte
}

// parseProject parses every Go file of the project but those of directories
// whose name starts with a dot or that hold what a build leaves behind.
func parseProject(t *testing.T) (*token.FileSet, []source) {
	t.Helper()
	fset := token.NewFileSet()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && skipDir(d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text := readFile(t, name)
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("not read: %v", err)
			return nil
		}
		slash := filepath.ToSlash(name)
		all = append(all, source{
			name: slash,
			dir:  path.Dir(slash),
			test: strings.HasSuffix(slash, "_test.go") || strings.HasPrefix(slash, "test/"),
			file: file,
			text: text,
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, all
}

func skipDir(base string) bool {
	return strings.HasPrefix(base, ".") || base == "build" || base == "dist" || base == "testdata" || base == "node_modules"
}

// layerName is the name of a directory in layers, or "" for directories that
// the graph does not speak of.
func layerName(dir string) string {
	if rest, ok := strings.CutPrefix(dir, "internal/"); ok {
		return rest
	}
	return dir
}

// parseLayers reads the text of layers into "may import directly" sets.
func parseLayers(text string) (map[string]map[string]bool, error) {
	below := map[string]map[string]bool{}
	var lines []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		lines = append(lines, strings.TrimSpace(line))
	}
	for _, chain := range strings.Split(strings.Join(lines, " "), ";") {
		if strings.TrimSpace(chain) == "" {
			continue
		}
		var lower []string
		for i, group := range strings.Split(chain, "<") {
			group = strings.Trim(strings.TrimSpace(group), "{}")
			var names []string
			for _, name := range strings.Split(group, ",") {
				name = strings.TrimSpace(name)
				if name == "" || strings.ContainsAny(name, " \t{}") {
					return nil, fmt.Errorf("layers: %q is not a package name in %q", name, strings.TrimSpace(chain))
				}
				if below[name] == nil {
					below[name] = map[string]bool{}
				}
				if i > 0 {
					for _, l := range lower {
						below[name][l] = true
					}
				}
				names = append(names, name)
			}
			lower = names
		}
	}
	return below, nil
}

// closure adds to each set what its members may import; a cycle is an error.
func closure(below map[string]map[string]bool) error {
	state := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		switch state[name] {
		case 1:
			return fmt.Errorf("layers: %s stands above itself", name)
		case 2:
			return nil
		}
		state[name] = 1
		for dep := range cloneSet(below[name]) {
			if err := visit(dep); err != nil {
				return err
			}
			for d := range below[dep] {
				below[name][d] = true
			}
		}
		state[name] = 2
		return nil
	}
	for name := range below {
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}

func cloneSet(s map[string]bool) map[string]bool {
	c := make(map[string]bool, len(s))
	for k := range s {
		c[k] = true
	}
	return c
}

func imports(f *ast.File) []string {
	var out []string
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// TestLayers fails for an import that the graph does not allow. Test files
// may reach sideways and up, but for the simulator, which is a test and whose
// whole point is what it stands on.
func TestLayers(t *testing.T) {
	below, err := parseLayers(layers)
	if err != nil {
		t.Fatal(err)
	}
	if err := closure(below); err != nil {
		t.Fatal(err)
	}
	_, files := parseProject(t)
	for _, f := range files {
		name := layerName(f.dir)
		strict := !f.test || f.dir == "test/sim" || strings.HasPrefix(f.dir, "test/sim/")
		if !strict || name == "." {
			continue
		}
		allowed, known := below[name]
		if !known {
			t.Errorf("%s: package %s has no place in layers (deps_test.go); give it one", f.name, f.dir)
			continue
		}
		for _, imp := range imports(f.file) {
			rest, own := strings.CutPrefix(imp, "zooid/")
			if own && !allowed[layerName(rest)] {
				t.Errorf("%s imports %s: %s does not stand below %s in layers (deps_test.go)", f.name, imp, layerName(rest), name)
			}
		}
	}
}

// TestLibraries fails for a module that is used where nobody said why.
func TestLibraries(t *testing.T) {
	_, files := parseProject(t)
	for _, f := range files {
		for _, imp := range imports(f.file) {
			first, _, _ := strings.Cut(imp, "/")
			if !strings.Contains(first, ".") {
				continue
			}
			entry, found := findLibrary(imp)
			switch {
			case !found:
				t.Errorf("%s imports %s, which has no reason in libraries (deps_test.go)", f.name, imp)
			case !f.test && !slices.Contains(entry, layerName(f.dir)):
				t.Errorf("%s imports %s, which only %v may do (deps_test.go)", f.name, imp, entry)
			}
		}
	}
}

func findLibrary(imp string) (where []string, found bool) {
	for module, entry := range libraries {
		if imp == module || strings.HasPrefix(imp, module+"/") {
			return entry.where, true
		}
	}
	return nil, false
}

// TestPureCore fails for an import, a goroutine, a channel or a global random
// number in the packages of the core: with any of them one seed would no
// longer give one run.
func TestPureCore(t *testing.T) {
	fset, files := parseProject(t)
	for _, f := range files {
		if f.test || !slices.Contains(core, layerName(f.dir)) {
			continue
		}
		for _, imp := range imports(f.file) {
			if reason := whyImpure(imp); reason != "" {
				t.Errorf("%s imports %s: %s", f.name, imp, reason)
			}
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			if what := whyConcurrent(n); what != "" {
				t.Errorf("%s: %s in the pure core: goroutines and channels live in internal/node and the ports", fset.Position(n.Pos()), what)
			}
			return true
		})
	}
}

func whyImpure(imp string) string {
	if slices.Contains(pureExceptions, imp) {
		return ""
	}
	if reason, ok := impure[imp]; ok {
		return reason
	}
	for prefix, reason := range impure {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(imp, prefix) {
			return reason
		}
	}
	return ""
}

func whyConcurrent(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a go statement"
	case *ast.ChanType:
		return "a channel type"
	case *ast.SelectStmt:
		return "a select"
	case *ast.SendStmt:
		return "a channel send"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "a channel receive"
		}
	case *ast.CallExpr:
		// The top level functions of math/rand/v2 draw from one global
		// generator; rand.New and the sources are what a seed needs.
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "rand" && !strings.HasPrefix(sel.Sel.Name, "New") {
				return "the global generator rand." + sel.Sel.Name
			}
		}
	}
	return ""
}
