package zooid_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFuncLines     = 70         // a function is read in one screen
	maxTestFuncLines = 120        // a test may tell a longer story
	maxFileLines     = 800        // a file is split by step of the way
	maxBlobBytes     = 256 * 1024 // larger files belong to a generator
)

// ratchet lists what breaks a size rule today, with its size. An entry may
// shrink and must go once it is within the rule; none may be added or grow.
// Keys: "file.go" (lines), "file.go:Func" (lines), "path" (bytes of a blob).
var ratchet = map[string]int{}

// clockUsers are the places that may ask the clock: everything else is handed
// the time as a number. Keys are directories, values say why.
var clockUsers = map[string]string{
	"internal/node":       "the shell stamps events with the time",
	"internal/clientport": "deadlines of sockets",
	"internal/quorumport": "deadlines of sockets",
	"internal/storage":    "durations of disk calls",
	"internal/admin":      "uptime and dates shown to operators",
	"internal/shell":      "times out commands of a person",
	"internal/tlsconf":    "looks every second whether stores have changed",
	"internal/loadgen":    "measures",
	"cmd/zooid":           "programs",
	"zk":                  "a client has time limits",
	"zk/recipe":           "a client has time limits",
	"zk/zktest":           "waits for a server",
}

// bannedCalls are refused everywhere but where allowed says so.
var bannedCalls = []struct {
	pkg, name *regexp.Regexp
	reason    string
	allowed   func(f source) bool
}{
	{
		regexp.MustCompile(`^time$`), regexp.MustCompile(`^(Now|Since|Until|After|AfterFunc|NewTimer|NewTicker|Tick|Sleep)$`),
		"the time comes in as a number; only clockUsers (tidy_test.go) ask the clock",
		func(f source) bool { return f.test || clockUsers[f.dir] != "" },
	},
	{
		regexp.MustCompile(`^time$`), regexp.MustCompile(`^Sleep$`),
		"a test waits for an event, not for time",
		func(f source) bool { return !f.test },
	},
	{
		regexp.MustCompile(`^fmt$`), regexp.MustCompile(`^Print(f|ln)?$`),
		"write to an io.Writer that the caller chose",
		func(f source) bool { return strings.Contains(string(f.text), "\nfunc Example") },
	},
}

// nouns that say nothing about what is inside.
var emptyNames = regexp.MustCompile(`^(util|utils|common|helper|helpers|types|manager|managers|misc)$`)

// marker is put together here so that this file does not break its own rule.
var marker = regexp.MustCompile(`\b(` + "TO" + `DO|` + "FIX" + `ME|` + "X" + `XX)\b`)

// machinePath finds directories of whoever wrote a line, which no reader has.
var machinePath = regexp.MustCompile(`(^|[^\w.$}])(` + "/wo" + `rk/|` + "/Us" + `ers/)\w`)

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checkSize applies a limit with the ratchet.
func checkSize(t *testing.T, seen map[string]bool, key string, size, limit int, unit string) {
	t.Helper()
	listed, known := ratchet[key]
	switch {
	case known && size <= limit:
		t.Errorf("%s has %d %s and is within the limit of %d: take it off the ratchet (tidy_test.go)", key, size, unit, limit)
	case known && size > listed:
		t.Errorf("%s grew to %d %s; the ratchet holds %d, the limit is %d", key, size, unit, listed, limit)
	case known && size < listed:
		t.Errorf("%s shrank to %d %s: lower its ratchet entry from %d", key, size, unit, listed)
	case !known && size > limit:
		t.Errorf("%s has %d %s, the limit is %d", key, size, unit, limit)
	}
	seen[key] = true
}

// TestSizes holds functions and files to what a reader can take in.
func TestSizes(t *testing.T) {
	seen := map[string]bool{}
	fset, files := parseProject(t)
	for _, f := range files {
		checkSize(t, seen, f.name, bytes.Count(f.text, []byte("\n")), maxFileLines, "lines")
		limit := maxFuncLines
		if f.test {
			limit = maxTestFuncLines
		}
		for _, decl := range f.file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				checkSize(t, seen, f.name+":"+funcName(fn), funcLines(fset, fn), limit, "lines")
			}
		}
	}
	for _, name := range projectFiles(t) {
		if info, err := os.Stat(name); err == nil {
			checkSize(t, seen, "blob "+name, int(info.Size()), maxBlobBytes, "bytes")
		}
	}
	for key := range ratchet {
		if !seen[key] {
			t.Errorf("ratchet entry %q names nothing that exists: take it off (tidy_test.go)", key)
		}
	}
}

func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	return typeName(fn.Recv.List[0].Type) + "." + fn.Name.Name
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

// funcLines counts the lines of a function without its tables: composite
// literals that hold data only, which are read by column and not by step.
func funcLines(fset *token.FileSet, fn *ast.FuncDecl) int {
	lines := func(n ast.Node) int { return fset.Position(n.End()).Line - fset.Position(n.Pos()).Line }
	total := lines(fn) + 1
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || holdsCode(lit) {
			return true
		}
		total -= lines(lit)
		return false
	})
	return total
}

func holdsCode(lit *ast.CompositeLit) bool {
	found := false
	ast.Inspect(lit, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			found = true
		}
		return !found
	})
	return found
}

