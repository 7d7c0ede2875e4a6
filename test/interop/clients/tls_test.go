package clients

import (
	"os/exec"
	"path/filepath"
	"testing"

	"zooid/test/certs"
	"zooid/test/interop/harness"
)

// secured are the options of a server whose client port takes TLS clients too,
// and the properties with which a Java client is one of them.
func secured(t *testing.T) (harness.Options, []string) {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	ca := certs.Authority(t, "ca")
	ca.Issue(t, "server").Keys(t, in("server.p12"))
	ca.Issue(t, "client").Keys(t, in("client.jks"))
	certs.Trust(t, in("trust.jks"), ca)
	opt := options()
	// The suite counts on clients that have no identity but their address.
	opt.Lines = append(opt.Lines, "client.portUnification=true", "ssl.clientAuth=none",
		"ssl.keyStore.location="+in("server.p12"), "ssl.keyStore.password="+certs.Password,
		"ssl.trustStore.location="+in("trust.jks"), "ssl.trustStore.password="+certs.Password)
	opt.Properties = append(opt.Properties, "zookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory")
	return opt, []string{
		"-Dzookeeper.client.secure=true", "-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty",
		"-Dzookeeper.ssl.keyStore.location=" + in("client.jks"), "-Dzookeeper.ssl.keyStore.password=" + certs.Password,
		"-Dzookeeper.ssl.trustStore.location=" + in("trust.jks"), "-Dzookeeper.ssl.trustStore.password=" + certs.Password,
	}
}

// TestJavaClientTLS runs the cases of ClientSuite.java over TLS, while the bench
// asks its four-letter words in the clear on the same port.
func TestJavaClientTLS(t *testing.T) {
	harness.Ring(t)
	opt, client := secured(t)
	cases(t, func(args ...string) *exec.Cmd {
		return harness.JavaCommand(t, append([]string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=off"}, client...), "ClientSuite", args...)
	}, opt)
}
