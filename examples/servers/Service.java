import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Locale;

/** A server of a JVM that tells its own time. Arguments: port, and per cent of work added. */
public final class Service {
    private static long sink;

    private static long work(int rounds) {
        long state = 1;
        for (int round = 0; round < rounds; round++) {
            state = state * 6364136223846793005L + 1442695040888963407L;
            state ^= state >>> 29;
        }
        return state;
    }

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        int added = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 0;
        int rounds = 50_000 * (100 + added) / 100;
        // Without this the server writes head and body in two packets and waits for the first.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 16);
        server.createContext("/", exchange -> {
            long began = System.nanoTime();
            sink += work(rounds);
            byte[] body = "{\"done\":true}".getBytes();
            exchange.getResponseHeaders().set("content-type", "application/json");
            double told = (System.nanoTime() - began) / 1e6;
            exchange.getResponseHeaders().set("server-timing", String.format(Locale.ROOT, "total;dur=%.6f", told));
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
