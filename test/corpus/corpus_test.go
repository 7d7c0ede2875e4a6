package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"zooid/internal/storage"
	"zooid/internal/vfs"
	"zooid/internal/wire"
	"zooid/test/interop/harness"
)

// source holds the files that the cases are made of.
const source = "../../internal/storage/testdata/java"

// parents is a target that knows no more of a tree than that a parent comes
// before its children.
type parents struct{ paths map[string]bool }

func (p *parents) Reset()                                               { p.paths = map[string]bool{} }
func (p *parents) Session(int64, int32)                                 {}
func (p *parents) ACL(int64, []byte)                                    {}
func (p *parents) Loaded(*storage.SnapshotInfo) error                   { return nil }
func (p *parents) Apply(*wire.TxnHeader, []byte, *wire.TxnDigest) error { return nil }
func (p *parents) Progress(storage.Progress)                            {}
func (p *parents) Node(path, _ []byte, _ int64, _ *wire.StatPersisted) error {
	if s := string(path); s != "" && !p.paths[s[:strings.LastIndexByte(s, '/')]] {
		return fmt.Errorf("node %s comes before its parent", s)
	}
	p.paths[string(path)] = true
	return nil
}

func TestZooid(t *testing.T) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			made, err := c.Build(source)
			if err != nil {
				t.Fatal(err)
			}
			mem := vfs.NewMem()
			dirs, err := storage.OpenDirs(mem, "/data", "/log", true)
			if err != nil {
				t.Fatal(err)
			}
			for name, b := range made.Files {
				dir := dirs.Snap
				if IsLog(name) {
					dir = dirs.Log
				}
				if err := vfs.ReplaceFile(mem, dir+"/"+name, b); err != nil {
					t.Fatal(err)
				}
			}
			report, err := storage.Recover(dirs, storage.RecoverOptions{AutoCreate: true}, &parents{})
			switch {
			case c.Refuse == "" && err != nil:
				t.Fatal(err)
			case c.Refuse == "" && report.LastZxid != c.Zxid:
				t.Fatalf("recovered to 0x%x, want 0x%x", report.LastZxid, c.Zxid)
			case c.Refuse != "" && (err == nil || !strings.Contains(err.Error(), c.Refuse)):
				t.Fatalf("recovered to 0x%x, %v; want an error with %q", report.LastZxid, err, c.Refuse)
			}
			differs := c.Refuse == "" != (c.JavaRefuse == "") || c.Refuse == "" && c.Zxid != c.Java
			if differs && c.Why == "" {
				t.Fatal("the case differs from Apache's server and does not say why")
			}
		})
	}
}

// TestJava holds the verdicts that the cases claim for Apache's server.
func TestJava(t *testing.T) {
	harness.Ring(t)
	root := t.TempDir()
	cases := Cases()
	loader, err := filepath.Abs("../interop/files/Load.java")
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for i, c := range cases {
		made, err := c.Build(source)
		if err != nil {
			t.Fatal(err)
		}
		data, log := filepath.Join(root, strconv.Itoa(i), "data"), filepath.Join(root, strconv.Itoa(i), "log")
		args = append(args, data, log)
		for name, b := range made.Files {
			dir := filepath.Join(data, "version-2")
			if IsLog(name) {
				dir = filepath.Join(log, "version-2")
			}
			if err := os.MkdirAll(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := harness.JavaCommand(t, []string{"-Dzookeeper.extendedTypesEnabled=true"}, loader, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(cases) {
		t.Fatalf("%d verdicts for %d cases\n%s", len(lines), len(cases), out)
	}
	for i, c := range cases {
		want := fmt.Sprintf("%x ", c.Java)
		if c.JavaRefuse != "" && !strings.Contains(lines[i], c.JavaRefuse) || c.JavaRefuse == "" && !strings.HasPrefix(lines[i], want) {
			t.Errorf("%s: Apache's server: %s\nthe case says %q %q", c.Name, lines[i], want, c.JavaRefuse)
		}
	}
}
