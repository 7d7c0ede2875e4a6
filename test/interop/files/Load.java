import java.io.File;
import org.apache.zookeeper.server.ZKDatabase;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;

/**
 * Loads directories as Apache's server does at its start and prints one line for each: the zxid, the number of nodes
 * and the digest of the tree, or the exception. Arguments: pairs of dataDir and dataLogDir.
 */
public class Load {
    public static void main(String[] args) {
        for (int i = 0; i + 1 < args.length; i += 2) {
            try {
                ZKDatabase db = new ZKDatabase(new FileTxnSnapLog(new File(args[i + 1]), new File(args[i])));
                long zxid = db.loadDataBase();
                System.out.printf("%x %d %x%n", zxid, db.getNodeCount(), db.getDataTree().getTreeDigest());
            } catch (Throwable e) {
                System.out.println(String.valueOf(e).replace('\n', ' '));
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
