// Package corpus makes data directories that something has happened to: a
// crash, a bad disk, an operator. Each case is made anew from a few files that
// Apache's server wrote, says what a start must make of it, and what Apache's
// server makes of it.
//
// Its tests hold package storage to the first, and, in the interop ring,
// Apache's server to the second, so that a difference between both servers is
// one that somebody wrote down. It must never judge by itself.
package corpus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"os"
	"path/filepath"
)

// Case is one directory.
type Case struct {
	Name string
	Make func(d *Dir)
	// Zxid is the last transaction of the recovered state, and Refuse, if not
	// empty, a part of the error that says why there is none.
	Zxid   int64
	Refuse string
	// Java and JavaRefuse are the same for Apache's server, where it differs.
	Java       int64
	JavaRefuse string
	// Why says what the difference is good for.
	Why string
}

// Dir is a directory being made: the files of dataDir/version-2 and
// dataLogDir/version-2 by name.
type Dir struct {
	Files map[string][]byte
	err   error
}

// base are the files that every case starts from: the first snapshot, one in
// the middle (0x41) and the two logs, up to 0x41 and up to 0x78.
var base = []string{"snapshot.0", "snapshot.41", "log.1", "log.42"}

// Last is the last transaction of the base.
const Last = 0x78

// Build makes the case. The base is read from source, the folder of Apache's
// files.
func (c *Case) Build(source string) (*Dir, error) {
	d := &Dir{Files: map[string][]byte{}}
	for _, name := range base {
		b, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return nil, err
		}
		d.Files[name] = b
	}
	c.Make(d)
	return d, d.err
}

// IsLog reports whether a file belongs into dataLogDir.
func IsLog(name string) bool { return name[0] == 'l' }

func (d *Dir) remove(names ...string) {
	for _, name := range names {
		delete(d.Files, name)
	}
}

func (d *Dir) copy(from, to string) { d.Files[to] = bytes.Clone(d.Files[from]) }

func (d *Dir) cut(name string, size int) { d.Files[name] = d.Files[name][:size] }

func (d *Dir) flip(name string, at int) { d.Files[name][at] ^= 0x10 }

func (d *Dir) set(name string, at int, b ...byte) { copy(d.Files[name][at:], b) }

func (d *Dir) zero(name string, from, to int) { clear(d.Files[name][from:to]) }

// record is where a record of a log lies.
type record struct{ from, to int }

// records finds the records of a log.
func (d *Dir) records(name string) []record {
	b := d.Files[name]
	var all []record
	for at := 16; at+12 < len(b); {
		n := int(binary.BigEndian.Uint32(b[at+8:]))
		if n == 0 {
			break
		}
		all = append(all, record{at, at + 12 + n + 1})
		at += 12 + n + 1
	}
	return all
}

// find returns the record that contains text.
func (d *Dir) find(name, text string) record {
	for _, r := range d.records(name) {
		if bytes.Contains(d.Files[name][r.from:r.to], []byte(text)) {
			return r
		}
	}
	d.err = fmt.Errorf("%s: no record contains %q", name, text)
	return record{}
}

// nth returns the n-th record, from the end if n is negative.
func (d *Dir) nth(name string, n int) record {
	all := d.records(name)
	if n < 0 {
		n += len(all)
	}
	return all[n]
}

// endAfter makes a record the last one of its log, with zeros behind it.
func (d *Dir) endAfter(name string, r record) {
	clear(d.Files[name][r.to:])
}

// reseal gives a record the checksum of its content.
func (d *Dir) reseal(name string, r record) {
	b := d.Files[name]
	binary.BigEndian.PutUint64(b[r.from:], uint64(adler32.Checksum(b[r.from+12:r.to-1])))
}

// setZxid gives the transaction of a record another zxid.
func (d *Dir) setZxid(name string, r record, zxid int64) {
	binary.BigEndian.PutUint64(d.Files[name][r.from+12+12:], uint64(zxid))
	d.reseal(name, r)
}
