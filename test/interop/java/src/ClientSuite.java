import static java.nio.charset.StandardCharsets.UTF_8;
import static org.apache.zookeeper.AddWatchMode.PERSISTENT;
import static org.apache.zookeeper.AddWatchMode.PERSISTENT_RECURSIVE;
import static org.apache.zookeeper.ZooDefs.Ids.CREATOR_ALL_ACL;
import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/** Apache's own Java client against the server under test. */
public class ClientSuite extends Suite {
    public static void main(String[] args) throws Exception {
        run(ClientSuite.class, args);
    }

    static byte[] bytes(String s) {
        return s.getBytes(UTF_8);
    }

    static String make(ZooKeeper zk, String path, CreateMode mode) throws Exception {
        return zk.create(path, bytes(path), OPEN_ACL_UNSAFE, mode);
    }

    static void caseCreateModes() throws Exception {
        ZooKeeper zk = connect();
        Stat stat = new Stat();
        equal("/p", zk.create("/p", bytes("x"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, stat));
        equal(stat.getCzxid(), stat.getMzxid());
        equal(0L, stat.getEphemeralOwner());
        equal(1, stat.getDataLength());
        equal("/p/s-0000000000", make(zk, "/p/s-", CreateMode.PERSISTENT_SEQUENTIAL));
        equal("/p/e", make(zk, "/p/e", CreateMode.EPHEMERAL));
        equal("/p/es-0000000002", make(zk, "/p/es-", CreateMode.EPHEMERAL_SEQUENTIAL));
        equal(zk.getSessionId(), zk.exists("/p/e", false).getEphemeralOwner());
        equal("/p/c", make(zk, "/p/c", CreateMode.CONTAINER));
        equal(0L, zk.exists("/p/c", false).getEphemeralOwner());
        equal("/p/t", zk.create("/p/t", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, stat, 3600000));
        equal("/p/ts-0000000005", zk.create("/p/ts-", null, OPEN_ACL_UNSAFE,
            CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, stat, 3600000));
        equal(null, zk.getData("/p/t", false, null));
        equal(6, zk.getAllChildrenNumber("/p"));
        List<String> mine = zk.getEphemerals("/p");
        Collections.sort(mine);
        equal(List.of("/p/e", "/p/es-0000000002"), mine);
        equal(6, zk.exists("/p", false).getCversion());
        refused(Code.NODEEXISTS, () -> make(zk, "/p", CreateMode.PERSISTENT));
        refused(Code.NONODE, () -> make(zk, "/no/p", CreateMode.PERSISTENT));
        refused(Code.NOCHILDRENFOREPHEMERALS, () -> make(zk, "/p/e/x", CreateMode.PERSISTENT));
        refused(Code.NOTEMPTY, () -> zk.delete("/p", -1));
        refused(Code.BADVERSION, () -> zk.delete("/p/e", 4));
        refused(Code.BADVERSION, () -> zk.setData("/p", null, 4));
        refused(Code.INVALIDACL, () -> zk.create("/x", null, Collections.emptyList(), CreateMode.PERSISTENT));
        zk.close();
    }

    static void caseContainerAndTtlGo() throws Exception {
        ZooKeeper zk = connect();
        Events events = new Events();
        make(zk, "/c", CreateMode.CONTAINER);
        zk.create("/t", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 400);
        zk.create("/kept", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, new Stat(), 400);
        make(zk, "/kept/child", CreateMode.PERSISTENT);
        make(zk, "/never", CreateMode.CONTAINER);
        make(zk, "/c/child", CreateMode.PERSISTENT);
        zk.exists("/t", events);
        events.expect("NodeDeleted /t");
        check(zk.exists("/c", events) != null, "a container with a child went");
        zk.delete("/c/child", -1);
        events.expect("NodeDeleted /c");
        check(zk.exists("/kept", false) != null, "a TTL node with a child went");
        check(zk.exists("/never", false) != null, "a container that never had a child went");
        zk.exists("/kept", events);
        zk.delete("/kept/child", -1);
        events.expect("NodeDeleted /kept");
        zk.close();
    }

    static void caseMulti() throws Exception {
        ZooKeeper zk = connect();
        make(zk, "/m", CreateMode.PERSISTENT);
        List<OpResult> done = zk.multi(List.of(
            Op.create("/m/a", bytes("1"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.create("/m/s-", bytes("2"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL),
            Op.setData("/m/a", bytes("3"), 0), Op.check("/m/a", 1), Op.delete("/m/a", 1),
            Op.create("/m/c", null, OPEN_ACL_UNSAFE, CreateMode.CONTAINER),
            Op.create("/m/t", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 1000000)));
        equal("/m/s-0000000001", ((OpResult.CreateResult) done.get(1)).getPath());
        equal(1, ((OpResult.SetDataResult) done.get(2)).getStat().getVersion());
        equal("/m/t", ((OpResult.CreateResult) done.get(6)).getPath());
        long zxid = zk.exists("/m/c", false).getCzxid();
        equal(zxid, zk.exists("/m/t", false).getCzxid());
        try {
            zk.multi(List.of(Op.create("/m/x", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.delete("/m/none", -1), Op.check("/m", 0)));
            throw new AssertionError("a multi with a failing op was accepted");
        } catch (KeeperException e) {
            equal(Code.NONODE, e.code());
            int[] codes = e.getResults().stream().mapToInt(r -> ((OpResult.ErrorResult) r).getErr()).toArray();
            equal("[0, -101, -2]", Arrays.toString(codes));
        }
        equal(null, zk.exists("/m/x", false));
        equal(2, zk.transaction().create("/tx", null, OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL)
            .setData("/m", bytes("tx"), -1).commit().size());
        List<OpResult> read = zk.multi(List.of(Op.getData("/m"), Op.getChildren("/m"), Op.getData("/none")));
        equal("tx", new String(((OpResult.GetDataResult) read.get(0)).getData(), UTF_8));
        equal(3, ((OpResult.GetChildrenResult) read.get(1)).getChildren().size());
        equal(Code.NONODE.intValue(), ((OpResult.ErrorResult) read.get(2)).getErr());
        equal(0, zk.multi(Collections.emptyList()).size());
        zk.close();
    }

    static void caseWatches() throws Exception {
        ZooKeeper zk = connect();
        ZooKeeper other = connect();
        Events data = new Events();
        Events kids = new Events();
        Events there = new Events();
        make(zk, "/w", CreateMode.PERSISTENT);
        zk.getData("/w", data, null);
        zk.getChildren("/w", kids);
        zk.exists("/w/a", there);
        make(other, "/w/a", CreateMode.PERSISTENT);
        there.expect("NodeCreated /w/a");
        kids.expect("NodeChildrenChanged /w");
        other.setData("/w", null, -1);
        data.expect("NodeDataChanged /w");
        zk.getData("/w/a", data, null);
        zk.getChildren("/w/a", data);
        other.delete("/w/a", -1);
        data.expect("NodeDeleted /w/a");
        Events one = new Events();
        Events deep = new Events();
        zk.addWatch("/w", one, PERSISTENT);
        zk.addWatch("/w", deep, PERSISTENT_RECURSIVE);
        make(other, "/w/b", CreateMode.PERSISTENT);
        make(other, "/w/b/c", CreateMode.PERSISTENT);
        other.setData("/w/b/c", null, -1);
        other.setData("/w", null, -1);
        other.delete("/w/b/c", -1);
        other.delete("/w/b", -1);
        one.expect("NodeChildrenChanged /w", "NodeDataChanged /w", "NodeChildrenChanged /w");
        deep.expect("NodeCreated /w/b", "NodeCreated /w/b/c", "NodeDataChanged /w/b/c", "NodeDataChanged /w",
            "NodeDeleted /w/b/c", "NodeDeleted /w/b");
        zk.removeWatches("/w", one, Watcher.WatcherType.Any, false);
        one.expect("PersistentWatchRemoved /w");
        refused(Code.NOWATCHER, () -> zk.removeWatches("/w", one, Watcher.WatcherType.Any, false));
        zk.removeAllWatches("/w", Watcher.WatcherType.PersistentRecursive, false);
        deep.expect("PersistentWatchRemoved /w");
        other.setData("/w", null, -1);
        other.sync("/w");
        zk.sync("/w");
        one.quiet();
        deep.quiet();
        zk.close();
        other.close();
    }

    /** Changes made while a client was away reach it through setWatches. */
    static void caseSetWatchesReplay() throws Exception {
        Relay relay = new Relay();
        Events session = new Events();
        ZooKeeper zk = connect(relay.address(), 20000, session);
        ZooKeeper other = connect();
        for (String p : List.of("/changed", "/same", "/deleted", "/parent", "/deep")) {
            make(other, p, CreateMode.PERSISTENT);
        }
        Events e = new Events();
        zk.getData("/changed", e, null);
        zk.getData("/same", e, null);
        zk.getData("/deleted", e, null);
        zk.getChildren("/parent", e);
        zk.exists("/created", e);
        zk.exists("/missing", e);
        Events deep = new Events();
        zk.addWatch("/deep", deep, PERSISTENT_RECURSIVE);
        make(zk, "/mine", CreateMode.EPHEMERAL);
        long id = zk.getSessionId();
        relay.cut();
        session.await("Disconnected");
        other.setData("/changed", null, -1);
        other.delete("/deleted", -1);
        make(other, "/created", CreateMode.PERSISTENT);
        make(other, "/parent/child", CreateMode.PERSISTENT);
        make(other, "/deep/missed", CreateMode.PERSISTENT);
        relay.mend();
        session.await("SyncConnected");
        equal(id, zk.getSessionId());
        List<String> got = new ArrayList<>();
        while (got.size() < 6) {
            String event = e.queue.poll(WAIT, TimeUnit.SECONDS);
            check(event != null, "only " + got);
            if (!event.equals("Disconnected") && !event.equals("SyncConnected")) {
                got.add(event);
            }
            if (got.size() == 4) {
                break;
            }
        }
        Collections.sort(got);
        equal(List.of("NodeChildrenChanged /parent", "NodeCreated /created", "NodeDataChanged /changed",
            "NodeDeleted /deleted"), got);
        other.setData("/same", null, -1);
        make(other, "/missing", CreateMode.PERSISTENT);
        e.await("NodeDataChanged /same");
        e.await("NodeCreated /missing");
        make(other, "/deep/seen", CreateMode.PERSISTENT);
        deep.await("NodeCreated /deep/seen");
        equal(id, other.exists("/mine", false).getEphemeralOwner());
        zk.close();
        other.close();
    }

    static void reconnects(String end) throws Exception {
        Events session = new Events();
        ZooKeeper zk = connect(hosts, 20000, session);
        make(zk, "/a", CreateMode.PERSISTENT);
        make(zk, "/a/e", CreateMode.EPHEMERAL);
        Events e = new Events();
        Events deep = new Events();
        zk.getData("/a", e, null);
        zk.getChildren("/a", e);
        zk.addWatch("/a", deep, PERSISTENT_RECURSIVE);
        long id = zk.getSessionId();
        ask(end);
        session.await("Disconnected");
        ask("start");
        session.await("SyncConnected");
        equal(id, zk.getSessionId());
        equal(id, settled(zk, "/a/e").getEphemeralOwner());
        zk.setData("/a", bytes("after"), 0);
        e.await("NodeDataChanged /a");
        make(zk, "/a/b", CreateMode.PERSISTENT);
        e.await("NodeChildrenChanged /a");
        deep.await("NodeDataChanged /a");
        deep.await("NodeCreated /a/b");
        zk.close();
        ZooKeeper other = connect();
        equal(null, other.exists("/a/e", false));
        other.close();
    }

    /**
     * Asks until no connection is lost on the way: of an ensemble that ends one
     * server after the other the client may have lost two.
     */
    static Stat settled(ZooKeeper zk, String path) throws Exception {
        for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT);;) {
            try {
                return zk.exists(path, false);
            } catch (KeeperException.ConnectionLossException lost) {
                if (System.nanoTime() > end) {
                    throw lost;
                }
                Thread.sleep(20);
            }
        }
    }

    static void caseReconnectAfterKill() throws Exception {
        reconnects("kill");
    }

    static void caseReconnectAfterStop() throws Exception {
        reconnects("stop");
    }

    static void caseSessions() throws Exception {
        Events first = new Events();
        ZooKeeper zk = connect(hosts, 20000, first);
        make(zk, "/e", CreateMode.EPHEMERAL);
        Events second = new Events();
        ZooKeeper taken = new ZooKeeper(hosts, 20000, second, zk.getSessionId(), zk.getSessionPasswd());
        second.await("SyncConnected");
        equal(zk.getSessionId(), taken.getSessionId());
        first.await("Disconnected");
        byte[] wrong = taken.getSessionPasswd().clone();
        wrong[0]++;
        Events third = new Events();
        ZooKeeper refused = new ZooKeeper(hosts, 20000, third, taken.getSessionId(), wrong);
        third.await("Expired");
        refused.close();
        ZooKeeper other = connect();
        Events gone = new Events();
        check(other.exists("/e", gone) != null, "the ephemeral went with a refused session");
        ZooKeeper last = new ZooKeeper(hosts, 20000, second, taken.getSessionId(), taken.getSessionPasswd());
        second.await("SyncConnected");
        last.close();
        gone.expect("NodeDeleted /e");
        Events fourth = new Events();
        new ZooKeeper(hosts, 20000, fourth, last.getSessionId(), taken.getSessionPasswd());
        fourth.await("Expired");
        other.close();
    }

    static void caseSessionExpires() throws Exception {
        Relay relay = new Relay();
        Events session = new Events();
        ZooKeeper zk = connect(relay.address(), 4000, session);
        make(zk, "/e", CreateMode.EPHEMERAL);
        ZooKeeper other = connect();
        Events gone = new Events();
        other.exists("/e", gone);
        relay.cut();
        gone.expect("NodeDeleted /e");
        relay.mend();
        session.await("Expired");
        refused(Code.SESSIONEXPIRED, () -> zk.exists("/", false));
        other.close();
    }

    static void caseAcls() throws Exception {
        ZooKeeper zk = connect();
        ZooKeeper other = connect();
        refused(Code.INVALIDACL, () -> zk.create("/x", null, CREATOR_ALL_ACL, CreateMode.PERSISTENT));
        zk.addAuthInfo("digest", bytes("user:pw"));
        zk.create("/mine", bytes("secret"), CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        make(zk, "/mine/child", CreateMode.PERSISTENT);
        refused(Code.NOAUTH, () -> other.getData("/mine", false, null));
        refused(Code.NOAUTH, () -> other.exists("/mine", false));
        refused(Code.NOAUTH, () -> other.getChildren("/mine", false));
        refused(Code.NOAUTH, () -> other.setData("/mine", null, -1));
        refused(Code.NOAUTH, () -> other.delete("/mine/child", -1));
        refused(Code.NOAUTH, () -> make(other, "/mine/x", CreateMode.PERSISTENT));
        refused(Code.NOAUTH, () -> other.getACL("/mine", new Stat()));
        refused(Code.NOAUTH, () -> other.setACL("/mine", OPEN_ACL_UNSAFE, -1));
        refused(Code.NOAUTH, () -> other.getAllChildrenNumber("/mine"));
        refused(Code.NOAUTH, () -> other.multi(List.of(Op.setData("/mine", null, -1))));
        other.addAuthInfo("digest", bytes("super:secret"));
        equal("secret", new String(other.getData("/mine", false, null), UTF_8));
        List<ACL> acl = zk.getACL("/mine", new Stat());
        equal("digest", acl.get(0).getId().getScheme());
        ACL read = new ACL(ZooDefs.Perms.READ, new Id("world", "anyone"));
        Stat stat = zk.setACL("/mine", Arrays.asList(read, acl.get(0)), 0);
        equal(1, stat.getAversion());
        refused(Code.BADVERSION, () -> zk.setACL("/mine", OPEN_ACL_UNSAFE, 0));
        ZooKeeper third = connect();
        equal("user:x", third.getACL("/mine", new Stat()).get(1).getId().getId());
        zk.create("/ip", null, Arrays.asList(new ACL(31, new Id("ip", "127.0.0.0/8"))), CreateMode.PERSISTENT);
        third.setData("/ip", bytes("x"), -1);
        zk.create("/far", null, Arrays.asList(new ACL(31, new Id("ip", "10.0.0.0/8"))), CreateMode.PERSISTENT);
        refused(Code.NOAUTH, () -> third.setData("/far", bytes("x"), -1));
        List<String> who = new ArrayList<>();
        for (ClientInfo info : zk.whoAmI()) {
            who.add(info.getAuthScheme() + ":" + info.getUser());
        }
        Collections.sort(who);
        equal(List.of("digest:user", "ip:127.0.0.1"), who);
        Events failed = new Events();
        ZooKeeper bad = connect(hosts, 20000, failed);
        bad.addAuthInfo("nosuch", bytes("x"));
        failed.await("AuthFailed");
        refused(Code.AUTHFAILED, () -> bad.exists("/", false));
        zk.close();
        other.close();
        third.close();
    }

    static void caseReconfigRefused() throws Exception {
        ZooKeeperAdmin admin = new ZooKeeperAdmin(hosts, 20000, new Events());
        refused(Code.RECONFIGDISABLED, () -> admin.reconfigure("server.2=127.0.0.1:1:2;3", null, null, -1, new Stat()));
        equal("", new String(admin.getConfig(false, new Stat()), UTF_8));
        refused(Code.NOAUTH, () -> admin.setData("/zookeeper/config", bytes("x"), -1));
        refused(Code.BADARGUMENTS, () -> admin.delete("/zookeeper/quota", -1));
        admin.close();
    }

    static void caseAsyncPipeline() throws Exception {
        ZooKeeper zk = connect();
        make(zk, "/p", CreateMode.PERSISTENT);
        int n = 5000;
        CountDownLatch done = new CountDownLatch(3 * n);
        AtomicInteger next = new AtomicInteger();
        AtomicInteger wrong = new AtomicInteger();
        for (int i = 0; i < n; i++) {
            int me = 3 * i;
            String path = "/p/" + i;
            zk.create(path, bytes(path), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, p, ctx, name) -> {
                wrong.addAndGet(rc == 0 && next.getAndIncrement() == me && path.equals(name) ? 0 : 1);
                done.countDown();
            }, null);
            zk.getData(path, false, (rc, p, ctx, data, stat) -> {
                wrong.addAndGet(rc == 0 && next.getAndIncrement() == me + 1 && path.equals(new String(data, UTF_8)) ? 0 : 1);
                done.countDown();
            }, null);
            zk.exists(path + "/no", false, (rc, p, ctx, stat) -> {
                wrong.addAndGet(rc == Code.NONODE.intValue() && next.getAndIncrement() == me + 2 ? 0 : 1);
                done.countDown();
            }, null);
        }
        check(done.await(WAIT, TimeUnit.SECONDS), done.getCount() + " replies are missing");
        equal(0, wrong.get());
        equal(n, zk.getChildren("/p", false).size());
        zk.close();
    }

    static void caseLargeData() throws Exception {
        Events session = new Events();
        ZooKeeper zk = connect(hosts, 20000, session);
        byte[] big = new byte[1000000];
        Arrays.fill(big, (byte) 7);
        zk.create("/big", big, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        check(Arrays.equals(big, zk.getData("/big", false, null)), "1 MB came back otherwise");
        refused(Code.CONNECTIONLOSS, () -> zk.setData("/big", new byte[1100000], -1));
        session.await("SyncConnected");
        equal(1000000, zk.exists("/big", false).getDataLength());
        zk.close();
    }

    static void caseChrootAndReadOnly() throws Exception {
        ZooKeeper zk = connect();
        make(zk, "/root", CreateMode.PERSISTENT);
        Events e = new Events();
        ZooKeeper inner = connect(hosts + "/root", 20000, e);
        equal("/x-0000000000", make(inner, "/x-", CreateMode.EPHEMERAL_SEQUENTIAL));
        inner.addWatch("/", e, PERSISTENT_RECURSIVE);
        make(zk, "/root/y", CreateMode.PERSISTENT);
        e.await("NodeCreated /y");
        Events ro = new Events();
        ZooKeeper reader = new ZooKeeper(hosts, 20000, ro, true);
        ro.await("SyncConnected");
        make(reader, "/written", CreateMode.PERSISTENT);
        zk.close();
        inner.close();
        reader.close();
    }
}
