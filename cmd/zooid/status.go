package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zooid/internal/tlsconf"
)

// statusTimeout bounds the connection and the answer of srvr.
const statusTimeout = 5 * time.Second

// maxSrvrBytes is far above any answer of srvr and bounds what a stranger on
// the port can make us read.
const maxSrvrBytes = 64 << 10

// newStatusCommand asks the server of a configuration for its mode, the way
// and in the words of `zkServer.sh status` of Apache ZooKeeper.
func newStatusCommand() *cobra.Command {
	var props []string
	cmd := &cobra.Command{
		Use:   "status [-Dkey=value ...] CONFIG",
		Short: "Ask the server of a configuration file for its mode",
		Long: `Find the client port of a configuration file, connect to it and print the line
of srvr that tells the mode: standalone, leader, follower, observer or read-only.
The exit code is 0 if a server answered so, else 1.

On a TLS port the properties zookeeper.ssl.trustStore.location and
zookeeper.ssl.keyStore.location, with their passwords, say whom to trust and
who we are.`,
		Example: "  zooid status conf/zoo.cfg",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runStatus(cmd.OutOrStdout(), args[0], props)
		},
	}
	cmd.Flags().StringArrayVarP(&props, "property", "D", nil, "property name=value, as a JVM takes it")
	return cmd
}

// endpoint is where a configuration says that clients are served.
type endpoint struct {
	host, port string
	secure     bool
}

var errNoClientPort = errors.New("no client port")

func runStatus(out io.Writer, configFile string, props []string) error {
	raw, err := readRawConfig(configFile)
	if err != nil {
		return err
	}
	ep, err := findClientPort(out, raw)
	if errors.Is(err, errNoClientPort) {
		fmt.Fprintln(out, "Unable to find either secure or unsecure client port in any configs. Terminating.")
		return &exitError{code: 1}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Client port found: %s. Client address: %s. Client SSL: %t.\n", ep.port, ep.host, ep.secure)
	mode, err := askMode(ep, props)
	if err != nil {
		if ep.secure {
			fmt.Fprintf(out, " \nNote: the server was asked over TLS on secureClientPort (%s), and that failed. A client needs\n"+
				"  key material of its own for it; CLIENT_JVMFLAGS passes it on, for example:\n"+
				"  CLIENT_JVMFLAGS=\"-Dzookeeper.ssl.trustStore.location=/etc/zookeeper/ca.pem\n"+
				"  -Dzookeeper.ssl.keyStore.location=/etc/zookeeper/client.pem\" zkServer.sh status\n \n", ep.port)
		}
		fmt.Fprintln(out, "Error contacting service. It is probably not running.")
		return &exitError{1, err}
	}
	fmt.Fprintln(out, mode)
	return nil
}

// findClientPort looks where a client port can stand, in the order of Apache's
// script, and says on the way what it did not find: clientPort, the client
// part of this server's own line, the dynamic file, secureClientPort.
func findClientPort(out io.Writer, raw rawConfig) (endpoint, error) {
	ep := endpoint{host: raw.get("clientPortAddress"), port: raw.get("clientPort")}
	if ep.host == "" {
		ep.host = "localhost"
	}
	if isNumber(ep.port) {
		return ep, nil
	}
	myid, err := os.ReadFile(filepath.Join(raw.get("dataDir"), "myid"))
	id := strings.TrimSpace(string(myid))
	if err != nil || !isNumber(id) {
		fmt.Fprintln(out, "myid could not be determined, will not able to locate clientPort in the server configs.")
	} else if client := serverClientPart(out, raw, id); client == "" {
		fmt.Fprintln(out, "Client port not found in the server configs")
	} else if host, port, ok := splitClientPart(client); ok {
		if host != "" {
			ep.host = host
		}
		ep.port = port
		return ep, nil
	}
	fmt.Fprintln(out, "Client port not found. Looking for secureClientPort in the static config.")
	ep = endpoint{host: raw.get("secureClientPortAddress"), port: raw.get("secureClientPort"), secure: true}
	if ep.host == "" {
		ep.host = "localhost"
	}
	if !isNumber(ep.port) {
		return endpoint{}, errNoClientPort
	}
	return ep, nil
}

// serverClientPart returns what follows the ';' of server.<id>, from the
// static file or the dynamic one that it names.
func serverClientPart(out io.Writer, raw rawConfig, id string) string {
	part := func(r rawConfig) string {
		_, client, _ := strings.Cut(r.get("server."+id), ";")
		return strings.TrimSpace(client)
	}
	if client := part(raw); client != "" {
		return client
	}
	fmt.Fprintln(out, "Client port not found in static config file. Looking in dynamic config file.")
	dynamic, err := readRawConfig(raw.get("dynamicConfigFile"))
	if err != nil {
		return ""
	}
	return part(dynamic)
}

var clientPart = regexp.MustCompile(`^(?:\[([^\]]*)\]:|([^:]*):)?([0-9]+)$`)

// splitClientPart splits "port", "host:port" or "[v6]:port".
func splitClientPart(s string) (host, port string, ok bool) {
	m := clientPart.FindStringSubmatch(s)
	if m == nil {
		return "", "", false
	}
	return m[1] + m[2], m[3], true
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 63)
	return err == nil
}

// askMode sends srvr and returns the line that tells the mode.
func askMode(ep endpoint, props []string) (string, error) {
	conn, err := dialStatus(ep, props)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(statusTimeout)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxSrvrBytes))
	if err != nil && len(answer) == 0 {
		return "", err
	}
	for line := range strings.Lines(string(answer)) {
		if strings.Contains(line, "Mode") {
			return strings.TrimRight(line, "\r\n"), nil
		}
	}
	return "", fmt.Errorf("%s answers srvr without a mode: %q", net.JoinHostPort(ep.host, ep.port), firstLine(answer))
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), 200)]), "\n")
	return line
}

func dialStatus(ep endpoint, props []string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: statusTimeout}
	dial := func(host string) (net.Conn, error) { return dialer.Dial("tcp", net.JoinHostPort(host, ep.port)) }
	if ep.secure {
		conf, err := clientTLS(ep.host, props)
		if err != nil {
			return nil, err
		}
		dial = func(host string) (net.Conn, error) {
			return tls.DialWithDialer(dialer, "tcp", net.JoinHostPort(host, ep.port), conf)
		}
	}
	if ep.host != "localhost" {
		return dial(ep.host)
	}
	// An image from scratch may know no names, and localhost has one meaning.
	conn, err := dial("127.0.0.1")
	if err != nil {
		if conn6, err6 := dial("::1"); err6 == nil {
			return conn6, nil
		}
	}
	return conn, err
}

// clientTLS reads the stores that the client properties of Apache ZooKeeper name.
func clientTLS(host string, props []string) (*tls.Config, error) {
	value := map[string]string{}
	for _, p := range props {
		k, v, _ := strings.Cut(p, "=")
		value[k] = v
	}
	settings, err := tlsconf.ClientSettings(func(name string) string { return value[name] })
	if err != nil {
		return nil, err
	}
	stores, err := tlsconf.Open(settings, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return stores.Client(host), nil
}
