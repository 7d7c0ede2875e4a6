package inspect

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"zooid/internal/storage"
	"zooid/internal/vfs"
	"zooid/internal/wire"
)

const txnLogUsage = `usage: TxnLogToolkit [-dhrvc] <txn_log_file_name> (-z <zxid>)
 -c,--chop         Chop mode. Chop txn file to a zxid.
 -d,--dump         Dump mode. Dump all entries of the log file with printing the content of a nodepath (default)
 -h,--help         Print help message
 -r,--recover      Recovery mode. Re-calculate CRC for broken entries.
 -v,--verbose      Be verbose in recovery mode: print all entries, not just fixed ones.
 -y,--yes          Non-interactive mode: repair all CRC errors without asking
 -z,--zxid <arg>   Used with chop. Zxid to which to chop.
`

var txnLogOptions = []option{
	{short: "h", long: "help"}, {short: "r", long: "recover"}, {short: "v", long: "verbose"},
	{short: "d", long: "dump"}, {short: "y", long: "yes"}, {short: "c", long: "chop"},
	{short: "z", long: "zxid", arg: true},
}

// TxnLog dumps, repairs or cuts a transaction log (TxnLogToolkit).
func TxnLog(env *Env, args []string) int {
	usage := func(code int) int {
		io.WriteString(env.Out, txnLogUsage)
		return code
	}
	cli, err := commandLine(txnLogOptions, args)
	switch {
	case err != nil:
		env.complain("%v\n", err)
		return usage(exitUnexpected)
	case cli.has("h"):
		return usage(exitOK)
	case len(cli.args) < 1:
		return usage(exitUnexpected)
	}
	name := cli.args[0]
	f, err := env.FS.Open(name)
	if err != nil {
		env.complain("File doesn't exist or not readable: %s", name)
		return exitUnexpected
	}
	defer f.Close()
	out := env.output()
	records, err := newRecords(f)
	if err != nil {
		return env.fail(err)
	}
	if cli.has("c") && cli.has("z") {
		zxid, err := decodeLong(cli.options["z"])
		if err != nil {
			return env.fail(err)
		}
		if zxid >= 0 {
			return chop(env, out, records, zxid)
		}
	}
	d := &dump{env: env, out: out, in: records, repair: cli.has("r"), verbose: cli.has("v"), yes: cli.has("y")}
	return d.run()
}

// records reads the records of a log without judging them: the tools show
// also what a server would refuse.
type records struct {
	file vfs.File
	r    *bufio.Reader
	left int64
	buf  []byte

	checksum int64
	entry    []byte
}

func newRecords(f vfs.File) (*records, error) {
	size, err := f.Size()
	return &records{file: f, r: bufio.NewReaderSize(&vfs.Reader{File: f}, 1<<20), left: size}, err
}

// read returns the next n bytes; io.EOF if there are not so many.
func (r *records) read(n int64) ([]byte, error) {
	if n > r.left {
		r.left = 0
		return nil, io.EOF
	}
	r.left -= n
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	if _, err := io.ReadFull(r.r, b); err != nil {
		return nil, fmt.Errorf("read %s: %w", r.file.Name(), err)
	}
	return b, nil
}

// header reads the 16 bytes at the front.
func (r *records) header() ([]byte, error) {
	h, err := r.read(16)
	if err == io.EOF {
		return nil, fmt.Errorf("%s ends inside the file header", r.file.Name())
	}
	return append([]byte(nil), h...), err
}

func isLog(header []byte) bool { return string(header[:4]) == "ZKLG" }

func headerLine(header []byte) string {
	return fmt.Sprintf("ZooKeeper Transactional Log File with dbid %d txnlog format version %d",
		int64(binary.BigEndian.Uint64(header[8:])), int32(binary.BigEndian.Uint32(header[4:])))
}

// next reads the checksum and the entry of the next record; io.EOF at the
// end: the file's, or the zeros that preallocation left.
func (r *records) next() error {
	b, err := r.read(12)
	if err != nil {
		return err
	}
	r.checksum = int64(binary.BigEndian.Uint64(b))
	n := int32(binary.BigEndian.Uint32(b[8:]))
	if n < 0 {
		return fmt.Errorf("%s: a record claims a length of %d bytes", r.file.Name(), n)
	}
	if n == 0 {
		return io.EOF
	}
	r.entry, err = r.read(int64(n))
	return err
}

