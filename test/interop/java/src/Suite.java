import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;

/**
 * What the Java suites of the interop ring share: the cases are the methods whose names begin with
 * "case"; --list names them; a case fails by throwing. A line "@order" on standard output asks the
 * harness for something, which is done when a line comes back.
 */
abstract class Suite {
    static final int WAIT = 30;
    static String hosts;

    static void run(Class<?> suite, String[] args) throws Exception {
        if (args[0].equals("--list")) {
            Arrays.stream(suite.getDeclaredMethods()).map(Method::getName).filter(n -> n.startsWith("case"))
                .sorted().forEach(n -> System.out.println(n.substring(4)));
            return;
        }
        hosts = args[0];
        int code = 0;
        try {
            suite.getDeclaredMethod("case" + args[1]).invoke(null);
        } catch (InvocationTargetException e) {
            e.getCause().printStackTrace();
            code = 1;
        }
        System.out.flush();
        // Clients that a failed case left open must not keep the process.
        Runtime.getRuntime().halt(code);
    }

    static void ask(String order) throws IOException {
        System.out.println("@" + order);
        System.out.flush();
        String answer = new BufferedReader(new InputStreamReader(System.in)).readLine();
        equal("done", answer);
    }

    static void check(boolean ok, String what) {
        if (!ok) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object want, Object got) {
        if (!Objects.equals(want, got)) {
            throw new AssertionError("want " + want + ", got " + got);
        }
    }

    interface Call {
        void run() throws Exception;
    }

    static void refused(KeeperException.Code code, Call call) throws Exception {
        try {
            call.run();
        } catch (KeeperException e) {
            equal(code, e.code());
            return;
        }
        throw new AssertionError("not refused with " + code);
    }

    /** Collects events as "Type path" and waits for them in order. */
    static class Events implements Watcher {
        final BlockingQueue<String> queue = new LinkedBlockingQueue<>();

        @Override
        public void process(WatchedEvent e) {
            queue.add(e.getType() == Event.EventType.None ? e.getState().toString() : e.getType() + " " + e.getPath());
        }

        void expect(String... wanted) throws InterruptedException {
            for (String want : wanted) {
                equal(want, queue.poll(WAIT, TimeUnit.SECONDS));
            }
        }

        /** Skips whatever comes before the wanted event. */
        void await(String want) throws InterruptedException {
            List<String> seen = new ArrayList<>();
            for (;;) {
                String got = queue.poll(WAIT, TimeUnit.SECONDS);
                if (want.equals(got)) {
                    return;
                }
                check(got != null, "waited for " + want + ", saw " + seen);
                seen.add(got);
            }
        }

        void quiet() {
            equal("[]", queue.toString());
        }
    }

    static ZooKeeper connect(String to, int timeout, Events events) throws Exception {
        ZooKeeper zk = new ZooKeeper(to, timeout, events);
        events.await("SyncConnected");
        return zk;
    }

    static ZooKeeper connect() throws Exception {
        return connect(hosts, 20000, new Events());
    }

    /** A TCP relay in front of the server that can be cut and mended. */
    static class Relay {
        final ServerSocket listener;
        final List<Socket> open = new ArrayList<>();
        boolean cut;

        Relay() throws IOException {
            listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
            daemon(this::accept);
        }

        String address() {
            return "127.0.0.1:" + listener.getLocalPort();
        }

        private void accept() throws IOException {
            String[] target = hosts.split(":");
            for (;;) {
                Socket in = listener.accept();
                synchronized (this) {
                    if (cut) {
                        in.close();
                        continue;
                    }
                    Socket out = new Socket(target[0], Integer.parseInt(target[1]));
                    open.add(in);
                    open.add(out);
                    daemon(() -> in.getInputStream().transferTo(out.getOutputStream()));
                    daemon(() -> out.getInputStream().transferTo(in.getOutputStream()));
                }
            }
        }

        synchronized void cut() throws IOException {
            cut = true;
            for (Socket s : open) {
                s.close();
            }
            open.clear();
        }

        synchronized void mend() {
            cut = false;
        }

        interface Work {
            void run() throws IOException;
        }

        private static void daemon(Work work) {
            Thread t = new Thread(() -> {
                try {
                    work.run();
                } catch (IOException e) {
                    // The end of a cut connection is what the relay is for.
                }
            });
            t.setDaemon(true);
            t.start();
        }
    }
}
