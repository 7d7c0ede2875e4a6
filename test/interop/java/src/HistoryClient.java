import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * A client of a history, with arguments and lines as kazoo_history.py has them: HOSTS ID SEED
 * TIMEOUT_MS BEGAN_NS KEYS GENERATION_MS.
 */
final class HistoryClient {
    private static final String[] VERBS = {
        "create", "create", "create", "set", "set", "set", "set", "set", "set in a multi", "set in a multi", "delete",
        "read behind a write", "read behind a write", "read behind a write", "read behind a write", "read", "read", "seq", "seq"
    };

    private final String hosts;
    private final int number;
    private final int timeout;
    private final long began;
    private final int keys;
    private final long generation;
    private final Random random;
    private final Map<Long, Stat> seen = new HashMap<>();
    private ZooKeeper zk;
    private int values;

    private HistoryClient(String[] args) throws IOException {
        hosts = args[0];
        number = Integer.parseInt(args[1]);
        random = new Random(Long.parseUnsignedLong(args[2]) * 1000 + number);
        timeout = Integer.parseInt(args[3]);
        began = Long.parseLong(args[4]);
        keys = Integer.parseInt(args[5]);
        generation = Long.parseLong(args[6]) * 1_000_000;
        zk = new ZooKeeper(hosts, timeout, event -> { });
    }

    public static void main(String[] args) throws Exception {
        HistoryClient client = new HistoryClient(args);
        AtomicBoolean over = new AtomicBoolean();
        Thread listener = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    continue;
                }
            } catch (IOException e) {
                // The end, all the same.
            }
            over.set(true);
        });
        listener.setDaemon(true);
        listener.start();
        while (!over.get()) {
            client.turn();
            Thread.sleep(5);
        }
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private void turn() throws Exception {
        String verb = VERBS[random.nextInt(VERBS.length)];
        values++;
        if (verb.equals("seq")) {
            sequential("j" + number + "-" + values);
            return;
        }
        long key = (System.nanoTime() - began) / generation * keys + random.nextInt(keys);
        int value = number * 10_000_000 + values;
        int version = -1;
        if ((verb.startsWith("set") || verb.equals("delete")) && random.nextInt(3) > 0) {
            version = seen.containsKey(key) ? seen.get(key).getVersion() : 0;
        }
        Stat stat = new Stat();
        String code = "0";
        long read = 0;
        long call = System.nanoTime();
        try {
            read = act(verb, "/key-" + key, value, version, stat);
        } catch (KeeperException e) {
            code = outcome(e);
        }
        long end = System.nanoTime();
        if (code.equals("0") && !verb.equals("delete")) {
            remember(key, stat);
        }
        say("op", verb, key, value, version, call, end, code, read, stat.getVersion());
    }

    private long act(String verb, String path, int value, int version, Stat stat) throws Exception {
        byte[] data = Integer.toString(value).getBytes();
        switch (verb) {
            case "create":
                zk.create(path, data, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, stat);
                return value;
            case "set":
                copy(zk.setData(path, data, version), stat);
                return value;
            case "set in a multi":
                List<OpResult> results = zk.multi(List.of(Op.check(path, version), Op.setData(path, data, -1)));
                copy(((OpResult.SetDataResult) results.get(1)).getStat(), stat);
                return value;
            case "delete":
                zk.delete(path, version);
                return 0;
            case "read behind a write":
                zk.setData("/barrier-" + number, new byte[0], -1);
                break;
            default:
                break;
        }
        return Long.parseLong(new String(zk.getData(path, false, stat)));
    }

    private static void copy(Stat from, Stat to) {
        to.setVersion(from.getVersion());
        to.setMzxid(from.getMzxid());
    }

    private void remember(long key, Stat stat) {
        Stat before = seen.put(key, stat);
        if (before != null && stat.getMzxid() < before.getMzxid()) {
            say("bad", "the session has gone back from zxid 0x" + Long.toHexString(before.getMzxid()) + " to 0x"
                + Long.toHexString(stat.getMzxid()));
        }
    }

    /** The code of a refusal, or "unknown" for what the faults do; a session that is over is replaced. */
    private String outcome(KeeperException e) throws Exception {
        switch (e.code()) {
            case NONODE:
            case BADVERSION:
            case NODEEXISTS:
                return Integer.toString(e.code().intValue());
            case SESSIONEXPIRED:
                zk.close();
                zk = new ZooKeeper(hosts, timeout, event -> { });
                seen.clear();
                return "unknown";
            case CONNECTIONLOSS:
            case SESSIONMOVED:
            case OPERATIONTIMEOUT:
                return "unknown";
            default:
                throw e;
        }
    }

    private void sequential(String text) throws Exception {
        String path = "";
        long call = System.nanoTime();
        try {
            path = zk.create("/numbers/n-", text.getBytes(), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL);
        } catch (KeeperException e) {
            if (!outcome(e).equals("unknown")) {
                throw e;
            }
        }
        say("seq", text, call, System.nanoTime(), path);
    }

    private static void say(Object... words) {
        StringBuilder line = new StringBuilder();
        for (Object word : words) {
            line.append(line.length() == 0 ? "" : "\t").append(word);
        }
        System.out.println(line);
        System.out.flush();
    }
}
