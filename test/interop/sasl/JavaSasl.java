import com.sun.security.auth.login.ConfigFile;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.CallbackHandler;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.sasl.AuthorizeCallback;
import javax.security.sasl.RealmCallback;
import javax.security.sasl.Sasl;
import javax.security.sasl.SaslClient;
import javax.security.sasl.SaslException;
import javax.security.sasl.SaslServer;

// Java's own SASL and JAAS, asked line by line. Words of a request are base64,
// but for the first:
//   server PROTOCOL NAME USER PASSWORD    begins an exchange as the server
//   client PROTOCOL NAME USER PASSWORD    begins one as the client
//   step TOKEN                            answers "more TOKEN", "done TOKEN" or "error"
//   jaas FILE SECTION...                  answers "error", or the sections that it has
public class JavaSasl {
    static SaslServer server;
    static SaslClient client;

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String[] words = line.split(" ", -1);
            for (int i = 1; i < words.length; i++) {
                words[i] = text(words[i]);
            }
            System.out.println(answer(words));
            System.out.flush();
        }
    }

    static String text(String word) {
        return new String(Base64.getDecoder().decode(word), StandardCharsets.UTF_8);
    }

    static String base64(byte[] bytes) {
        return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
    }

    static String answer(String[] w) throws Exception {
        switch (w[0]) {
        case "server":
            server = Sasl.createSaslServer("DIGEST-MD5", w[1], w[2], null, answers(w[3], w[4]));
            client = null;
            return "ok";
        case "client":
            client = Sasl.createSaslClient(new String[] {"DIGEST-MD5"}, w[3], w[1], w[2], null, answers(w[3], w[4]));
            server = null;
            return "ok";
        case "step":
            return step(w[1].getBytes(StandardCharsets.UTF_8));
        case "jaas":
            return jaas(w);
        }
        throw new IllegalArgumentException(w[0]);
    }

    static String step(byte[] token) {
        try {
            byte[] reply = server != null ? server.evaluateResponse(token) : client.evaluateChallenge(token);
            boolean done = server != null ? server.isComplete() : client.isComplete();
            return (done ? "done " : "more ") + base64(reply);
        } catch (SaslException e) {
            return "error";
        } catch (RuntimeException e) {
            return "runtime " + base64(e.toString().getBytes(StandardCharsets.UTF_8));
        }
    }

    // The callbacks as ZooKeeper answers them.
    static CallbackHandler answers(String user, String password) {
        return callbacks -> {
            boolean known = true;
            for (Callback c : callbacks) {
                if (c instanceof NameCallback) {
                    known = user.equals(((NameCallback) c).getDefaultName());
                    ((NameCallback) c).setName(((NameCallback) c).getDefaultName());
                } else if (c instanceof PasswordCallback && known) {
                    ((PasswordCallback) c).setPassword(password.toCharArray());
                } else if (c instanceof RealmCallback) {
                    ((RealmCallback) c).setText(((RealmCallback) c).getDefaultText());
                } else if (c instanceof AuthorizeCallback) {
                    ((AuthorizeCallback) c).setAuthorized(true);
                }
            }
        };
    }

    static String jaas(String[] w) throws Exception {
        Path file = Files.createTempFile("jaas", ".conf");
        try {
            Files.write(file, w[1].getBytes(StandardCharsets.UTF_8));
            ConfigFile config = new ConfigFile(file.toUri());
            StringBuilder out = new StringBuilder();
            for (int i = 2; i < w.length; i++) {
                AppConfigurationEntry[] entries = config.getAppConfigurationEntry(w[i]);
                if (entries == null) {
                    continue;
                }
                out.append("section ").append(w[i]).append('\n');
                for (AppConfigurationEntry e : entries) {
                    String flag = e.getControlFlag().toString();
                    flag = flag.substring(flag.lastIndexOf(' ') + 1).toUpperCase();
                    out.append("module ").append(e.getLoginModuleName()).append(' ').append(flag).append('\n');
                    for (Map.Entry<String, ?> o : new TreeMap<>(e.getOptions()).entrySet()) {
                        out.append("option ").append(o.getKey()).append(' ').append(o.getValue()).append('\n');
                    }
                }
            }
            return "sections " + base64(out.toString().getBytes(StandardCharsets.UTF_8));
        } catch (SecurityException | IllegalArgumentException e) { // the latter for a module without a name
            return "error";
        } finally {
            Files.delete(file);
        }
    }
}
