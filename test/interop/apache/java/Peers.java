package org.apache.zookeeper.server.quorum;

import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import net.bytebuddy.implementation.bind.annotation.This;
import org.apache.zookeeper.client.FourLetterWordMain;
import org.apache.zookeeper.server.Request;
import org.apache.zookeeper.server.ZooKeeperServer;
import org.apache.zookeeper.server.quorum.QuorumPeer.LearnerType;
import org.apache.zookeeper.server.quorum.QuorumPeer.ServerState;
import org.apache.zookeeper.server.quorum.flexible.QuorumHierarchical;
import org.apache.zookeeper.server.quorum.flexible.QuorumOracleMaj;
import org.apache.zookeeper.server.quorum.flexible.QuorumVerifier;
import org.objenesis.Objenesis;
import org.objenesis.ObjenesisStd;
import zooid.ZooidFactory;

/** What the methods of a QuorumPeer do instead (Patch): a member of an ensemble is a process of Zooid. */
public class Peers {
    private static final Map<QuorumPeer, Process> running = Collections.synchronizedMap(new IdentityHashMap<>());
    private static final Objenesis objects = new ObjenesisStd();

    public static class Start {
        public static void start(@This QuorumPeer p) throws Exception {
            Process process = ZooidFactory.launch(config(p));
            if (process.waitFor(300, TimeUnit.MILLISECONDS) && process.exitValue() != 0) {
                throw new RuntimeException("the server ends with " + process.exitValue());
            }
            running.put(p, process);
            Thread roles = new Thread(() -> watch(p, process));
            roles.setDaemon(true);
            roles.start();
        }
    }

    public static class Run {
        public static void run(@This QuorumPeer p) throws InterruptedException {
            Process process = running.get(p);
            if (process != null) {
                process.waitFor();
            }
        }
    }

    public static class Shutdown {
        public static void shutdown(@This QuorumPeer p) throws IOException {
            ZooidFactory.stop(running.remove(p));
            show(p, ServerState.LOOKING);
            p.getTxnFactory().close();
        }
    }

    public static class Answers {
        public static ServerState getPeerState(@This QuorumPeer p) {
            ServerState s = state(p);
            show(p, s);
            return s;
        }
    }

    public static class Alive {
        public static boolean isRunning(@This QuorumPeer p) {
            Process process = running.get(p);
            return process != null && process.isAlive();
        }
    }

    public static class Logged {
        public static long getLastLoggedZxid(@This QuorumPeer p) {
            return Long.parseLong(value(p, "srvr", "Zxid: 0x"), 16);
        }
    }

    public static class Active {
        public static ZooKeeperServer getActiveServer(@This QuorumPeer p) {
            if (state(p) == ServerState.LOOKING) {
                return null;
            }
            Server s = objects.newInstance(Server.class);
            s.peer = p;
            return s;
        }
    }

    /** The little of a server that tests ask a member for. */
    public static class Server extends ZooKeeperServer {
        private QuorumPeer peer;

        @Override
        public int getInProcess() {
            return Integer.parseInt(value(peer, "mntr", "zk_outstanding_requests"));
        }

        @Override
        public boolean isRunning() {
            return state(peer) != ServerState.LOOKING;
        }

        @Override
        public void submitRequest(Request r) {
            throw new UnsupportedOperationException();
        }
    }

    /** Tests look for the leader by the fields, too. */
    private static void watch(QuorumPeer p, Process process) {
        try {
            while (process.isAlive()) {
                show(p, state(p));
                Thread.sleep(50);
            }
        } catch (InterruptedException e) {
            // The end of the test.
        }
        show(p, ServerState.LOOKING);
    }

    private static synchronized void show(QuorumPeer p, ServerState s) {
        p.leader = s != ServerState.LEADING ? null : p.leader != null ? p.leader : objects.newInstance(Leader.class);
        p.follower = s != ServerState.FOLLOWING ? null : p.follower != null ? p.follower : objects.newInstance(Follower.class);
        p.observer = s != ServerState.OBSERVING ? null : p.observer != null ? p.observer : objects.newInstance(Observer.class);
    }

    private static ServerState state(QuorumPeer p) {
        if (!Alive.isRunning(p)) {
            return ServerState.LOOKING;
        }
        try {
            switch (value(p, "srvr", "Mode: ")) {
                case "leader":
                    return ServerState.LEADING;
                case "follower":
                    return ServerState.FOLLOWING;
                case "observer":
                    return ServerState.OBSERVING;
                default:
                    return ServerState.LOOKING;
            }
        } catch (IllegalStateException e) {
            return ServerState.LOOKING;
        }
    }

