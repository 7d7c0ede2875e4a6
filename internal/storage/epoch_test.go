package storage

import (
	"errors"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zooid/internal/vfs"
)

// epochFiles writes the files of a story: "" for none.
func epochFiles(t *testing.T, mem *vfs.Mem, d *Dirs, content map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(content)) { // a .tmp after what it is one of
		writeFile(t, mem, path.Join(d.Snap, name), []byte(content[name]))
	}
}

func TestLoadEpochs(t *testing.T) {
	const z5 = 5<<32 | 7
	files := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	for name, c := range map[string]struct {
		files             map[string]string
		last              int64
		accepted, current int64
		want              string // the refusal
	}{
		"new server":            {files(), 0, 0, 0, ""},
		"may not vote":          {files(), -1, -1, -1, ""},
		"was standalone":        {files(), z5, 5, 5, ""},
		"as it was":             {files(AcceptedEpoch, "9", CurrentEpoch, "8"), z5, 9, 8, ""},
		"no accepted":           {files(CurrentEpoch, "5"), z5, 5, 5, ""},
		"no current":            {files(AcceptedEpoch, "6"), z5, 6, 5, ""},
		"with newline":          {files(AcceptedEpoch, "9\r\nx", CurrentEpoch, "8\n"), z5, 9, 8, ""},
		"largest":               {files(), math.MaxInt64, math.MaxInt32, math.MaxInt32, ""},
		"tmp of Apache":         {files(AcceptedEpoch, "6", CurrentEpoch, "4", CurrentEpoch+".tmp", "6"), z5, 6, 6, ""},
		"tmp not needed":        {files(AcceptedEpoch, "9", CurrentEpoch, "5", CurrentEpoch+".tmp", "6"), z5, 9, 5, ""},
		"torn tmp not needed":   {files(AcceptedEpoch, "9", CurrentEpoch, "5", CurrentEpoch+".tmp", ""), z5, 9, 5, ""},
		"syncing":               {files(AcceptedEpoch, "7", CurrentEpoch, "4"), z5, 7, 5, ""},
		"syncing, torn tmp":     {files(AcceptedEpoch, "7", CurrentEpoch, "4", CurrentEpoch+".tmp", ""), z5, 7, 5, ""},
		"tmp too old":           {files(AcceptedEpoch, "6", CurrentEpoch, "3", CurrentEpoch+".tmp", "4"), z5, 6, 5, ""},
		"old current":           {files(AcceptedEpoch, "4", CurrentEpoch, "4"), z5, 0, 0, "the current epoch 4 is older than the last transaction 0x500000007; if the file was restored from an older backup than the logs, write 5 into it"},
		"torn tmp":              {files(AcceptedEpoch, "4", CurrentEpoch, "4", CurrentEpoch+".tmp", ""), z5, 0, 0, `currentEpoch.tmp is damaged at offset 0: "" is not a decimal number; write`},
		"accepted below":        {files(AcceptedEpoch, "4", CurrentEpoch, "5"), z5, 0, 0, "acceptedEpoch: the accepted epoch 4 is less than the current epoch 5; write 5 into the file"},
		"current beyond":        {files(AcceptedEpoch, "5", CurrentEpoch, "7"), z5, 0, 0, "is less than the current epoch 7; if currentEpoch is right, write 7 into this file; if that is the damaged one, write the epoch of the last transaction, 5, into that"},
		"accepted below, alone": {files(AcceptedEpoch, "4"), z5, 0, 0, "the accepted epoch 4 is less than the current epoch 5"},
		"accepted below tmp":    {files(AcceptedEpoch, "5", CurrentEpoch, "4", CurrentEpoch+".tmp", "6"), z5, 0, 0, "the accepted epoch 5 is less than the current epoch 6"},
		"damaged current":       {files(AcceptedEpoch, "5", CurrentEpoch, "five"), z5, 0, 0, `currentEpoch is damaged at offset 0: "five" is not a decimal number; write`},
		"damaged accepted":      {files(AcceptedEpoch, "", CurrentEpoch, "5"), z5, 0, 0, `acceptedEpoch is damaged at offset 0: "" is not a decimal number; write`},
		"accepted too large":    {files(AcceptedEpoch, "2147483648", CurrentEpoch, "5"), z5, 0, 0, `acceptedEpoch is damaged at offset 0: "2147483648" cannot be an epoch; write`},
		"current too large":     {files(AcceptedEpoch, "99999999999", CurrentEpoch, "99999999999"), z5, 0, 0, `currentEpoch is damaged at offset 0: "99999999999" cannot be an epoch; write`},
		"negative":              {files(AcceptedEpoch, "5", CurrentEpoch, "-2"), z5, 0, 0, `currentEpoch is damaged at offset 0: "-2" cannot be an epoch; write`},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			d := memDirs(t, mem)
			epochFiles(t, mem, d, c.files)
			before, _ := mem.List(d.Snap)
			accepted, current, err := LoadEpochs(d, c.last)
			if c.want != "" {
				var refused *EpochError
				var damage *DamageError
				if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &refused) && !errors.As(err, &damage) {
					t.Fatalf("got  %v\nwant %s", err, c.want)
				}
				after, _ := mem.List(d.Snap)
				if strings.Join(before, " ") != strings.Join(after, " ") {
					t.Fatalf("a refusal wrote: %v, then %v", before, after)
				}
				return
			}
			if err != nil || accepted != c.accepted || current != c.current {
				t.Fatalf("%d, %d, %v", accepted, current, err)
			}
			// It is on disk, whatever happens, and read again as it is.
			again := memDirs(t, mem.CrashClone(3))
			for file, want := range map[string]int64{AcceptedEpoch: accepted, CurrentEpoch: current} {
				if got, ok, err := again.ReadEpoch(file); got != want || !ok || err != nil {
					t.Errorf("%s holds %d, %v, %v", file, got, ok, err)
				}
			}
			if a, b, err := LoadEpochs(again, c.last); a != accepted || b != current || err != nil {
				t.Errorf("again %d, %d, %v", a, b, err)
			}
		})
	}
}

