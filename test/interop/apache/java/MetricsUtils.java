package org.apache.zookeeper.metrics;

import java.util.HashMap;
import java.util.Map;
import org.apache.zookeeper.client.FourLetterWordMain;

/** The metrics are those of the server that was started last, by mntr. */
public abstract class MetricsUtils {
    public static Map<String, Object> currentServerMetrics() {
        Map<String, Object> m = new HashMap<>();
        try {
            for (String line : FourLetterWordMain.send4LetterWord("127.0.0.1", zooid.ZooidFactory.lastPort, "mntr").split("\n")) {
                String[] pair = line.split("\t");
                if (pair.length == 2 && pair[0].startsWith("zk_") && pair[1].matches("-?\\d+")) {
                    m.put(pair[0].substring(3), Long.parseLong(pair[1]));
                }
            }
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
        return m;
    }
}
