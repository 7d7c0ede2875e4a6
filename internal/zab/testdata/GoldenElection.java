// Plays random messages to Apache's FastLeaderElection and writes what it
// sends and decides, for TestJavaElection. From the repository's top:
//
//   javac -cp '.cache/java/*' -d /tmp/golden internal/zab/testdata/GoldenElection.java
//   java -cp '.cache/java/*:/tmp/golden' org.apache.zookeeper.server.quorum.GoldenElection > internal/zab/testdata/java-election.txt
//
// The lines of a scenario, which ends with an empty one:
//
//   peer ID participant|observer ZXID EPOCH CONFIGURATION   with blanks as line ends
//   in FROM STATE LEADER ZXID ROUND EPOCH VERSION    a message, 30 ms after what stands before
//   out TO STATE LEADER ZXID ROUND EPOCH             what it sends because of that, but to itself
//   wait       until it decides, or for 1 s; what it sends then is not written
//   decided STATE LEADER ZXID ROUND EPOCH
//
// Time is real, so scenarios are played three times, and those that do not
// come out the same are left out.

package org.apache.zookeeper.server.quorum;

import java.io.StringReader;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.*;
import org.apache.zookeeper.server.quorum.auth.*;
import org.apache.zookeeper.server.quorum.flexible.QuorumVerifier;

public class GoldenElection {
    static class Peer extends QuorumPeer {
        final long zxid;
        final long epoch;

        Peer(long id, boolean observer, long zxid, long epoch, QuorumVerifier v) throws Exception {
            this.zxid = zxid;
            this.epoch = epoch;
            setMyid(id);
            setLearnerType(observer ? LearnerType.OBSERVER : LearnerType.PARTICIPANT);
            for (String name : new String[]{"quorumVerifier", "lastSeenQuorumVerifier"}) {
                Field f = QuorumPeer.class.getDeclaredField(name);
                f.setAccessible(true);
                f.set(this, v);
            }
            setCurrentVote(new Vote(id, zxid, epoch));
        }

        @Override public long getLastLoggedZxid() {
            return zxid;
        }

        @Override public long getCurrentEpoch() {
            return epoch;
        }
    }

    // Connections that are two queues.
    static class Wires extends QuorumCnxManager {
        final BlockingQueue<Message> in = new LinkedBlockingQueue<>();
        final List<String> out = Collections.synchronizedList(new ArrayList<>());
        final long self;

        Wires(Peer p) {
            super(p, p.getMyId(), new HashMap<>(), new NullQuorumAuthServer(), new NullQuorumAuthLearner(), 1000, false, 20, false);
            self = p.getMyId();
        }

        @Override public void toSend(Long sid, ByteBuffer b) {
            b.clear();
            if (sid == self) {
                in.add(new Message(b.duplicate(), sid));
                return;
            }
            ByteBuffer d = b.duplicate();
            int state = d.getInt();
            long leader = d.getLong();
            long zxid = d.getLong();
            long round = d.getLong();
            out.add("out " + sid + " " + state + " " + leader + " " + zxid + " " + round + " " + d.getLong());
        }

        @Override public Message pollRecvQueue(long timeout, TimeUnit unit) throws InterruptedException {
            return in.poll(Math.min(unit.toMillis(timeout), 200), TimeUnit.MILLISECONDS);
        }

        @Override boolean haveDelivered() {
            return true;
        }

        @Override public void connectAll() {
        }
    }

