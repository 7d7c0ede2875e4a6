package zooid;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.server.ServerCnxn;
import org.apache.zookeeper.server.ServerCnxnFactory;
import org.apache.zookeeper.server.SyncRequestProcessor;
import org.apache.zookeeper.server.ZooKeeperServer;
import org.apache.zookeeper.server.persistence.FilePadding;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/** A server's connections are a process of Zooid with that server's directories. */
public class ZooidFactory extends ServerCnxnFactory {
    /** The client port of the process that was started last. */
    public static volatile int lastPort;

    private InetSocketAddress address;
    private int perHost;
    private int backlog;
    private Process process;

    @Override
    public void configure(InetSocketAddress addr, int maxcc, int backlog, boolean secure) throws IOException {
        if (secure) {
            throw new IOException("there is no TLS");
        }
        if (addr.getPort() == 0) {
            try (ServerSocket s = new ServerSocket(0)) {
                addr = new InetSocketAddress(addr.getAddress(), s.getLocalPort());
            }
        }
        this.address = addr;
        this.perHost = maxcc;
        this.backlog = backlog;
    }

    @Override
    public void startup(ZooKeeperServer server, boolean start) throws IOException {
        setZooKeeperServer(server);
        if (!start) {
            return;
        }
        List<String> lines = new ArrayList<>(List.of(
            "dataDir=" + server.getTxnLogFactory().getSnapDir().getAbsoluteFile().getParent(),
            "dataLogDir=" + server.getTxnLogFactory().getDataLogDir().getAbsoluteFile().getParent(),
            "tickTime=" + server.getTickTime(),
            "minSessionTimeout=" + server.getMinSessionTimeout(),
            "maxSessionTimeout=" + server.getMaxSessionTimeout(),
            "clientPort=" + address.getPort(),
            "maxClientCnxns=" + Math.max(perHost, 0),
            "reconfigEnabled=" + QuorumPeerConfig.isReconfigEnabled(),
            "admin.enableServer=false"));
        if (!address.getAddress().isAnyLocalAddress()) {
            lines.add("clientPortAddress=" + address.getAddress().getHostAddress());
        }
        if (backlog > 0) {
            lines.add("clientPortListenBacklog=" + backlog);
        }
        File config = File.createTempFile("zoo", ".cfg");
        Files.write(config.toPath(), lines);
        process = launch(config);
        lastPort = address.getPort();
    }

    /** Starts a server; what the tests have set in this process goes with it. */
    public static Process launch(File config) throws IOException {
        StringBuilder flags = new StringBuilder();
        for (String name : System.getProperties().stringPropertyNames()) {
            if (name.matches("(zookeeper|jute|readonlymode|znode)\\..*|java\\.security\\.auth\\.login\\.config")
                && !name.matches("zookeeper\\.(serverCnxnFactory|junit\\..*|ssl\\..*|server\\.\\d+)")) {
                flags.append("-D").append(name).append('=').append(System.getProperty(name)).append(' ');
            }
        }
        long snapSize = (Long) read(SyncRequestProcessor.class, "snapSizeInBytes", null);
        flags.append("-Dzookeeper.snapCount=").append(SyncRequestProcessor.getSnapCount())
            .append(" -Dzookeeper.snapSizeLimitInKb=").append(snapSize / 1024)
            .append(" -Dzookeeper.preAllocSize=").append(Math.max(1, FilePadding.getPreAllocSize() / 1024))
            .append(" -Dzookeeper.digest.enabled=").append(ZooKeeperServer.isDigestEnabled())
            .append(" -Dzookeeper.enableEagerACLCheck=").append(ZooKeeperServer.isEnableEagerACLCheck());
        ProcessBuilder b = new ProcessBuilder(System.getProperty("zooid.binary"), "server", config.getAbsolutePath());
        b.environment().put("SERVER_JVMFLAGS", flags.toString());
        b.redirectErrorStream(true);
        b.redirectOutput(ProcessBuilder.Redirect.appendTo(new File(System.getProperty("zooid.log"))));
        return b.start();
    }

    /** Ends a server as zkServer.sh stop does. */
    public static void stop(Process process) {
        if (process == null) {
            return;
        }
        process.destroy();
        try {
            if (!process.waitFor(20, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new IllegalStateException("the server did not end on SIGTERM");
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }

    /** Reads a field that is not public; of is null for a static one. */
    public static Object read(Class<?> c, String name, Object of) {
        try {
            Field f = c.getDeclaredField(name);
            f.setAccessible(true);
            return f.get(of);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void shutdown() {
        stop(process);
        process = null;
    }

    @Override
    public void start() {}

    @Override
    public void join() throws InterruptedException {
        if (process != null) {
            process.waitFor();
        }
    }

    @Override
    public int getLocalPort() {
        return address.getPort();
    }

    @Override
    public InetSocketAddress getLocalAddress() {
        return address;
    }

    @Override
    public int getMaxClientCnxnsPerHost() {
        return perHost;
    }

    @Override
    public void setMaxClientCnxnsPerHost(int max) {
        perHost = max;
    }

    @Override
    public int getSocketListenBacklog() {
        return backlog;
    }

    @Override
    public Iterable<ServerCnxn> getConnections() {
        return Collections.emptyList();
    }

    @Override
    public void reconfigure(InetSocketAddress addr) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void closeAll(ServerCnxn.DisconnectReason reason) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void resetAllConnectionStats() {
        throw new UnsupportedOperationException();
    }

    @Override
    public Iterable<Map<String, Object>> getAllConnectionInfo(boolean brief) {
        throw new UnsupportedOperationException();
    }
}
