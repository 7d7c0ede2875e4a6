import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.InputStreamReader;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * Answers what java.util.Properties makes of a text. A request on standard
 * input is a byte (0: load as a stream, which is Latin-1; 1: load as UTF-8
 * characters), the length of the text as an int, and the text. The answer is
 * the number of entries in the order of the text as an int, -1 if the text is
 * refused, and for each entry key and value as a length and bytes in the same
 * encoding.
 */
public class Dump {
    /** Properties that remember the order and the duplicates. */
    static final class Ordered extends Properties {
        final transient List<String> seen = new ArrayList<>();

        @Override
        public synchronized Object put(Object key, Object value) {
            seen.add((String) key);
            seen.add((String) value);
            return super.put(key, value);
        }
    }

    public static void main(String[] args) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out));
        while (true) {
            int mode;
            try {
                mode = in.readByte();
            } catch (EOFException e) {
                return;
            }
            byte[] text = new byte[in.readInt()];
            in.readFully(text);
            answer(mode == 0 ? StandardCharsets.ISO_8859_1 : StandardCharsets.UTF_8, text, out);
            out.flush();
        }
    }

    static void answer(Charset charset, byte[] text, DataOutputStream out) throws IOException {
        Ordered properties = new Ordered();
        try {
            if (charset == StandardCharsets.ISO_8859_1) {
                properties.load(new ByteArrayInputStream(text));
            } else {
                properties.load(new InputStreamReader(new ByteArrayInputStream(text), charset));
            }
        } catch (IllegalArgumentException e) {
            out.writeInt(-1);
            return;
        }
        out.writeInt(properties.seen.size() / 2);
        for (String s : properties.seen) {
            byte[] bytes = s.getBytes(charset);
            out.writeInt(bytes.length);
            out.write(bytes);
        }
    }
}
