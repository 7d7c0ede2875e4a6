import static java.nio.charset.StandardCharsets.UTF_8;
import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.ZooKeeper;

/** Apache's Java client and an ensemble that loses its quorum. */
public class ReadOnlySuite extends Suite {
    public static void main(String[] args) throws Exception {
        run(ReadOnlySuite.class, args);
    }

    static void caseReadOnlyMode() throws Exception {
        ZooKeeper zk = connect();
        zk.create("/java", "kept".getBytes(UTF_8), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.close();
        ask("outage");
        Events events = new Events();
        zk = new ZooKeeper(hosts, 20000, events, true);
        events.await("ConnectedReadOnly");
        final ZooKeeper reader = zk;
        equal("kept", new String(zk.getData("/java", false, null), UTF_8));
        refused(Code.NOTREADONLY, () -> reader.setData("/java", null, -1));
        refused(Code.NOTREADONLY, () -> reader.create("/lost", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        ask("start");
        events.await("SyncConnected");
        zk.setData("/java", "after".getBytes(UTF_8), -1);
        zk.create("/java/e", null, OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        zk.close();
    }
}