// The power fails at every step while a learner at epoch 4 takes over the
// history of epoch 6 from the leader of 7: it can start after, and claims no
// epoch whose history it may lack.
func TestEpochsAcrossCrashes(t *testing.T) {
	sync := func(fs vfs.FS) (done bool) {
		d := FindDirs(fs, "/data", "/log")
		w, err := NewSnapshotWriter(fs, d.Snap, 6<<32|9, SnapshotOptions{})
		if err != nil {
			return false
		}
		w.Write((&chain{last: 6<<32 | 9}).snapshotBody(3))
		if _, err := w.Finish(SnapshotTail{}); err != nil {
			return false
		}
		return d.WriteEpoch(CurrentEpoch, 7) == nil
	}
	for at := 0; ; at++ {
		mem := vfs.NewMem()
		d := memDirs(t, mem)
		epochFiles(t, mem, d, map[string]string{AcceptedEpoch: "7", CurrentEpoch: "4"})
		if err := writeSnapshot(mem, d, 4<<32|2); err != nil {
			t.Fatal(err)
		}
		off := vfs.NewFaulty(mem, vfs.FailFrom(at, errPower))
		done := sync(off)
		for seed := range uint64(12) {
			after := FindDirs(mem.CrashClone(seed), "/data", "/log")
			var c chain
			report, err := Recover(after, RecoverOptions{}, &c)
			if err != nil {
				t.Fatal(err)
			}
			accepted, current, err := LoadEpochs(after, report.LastZxid)
			what := strconv.Itoa(at) + " operations, crash " + strconv.FormatUint(seed, 10)
			switch {
			case err != nil:
				t.Fatalf("%s: at 0x%x: %v", what, report.LastZxid, err)
			case accepted != 7, current < epochOf(report.LastZxid), current == 7 && epochOf(report.LastZxid) != 6:
				t.Fatalf("%s: at 0x%x: accepted %d, current %d", what, report.LastZxid, accepted, current)
			case done && current != 7:
				t.Fatalf("%s: current %d", what, current)
			}
		}
		if done {
			return
		}
	}
}

// writeSnapshot writes that of a chain at zxid.
func writeSnapshot(fs vfs.FS, d *Dirs, zxid int64) error {
	w, err := NewSnapshotWriter(fs, d.Snap, zxid, SnapshotOptions{})
	if err != nil {
		return err
	}
	if _, err := w.Write((&chain{last: zxid}).snapshotBody(3)); err != nil {
		return err
	}
	_, err = w.Finish(SnapshotTail{})
	return err
}
