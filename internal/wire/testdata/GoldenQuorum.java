// Writes packets between servers as Apache's own classes make them, and what
// they make of bad ones, for TestJavaQuorum. From the repository's top:
//
//   javac -cp '.cache/java/*' -d /tmp/golden internal/wire/testdata/GoldenQuorum.java
//   java -cp '.cache/java/*:/tmp/golden' org.apache.zookeeper.server.quorum.GoldenQuorum > internal/wire/testdata/java-quorum.txt
//
// A line is: kind, the fields, the bytes in hex. It stands in the package of
// the classes that it drives, since some of them are visible only there.

package org.apache.zookeeper.server.quorum;

import java.io.*;
import java.lang.reflect.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.jute.BinaryOutputArchive;
import org.apache.jute.Record;
import org.apache.zookeeper.data.Id;

public class GoldenQuorum {
    static byte[] bytes(Record r) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        r.serialize(BinaryOutputArchive.getArchive(out), "r");
        return out.toByteArray();
    }

    static String hex(byte[] b) {
        if (b == null) {
            return "null";
        }
        StringBuilder s = new StringBuilder();
        for (byte x : b) {
            s.append(String.format("%02x", x));
        }
        return s.length() == 0 ? "-" : s.toString();
    }

    static void packet(int type, long zxid, byte[] data, List<Id> ids) throws Exception {
        StringBuilder who = new StringBuilder(ids == null ? "null" : ids.isEmpty() ? "-" : "");
        for (int i = 0; ids != null && i < ids.size(); i++) {
            who.append(i > 0 ? "," : "").append(ids.get(i).getScheme()).append('=').append(ids.get(i).getId());
        }
        System.out.println("packet " + type + " " + zxid + " " + hex(data) + " " + who + " "
            + hex(bytes(new QuorumPacket(type, zxid, data, ids))));
    }

    static void names() throws Exception {
        TreeMap<Integer, String> names = new TreeMap<>();
        for (Field f : Leader.class.getDeclaredFields()) {
            int m = f.getModifiers();
            if (Modifier.isStatic(m) && Modifier.isFinal(m) && f.getType() == int.class && f.getName().matches("[A-Z]+")) {
                f.setAccessible(true);
                names.put(f.getInt(null), f.getName());
            }
        }
        names.forEach((n, name) -> System.out.println("type " + n + " " + name));
    }

    static byte[] array(ByteBuffer b) {
        return Arrays.copyOf(b.array(), b.capacity());
    }

    // A socket that keeps what is written to it.
    static class Sink extends Socket {
        final ByteArrayOutputStream out = new ByteArrayOutputStream();

        @Override public OutputStream getOutputStream() {
            return out;
        }

        @Override public InputStream getInputStream() {
            return new ByteArrayInputStream(new byte[0]);
        }
    }

    static void hello(boolean multi, long sid, String... addresses) throws Exception {
        QuorumPeer peer = new QuorumPeer();
        peer.setMyid(sid);
        peer.setMultiAddressEnabled(multi);
        List<InetSocketAddress> all = new ArrayList<>();
        for (String a : addresses) {
            int colon = a.lastIndexOf(':');
            String host = a.substring(0, colon);
            int port = Integer.parseInt(a.substring(colon + 1));
            // Names are not looked up; an address in brackets is resolved by itself.
            all.add(host.startsWith("[") ? new InetSocketAddress(InetAddress.getByName(host), port) : InetSocketAddress.createUnresolved(host, port));
        }
        MultipleAddresses election = new MultipleAddresses(all);
        Method set = QuorumPeer.class.getDeclaredMethod("setAddrs", MultipleAddresses.class, MultipleAddresses.class, InetSocketAddress.class);
        set.setAccessible(true);
        set.invoke(peer, election, election, all.get(0));
        Field verifier = QuorumPeer.class.getDeclaredField("quorumVerifier");
        verifier.setAccessible(true);
        verifier.set(peer, new org.apache.zookeeper.server.quorum.flexible.QuorumMaj(new HashMap<>()));
        QuorumCnxManager m = new QuorumCnxManager(peer, sid, new HashMap<>(), new org.apache.zookeeper.server.quorum.auth.NullQuorumAuthServer(),
            new org.apache.zookeeper.server.quorum.auth.NullQuorumAuthLearner(), 1000, false, 20, false);
        Method start = QuorumCnxManager.class.getDeclaredMethod("startConnection", Socket.class, Long.class);
        start.setAccessible(true);
        Sink sink = new Sink();
        // The peer's id is higher, so the connection is closed once the message is out.
        start.invoke(m, sink, Long.MAX_VALUE);
        List<String> written = new ArrayList<>();
        for (InetSocketAddress a : election.getAllAddresses()) {
            String h = a.isUnresolved() ? a.getHostString() : "[" + a.getAddress().getHostAddress() + "]";
            written.add(h + ":" + a.getPort());
        }
        System.out.println("hello " + multi + " " + sid + " " + String.join("|", written) + " " + hex(sink.out.toByteArray()));
    }

    static void parse(long version, long sid, String text, int length) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        DataOutputStream d = new DataOutputStream(out);
        d.writeLong(version);
        d.writeLong(sid);
        d.writeInt(length);
        d.write(text.getBytes(StandardCharsets.UTF_8));
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(out.toByteArray()));
        String verdict;
        try {
            QuorumCnxManager.InitialMessage.parse(in.readLong(), in);
            verdict = "good";
        } catch (QuorumCnxManager.InitialMessage.InitialMessageException | IllegalArgumentException e) {
            verdict = "bad";
        }
        System.out.println("parse " + verdict + " " + hex(out.toByteArray()));
    }

    public static void main(String[] args) throws Exception {
        names();
        packet(Leader.REQUEST, -1, new byte[]{1, 2, 3}, Arrays.asList(new Id("digest", "u:p"), new Id("ip", "10.0.0.1")));
        packet(Leader.REQUEST, -1, new byte[0], new ArrayList<>());
        packet(Leader.PING, 0x100000007L, null, null);
        packet(Leader.NEWLEADER, 0x200000000L, "version=0".getBytes(), null);
        packet(Leader.UPTODATE, -1, null, null);
        LearnerInfo info = new LearnerInfo(3, 0x10000, 0x100000000L);
        System.out.println("learner 3 65536 4294967296 " + hex(bytes(info)));
        for (int state = 0; state < 4; state++) {
            byte[] config = ("server.1=a:1:2:participant\nversion=" + state).getBytes();
            System.out.println("vote " + state + " 3 4294967303 9 1 2 " + hex(config) + " "
                + hex(array(FastLeaderElection.buildMsg(state, 3, 4294967303L, 9, 1, config))));
        }
        System.out.println("vote 0 " + Long.MIN_VALUE + " " + Long.MIN_VALUE + " 1 " + Long.MIN_VALUE + " 2 - "
            + hex(array(FastLeaderElection.buildMsg(0, Long.MIN_VALUE, Long.MIN_VALUE, 1, Long.MIN_VALUE, new byte[0]))));
        // The message without a configuration, as old servers send it.
        System.out.println("vote 2 3 4294967303 9 1 0 null " + hex(array(FastLeaderElection.buildMsg(2, 3, 4294967303L, 9, 1))));
        hello(false, 1, "host-a:3888");
        hello(false, 2, "[fe80::1]:3888");
        hello(true, 3, "host-a:3888");
        hello(true, 4, "host-a:3888", "host-b:3889");
        String[] texts = {"a:1", "a:1|b:2", "a:1|", "|a:1", "a", "a:", ":1", "a:1:2", "a:x", "a:65536", "a:65535", "[::1]:1", "[::1]",
            "[::1", "[::1]:", "::1:1", "0.0.0.0:1", "a:-1", "a:+1", "a:0001", "a: 1", "[]:1", "[a]:1", "|", " a:1", "[::1]x1", "a:000065535"};
        for (String text : texts) {
            parse(-65536, 7, text, text.length());
            parse(-65535, 7, text, text.length());
        }
        parse(-65534, 7, "a:1", 3);
        parse(-1, 7, "a:1", 3);
        parse(-65536, -7, "a:1", 3);
        parse(-65536, 7, "a:1", 0);
        parse(-65536, 7, "a:1", -1);
        parse(-65536, 7, "a:1", 2049);
        System.exit(0);
    }
}
