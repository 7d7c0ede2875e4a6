package zooid;

import static net.bytebuddy.matcher.ElementMatchers.named;
import static net.bytebuddy.matcher.ElementMatchers.takesArguments;

import java.io.File;
import net.bytebuddy.ByteBuddy;
import net.bytebuddy.implementation.MethodDelegation;
import net.bytebuddy.implementation.SuperMethodCall;
import org.apache.zookeeper.server.quorum.Peers;
import org.apache.zookeeper.server.quorum.QuorumPeer;

/** Writes the QuorumPeer whose methods are those of Peers into a folder of classes. */
public class Patch {
    public static void main(String[] args) throws Exception {
        new ByteBuddy().redefine(QuorumPeer.class)
            .method(named("start").and(takesArguments(0)))
            .intercept(MethodDelegation.to(Peers.Start.class).andThen(SuperMethodCall.INSTANCE)) // of Thread
            .method(named("run")).intercept(MethodDelegation.to(Peers.Run.class))
            .method(named("shutdown").and(takesArguments(0))).intercept(MethodDelegation.to(Peers.Shutdown.class))
            .method(named("getPeerState")).intercept(MethodDelegation.to(Peers.Answers.class))
            .method(named("isRunning")).intercept(MethodDelegation.to(Peers.Alive.class))
            .method(named("getLastLoggedZxid")).intercept(MethodDelegation.to(Peers.Logged.class))
            .method(named("getActiveServer")).intercept(MethodDelegation.to(Peers.Active.class))
            .make().saveIn(new File(args[0]));
    }
}
