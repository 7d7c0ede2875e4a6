package zooid;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.util.HashSet;
import java.util.Set;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** Runs the classes that its arguments name, but for Class#method, and prints a line for each test. */
public class RunTests {
    public static void main(String[] args) {
        Set<String> out = new HashSet<>();
        LauncherDiscoveryRequestBuilder request = LauncherDiscoveryRequestBuilder.request();
        for (String arg : args) {
            if (arg.contains("#")) {
                out.add(arg);
            } else {
                request.selectors(selectClass(arg));
            }
        }
        PostDiscoveryFilter filter = d -> FilterResult.includedIf(
            !d.getSource().filter(s -> s instanceof MethodSource && out.contains(name((MethodSource) s))).isPresent());
        LauncherDiscoveryRequest all = request.filters(filter).build();
        String factory = System.getProperty("zookeeper.serverCnxnFactory");
        LauncherFactory.create().execute(all, new TestExecutionListener() {
            @Override
            public void executionStarted(TestIdentifier id) {
                if (factory != null) {
                    System.setProperty("zookeeper.serverCnxnFactory", factory); // some tests take it away
                }
            }

            @Override
            public void executionFinished(TestIdentifier id, TestExecutionResult result) {
                boolean passed = result.getStatus() == TestExecutionResult.Status.SUCCESSFUL;
                if (passed && !id.isTest()) {
                    return;
                }
                String where = id.getSource().filter(s -> s instanceof MethodSource).map(s -> name((MethodSource) s)).orElse(id.getDisplayName());
                System.out.println("@" + (passed ? "ok" : "FAILED") + "\t" + where + "\t" + id.getDisplayName());
                result.getThrowable().ifPresent(e -> e.printStackTrace(System.out));
            }
        });
        System.exit(0); // whatever threads the tests have left
    }

    private static String name(MethodSource s) {
        return s.getClassName() + "#" + s.getMethodName();
    }
}
