import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * Curator's recipes and Apache's client while leaders are killed: each goes on all the time and its
 * promise is checked at every step. The leader is killed once all of them have made some steps.
 */
public class RecipeSuite extends CuratorSuite {
    /** How often the leader is killed, and the steps that every recipe makes before each. */
    static final int KILLS = 6;
    static final int STEPS = 3;

    static final AtomicBoolean over = new AtomicBoolean();
    static final Map<String, Throwable> failures = new ConcurrentHashMap<>();
    static final Map<String, AtomicInteger> steps = new ConcurrentHashMap<>();
    static final List<Thread> threads = new ArrayList<>();
    static final List<CuratorFramework> guests = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        run(RecipeSuite.class, args);
    }

    /** A recipe at work: step is called again and again until the end. */
    interface Step {
        void run() throws Exception;
    }

    static void work(String name, Step step) {
        AtomicInteger made = steps.computeIfAbsent(name, n -> new AtomicInteger());
        Thread t = new Thread(() -> {
            try {
                while (!over.get()) {
                    step.run();
                    made.incrementAndGet();
                }
            } catch (Throwable e) {
                failures.putIfAbsent(name, e);
            }
        }, name);
        t.start();
        threads.add(t);
    }

    /** A client whose session must survive all that happens. */
    static CuratorFramework guest(String name) throws Exception {
        CuratorFramework c = client();
        c.getConnectionStateListenable().addListener((f, state) -> {
            if (state == ConnectionState.LOST && !over.get()) {
                failures.putIfAbsent(name, new AssertionError("the session is lost"));
            }
        });
        guests.add(c);
        return c;
    }

    static String read(CuratorFramework c, String path) throws Exception {
        c.sync().forPath(path);
        return new String(c.getData().forPath(path), UTF_8);
    }

    static void caseUnderKills() throws Exception {
        CuratorFramework main = client();
        Step mutexes = mutexes(main);
        Step latches = latches();
        Step caches = caches(main);
        Step queue = queue(main);
        Step node = node(main);
        Step plain = plain();
        barriers(main);
        semaphores();
        for (int kill = 0; kill < KILLS; kill++) {
            Map<String, Integer> before = new TreeMap<>();
            steps.forEach((name, made) -> before.put(name, made.get()));
            before.forEach((name, made) -> check(progress(name, made), name + " stands still at step " + made + ": " + failures));
            ask("failover");
        }
        over.set(true);
        for (Thread t : threads) {
            t.join(TimeUnit.SECONDS.toMillis(WAIT));
            check(!t.isAlive(), t.getName() + " does not come to its end");
        }
        check(failures.isEmpty(), String.valueOf(failures));
        for (Step last : List.of(mutexes, latches, caches, queue, node, plain)) {
            last.run();
        }
        guests.forEach(CuratorFramework::close);
        main.close();
        System.out.println("steps: " + new TreeMap<>(steps));
    }

    static boolean progress(String name, int from) {
        try {
            until(name, () -> !failures.isEmpty() || steps.get(name).get() >= from + STEPS);
        } catch (Throwable e) {
            return false;
        }
        return failures.isEmpty();
    }

    /** Whoever has the mutex is alone, and finds what the one before it has left. */
    static Step mutexes(CuratorFramework main) throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicLong fence = new AtomicLong();
        main.create().forPath("/fence", "0".getBytes(UTF_8));
        for (int i = 0; i < 3; i++) {
            CuratorFramework c = guest("mutex");
            InterProcessMutex mutex = new InterProcessMutex(c, "/mutex");
            work("mutex", () -> {
                check(mutex.acquire(WAIT, TimeUnit.SECONDS), "no mutex");
                equal(1, inside.incrementAndGet());
                equal(fence.get(), Long.parseLong(read(c, "/fence")));
                c.setData().forPath("/fence", Long.toString(fence.incrementAndGet()).getBytes(UTF_8));
                equal(0, inside.decrementAndGet());
                mutex.release();
            });
        }
        return () -> {
            equal(fence.get(), Long.parseLong(read(main, "/fence")));
            check(fence.get() >= steps.get("mutex").get(), "less in the fence than there were holders");
        };
    }

    /** Never two lead; when the leader closes its latch another one leads. */
    static Step latches() throws Exception {
        List<CuratorFramework> clients = List.of(guest("latch"), guest("latch"), guest("latch"));
        LeaderLatch[] latches = new LeaderLatch[clients.size()];
        for (int i = 0; i < latches.length; i++) {
            latches[i] = new LeaderLatch(clients.get(i), "/latch");
            latches[i].start();
        }
        work("latch", () -> {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT);
            int leader = -1;
            while (leader < 0) {
                check(System.nanoTime() < end, "nobody leads");
                boolean[] once = leading(latches);
                boolean[] again = leading(latches);
                for (int i = 0; i < latches.length; i++) {
                    if (once[i] && again[i]) {
                        check(leader < 0, "two lead at once");
                        leader = i;
                    }
                }
                Thread.onSpinWait();
            }
            latches[leader].close();
            latches[leader] = new LeaderLatch(clients.get(leader), "/latch");
            latches[leader].start();
        });
        return () -> until("not one leader", () -> {
            int n = 0;
            for (LeaderLatch l : latches) {
                n += l.hasLeadership() ? 1 : 0;
            }
            return n == 1 && clients.get(0).getChildren().forPath("/latch").size() == latches.length;
        });
    }

    static boolean[] leading(LeaderLatch[] latches) {
        boolean[] out = new boolean[latches.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = latches[i].hasLeadership();
        }
        return out;
    }

    /** The caches of other clients come to hold what there is. */
    static Step caches(CuratorFramework main) throws Exception {
        CuratorFramework writer = guest("cache");
        CuratorFramework reader = guest("cache");
        main.create().forPath("/cached");
        CuratorCache cache = CuratorCache.build(reader, "/cached");
        cache.start();
        PathChildrenCache children = new PathChildrenCache(reader, "/cached", true);
        children.start();
        AtomicInteger n = new AtomicInteger();
        work("cache", () -> {
            int turn = n.incrementAndGet();
            String path = "/cached/n" + turn % 20;
            if (turn % 3 == 0) {
                writer.delete().quietly().forPath(path);
            } else {
                writer.create().orSetData().forPath(path, ("v" + turn).getBytes(UTF_8));
            }
        });
        return () -> {
            main.sync().forPath("/cached");
            Map<String, String> want = new TreeMap<>();
            for (String name : main.getChildren().forPath("/cached")) {
                want.put("/cached/" + name, new String(main.getData().forPath("/cached/" + name), UTF_8));
            }
            check(!want.isEmpty(), "nothing is left to be cached");
            until("the caches do not hold " + want, () -> {
                Map<String, String> tree = new TreeMap<>();
                cache.stream().filter(d -> !d.getPath().equals("/cached")).forEach(d -> tree.put(d.getPath(), text(d)));
                Map<String, String> list = new TreeMap<>();
                children.getCurrentData().forEach(d -> list.put(d.getPath(), text(d)));
                return want.equals(tree) && want.equals(list);
            });
        };
    }

    static String text(ChildData d) {
        return new String(d.getData(), UTF_8);
    }

    /** Nobody passes a barrier before it is removed, and all do then. */
    static void barriers(CuratorFramework main) throws Exception {
        List<CuratorFramework> clients = List.of(guest("barrier"), guest("barrier"));
        AtomicInteger round = new AtomicInteger();
        work("barrier", () -> {
            String path = "/barrier" + round.incrementAndGet();
            AtomicBoolean removed = new AtomicBoolean();
            DistributedBarrier barrier = new DistributedBarrier(main, path);
            barrier.setBarrier();
            AtomicInteger passed = new AtomicInteger();
            for (CuratorFramework c : clients) {
                c.sync().forPath("/");
                Thread t = new Thread(() -> {
                    try {
                        check(new DistributedBarrier(c, path).waitOnBarrier(WAIT, TimeUnit.SECONDS), "the barrier holds for ever");
                        check(removed.get(), "somebody has passed the barrier");
                        passed.incrementAndGet();
                    } catch (Throwable e) {
                        failures.putIfAbsent("barrier", e);
                    }
                });
                t.setDaemon(true);
                t.start();
            }
            removed.set(true);
            barrier.removeBarrier();
            until("not all have passed the barrier: " + failures, () -> passed.get() == clients.size());
        });
    }

    /** What is put comes out, once at least: the queue with a lock path says no more. */
    static Step queue(CuratorFramework main) throws Exception {
        Set<String> got = ConcurrentHashMap.newKeySet();
        CuratorFramework putter = guest("queue");
        CuratorFramework taker = guest("queue");
        DistributedQueue<String> in = queue(putter, null);
        DistributedQueue<String> out = queue(taker, got);
        AtomicInteger n = new AtomicInteger();
        work("queue", () -> {
            in.put("m" + n.incrementAndGet());
            check(in.flushPuts(WAIT, TimeUnit.SECONDS), "an item is not put");
        });
        return () -> {
            // An item whose lock was made by a call without an answer is locked while
            // that session lives.
            out.close();
            taker.close();
            guests.remove(taker);
            DistributedQueue<String> rest = queue(main, got);
            for (int i = 1; i <= n.get(); i++) {
                String item = "m" + i;
                until(item + " of " + n + " is lost", () -> got.contains(item));
            }
            rest.close();
        };
    }

    static DistributedQueue<String> queue(CuratorFramework c, Set<String> got) throws Exception {
        QueueConsumer<String> consumer = got == null ? null : new QueueConsumer<String>() {
            @Override
            public void consumeMessage(String s) {
                got.add(s);
            }

            @Override
            public void stateChanged(CuratorFramework f, ConnectionState s) {
                // Only the messages are looked at.
            }
        };
        DistributedQueue<String> q = QueueBuilder.builder(c, consumer, new QueueSerializer<String>() {
            @Override
            public byte[] serialize(String s) {
                return s.getBytes(UTF_8);
            }

            @Override
            public String deserialize(byte[] b) {
                return new String(b, UTF_8);
            }
        }, "/queue").lockPath("/queue-locks").buildQueue();
        q.start();
        return q;
    }

    /** A persistent node comes back whenever it is deleted, with its data, of its session. */
    static Step node(CuratorFramework main) throws Exception {
        CuratorFramework keeper = guest("node");
        PersistentNode node = new PersistentNode(keeper, CreateMode.EPHEMERAL, false, "/node", "here".getBytes(UTF_8));
        node.start();
        check(node.waitForInitialCreate(WAIT, TimeUnit.SECONDS), "persistent node");
        Step there = () -> {
            main.sync().forPath("/");
            until("the persistent node does not come back", () -> main.checkExists().forPath("/node") != null);
        };
        work("node", () -> {
            there.run();
            main.delete().quietly().forPath("/node");
        });
        return () -> {
            there.run();
            Stat stat = new Stat();
            equal("here", new String(main.getData().storingStatIn(stat).forPath("/node"), UTF_8));
            equal(keeper.getZookeeperClient().getZooKeeper().getSessionId(), stat.getEphemeralOwner());
        };
    }

    /** A semaphore of two leases has never three holders. */
    static void semaphores() throws Exception {
        AtomicInteger holders = new AtomicInteger();
        for (int i = 0; i < 4; i++) {
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(guest("semaphore"), "/semaphore", 2);
            work("semaphore", () -> {
                Lease lease = semaphore.acquire(WAIT, TimeUnit.SECONDS);
                check(lease != null, "no lease");
                int n = holders.incrementAndGet();
                check(n <= 2, n + " hold a semaphore of two leases");
                holders.decrementAndGet();
                semaphore.returnLease(lease);
            });
        }
    }

    /** Apache's client alone: what it is told is done is done, once, in its order. */
    static Step plain() throws Exception {
        ZooKeeper zk = new ZooKeeper(hosts, 20000, e -> { });
        until("connection", () -> zk.getState().isConnected());
        zk.create("/plain", "0".getBytes(UTF_8), org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        AtomicInteger version = new AtomicInteger();
        work("plain", () -> {
            int next = version.get() + 1;
            try {
                equal(next, zk.setData("/plain", Integer.toString(next).getBytes(UTF_8), version.get()).getVersion());
                version.set(next);
            } catch (KeeperException.ConnectionLossException e) {
                settle(zk, version, next);
            }
        });
        return () -> {
            Stat stat = new Stat();
            equal(version.get(), Integer.parseInt(new String(zk.getData("/plain", false, stat), UTF_8)));
            equal(version.get(), stat.getVersion());
            zk.close();
        };
    }

    /** A write without an answer was done or not: no third is possible. */
    static void settle(ZooKeeper zk, AtomicInteger version, int next) throws Exception {
        until("connection", () -> {
            try {
                zk.sync("/plain", (rc, path, ctx) -> { }, null);
                Stat stat = new Stat();
                int now = Integer.parseInt(new String(zk.getData("/plain", false, stat), UTF_8));
                check(now == stat.getVersion() && (now == next || now == next - 1), "version " + stat.getVersion() + ", data " + now + ", want " + next);
                version.set(now);
                return true;
            } catch (KeeperException.ConnectionLossException e) {
                return false;
            }
        });
    }
}
