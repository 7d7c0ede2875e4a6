/*
 * The C client suite of the interop ring: c_suite HOST:PORT CASE, or --list.
 *
 * It links Debian's libzookeeper_mt, the client library that Apache ships, and
 * uses it as C programs do: the synchronous calls, watches by callback, multi,
 * and the reconnect that the library does by itself. A case that fails says
 * which line and ends with code 1. A line "@order" on standard output asks the
 * harness for something, which is done when a line comes back.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <zookeeper/zookeeper.h>

static const char *hosts;

#define CHECK(cond)                                                                  \
    do {                                                                             \
        if (!(cond)) {                                                               \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);       \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

#define RC(want, call)                                                               \
    do {                                                                             \
        int rc_ = (call);                                                            \
        if (rc_ != (want)) {                                                         \
            fprintf(stderr, "%s:%d: %s: %s, want %s\n", __FILE__, __LINE__, #call,   \
                    zerror(rc_), zerror(want));                                      \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

/* What the watchers saw, in order. */
struct events {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n;
    struct {
        int type, state;
        char path[200];
    } at[100];
};

#define EVENTS {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, {{0}}}

static void watcher(zhandle_t *zh, int type, int state, const char *path, void *ctx) {
    struct events *e = ctx ? ctx : (struct events *)zoo_get_context(zh);
    pthread_mutex_lock(&e->lock);
    if (e->n < 100) {
        e->at[e->n].type = type;
        e->at[e->n].state = state;
        snprintf(e->at[e->n].path, sizeof e->at[e->n].path, "%s", path ? path : "");
        e->n++;
    }
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

/* Waits until an event of the type (and state, and path) is there. */
static int await(struct events *e, int from, int type, int state, const char *path) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&e->lock);
    int i = from;
    for (;;) {
        for (; i < e->n; i++) {
            if (e->at[i].type == type && (!state || e->at[i].state == state) &&
                (!path || strcmp(e->at[i].path, path) == 0)) {
                pthread_mutex_unlock(&e->lock);
                return i + 1;
            }
        }
        if (pthread_cond_timedwait(&e->changed, &e->lock, &until) != 0) {
            fprintf(stderr, "no event type %d state %d path %s\n", type, state, path ? path : "any");
            exit(1);
        }
    }
}

static void ask(const char *order) {
    char line[100];
    printf("@%s\n", order);
    fflush(stdout);
    CHECK(fgets(line, sizeof line, stdin) && strcmp(line, "done\n") == 0);
}

static zhandle_t *connect_as(struct events *e, const clientid_t *id, int timeout) {
    zhandle_t *zh = zookeeper_init(hosts, watcher, timeout, id, e, 0);
    CHECK(zh != NULL);
    await(e, 0, ZOO_SESSION_EVENT, ZOO_CONNECTED_STATE, NULL);
    return zh;
}

