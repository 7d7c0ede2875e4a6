package org.apache.zookeeper.test;

import java.util.HashSet;
import java.util.Set;
import javax.management.ObjectName;

/** Zooid has no beans: nobody misses them and nobody finds one. */
public class JMXEnv {
    public static void setUp() {}

    public static void tearDown() {}

    public static void dump() {}

    public static Set<ObjectName> ensureAll(String... names) {
        return new HashSet<>();
    }

    public static Set<ObjectName> ensureOnly(String... names) {
        return new HashSet<>();
    }

    public static Set<ObjectName> ensureParent(String... names) {
        return new HashSet<>();
    }

    public static void ensureNone(String... names) {}

    public static Object ensureBeanAttribute(String bean, String attribute) {
        return "";
    }
}
