package shell

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"

	"zooid/internal/tlsconf"
)

// secureDialer dials with TLS, by the properties that Apache's client takes. A
// server is held against the name by which it is dialled.
func secureDialer(p properties) (func(ctx context.Context, addr string) (net.Conn, error), error) {
	settings, err := tlsconf.ClientSettings(func(name string) string { return p[name] })
	if err != nil {
		return nil, err
	}
	stores, err := tlsconf.Open(settings, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(conn, stores.Client(host))
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		return secure, nil
	}, nil
}