static void case_operations(void) {
    struct events e = EVENTS;
    zhandle_t *zh = connect_as(&e, NULL, 20000);
    char path[300], data[300];
    int len = sizeof data;
    struct Stat stat;
    RC(ZOK, zoo_create(zh, "/c", "one", 3, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT, path, sizeof path));
    CHECK(strcmp(path, "/c") == 0);
    RC(ZOK, zoo_get(zh, "/c", 0, data, &len, &stat));
    CHECK(len == 3 && memcmp(data, "one", 3) == 0 && stat.version == 0 && stat.czxid == stat.pzxid);
    RC(ZOK, zoo_set2(zh, "/c", "three", 5, 0, &stat));
    CHECK(stat.version == 1 && stat.dataLength == 5 && stat.mzxid > stat.czxid);
    RC(ZBADVERSION, zoo_set(zh, "/c", "x", 1, 0));
    RC(ZNODEEXISTS, zoo_create(zh, "/c", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    RC(ZNONODE, zoo_create(zh, "/no/c", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    RC(ZOK, zoo_create(zh, "/c/null", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    len = sizeof data;
    RC(ZOK, zoo_get(zh, "/c/null", 0, data, &len, &stat));
    CHECK(len == -1 && stat.dataLength == 0);
    for (int i = 0; i < 3; i++) {
        char want[50];
        RC(ZOK, zoo_create2(zh, "/c/s-", "s", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL, path, sizeof path, &stat));
        snprintf(want, sizeof want, "/c/s-%010d", i + 1);
        CHECK(strcmp(path, want) == 0 && stat.dataLength == 1);
    }
    RC(ZOK, zoo_create(zh, "/c/e", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, path, sizeof path));
    RC(ZOK, zoo_exists(zh, "/c/e", 0, &stat));
    CHECK(stat.ephemeralOwner == zoo_client_id(zh)->client_id);
    RC(ZNOCHILDRENFOREPHEMERALS, zoo_create(zh, "/c/e/x", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    RC(ZOK, zoo_create(zh, "/c/box", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_CONTAINER, path, sizeof path));
    RC(ZOK, zoo_create2_ttl(zh, "/c/ttl", "t", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 3600000, path, sizeof path, &stat));
    CHECK(stat.ephemeralOwner == 0);
    struct String_vector kids;
    RC(ZOK, zoo_get_children2(zh, "/c", 0, &kids, &stat));
    CHECK(kids.count == 7 && stat.numChildren == 7);
    deallocate_String_vector(&kids);
    RC(ZNOTEMPTY, zoo_delete(zh, "/c", -1));
    RC(ZBADVERSION, zoo_delete(zh, "/c/e", 3));
    RC(ZOK, zoo_delete(zh, "/c/e", 0));
    RC(ZNONODE, zoo_exists(zh, "/c/e", 0, &stat));
    RC(ZBADARGUMENTS, zoo_create(zh, "relative", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    len = sizeof data;
    RC(ZOK, zoo_getconfig(zh, 0, data, &len, &stat));
    CHECK(len == 0);
    zookeeper_close(zh);
}

static void case_acls(void) {
    struct events e = EVENTS, f = EVENTS;
    zhandle_t *zh = connect_as(&e, NULL, 20000), *other = connect_as(&f, NULL, 20000);
    char path[100], data[100];
    int len = sizeof data;
    struct Stat stat;
    struct ACL_vector acl;
    RC(ZINVALIDACL, zoo_create(zh, "/x", NULL, -1, &ZOO_CREATOR_ALL_ACL, 0, path, sizeof path));
    RC(ZOK, zoo_add_auth(zh, "digest", "user:pw", 7, NULL, NULL));
    RC(ZOK, zoo_create(zh, "/mine", "s", 1, &ZOO_CREATOR_ALL_ACL, 0, path, sizeof path));
    RC(ZNOAUTH, zoo_get(other, "/mine", 0, data, &len, &stat));
    RC(ZNOAUTH, zoo_set(other, "/mine", "x", 1, -1));
    RC(ZNOAUTH, zoo_create(other, "/mine/x", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    RC(ZOK, zoo_get_acl(zh, "/mine", &acl, &stat));
    CHECK(acl.count == 1 && strcmp(acl.data[0].id.scheme, "digest") == 0 && strncmp(acl.data[0].id.id, "user:", 5) == 0);
    deallocate_ACL_vector(&acl);
    RC(ZOK, zoo_set_acl(zh, "/mine", 0, &ZOO_READ_ACL_UNSAFE));
    len = sizeof data;
    RC(ZOK, zoo_get(other, "/mine", 0, data, &len, &stat));
    CHECK(len == 1 && stat.aversion == 1);
    zookeeper_close(zh);
    zookeeper_close(other);
}

static void case_multi(void) {
    struct events e = EVENTS;
    zhandle_t *zh = connect_as(&e, NULL, 20000);
    char p1[100], p2[100];
    struct Stat stat;
    zoo_op_t ops[5];
    zoo_op_result_t results[5];
    zoo_create_op_init(&ops[0], "/m", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, p1, sizeof p1);
    zoo_create_op_init(&ops[1], "/m/s-", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL, p2, sizeof p2);
    zoo_set_op_init(&ops[2], "/m", "2", 1, 0, &stat);
    zoo_check_op_init(&ops[3], "/m", 1);
    zoo_delete_op_init(&ops[4], "/m/s-0000000000", 0);
    RC(ZOK, zoo_multi(zh, 5, ops, results));
    CHECK(strcmp(p2, "/m/s-0000000000") == 0 && stat.version == 1);
    zoo_create_op_init(&ops[0], "/m/a", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, p1, sizeof p1);
    zoo_delete_op_init(&ops[1], "/m/none", -1);
    zoo_check_op_init(&ops[2], "/m", 1);
    RC(ZNONODE, zoo_multi(zh, 3, ops, results));
    CHECK(results[0].err == ZOK && results[1].err == ZNONODE && results[2].err == ZRUNTIMEINCONSISTENCY);
    RC(ZNONODE, zoo_exists(zh, "/m/a", 0, &stat));
    zookeeper_close(zh);
}

static void case_watches(void) {
    struct events e = EVENTS, f = EVENTS, data = EVENTS, kids = EVENTS, there = EVENTS;
    zhandle_t *zh = connect_as(&e, NULL, 20000), *other = connect_as(&f, NULL, 20000);
    char buffer[100], path[100];
    int len = sizeof buffer;
    struct Stat stat;
    struct String_vector names;
    RC(ZOK, zoo_create(zh, "/w", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    RC(ZOK, zoo_wget(zh, "/w", watcher, &data, buffer, &len, &stat));
    RC(ZOK, zoo_wget_children(zh, "/w", watcher, &kids, &names));
    deallocate_String_vector(&names);
    RC(ZNONODE, zoo_wexists(zh, "/w/a", watcher, &there, &stat));
    RC(ZOK, zoo_create(other, "/w/a", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    RC(ZOK, zoo_set(other, "/w", "2", 1, -1));
    RC(ZOK, zoo_set(other, "/w", "3", 1, -1));
    await(&data, 0, ZOO_CHANGED_EVENT, 0, "/w");
    await(&kids, 0, ZOO_CHILD_EVENT, 0, "/w");
    await(&there, 0, ZOO_CREATED_EVENT, 0, "/w/a");
    RC(ZOK, zoo_wexists(zh, "/w/a", watcher, &there, &stat));
    RC(ZOK, zoo_delete(other, "/w/a", -1));
    await(&there, 1, ZOO_DELETED_EVENT, 0, "/w/a");
    CHECK(data.n == 1 && kids.n == 1 && there.n == 2);
    len = sizeof buffer;
    RC(ZOK, zoo_wget(zh, "/w", watcher, &data, buffer, &len, &stat));
    RC(ZOK, zoo_remove_all_watches(zh, "/w", ZWATCHTYPE_DATA, 0));
    RC(ZNOWATCHER, zoo_remove_all_watches(zh, "/w", ZWATCHTYPE_DATA, 0));
    zookeeper_close(zh);
    zookeeper_close(other);
}

static void reconnects(const char *end) {
    struct events e = EVENTS, f = EVENTS, data = EVENTS, there = EVENTS;
    zhandle_t *zh = connect_as(&e, NULL, 20000);
    char buffer[100], path[100];
    int len = sizeof buffer;
    struct Stat stat;
    RC(ZOK, zoo_create(zh, "/r", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    RC(ZOK, zoo_create(zh, "/r/e", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, path, sizeof path));
    RC(ZOK, zoo_wget(zh, "/r", watcher, &data, buffer, &len, &stat));
    RC(ZNONODE, zoo_wexists(zh, "/r/later", watcher, &there, &stat));
    clientid_t id = *zoo_client_id(zh);
    ask(end);
    int seen = await(&e, 0, ZOO_SESSION_EVENT, ZOO_CONNECTING_STATE, NULL);
    ask("start");
    await(&e, seen, ZOO_SESSION_EVENT, ZOO_CONNECTED_STATE, NULL);
    CHECK(zoo_client_id(zh)->client_id == id.client_id);
    zhandle_t *other = connect_as(&f, NULL, 20000);
    RC(ZOK, zoo_exists(other, "/r/e", 0, &stat));
    CHECK(stat.ephemeralOwner == id.client_id);
    RC(ZOK, zoo_set(other, "/r", "2", 1, 0));
    await(&data, 0, ZOO_CHANGED_EVENT, 0, "/r");
    RC(ZOK, zoo_create(other, "/r/later", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path));
    await(&there, 0, ZOO_CREATED_EVENT, 0, "/r/later");
    zookeeper_close(zh);
    RC(ZNONODE, zoo_exists(other, "/r/e", 0, &stat));
    struct events g = EVENTS;
    zhandle_t *expired = zookeeper_init(hosts, watcher, 20000, &id, &g, 0);
    await(&g, 0, ZOO_SESSION_EVENT, ZOO_EXPIRED_SESSION_STATE, NULL);
    CHECK(is_unrecoverable(expired) == ZINVALIDSTATE);
    zookeeper_close(expired);
    zookeeper_close(other);
}

static void case_reconnect_after_kill(void) { reconnects("kill"); }

static void case_reconnect_after_stop(void) { reconnects("stop"); }

static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t order_changed = PTHREAD_COND_INITIALIZER;
static int order_next, order_wrong;

static void replied(int rc, const char *name, const void *ctx) {
    pthread_mutex_lock(&order_lock);
    if (rc != ZOK || order_next != (int)(long)ctx) order_wrong++;
    order_next++;
    pthread_cond_signal(&order_changed);
    pthread_mutex_unlock(&order_lock);
}

static void case_pipeline(void) {
    struct events e = EVENTS;
    zhandle_t *zh = connect_as(&e, NULL, 20000);
    const int n = 3000;
    for (long i = 0; i < n; i++) {
        char path[50];
        snprintf(path, sizeof path, "/n%ld", i);
        RC(ZOK, zoo_acreate(zh, path, "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, replied, (void *)i));
    }
    pthread_mutex_lock(&order_lock);
    while (order_next < n) pthread_cond_wait(&order_changed, &order_lock);
    pthread_mutex_unlock(&order_lock);
    CHECK(order_wrong == 0);
    struct String_vector names;
    RC(ZOK, zoo_get_children(zh, "/", 0, &names));
    CHECK(names.count == n + 1);
    deallocate_String_vector(&names);
    zookeeper_close(zh);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"operations", case_operations},
    {"acls", case_acls},
    {"multi", case_multi},
    {"watches", case_watches},
    {"reconnect_after_kill", case_reconnect_after_kill},
    {"reconnect_after_stop", case_reconnect_after_stop},
    {"pipeline", case_pipeline},
};

int main(int argc, char **argv) {
    zoo_set_debug_level(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc == 2) {
            puts(cases[i].name);
        } else if (strcmp(argv[2], cases[i].name) == 0) {
            hosts = argv[1];
            cases[i].run();
            return 0;
        }
    }
    return argc == 2 ? 0 : 2;
}