// whole reports whether the end mark follows the entry. It must be called
// once after next; the entry stays valid.
func (r *records) whole() (bool, error) {
	if r.left == 0 {
		return false, fmt.Errorf("%s ends inside a record", r.file.Name())
	}
	r.left--
	c, err := r.r.ReadByte()
	return c == 'B', err
}

// dump prints a log and, repairing, writes it anew with right checksums.
type dump struct {
	env                  *Env
	out                  output
	in                   *records
	repair, verbose, yes bool

	fixed   int
	answers *bufio.Scanner
	copy    *logCopy
}

// errAborted is the answer of a person who has seen enough.
var errAborted = errors.New("Recovery aborted.")

func (d *dump) run() int {
	if !d.repair {
		return d.finish(d.all())
	}
	name := d.in.file.Name() + ".fixed"
	if _, err := d.env.FS.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		d.env.complain("Recovery file %s already exists or not writable", name)
		return exitUnexpected
	}
	var err error
	if d.copy, err = newLogCopy(d.env.FS, name); err != nil {
		return d.finish(err)
	}
	d.answers = bufio.NewScanner(d.env.In)
	d.answers.Split(bufio.ScanWords)
	err = d.all()
	if cerr := d.copy.close(); err == nil {
		err = cerr
	}
	if err == nil {
		d.out.printf("Recovery file %s has been written with %d fixed CRC error(s)\n", name, d.fixed)
	}
	return d.finish(err)
}

var errMagic = errors.New("Invalid magic number")

func (d *dump) finish(err error) int {
	if werr := d.out.Flush(); err == nil {
		err = werr
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errAborted):
		d.env.complain("%v", err)
		return exitOK
	case errors.Is(err, errMagic):
		d.env.complain("%v for %s", err, path.Base(d.in.file.Name()))
		return exitInvocation
	}
	return d.env.fail(err)
}

func (d *dump) all() error {
	h, err := d.in.header()
	if err != nil {
		return err
	}
	if !isLog(h) {
		return errMagic
	}
	d.out.line(headerLine(h))
	if d.copy != nil {
		d.copy.write(h)
	}
	for count := 0; ; count++ {
		err := d.in.next()
		if err == io.EOF {
			d.out.printf("EOF reached after %d txns.\n", count)
			return nil
		}
		if err == nil {
			err = d.record()
		}
		if err != nil {
			return err
		}
	}
}

// record shows one record, and repairs and copies it.
func (d *dump) record() error {
	sum, entry := d.in.checksum, d.in.entry
	if right := int64(storage.Checksum(entry)); sum != right {
		fix, err := d.wrong()
		if err != nil {
			return err
		}
		if fix {
			sum = right
			d.fixed++
		}
	}
	if !d.repair || d.verbose {
		if err := d.print("", entry); err != nil {
			return err
		}
	}
	if ok, err := d.in.whole(); err != nil {
		return err
	} else if !ok {
		return errors.New("Last transaction was partial.")
	}
	if d.copy != nil {
		d.copy.record(sum, entry)
	}
	return nil
}

// wrong shows an entry with a wrong checksum and decides about it.
func (d *dump) wrong() (fix bool, err error) {
	if d.repair && d.yes {
		return true, d.print("CRC FIXED - ", d.in.entry)
	}
	if err := d.print("CRC ERROR - ", d.in.entry); err != nil || !d.repair {
		return false, err
	}
	for {
		d.out.WriteString("Would you like to fix it (Yes/No/Abort) ? ")
		d.out.show()
		if !d.answers.Scan() {
			return false, errors.New("no answer: the input has ended")
		}
		switch strings.ToUpper(d.answers.Text()[:1]) {
		case "Y":
			return true, nil
		case "N":
			return false, nil
		case "A":
			return false, errAborted
		}
	}
}

