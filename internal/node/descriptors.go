package node

import "golang.org/x/sys/unix"

// keptDescriptors is how many file descriptors clients cannot have: those of the
// other servers, of strangers at their ports, and of the files that are open
// while a log begins and a snapshot is written.
const keptDescriptors = 512

// clientDescriptors is the lowest file descriptor that no client may have. If
// clients took them all, the server could not begin its next log and had to stop.
func clientDescriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	const many = 1 << 30
	n := int(min(limit.Cur, many))
	return n - min(n/4, keptDescriptors)
}
