import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.zookeeper.server.quorum.QuorumPeer.LearnerType;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;

/**
 * Answers what Apache's server makes of a configuration file. A request is the
 * path of the file on a line of standard input; the answer is either the line
 * "refused" with the reason or lines of key=value, and a line with a dot.
 */
public class ParseConfig {
    public static void main(String[] args) throws Exception {
        Properties before = (Properties) System.getProperties().clone();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String path; (path = in.readLine()) != null;) {
            // Both are static: a file must not see what the last one set.
            QuorumPeerConfig.setStandaloneEnabled(true);
            QuorumPeerConfig.setReconfigEnabled(false);
            System.setProperties((Properties) before.clone());
            answer(path, before);
            System.out.println(".");
            System.out.flush();
        }
    }

    static void answer(String path, Properties before) {
        QuorumPeerConfig c = new QuorumPeerConfig();
        try {
            c.parse(path);
        } catch (Throwable e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            System.out.println("refused " + String.valueOf(cause).replace('\n', ' '));
            return;
        }
        show("distributed", c.isDistributed());
        show("client", address(c.getClientPortAddress()));
        show("dataDir", c.getDataDir());
        show("dataLogDir", c.getDataLogDir());
        show("tickTime", c.getTickTime());
        show("maxClientCnxns", c.getMaxClientCnxns());
        show("minSessionTimeout", c.getMinSessionTimeout());
        show("maxSessionTimeout", c.getMaxSessionTimeout());
        show("backlog", c.getClientPortListenBacklog());
        show("initLimit", c.getInitLimit());
        show("syncLimit", c.getSyncLimit());
        show("snapRetainCount", c.getSnapRetainCount());
        show("purgeInterval", c.getPurgeInterval());
        show("serverId", c.getServerId());
        show("observer", c.getPeerType() == LearnerType.OBSERVER);
        show("localSessions", c.areLocalSessionsEnabled());
        show("observerMasterPort", c.getObserverMasterPort());
        show("voters", c.getQuorumVerifier().getVotingMembers().keySet());
        TreeMap<String, String> set = new TreeMap<>();
        for (String name : System.getProperties().stringPropertyNames()) {
            if (name.startsWith("zookeeper.") && before.getProperty(name) == null) {
                set.put(name, System.getProperty(name));
            }
        }
        show("properties", set);
    }

    static String address(InetSocketAddress a) {
        return a == null ? "none" : a.getAddress().getHostAddress() + " " + a.getPort();
    }

    static void show(String key, Object value) {
        System.out.println(key + "=" + value);
    }
}