func (d *dump) print(prefix string, entry []byte) error {
	line, err := txnLine(d.env, entry)
	if err == nil {
		d.out.WriteString(prefix + line)
	}
	return err
}

// logCopy writes a log; its first failure is returned by close.
type logCopy struct {
	file vfs.File
	w    *bufio.Writer
}

type fileWriter struct {
	file vfs.File
	off  int64
}

func (w *fileWriter) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.off)
	w.off += int64(n)
	return n, err
}

func newLogCopy(fsys vfs.FS, name string) (*logCopy, error) {
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	return &logCopy{file: f, w: bufio.NewWriterSize(&fileWriter{file: f}, 1<<20)}, nil
}

func (c *logCopy) write(b []byte) { c.w.Write(b) }

func (c *logCopy) record(sum int64, entry []byte) {
	head := binary.BigEndian.AppendUint64(nil, uint64(sum))
	c.w.Write(binary.BigEndian.AppendUint32(head, uint32(len(entry))))
	c.w.Write(entry)
	c.w.WriteByte('B')
}

func (c *logCopy) close() error {
	err := c.w.Flush()
	if err == nil {
		err = c.file.Sync()
	}
	if cerr := c.file.Close(); err == nil {
		err = cerr
	}
	return err
}

// chop copies a log up to and with zxid into a file beside it (LogChopper).
// Like Apache's tool it says what goes wrong and ends with 0 all the same.
func chop(env *Env, out output, in *records, zxid int64) int {
	name := fmt.Sprintf("%s.chopped%d", in.file.Name(), zxid)
	c, err := newLogCopy(env.FS, name)
	if err == nil {
		err = chopInto(env, out, in, c, zxid)
		if cerr := c.close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		out.printf("Got exception: %v\n", err)
	}
	return env.end(out, nil)
}

func chopInto(env *Env, out output, in *records, c *logCopy, zxid int64) error {
	failed := fmt.Errorf("Failed to chop %s", path.Base(in.file.Name()))
	h, err := in.header()
	if err != nil {
		return err
	}
	if !isLog(h) {
		out.show()
		env.complain("Invalid magic number in txn log file")
		return failed
	}
	out.line(headerLine(h))
	c.write(h)
	found, previous := false, int64(-1)
	for count := 0; ; count++ {
		at, err := nextZxid(out, in)
		if err == io.EOF {
			out.printf("EOF reached after %d txns.\n", count)
			return failed
		}
		if err != nil {
			return err
		}
		found = found || at == zxid
		tellGap(out, previous, at)
		previous = at
		if at > zxid {
			if count == 0 || !found {
				out.printf("This log does not contain zxid %x\n", uint64(zxid))
				return failed
			}
			out.printf("Chopping at %x new log has %d records\n", uint64(zxid), count)
			return nil
		}
		c.record(in.checksum, in.entry)
	}
}

// nextZxid reads a record that must be right and returns its zxid.
func nextZxid(out output, in *records) (int64, error) {
	if err := in.next(); err != nil {
		return 0, err
	}
	if sum := int64(storage.Checksum(in.entry)); sum != in.checksum {
		return 0, fmt.Errorf("CRC doesn't match %d vs %d", in.checksum, sum)
	}
	if len(in.entry) < wire.TxnHeaderSize {
		return 0, fmt.Errorf("an entry of %d bytes is too short for a transaction", len(in.entry))
	}
	zxid := int64(binary.BigEndian.Uint64(in.entry[12:]))
	ok, err := in.whole()
	if err == nil && !ok {
		out.line("Last transaction was partial.")
		err = errors.New("Last transaction was partial.")
	}
	return zxid, err
}

// tellGap says when transactions are missing between two.
func tellGap(out output, previous, zxid int64) {
	if previous == -1 || zxid == previous+1 {
		return
	}
	if zxid>>32 == previous>>32 {
		out.printf("There is intra-epoch gap between %x and %x\n", uint64(previous), uint64(zxid))
	} else if zxid&0xffffffff != 1 {
		out.printf("There is inter-epoch gap between %x and %x\n", uint64(previous), uint64(zxid))
	}
}