    /** What stands behind a name in the answer to a four-letter word. */
    private static String value(QuorumPeer p, String word, String name) {
        InetSocketAddress a = p.getClientAddress();
        String host = a == null || a.getAddress() == null || a.getAddress().isAnyLocalAddress() ? "127.0.0.1" : a.getAddress().getHostAddress();
        try {
            String answer = FourLetterWordMain.send4LetterWord(host, a == null ? p.getClientPort() : a.getPort(), word, false, 1000);
            for (String line : answer.split("\n")) {
                if (line.startsWith(name)) {
                    return line.substring(name.length()).trim();
                }
            }
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
        throw new IllegalStateException("no " + name + " in " + word);
    }

    /** The file that a member is started with: the test's own, or one of what the test has set. */
    private static File config(QuorumPeer p) throws IOException {
        QuorumVerifier members = (QuorumVerifier) ZooidFactory.read(QuorumPeer.class, "quorumVerifier", p);
        QuorumVerifier seen = (QuorumVerifier) ZooidFactory.read(QuorumPeer.class, "lastSeenQuorumVerifier", p);
        String own = (String) ZooidFactory.read(QuorumPeer.class, "configFilename", p);
        if (own == null) {
            File file = File.createTempFile("zoo", ".cfg");
            Files.write(file.toPath(), lines(p, members));
            return file;
        }
        File file = new File(own);
        add(file, "standaloneEnabled", QuorumPeerConfig.isStandaloneEnabled(), true);
        add(file, "reconfigEnabled", QuorumPeerConfig.isReconfigEnabled(), false);
        if (seen != null && seen.getVersion() > members.getVersion()) {
            // Reading the file in this process has removed it.
            Files.writeString(new File(own + QuorumPeerConfig.nextDynamicConfigFileSuffix).toPath(), seen.toString());
        }
        return file;
    }

    /** Adds a line for what the test has set in this process only. */
    private static void add(File file, String key, boolean value, boolean usual) throws IOException {
        List<String> lines = new ArrayList<>(Files.readAllLines(file.toPath()));
        if (value != usual && lines.stream().noneMatch(l -> l.startsWith(key + "="))) {
            lines.add(0, key + "=" + value);
            Files.write(file.toPath(), lines);
        }
    }

    private static List<String> lines(QuorumPeer p, QuorumVerifier members) throws IOException {
        File data = p.getTxnFactory().getSnapDir().getAbsoluteFile().getParentFile();
        List<String> l = new ArrayList<>(List.of(
            "dataDir=" + data,
            "dataLogDir=" + p.getTxnFactory().getDataLogDir().getAbsoluteFile().getParent(),
            "tickTime=" + p.getTickTime(),
            "initLimit=" + p.getInitLimit(),
            "syncLimit=" + p.getSyncLimit(),
            "clientPort=" + p.getClientPort(),
            "maxClientCnxns=" + Math.max(0, p.getMaxClientCnxnsPerHost()),
            "localSessionsEnabled=" + p.areLocalSessionsEnabled(),
            "localSessionsUpgradingEnabled=" + p.isLocalSessionsUpgradingEnabled(),
            "reconfigEnabled=" + QuorumPeerConfig.isReconfigEnabled(),
            "standaloneEnabled=" + QuorumPeerConfig.isStandaloneEnabled(),
            "admin.enableServer=false"));
        if (p.getObserverMasterPort() > 0) {
            l.add("observerMasterPort=" + p.getObserverMasterPort());
        }
        if (p.getLearnerType() == LearnerType.OBSERVER) {
            l.add("peerType=observer");
        }
        if (members instanceof QuorumOracleMaj) {
            l.add("oraclePath=" + members.getOraclePath());
        }
        for (String line : members.toString().split("\n")) {
            if (line.startsWith("server.") || line.startsWith("weight.")) {
                l.add(line);
            }
        }
        if (members instanceof QuorumHierarchical) {
            @SuppressWarnings("unchecked")
            Map<Long, Long> groupOf = (Map<Long, Long>) ZooidFactory.read(QuorumHierarchical.class, "serverGroup", members);
            Map<Long, String> groups = new TreeMap<>();
            groupOf.forEach((server, group) -> groups.merge(group, "" + server, (a, b) -> a + ":" + b));
            groups.forEach((group, servers) -> l.add("group." + group + "=" + servers));
        }
        File myid = new File(data, "myid");
        if (!myid.exists()) {
            Files.writeString(myid.toPath(), p.getMyId() + "\n");
        }
        return l;
    }
}
