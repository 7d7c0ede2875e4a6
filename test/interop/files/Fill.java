import java.io.File;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.NIOServerCnxnFactory;
import org.apache.zookeeper.server.ServerCnxnFactory;
import org.apache.zookeeper.server.ZooKeeperServer;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;

/**
 * Runs Apache's server on the given directories, has clients write every kind of transaction, takes a snapshot in the
 * middle, writes more and ends as a crash would. Arguments: dataDir dataLogDir.
 */
public class Fill {
    static int port;

    static ZooKeeper connect(int timeout) throws Exception {
        CountDownLatch up = new CountDownLatch(1);
        ZooKeeper zk = new ZooKeeper("127.0.0.1:" + port, timeout, e -> {
            if (e.getState() == Watcher.Event.KeeperState.SyncConnected) {
                up.countDown();
            }
        });
        up.await();
        return zk;
    }

    static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    interface Call {
        void run() throws Exception;
    }

    static void refused(Call c) throws Exception {
        try {
            c.run();
        } catch (KeeperException e) {
            return;
        }
        throw new Exception("was not refused");
    }

    public static void main(String[] args) {
        try {
            fill(args);
            Runtime.getRuntime().halt(0);
        } catch (Throwable e) {
            e.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    static void fill(String[] args) throws Exception {
        ZooKeeperServer server = new ZooKeeperServer(new FileTxnSnapLog(new File(args[1]), new File(args[0])), 3000, "");
        ServerCnxnFactory factory = new NIOServerCnxnFactory();
        factory.configure(new InetSocketAddress("127.0.0.1", 0), 60);
        factory.startup(server);
        port = factory.getLocalPort();
        ZooKeeper zk = connect(30000);
        write(zk, "/one");
        ZooKeeper brief = connect(20000);
        brief.create("/brief", bytes("gone"), ZooDefs.Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        brief.create("/brief2", null, ZooDefs.Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        brief.close();
        ZooKeeper empty = connect(10000);
        empty.close();
        server.takeSnapshot();
        server.getZKDatabase().rollLog();
        write(zk, "/two");
    }

    static void write(ZooKeeper zk, String top) throws Exception {
        List<ACL> open = ZooDefs.Ids.OPEN_ACL_UNSAFE;
        zk.create(top, bytes("top"), open, CreateMode.PERSISTENT);
        zk.create(top + "/null", null, open, CreateMode.PERSISTENT);
        zk.create(top + "/empty", new byte[0], open, CreateMode.PERSISTENT, new Stat());
        zk.create(top + "/\u00fcml\u00e4ut \u4e2d\u6587 \"q\" \\ <b>", bytes("\u4e2d\u6587 <&>\n\t\ud83d\ude00 text"), open, CreateMode.PERSISTENT);
        byte[] big = new byte[3000];
        Arrays.fill(big, (byte) 'x');
        zk.create(top + "/big", big, open, CreateMode.PERSISTENT);
        byte[] binary = new byte[256];
        for (int i = 0; i < 256; i++) {
            binary[i] = (byte) i;
        }
        zk.create(top + "/binary", binary, open, CreateMode.PERSISTENT);
        for (int i = 0; i < 30; i++) {
            zk.create(top + "/seq", bytes("s" + i), open, CreateMode.PERSISTENT_SEQUENTIAL);
        }
        zk.create(top + "/eph", bytes("e"), open, CreateMode.EPHEMERAL);
        zk.create(top + "/ephs-", bytes("e"), open, CreateMode.EPHEMERAL_SEQUENTIAL);
        zk.create(top + "/container", bytes("c"), open, CreateMode.CONTAINER);
        zk.create(top + "/container/child", bytes("c"), open, CreateMode.PERSISTENT);
        zk.create(top + "/ttl", bytes("t"), open, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 3600000);
        zk.create(top + "/ttlseq", bytes("t"), open, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, new Stat(), 3600000);
        zk.addAuthInfo("digest", bytes("user:secret"));
        zk.create(top + "/auth", bytes("a"), ZooDefs.Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        zk.create(top + "/read", bytes("r"), ZooDefs.Ids.READ_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.setACL(top + "/binary", Arrays.asList(new ACL(ZooDefs.Perms.READ, new Id("ip", "10.0.0.0/8")),
            new ACL(ZooDefs.Perms.ALL, new Id("world", "anyone"))), -1);
        zk.setData(top + "/big", bytes("small"), 0);
        zk.setData(top + "/big", null, -1);
        zk.create(top + "/doomed", bytes("d"), open, CreateMode.PERSISTENT);
        zk.delete(top + "/doomed", -1);
        refused(() -> zk.create(top, bytes("again"), open, CreateMode.PERSISTENT));
        refused(() -> zk.delete(top + "/missing", -1));
        refused(() -> zk.setData(top, bytes("x"), 77));
        zk.multi(Arrays.asList(Op.create(top + "/multi", bytes("m"), open, CreateMode.PERSISTENT),
            Op.setData(top + "/multi", bytes("m2"), 0), Op.check(top, -1),
            Op.create(top + "/multi/x", bytes("m"), open, CreateMode.PERSISTENT), Op.delete(top + "/multi/x", -1)));
        refused(() -> zk.multi(Arrays.asList(Op.create(top + "/no", bytes("m"), open, CreateMode.PERSISTENT),
            Op.check(top, 99), Op.delete(top, -1))));
        zk.multi(Collections.singletonList(Op.check(top, 0)));
        if (top.equals("/one")) {
            zk.create("/zookeeper/quota/one", null, open, CreateMode.PERSISTENT);
            zk.create("/zookeeper/quota/one/zookeeper_limits", bytes("count=1000,bytes=-1"), open, CreateMode.PERSISTENT);
            zk.create("/zookeeper/quota/one/zookeeper_stats", bytes("count=0,bytes=0"), open, CreateMode.PERSISTENT);
        }
    }
}
