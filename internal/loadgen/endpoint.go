package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultPort is ZooKeeper's client port, for servers given without one.
const defaultPort = "2181"

// endpoint is one address of a server, ready to be connected to.
type endpoint struct {
	name   string // as the user gave it, with the port
	family int
	addr   unix.Sockaddr
}

// resolve turns host[:port] into endpoints, one for each server.
func resolve(ctx context.Context, servers []string) ([]endpoint, error) {
	var found []endpoint
	for _, s := range servers {
		name, err := withPort(s)
		if err != nil {
			return nil, err
		}
		host, port, _ := net.SplitHostPort(name)
		number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
		if err != nil {
			return nil, fmt.Errorf("--servers %s: %w", s, err)
		}
		ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
		if err != nil {
			return nil, fmt.Errorf("--servers %s: %w", s, err)
		}
		found = append(found, newEndpoint(name, ips[0], number))
	}
	return found, nil
}

func newEndpoint(name string, ip net.IPAddr, port int) endpoint {
	if v4 := ip.IP.To4(); v4 != nil {
		sa := &unix.SockaddrInet4{Port: port}
		copy(sa.Addr[:], v4)
		return endpoint{name, unix.AF_INET, sa}
	}
	sa := &unix.SockaddrInet6{Port: port}
	copy(sa.Addr[:], ip.IP.To16())
	if zone, err := net.InterfaceByName(ip.Zone); err == nil {
		sa.ZoneId = uint32(zone.Index)
	}
	return endpoint{name, unix.AF_INET6, sa}
}

// copies returns endpoints of their own for one loop: connecting writes into an
// address.
func copies(all []endpoint) []endpoint {
	own := make([]endpoint, len(all))
	for i, e := range all {
		own[i] = e
		switch a := e.addr.(type) {
		case *unix.SockaddrInet4:
			own[i].addr = &unix.SockaddrInet4{Port: a.Port, Addr: a.Addr}
		case *unix.SockaddrInet6:
			own[i].addr = &unix.SockaddrInet6{Port: a.Port, ZoneId: a.ZoneId, Addr: a.Addr}
		}
	}
	return own
}

// withPort adds the default port where none is given.
func withPort(s string) (string, error) {
	if strings.Contains(s, "/") {
		return "", fmt.Errorf("--servers %s: a chroot belongs into --path, not behind the address", s)
	}
	_, _, err := net.SplitHostPort(s)
	var bad *net.AddrError
	if errors.As(err, &bad) && bad.Err == "missing port in address" {
		return net.JoinHostPort(strings.Trim(s, "[]"), defaultPort), nil
	}
	if err != nil {
		return "", fmt.Errorf("--servers %s: %w", s, err)
	}
	return s, nil
}

// checkFiles makes sure that the process may open a socket for each connection.
func checkFiles(connections int) error {
	const spare = 64 // the runtime, pollers, the control session, files
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return nil
	}
	if limit.Cur < limit.Max {
		raised := limit
		raised.Cur = limit.Max
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	if uint64(connections)+spare > uint64(limit.Cur) {
		return fmt.Errorf("--connections %d: this process may open only %d files; raise it with: ulimit -n %d",
			connections, limit.Cur, connections+spare)
	}
	return nil
}

// openFilesLeft says about how many sockets a workload that opens ever more may hold.
func openFilesLeft(want int) int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return want
	}
	return max(1, min(want, int(min(uint64(limit.Cur), 1<<20))-128))
}
