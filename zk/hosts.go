package zk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
)

// DefaultPort is the port of a server that is named without one.
const DefaultPort = 2181

// ParseServers splits a connect string, "host:port,host:port/chroot", into its
// addresses, each with a port, and its chroot, "" if there is none. IPv6
// addresses stand in brackets.
func ParseServers(s string) (addrs []string, chroot string, err error) {
	list := s
	if i := strings.IndexByte(s, '/'); i >= 0 {
		list, chroot = s[:i], s[i:]
		if chroot == "/" {
			chroot = ""
		} else if err := ValidatePath(chroot); err != nil {
			return nil, "", fmt.Errorf("zk: servers %q: chroot: %w", s, err)
		}
	}
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		addr, err := parseServer(part)
		if err != nil {
			return nil, "", fmt.Errorf("zk: servers %q: %w", s, err)
		}
		addrs = append(addrs, addr)
	}
	if len(addrs) == 0 {
		return nil, "", fmt.Errorf("zk: servers %q: no host:port in it", s)
	}
	return addrs, chroot, nil
}

func parseServer(s string) (string, error) {
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", fmt.Errorf("%q has a bracket that is not closed", s)
		}
		host, port = s[1:end], strings.TrimPrefix(s[end+1:], ":")
	} else if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
	}
	if port == "" {
		port = strconv.Itoa(DefaultPort)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q: port %q is not a number from 1 to 65535", s, port)
	}
	if host == "" {
		return "", fmt.Errorf("%q names no host", s)
	}
	return net.JoinHostPort(host, port), nil
}

// HostList hands out the servers that a client tries. The client calls it
// from one goroutine at a time.
type HostList interface {
	// Len is the number of servers, for sharing out the time to connect.
	Len() int
	// Next returns the host:port to dial next. It says round when all servers
	// have been handed out since the last call of Connected (or the last
	// round), so that the client pauses before it dials.
	Next() (addr string, round bool)
	// Connected tells that the server handed out last took the session.
	Connected()
}

// hostList goes round a fixed list in an order shuffled once.
type hostList struct {
	addrs []string
	at    int // handed out last
	tried int // since the last Connected or round
}

// NewHostList returns the list that clients use unless WithHostList says
// otherwise: the addresses in random order, round and round. Names are not
// resolved here but at each dial, so that a server may change its address.
func NewHostList(addrs []string) HostList {
	l := &hostList{addrs: append([]string(nil), addrs...), at: -1}
	rand.Shuffle(len(l.addrs), func(i, j int) { l.addrs[i], l.addrs[j] = l.addrs[j], l.addrs[i] })
	return l
}

func (l *hostList) Len() int { return len(l.addrs) }

func (l *hostList) Next() (string, bool) {
	round := l.tried >= len(l.addrs)
	if round {
		l.tried = 0
	}
	l.tried++
	l.at = (l.at + 1) % len(l.addrs)
	return l.addrs[l.at], round
}

// Connected counts the connected server as tried, so that a lost client tries
// the others first and pauses before it comes back to this one.
func (l *hostList) Connected() { l.tried = 1 }

// lockedHosts lets the search for a read-write server share the list.
type lockedHosts struct {
	mu   sync.Mutex
	list HostList
}

func (l *lockedHosts) next() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list.Next()
}

func (l *lockedHosts) connected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list.Connected()
}

func (l *lockedHosts) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.list.Len(), 1)
}

// dialHost resolves the name now and tries its addresses in random order, as
// one name may stand for a whole ensemble.
func dialHost(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	switch {
	case err != nil && host == "localhost":
		// Known even where there is neither a resolver nor a hosts file, as in
		// an image that holds nothing but the program.
		ips = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	case err != nil:
		return nil, err
	}
	rand.Shuffle(len(ips), func(i, j int) { ips[i], ips[j] = ips[j], ips[i] })
	var d net.Dialer
	for i, ip := range ips {
		// Each address gets its share of the time that is left.
		share, cancel := shareOf(ctx, len(ips)-i)
		conn, e := d.DialContext(share, "tcp", net.JoinHostPort(ip.Unmap().String(), port))
		cancel()
		if e == nil {
			return conn, nil
		}
		err = e
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}
