package inspect

import (
	"io"
	"path/filepath"
	"strconv"

	"zooid/internal/storage"
)

const purgeUsage = `Usage:
PurgeTxnLog dataLogDir [snapDir] -n count
	dataLogDir -- path to the txn log directory
	snapDir -- path to the snapshot directory
	count -- the number of old snaps/logs you want to keep, value should be greater than or equal to 3
`

// Purge deletes the snapshots and logs that the newest ones do not need
// (PurgeTxnLog). It may run beside a server.
func Purge(env *Env, args []string) int {
	usage := func() int {
		io.WriteString(env.Out, purgeUsage)
		return exitUnexpected
	}
	if len(args) < 3 || len(args) > 4 {
		return usage()
	}
	dirs := args[:len(args)-2]
	for _, dir := range dirs {
		if _, err := env.FS.Stat(dir); err != nil {
			full, aerr := filepath.Abs(dir)
			if aerr != nil {
				full = dir
			}
			env.complain("Path '%s' does not exist. ", full)
			return usage()
		}
	}
	count, err := strconv.ParseInt(args[len(args)-1], 10, 32)
	if err != nil {
		env.complain("'%s' can not be parsed to integer.", args[len(args)-1])
		return usage()
	}
	if count < storage.MinRetain {
		env.complain("count should be greater than or equal to 3")
		return usage()
	}
	if args[len(args)-2] != "-n" {
		return usage()
	}
	return purge(env, storage.FindDirs(env.FS, dirs[len(dirs)-1], dirs[0]), int(count))
}

func purge(env *Env, dirs *storage.Dirs, count int) int {
	for _, dir := range []string{dirs.Log, dirs.Snap} {
		if err := env.FS.MkdirAll(dir); err != nil {
			return env.fail(err)
		}
	}
	files, err := storage.PurgeList(dirs, count)
	if err != nil {
		return env.fail(err)
	}
	out := env.output()
	for _, name := range files {
		info, err := env.FS.Stat(name)
		if err == nil {
			out.printf("Removing file: %s\t%s\n", env.date(info.ModTime.UnixMilli(), dateOfFile), name)
			err = env.FS.Remove(name)
		}
		if err != nil {
			out.show()
			env.complain("Failed to remove %s", name)
		}
	}
	return env.end(out, nil)
}
