import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.cache.TreeCacheEvent;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;

/** Curator's recipes against the server under test. */
public class CuratorSuite extends Suite {
    public static void main(String[] args) throws Exception {
        run(CuratorSuite.class, args);
    }

    static CuratorFramework client() throws Exception {
        CuratorFramework c = CuratorFrameworkFactory.builder().connectString(hosts).sessionTimeoutMs(20000)
            .connectionTimeoutMs(10000).retryPolicy(new RetryForever(50)).build();
        c.start();
        check(c.blockUntilConnected(WAIT, TimeUnit.SECONDS), "not connected");
        return c;
    }

    interface Truth {
        boolean holds() throws Exception;
    }

    /** For what a recipe does in threads of its own and tells nobody. */
    static void until(String what, Truth truth) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT);
        CountDownLatch never = new CountDownLatch(1);
        while (!truth.holds()) {
            check(System.nanoTime() < end, what);
            never.await(20, TimeUnit.MILLISECONDS);
        }
    }

    static <T> void expect(BlockingQueue<T> queue, T want) throws Exception {
        List<T> seen = new ArrayList<>();
        for (;;) {
            T got = queue.poll(WAIT, TimeUnit.SECONDS);
            if (want.equals(got)) {
                return;
            }
            check(got != null, "waited for " + want + ", saw " + seen);
            seen.add(got);
        }
    }

    interface Job {
        void run(CuratorFramework c) throws Exception;
    }

    /** Runs a job with clients of their own at the same time. */
    static void together(int n, Job job) throws Exception {
        List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            threads.add(new Thread(() -> {
                try (CuratorFramework c = client()) {
                    job.run(c);
                } catch (Throwable e) {
                    failures.add(e);
                }
            }));
        }
        threads.forEach(Thread::start);
        for (Thread t : threads) {
            t.join(TimeUnit.SECONDS.toMillis(2 * WAIT));
        }
        equal("[]", failures.toString());
    }

    static void caseMutexes() throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger total = new AtomicInteger();
        together(4, c -> {
            InterProcessMutex mutex = new InterProcessMutex(c, "/mutex");
            InterProcessSemaphoreMutex plain = new InterProcessSemaphoreMutex(c, "/plain");
            for (int i = 0; i < 10; i++) {
                check(mutex.acquire(WAIT, TimeUnit.SECONDS), "mutex");
                check(mutex.acquire(WAIT, TimeUnit.SECONDS), "a mutex is re-entrant");
                check(plain.acquire(WAIT, TimeUnit.SECONDS), "semaphore mutex");
                equal(1, inside.incrementAndGet());
                total.incrementAndGet();
                inside.decrementAndGet();
                plain.release();
                mutex.release();
                mutex.release();
            }
        });
        equal(40, total.get());
    }

    static void caseReadWriteLockAndSemaphore() throws Exception {
        CuratorFramework a = client();
        CuratorFramework b = client();
        InterProcessReadWriteLock one = new InterProcessReadWriteLock(a, "/rw");
        InterProcessReadWriteLock two = new InterProcessReadWriteLock(b, "/rw");
        check(one.readLock().acquire(WAIT, TimeUnit.SECONDS) && two.readLock().acquire(WAIT, TimeUnit.SECONDS), "readers");
        check(!two.writeLock().acquire(200, TimeUnit.MILLISECONDS), "a writer beside readers");
        one.readLock().release();
        two.readLock().release();
        check(two.writeLock().acquire(WAIT, TimeUnit.SECONDS), "writer");
        check(!one.readLock().acquire(200, TimeUnit.MILLISECONDS), "a reader beside a writer");
        InterProcessSemaphoreV2 s1 = new InterProcessSemaphoreV2(a, "/sem", 2);
        InterProcessSemaphoreV2 s2 = new InterProcessSemaphoreV2(b, "/sem", 2);
        Lease first = s1.acquire(WAIT, TimeUnit.SECONDS);
        check(first != null && s2.acquire(WAIT, TimeUnit.SECONDS) != null, "leases");
        equal(null, s2.acquire(200, TimeUnit.MILLISECONDS));
        s1.returnLease(first);
        check(s2.acquire(WAIT, TimeUnit.SECONDS) != null, "a returned lease");
        a.close();
        b.close();
    }

    static void caseLeaders() throws Exception {
        List<CuratorFramework> clients = List.of(client(), client(), client());
        List<LeaderLatch> latches = new ArrayList<>();
        for (CuratorFramework c : clients) {
            LeaderLatch latch = new LeaderLatch(c, "/latch", "l" + latches.size());
            latch.start();
            latches.add(latch);
            if (latches.size() == 1) {
                check(latch.await(WAIT, TimeUnit.SECONDS), "first leader");
            }
        }
        until("participants", () -> latches.get(1).getParticipants().size() == 3);
        equal("l0", latches.get(2).getLeader().getId());
        clients.get(0).close();
        until("nobody leads after the leader has gone", () -> latches.get(1).hasLeadership() ^ latches.get(2).hasLeadership());
        BlockingQueue<String> led = new LinkedBlockingQueue<>();
        List<LeaderSelector> selectors = new ArrayList<>();
        for (int i = 1; i <= 2; i++) {
            String id = "s" + i;
            selectors.add(new LeaderSelector(clients.get(i), "/selector", new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework c) {
                    led.add(id);
                }
            }));
        }
        selectors.forEach(LeaderSelector::start);
        List<String> got = new ArrayList<>(List.of(led.poll(WAIT, TimeUnit.SECONDS), led.poll(WAIT, TimeUnit.SECONDS)));
        Collections.sort(got);
        equal(List.of("s1", "s2"), got);
        clients.get(1).close();
        clients.get(2).close();
    }

    static void caseCounters() throws Exception {
        together(3, c -> {
            DistributedAtomicLong counter = new DistributedAtomicLong(c, "/long", new RetryForever(10));
            for (int i = 0; i < 20; i++) {
                AtomicValue<Long> v = counter.increment();
                check(v.succeeded(), "increment");
            }
        });
        CuratorFramework c = client();
        equal(60L, new DistributedAtomicLong(c, "/long", new RetryForever(10)).get().postValue());
        SharedCount count = new SharedCount(c, "/count", 5);
        count.start();
        CuratorFramework d = client();
        SharedCount other = new SharedCount(d, "/count", 5);
        other.start();
        check(count.trySetCount(count.getVersionedValue(), 6), "set");
        until("the other count does not follow", () -> other.getCount() == 6);
        count.close();
        other.close();
        c.close();
        d.close();
    }

    static void caseBarriersAndQueue() throws Exception {
        CuratorFramework c = client();
        DistributedBarrier barrier = new DistributedBarrier(c, "/barrier");
        barrier.setBarrier();
        CountDownLatch through = new CountDownLatch(2);
        Thread waits = new Thread(() -> {
            try {
                together(2, o -> {
                    check(new DistributedBarrier(o, "/barrier").waitOnBarrier(WAIT, TimeUnit.SECONDS), "barrier");
                    DistributedDoubleBarrier both = new DistributedDoubleBarrier(o, "/double", 2);
                    check(both.enter(WAIT, TimeUnit.SECONDS) && both.leave(WAIT, TimeUnit.SECONDS), "double barrier");
                    through.countDown();
                });
            } catch (Exception e) {
                e.printStackTrace();
            }
        });
        waits.start();
        barrier.removeBarrier();
        check(through.await(WAIT, TimeUnit.SECONDS), "barriers hold for ever");
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        DistributedQueue<String> queue = QueueBuilder.builder(c, new QueueConsumer<String>() {
            @Override
            public void consumeMessage(String s) {
                got.add(s);
            }

            @Override
            public void stateChanged(CuratorFramework f, ConnectionState s) {
                // Only the messages are looked at.
            }
        }, new QueueSerializer<String>() {
            @Override
            public byte[] serialize(String s) {
                return s.getBytes(UTF_8);
            }

            @Override
            public String deserialize(byte[] b) {
                return new String(b, UTF_8);
            }
        }, "/queue").buildQueue();
        queue.start();
        for (int i = 0; i < 20; i++) {
            queue.put("m" + i);
        }
        for (int i = 0; i < 20; i++) {
            equal("m" + i, got.poll(WAIT, TimeUnit.SECONDS));
        }
        queue.close();
        c.close();
    }

    static void caseCaches() throws Exception {
        CuratorFramework c = client();
        CuratorFramework o = client();
        o.create().creatingParentContainersIfNeeded().forPath("/cached/a/b", "1".getBytes(UTF_8));
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        CuratorCache cache = CuratorCache.build(c, "/cached");
        cache.listenable().addListener(CuratorCacheListener.builder()
            .forCreates(n -> events.add("created " + n.getPath()))
            .forChanges((before, n) -> events.add("changed " + n.getPath() + " " + new String(n.getData(), UTF_8)))
            .forDeletes(n -> events.add("deleted " + n.getPath()))
            .forInitialized(() -> events.add("initialized")).build());
        cache.start();
        expect(events, "initialized");
        TreeCache tree = new TreeCache(c, "/cached");
        BlockingQueue<String> old = new LinkedBlockingQueue<>();
        tree.getListenable().addListener((f, e) -> old.add(e.getType() + (e.getData() == null ? "" : " " + e.getData().getPath())));
        tree.start();
        expect(old, TreeCacheEvent.Type.INITIALIZED.toString());
        o.setData().forPath("/cached/a/b", "2".getBytes(UTF_8));
        expect(events, "changed /cached/a/b 2");
        expect(old, "NODE_UPDATED /cached/a/b");
        o.create().forPath("/cached/c");
        expect(events, "created /cached/c");
        expect(old, "NODE_ADDED /cached/c");
        o.delete().forPath("/cached/c");
        expect(events, "deleted /cached/c");
        expect(old, "NODE_REMOVED /cached/c");
        equal(3L, cache.stream().count());
        ask("kill");
        ask("start");
        o.setData().forPath("/cached/a/b", "3".getBytes(UTF_8));
        expect(events, "changed /cached/a/b 3");
        expect(old, "NODE_UPDATED /cached/a/b");
        cache.close();
        tree.close();
        c.close();
        o.close();
    }

    static void caseNodes() throws Exception {
        CuratorFramework c = client();
        CuratorFramework o = client();
        PersistentNode node = new PersistentNode(c, CreateMode.EPHEMERAL, false, "/node", "here".getBytes(UTF_8));
        node.start();
        check(node.waitForInitialCreate(WAIT, TimeUnit.SECONDS), "persistent node");
        o.delete().forPath("/node");
        until("a persistent node does not come back", () -> o.checkExists().forPath("/node") != null);
        PersistentTtlNode ttl = new PersistentTtlNode(c, "/ttl", 600, "x".getBytes(UTF_8));
        ttl.start();
        check(ttl.waitForInitialCreate(WAIT, TimeUnit.SECONDS), "TTL node");
        check(o.checkExists().forPath("/ttl") != null, "TTL node");
        ttl.close();
        until("a TTL node stays without its keeper", () -> o.checkExists().forPath("/ttl") == null);
        GroupMember one = new GroupMember(c, "/group", "one", "1".getBytes(UTF_8));
        GroupMember two = new GroupMember(o, "/group", "two", "2".getBytes(UTF_8));
        one.start();
        two.start();
        until("members", () -> one.getCurrentMembers().size() == 2 && two.getCurrentMembers().size() == 2);
        Map<String, byte[]> members = one.getCurrentMembers();
        equal("2", new String(members.get("two"), UTF_8));
        two.close();
        until("a member that left", () -> one.getCurrentMembers().size() == 1);
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        PersistentWatcher watcher = new PersistentWatcher(c, "/watched", true);
        watcher.getListenable().addListener(e -> events.add(e.getType() + " " + e.getPath()));
        watcher.start();
        until("watcher", () -> c.checkExists().forPath("/") != null);
        o.create().creatingParentsIfNeeded().forPath("/watched/deep");
        expect(events, "NodeCreated /watched/deep");
        c.close();
        o.close();
    }

    static void caseTransactionsAndProtection() throws Exception {
        CuratorFramework c = client();
        List<CuratorTransactionResult> done = c.transaction().forOperations(
            c.transactionOp().create().forPath("/tx", "1".getBytes(UTF_8)),
            c.transactionOp().setData().withVersion(0).forPath("/tx", "2".getBytes(UTF_8)),
            c.transactionOp().check().withVersion(1).forPath("/tx"),
            c.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/tx/s-"));
        equal("/tx/s-0000000000", done.get(3).getResultPath());
        try {
            c.transaction().forOperations(c.transactionOp().delete().forPath("/tx"));
            throw new AssertionError("a parent was deleted");
        } catch (KeeperException e) {
            equal(KeeperException.Code.NOTEMPTY, e.code());
        }
        String path = c.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/tx/p-");
        check(path.matches("/tx/_c_[0-9a-f-]{36}-p-0000000001"), path);
        c.delete().deletingChildrenIfNeeded().forPath("/tx");
        equal(null, c.checkExists().forPath("/tx"));
        c.close();
    }

    static void caseLocksOverRestart() throws Exception {
        CuratorFramework a = client();
        CuratorFramework b = client();
        InterProcessMutex held = new InterProcessMutex(a, "/m");
        InterProcessMutex waiting = new InterProcessMutex(b, "/m");
        held.acquire();
        ask("kill");
        ask("start");
        check(!waiting.acquire(300, TimeUnit.MILLISECONDS), "a lock was lost over a restart");
        held.release();
        check(waiting.acquire(WAIT, TimeUnit.SECONDS), "a released lock");
        waiting.release();
        a.close();
        b.close();
    }
}
