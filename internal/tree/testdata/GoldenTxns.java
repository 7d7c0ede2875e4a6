// Writes random transactions and what Apache's DataTree makes of each, for
// TestJavaTransactions. From the repository's top:
//
//   javac -cp '.cache/java/*' -d /tmp/golden internal/tree/testdata/GoldenTxns.java
//   java -cp '.cache/java/*:/tmp/golden' GoldenTxns 1 500 > internal/tree/testdata/java-plain.txt
//   java -Dzookeeper.extendedTypesEnabled=true -cp '.cache/java/*:/tmp/golden' GoldenTxns 2 500 > internal/tree/testdata/java-extended.txt
//
// A line "txn" is: header, body (both hex), code, codes of the operations of a
// multi, digest, nodes, approximate data size, ephemerals. A line "node" is:
// path, data or "null", ACL vector, persisted stat, stat (all hex but path).

import java.io.ByteArrayOutputStream;
import java.util.*;
import org.apache.jute.BinaryOutputArchive;
import org.apache.jute.Record;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooDefs.OpCode;
import org.apache.zookeeper.data.*;
import org.apache.zookeeper.server.*;
import org.apache.zookeeper.txn.*;

public class GoldenTxns {
    static Random rnd;
    static DataTree tree;
    static long zxid = 0x100000000L;

