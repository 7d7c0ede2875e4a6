// Writes configurations with the text and the quorums that Apache's classes
// make of them, for TestJavaQuorums. From the repository's top:
//
//   javac -cp '.cache/java/*' -d /tmp/golden internal/zab/testdata/GoldenQuorums.java
//   java -cp '.cache/java/*:/tmp/golden' GoldenQuorums > internal/zab/testdata/java-quorums.txt
//
// A record is: the input with its line ends as " / ", the text of toString
// likewise or "refused", and for the sets of servers 1 to 6, by the bits of
// their number, whether they are a quorum. Records end with an empty line.

import java.io.StringReader;
import java.util.*;
import org.apache.zookeeper.server.quorum.QuorumPeer;
import org.apache.zookeeper.server.quorum.QuorumPeerConfig;
import org.apache.zookeeper.server.quorum.flexible.QuorumVerifier;

public class GoldenQuorums {
    static final Random rnd = new Random(1);

    static void record(String text) throws Exception {
        System.out.println(text.replace("\n", " / "));
        QuorumVerifier v;
        try {
            Properties p = new Properties();
            p.load(new StringReader(text));
            v = QuorumPeerConfig.parseDynamicConfig(p, 3, false, false, null);
        } catch (Exception e) {
            System.out.println("refused\n");
            return;
        }
        System.out.println(v.toString().replace("\n", " / "));
        StringBuilder sets = new StringBuilder();
        for (int set = 0; set < 64; set++) {
            // The tracker of acknowledgements counts voters only.
            Set<Long> ids = new HashSet<>();
            for (long id = 1; id <= 6; id++) {
                if ((set >> (id - 1) & 1) != 0 && v.getVotingMembers().containsKey(id)) {
                    ids.add(id);
                }
            }
            sets.append(v.containsQuorum(ids) ? '1' : '0');
        }
        System.out.println(sets + "\n");
    }

    static String random() {
        StringBuilder s = new StringBuilder();
        int members = 1 + rnd.nextInt(6);
        int groups = rnd.nextInt(4);
        StringBuilder[] group = new StringBuilder[groups];
        for (long id = 1; id <= members; id++) {
            boolean observer = rnd.nextInt(6) == 0;
            s.append("server." + id + "=10.0.0." + id + ":2888:3888" + (observer ? ":observer" : "")
                + (rnd.nextInt(3) == 0 ? ";2181" : "") + "\n");
            if (groups > 0 && !(observer && rnd.nextInt(4) != 0) && rnd.nextInt(30) != 0) {
                int g = rnd.nextInt(groups);
                if (group[g] == null) {
                    group[g] = new StringBuilder();
                }
                group[g].insert(0, id + (group[g].length() == 0 ? "" : ":"));
            }
            if (groups > 0 && rnd.nextInt(2) == 0) {
                s.append("weight." + id + "=" + rnd.nextInt(4) + "\n");
            }
        }
        for (int g = 0; g < groups; g++) {
            if (group[g] != null) {
                s.append("group." + (g + 1) + "=" + group[g] + "\n");
            }
        }
        if (rnd.nextInt(2) == 0) {
            s.append("version=" + Long.toHexString(rnd.nextInt(1000) * 0x1000000L) + "\n");
        }
        return s.toString();
    }

    public static void main(String[] args) throws Exception {
        record("server.1=10.0.0.1:2888:3888:participant;10.0.0.1:2181\nserver.2=10.0.0.2:2888:3888:participant\nserver.3=[::1]:2888:3888;[::1]:2181");
        record("server.20=10.0.0.1:1:2\nserver.3=10.0.0.2:1:2\nserver.15=10.0.0.3:1:2\nserver.255=10.0.0.4:1:2\nserver.160=10.0.0.5:1:2");
        StringBuilder many = new StringBuilder();
        for (int id = 1; id <= 25; id++) {
            many.append("server." + (id * 2) + "=10.0.0." + id + ":1:2\n");
        }
        record(many.toString());
        record("server.1=10.0.0.1:1:2\ntickTime=2000");
        record("server.1=10.0.0.1:1:2:observer");
        record("server.1=10.0.0.1:1:2\nserver.2=10.0.0.2:1:2:observer");
        record("server.1=10.0.0.1:1:2\nversion=xyz");
        record("server.1=10.0.0.1:1:2\nserver.2=10.0.0.2:1:2\nweight.1=1");
        for (int i = 0; i < 250; i++) {
            record(random());
        }
        System.exit(0);
    }
}
