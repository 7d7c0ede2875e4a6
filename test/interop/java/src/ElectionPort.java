package org.apache.zookeeper.server.quorum;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.server.quorum.auth.NullQuorumAuthLearner;
import org.apache.zookeeper.server.quorum.auth.NullQuorumAuthServer;
import org.apache.zookeeper.server.quorum.flexible.QuorumVerifier;

/**
 * Apache's QuorumCnxManager by itself: the arguments are the own id, whether multiAddress.enabled
 * is set, and the lines of the configuration. Lines on standard input order "send ID HEX",
 * "connect" (connectAll), "drop" (softHalt) or "delivered"; it answers "delivered BOOL" and says
 * "got ID HEX" for each message that comes.
 */
public class ElectionPort {
    public static void main(String[] args) throws Exception {
        long id = Long.parseLong(args[0]);
        Properties lines = new Properties();
        for (int i = 2; i < args.length; i++) {
            lines.load(new StringReader(args[i]));
        }
        boolean multiple = Boolean.parseBoolean(args[1]);
        System.setProperty("zookeeper.multiAddress.enabled", args[1]);
        QuorumPeer peer = new QuorumPeer();
        peer.setMyid(id);
        peer.setMultiAddressEnabled(multiple);
        QuorumVerifier v = QuorumPeerConfig.parseDynamicConfig(lines, 3, false, false, null);
        peer.setQuorumVerifier(v, false);
        QuorumCnxManager port = new QuorumCnxManager(peer, id, v.getAllMembers(),
            new NullQuorumAuthServer(), new NullQuorumAuthLearner(), 10000, false, 20, false);
        port.listener.start();
        Thread reader = new Thread(() -> {
            try {
                while (true) {
                    QuorumCnxManager.Message m = port.pollRecvQueue(1, TimeUnit.SECONDS);
                    if (m != null) {
                        say("got " + m.sid + " " + HexFormat.of().formatHex(m.buffer.array()));
                    }
                }
            } catch (InterruptedException e) {
                say("interrupted");
            }
        });
        reader.setDaemon(true);
        reader.start();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "send":
                    port.toSend(Long.parseLong(words[1]), ByteBuffer.wrap(HexFormat.of().parseHex(words[2])));
                    break;
                case "connect":
                    port.connectAll();
                    break;
                case "drop":
                    port.softHalt();
                    break;
                default:
                    say("delivered " + port.haveDelivered());
            }
        }
        System.exit(0);
    }

    static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