// TestDocs demands a package comment for every package and a sentence for
// every name that other packages can see.
func TestDocs(t *testing.T) {
	fset, files := parseProject(t)
	hasDoc, sample := map[string]bool{}, map[string]string{}
	for _, f := range files {
		if strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		sample[f.dir] = f.name
		if f.file.Doc != nil && len(strings.Fields(f.file.Doc.Text())) >= 8 {
			hasDoc[f.dir] = true
		}
		if f.test {
			continue
		}
		for _, decl := range f.file.Decls {
			for _, n := range undocumented(decl) {
				t.Errorf("%s: exported %s has no comment", fset.Position(n.Pos()), n.Name)
			}
		}
	}
	for dir, name := range sample {
		if !hasDoc[dir] {
			t.Errorf("%s: package %s has no package comment that says what it is", name, dir)
		}
	}
}

func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		exported := d.Name.IsExported() && (d.Recv == nil || ast.IsExported(typeName(d.Recv.List[0].Type)))
		if exported && d.Doc == nil {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var out []*ast.Ident
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
					out = append(out, s.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
						out = append(out, name)
					}
				}
			}
		}
		return out
	}
	return nil
}

// TestBanned refuses calls and declarations that make code depend on the
// moment it runs in.
func TestBanned(t *testing.T) {
	fset, files := parseProject(t)
	for _, f := range files {
		own := map[string]bool{}
		for _, imp := range imports(f.file) {
			own[path.Base(imp)] = true
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || !own[x.Name] {
				return true
			}
			for _, b := range bannedCalls {
				if b.pkg.MatchString(x.Name) && b.name.MatchString(sel.Sel.Name) && !b.allowed(f) {
					t.Errorf("%s: %s.%s: %s", fset.Position(n.Pos()), x.Name, sel.Sel.Name, b.reason)
				}
			}
			return true
		})
		for _, decl := range f.file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init hides an order of events; call it from where it is needed", fset.Position(fn.Pos()))
			}
		}
	}
}

// TestNames refuses packages and files that are named after nothing.
func TestNames(t *testing.T) {
	for _, name := range projectFiles(t) {
		for _, part := range strings.Split(filepath.ToSlash(name), "/") {
			base, _, _ := strings.Cut(part, ".")
			if emptyNames.MatchString(strings.TrimSuffix(base, "_test")) {
				t.Errorf("%s: %q says nothing about what is inside", name, base)
			}
		}
	}
}

// TestText refuses notes to self and paths of one machine, in any text file.
func TestText(t *testing.T) {
	for _, name := range projectFiles(t) {
		text := readFile(t, name)
		if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 || name == "LICENSE" || name == "go.sum" {
			continue
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := marker.FindString(line); m != "" && strings.HasSuffix(name, ".go") {
				t.Errorf("%s:%d: %s: do it, or write down why not", name, i+1, m)
			}
			if m := machinePath.FindString(line); m != "" {
				t.Errorf("%s:%d: %q is a path of one machine", name, i+1, strings.TrimSpace(m))
			}
		}
	}
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan     = regexp.MustCompile("`([^`\n]+)`")
	fence        = regexp.MustCompile("(?ms)^```.*?^```")
	// projectPath is a code span that can only mean a file of the project.
	projectPath = regexp.MustCompile(`^(internal|cmd|test|docs|bin|conf|zk|packaging)(/[\w.-]+)+/?$`)
)

// TestLinks follows each relative link of the documents, with its heading,
// and each path of the project that stands in a code span.
func TestLinks(t *testing.T) {
	for _, name := range projectFiles(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		text := fence.ReplaceAllString(string(readFile(t, name)), "")
		for _, m := range markdownLink.FindAllStringSubmatch(text, -1) {
			if reason := deadLink(t, name, m[1]); reason != "" {
				t.Errorf("%s: link %s: %s", name, m[1], reason)
			}
		}
		for _, m := range codeSpan.FindAllStringSubmatch(text, -1) {
			if !projectPath.MatchString(m[1]) {
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(m[1])); err != nil {
				t.Errorf("%s: `%s` does not exist", name, m[1])
			}
		}
	}
}

func deadLink(t *testing.T, from, link string) string {
	t.Helper()
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return ""
	}
	target, heading, _ := strings.Cut(link, "#")
	file := from
	if target != "" {
		file = filepath.Join(filepath.Dir(from), filepath.FromSlash(target))
	}
	info, err := os.Stat(file)
	if err != nil {
		return "there is no such file"
	}
	if heading == "" || info.IsDir() {
		return ""
	}
	for _, line := range strings.Split(string(readFile(t, file)), "\n") {
		if strings.HasPrefix(line, "#") && slug(strings.TrimLeft(line, "# ")) == heading {
			return ""
		}
	}
	return fmt.Sprintf("%s has no heading %q", file, heading)
}

var notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// slug is the anchor that git hosts give a heading.
func slug(heading string) string {
	return strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
}

// projectFiles lists the files that are, or are about to be, part of the
// project: git's list where there is a repository, else a walk, so that the
// rules hold in an unpacked source archive too.
func projectFiles(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err == nil {
		names := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
		return slices.DeleteFunc(names, func(name string) bool {
			info, err := os.Lstat(name)
			return err != nil || !info.Mode().IsRegular()
		})
	}
	var names []string
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipDir(d.Name()) && d.Name() != "testdata":
			return filepath.SkipDir
		case d.Type().IsRegular():
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