    static byte[] bytes(Record r) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        r.serialize(BinaryOutputArchive.getArchive(out), "r");
        return out.toByteArray();
    }

    static String hex(byte[] b) {
        StringBuilder s = new StringBuilder();
        for (byte x : b) {
            s.append(String.format("%02x", x));
        }
        return s.length() == 0 ? "-" : s.toString();
    }

    static final String[] NAMES = {"a", "b", "c\u00e9", "0000000001"};

    static String path() {
        StringBuilder s = new StringBuilder();
        int depth = 1 + rnd.nextInt(3);
        for (int i = 0; i < depth; i++) {
            s.append('/').append(NAMES[rnd.nextInt(NAMES.length)]);
        }
        if (rnd.nextInt(8) == 0) {
            String[] end = {"", "/zookeeper_limits", "/zookeeper_stats"};
            s.insert(0, "/zookeeper/quota");
            s.append(end[rnd.nextInt(end.length)]);
        }
        return s.toString();
    }

    static byte[] data(String path) {
        if (path.endsWith("zookeeper_limits")) {
            return "count=3,bytes=100=;byteHardLimit=200".getBytes();
        }
        if (path.endsWith("zookeeper_stats")) {
            String[] texts = {"count=1,bytes=2", "bytes=7", "count=5,bytes=5=;zz=3;aa=4", "", "count==1;bytes=9,"};
            return texts[rnd.nextInt(texts.length)].getBytes();
        }
        switch (rnd.nextInt(6)) {
        case 0:
            return null;
        case 1:
            return new byte[0];
        case 2:
            return new byte[rnd.nextInt(5) == 0 ? rnd.nextInt(9000) : 0];
        default:
            byte[] b = new byte[rnd.nextInt(60)];
            rnd.nextBytes(b);
            return b;
        }
    }

    static List<ACL> acl() {
        List<ACL> l = new ArrayList<>();
        switch (rnd.nextInt(5)) {
        case 0:
            return ZooDefs.Ids.READ_ACL_UNSAFE;
        case 1:
            l.add(new ACL(31, new Id("digest", "u" + rnd.nextInt(3) + ":x")));
            l.add(new ACL(1, ZooDefs.Ids.ANYONE_ID_UNSAFE));
            return l;
        default:
            return ZooDefs.Ids.OPEN_ACL_UNSAFE;
        }
    }

    static long session() {
        return 0x100000000000000L + rnd.nextInt(3);
    }

    static int cversion(String path) {
        DataNode p = tree.getNode(path.substring(0, path.lastIndexOf('/')));
        if (p == null || rnd.nextInt(10) == 0) {
            return rnd.nextInt(4) - 1;
        }
        return p.stat.getCversion() + 1;
    }

    // Only a node that cannot be a parent: Java loses the children of a node
    // that goes with its session.
    static boolean ephemeral(String path) {
        return path.split("/").length == 4 && !path.startsWith("/zookeeper") && rnd.nextInt(2) == 0;
    }

    static int type;

    static boolean deletable(String path) {
        DataNode n = tree.getNode(path);
        return n == null || n.getChildren().isEmpty();
    }

    static Record single() {
        String p = path();
        for (;;) {
            switch (rnd.nextInt(9)) {
            case 0:
                type = OpCode.create;
                return new CreateTxn(p, data(p), acl(), ephemeral(p), cversion(p));
            case 1:
                type = OpCode.create2;
                return new CreateTxn(p, data(p), acl(), ephemeral(p), cversion(p));
            case 2:
                type = OpCode.createContainer;
                return new CreateContainerTxn(p, data(p), acl(), cversion(p));
            case 3:
                type = OpCode.createTTL;
                return new CreateTTLTxn(p, data(p), acl(), cversion(p), 1 + rnd.nextInt(100000));
            case 4:
                if (!deletable(p)) {
                    p = path();
                    continue;
                }
                type = rnd.nextInt(5) == 0 ? OpCode.deleteContainer : OpCode.delete;
                return new DeleteTxn(p);
            case 5:
            case 6:
                type = OpCode.setData;
                return new SetDataTxn(rnd.nextInt(20) == 0 ? "/" : p, data(p), rnd.nextInt(5));
            case 7:
                type = OpCode.setACL;
                return new SetACLTxn(p, acl(), rnd.nextInt(5));
            default:
                type = OpCode.check;
                return new CheckVersionTxn(p, 1);
            }
        }
    }

    static Record multi() throws Exception {
        List<Txn> ops = new ArrayList<>();
        int n = rnd.nextInt(4);
        boolean fail = rnd.nextInt(3) == 0;
        int at = n == 0 ? 0 : rnd.nextInt(n);
        Set<String> deleted = new HashSet<>();
        for (int i = 0; i < n; i++) {
            if (fail && i >= at) {
                type = OpCode.error;
                ops.add(new Txn(type, bytes(new ErrorTxn(i == at ? -101 : -2))));
                continue;
            }
            Record r = single();
            // An earlier operation may give this one's node children.
            while (type == OpCode.setACL || type == OpCode.delete || type == OpCode.deleteContainer) {
                r = single();
            }
            ops.add(new Txn(type, bytes(r)));
        }
        type = OpCode.multi;
        return new MultiTxn(ops);
    }

    static Record next() throws Exception {
        switch (rnd.nextInt(24)) {
        case 0: {
            type = OpCode.closeSession;
            List<String> l = new ArrayList<>();
            for (int i = rnd.nextInt(4); i > 0; i--) {
                String p = path();
                if (deletable(p)) {
                    l.add(p);
                }
            }
            return new CloseSessionTxn(l);
        }
        case 1:
            type = OpCode.createSession;
            return new CreateSessionTxn(3000);
        case 2:
            type = OpCode.error;
            return new ErrorTxn(-110);
        case 3:
        case 4:
        case 5:
            return multi();
        default:
            return single();
        }
    }

    static void dump(String path) throws Exception {
        DataNode n = tree.getNode(path);
        Stat s = new Stat();
        n.copyStat(s);
        ByteArrayOutputStream a = new ByteArrayOutputStream();
        BinaryOutputArchive out = BinaryOutputArchive.getArchive(a);
        List<ACL> acl = tree.getACL(n);
        out.startVector(acl, "acl");
        for (ACL x : acl) {
            out.writeRecord(x, "e");
        }
        System.out.println("node " + (path.isEmpty() ? "/" : path) + " "
            + (n.getData() == null ? "null" : hex(n.getData())) + " " + hex(a.toByteArray())
            + " " + hex(bytes(n.stat)) + " " + hex(bytes(s)));
        for (String c : new TreeSet<>(n.getChildren())) {
            dump(path + "/" + c);
        }
    }

    public static void main(String[] args) throws Exception {
        rnd = new Random(Long.parseLong(args[0]));
        int count = Integer.parseInt(args[1]);
        tree = new DataTree();
        System.setOut(new java.io.PrintStream(System.out, true, "UTF-8"));
        for (int i = 0; i < count; i++) {
            Record txn = next();
            TxnHeader h = new TxnHeader(session(), i, ++zxid, 1700000000000L + i * 7L, type);
            byte[] body = bytes(txn);
            DataTree.ProcessTxnResult r = tree.processTxn(h, txn);
            StringBuilder subs = new StringBuilder();
            if (r.multiResult != null) {
                for (DataTree.ProcessTxnResult s : r.multiResult) {
                    subs.append(s.err).append(',');
                }
            }
            System.out.println("txn " + hex(bytes(h)) + " " + hex(body) + " " + r.err + " "
                + (subs.length() == 0 ? "-" : subs) + " " + Long.toHexString(tree.getTreeDigest()) + " "
                + tree.getNodeCount() + " " + tree.cachedApproximateDataSize() + " " + tree.getEphemeralsCount());
            if (i % 250 == 249) {
                dump("");
            }
        }
    }
}