    static List<String> script(Random r) {
        List<String> s = new ArrayList<>();
        int voters = 1 + r.nextInt(5);
        StringBuilder config = new StringBuilder();
        for (int id = 1; id <= voters; id++) {
            config.append("server." + id + "=10.0.0." + id + ":1:2:participant ");
        }
        if (voters > 1) {
            config.append("server.8=10.0.0.8:1:2:observer ");
        }
        if (r.nextInt(6) == 0) {
            config.append("group.1=1");
            for (int id = 2; id <= voters; id++) {
                config.append(":" + id);
            }
            config.append(" weight." + (1 + r.nextInt(voters)) + "=" + (r.nextInt(2) * 3) + " ");
        }
        boolean observer = voters > 1 && r.nextInt(8) == 0;
        long self = observer ? 8 : r.nextInt(10) == 0 ? 9 : 1 + r.nextInt(voters);
        s.add("peer " + self + (observer ? " observer " : " participant ") + zxid(r) + " " + (1 + r.nextInt(2)) + " " + config + "version=5");
        String[] votes = new String[3];
        for (int i = 0; i < votes.length; i++) {
            votes[i] = (1 + r.nextInt(voters)) + " " + zxid(r) + " " + (1 + r.nextInt(3)) + " " + (1 + r.nextInt(2));
        }
        int before = 2 + r.nextInt(9);
        for (int i = 0; i < before + 2; i++) {
            if (i == before) {
                s.add("wait");
            }
            String vote = votes[r.nextInt(8) == 0 ? 2 : r.nextInt(5) == 0 ? 1 : 0];
            long leader = Long.parseLong(vote.substring(0, vote.indexOf(' ')));
            long from = r.nextInt(12) == 0 ? 8 + r.nextInt(2) : 1 + r.nextInt(voters);
            if (from == self) {
                from = voters > 1 ? self % voters + 1 : 7;
            }
            int state = r.nextInt(12) == 0 ? 3 : r.nextInt(2) == 0 ? 0 : from == leader && r.nextInt(8) != 0 ? 2 : 1;
            s.add("in " + from + " " + state + " " + vote + " " + (r.nextInt(8) == 0 ? 0 : 2));
        }
        return s;
    }

    static long zxid(Random r) {
        return r.nextInt(20) == 0 ? -1 : 0x100000000L + r.nextInt(3);
    }

    static List<String> play(List<String> script) throws Exception {
        List<String> written = new ArrayList<>();
        String[] head = script.get(0).split(" ", 6);
        Properties props = new Properties();
        props.load(new StringReader(head[5].replace(' ', '\n')));
        QuorumVerifier v = QuorumPeerConfig.parseDynamicConfig(props, 3, false, false, null);
        Peer peer = new Peer(Long.parseLong(head[1]), head[2].equals("observer"), Long.parseLong(head[3]), Long.parseLong(head[4]), v);
        byte[] config = v.toString().getBytes(StandardCharsets.UTF_8);
        Wires wires = new Wires(peer);
        FastLeaderElection fle = new FastLeaderElection(peer, wires);
        fle.start();
        CountDownLatch done = new CountDownLatch(1);
        Thread look = new Thread(() -> {
            try {
                Vote vote = fle.lookForLeader();
                if (vote != null) {
                    peer.setCurrentVote(vote);
                    wires.out.add("decided " + peer.getPeerState().ordinal() + " " + vote.getId() + " " + vote.getZxid() + " "
                        + vote.getElectionEpoch() + " " + vote.getPeerEpoch());
                    done.countDown();
                }
            } catch (InterruptedException e) {
                return;
            }
        });
        look.start();
        for (String line : script) {
            written.add(line);
            String[] f = line.split(" ");
            if (f[0].equals("wait")) {
                done.await(1000, TimeUnit.MILLISECONDS);
                boolean late = done.getCount() == 0;
                synchronized (wires.out) {
                    wires.out.removeIf(o -> o.startsWith("out"));
                    written.addAll(wires.out);
                    wires.out.clear();
                }
                if (!late && !written.toString().contains("decided")) {
                    break;
                }
                continue;
            }
            if (f[0].equals("in")) {
                int state = Integer.parseInt(f[2]);
                long leader = Long.parseLong(f[3]);
                long zxid = Long.parseLong(f[4]);
                long round = Long.parseLong(f[5]);
                long epoch = Long.parseLong(f[6]);
                ByteBuffer b = f[7].equals("0") ? FastLeaderElection.buildMsg(state, leader, zxid, round, epoch)
                    : FastLeaderElection.buildMsg(state, leader, zxid, round, epoch, config);
                b.clear();
                wires.in.add(new QuorumCnxManager.Message(b, Long.parseLong(f[1])));
            }
            Thread.sleep(30);
            synchronized (wires.out) {
                written.addAll(wires.out);
                wires.out.clear();
            }
        }
        fle.shutdown();
        look.interrupt();
        look.join();
        return written;
    }

    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<String>> all = new ArrayList<>();
        for (int seed = 0; seed < 300; seed++) {
            List<String> script = script(new Random(seed));
            all.add(pool.submit(() -> {
                List<String> first = play(script);
                if (!first.equals(play(script)) || !first.equals(play(script))) {
                    System.err.println("not the same each time: " + script.get(0));
                    return "";
                }
                return String.join("\n", first) + "\n\n";
            }));
        }
        for (Future<String> one : all) {
            System.out.print(one.get());
        }
        System.exit(0);
    }
}
