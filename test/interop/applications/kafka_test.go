package applications

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zooid/test/interop/harness"
	"zooid/zk"
)

// chroot is where the brokers keep what is theirs. They make it themselves.
const chroot = "/apps/kafka"

// kafka is a cluster of brokers in ZooKeeper mode on an ensemble.
type kafka struct {
	t       *testing.T
	e       *harness.Ensemble
	c       *zk.Client // below chroot
	jars    string
	brokers []*process
}

// process is a Java program whose output is read line by line.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu     sync.Mutex
	text   []string        // the lines that are no JSON
	values map[string]bool // acknowledged by the brokers, or consumed
	failed []string        // what a producer was refused
}

// TestKafka: two brokers and their clients live on three servers. Whatever
// happens to the servers one after another, nobody notices: no broker loses its
// session, no record is refused. A broker that stands still loses its session,
// no sooner, and comes back with a new one.
func TestKafka(t *testing.T) {
	harness.Ring(t)
	k := startKafka(t)
	k.tool("TopicCommand", "--create", "--topic", "t", "--partitions", "6", "--replication-factor", "2")
	consumer := k.client("VerifiableConsumer", "--topic", "t", "--group-id", "g", "--verbose")
	producer := k.client("VerifiableProducer", "--topic", "t", "--throughput", "200", "--acks", "-1")
	k.more(producer)
	registered := k.registrations()

	k.serversComeAndGo(func() { k.more(producer) })
	if now := k.registrations(); !slices.Equal(now, registered) {
		t.Errorf("a broker lost its session with the servers that went: registered in %v, and now in %v", registered, now)
	}
	for i, b := range k.brokers {
		if lost := b.find(`Session expired|has expired|KeeperErrorCode`); lost != nil {
			t.Errorf("broker %d:\n%s", i+1, strings.Join(lost, "\n"))
		}
	}
	producer.end(t, syscall.SIGTERM)
	if len(producer.failed) > 0 {
		t.Errorf("%d records were refused: %s", len(producer.failed), producer.failed[0])
	}

	k.reassign()
	k.brokerStandsStill(2)
	k.brokerRestarts(1)
	k.tool("LeaderElectionCommand", "--election-type", "preferred", "--all-topic-partitions")
	k.until("everything that was acknowledged is consumed", consumer, func() bool {
		for v := range producer.values {
			if !consumer.has(v) {
				return false
			}
		}
		return true
	})
	t.Logf("%d records", len(producer.values))
}

// serversComeAndGo does to the servers what an operator and bad luck do, and
// calls going after each.
func (k *kafka) serversComeAndGo(going func()) {
	leader := k.e.WaitRoles()
	k.e.Kill(leader)
	going()
	leader.Launch()
	k.e.WaitRoles()
	for _, m := range k.e.Members() {
		m.Restart()
		going()
	}
	leader = k.e.WaitRoles()
	leader.Pause()
	k.e.WaitRoles()
	going()
	leader.Resume()
	k.e.WaitRoles()
	going()
}

// reassign moves a partition to the other broker only.
func (k *kafka) reassign() {
	plan := filepath.Join(k.t.TempDir(), "plan.json")
	text := `{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[2]},{"topic":"t","partition":1,"replicas":[2,1]}]}`
	if err := os.WriteFile(plan, []byte(text), 0o644); err != nil {
		k.t.Fatal(err)
	}
	k.tool("reassign.ReassignPartitionsCommand", "--reassignment-json-file", plan, "--execute")
	k.until("the partitions are reassigned", nil, func() bool {
		var topic struct{ Partitions map[string][]int }
		k.get("/brokers/topics/t", &topic)
		return slices.Equal(topic.Partitions["0"], []int{2}) && slices.Equal(topic.Partitions["1"], []int{2, 1})
	})
}

// brokerStandsStill stops a broker until its session has expired.
func (k *kafka) brokerStandsStill(id int) {
	b := k.brokers[id-1]
	before := k.registration(id)
	if err := b.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		k.t.Fatal(err)
	}
	k.until("the session of a broker that stands still expires", nil, func() bool { return k.registration(id) == 0 })
	if err := b.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		k.t.Fatal(err)
	}
	k.until("the broker is back", b, func() bool { return k.registration(id) > before })
}

// brokerRestarts ends a broker, which gives its leaderships away first, and
// starts it again.
func (k *kafka) brokerRestarts(id int) {
	k.brokers[id-1].end(k.t, syscall.SIGTERM)
	if zxid := k.registration(id); zxid != 0 {
		k.t.Errorf("broker %d has ended and is still registered, in %#x", id, zxid)
	}
	k.start(id)
	k.until("the broker is back", k.brokers[id-1], func() bool { return k.registration(id) != 0 })
	k.until("all replicas are in sync", k.brokers[id-1], func() bool {
		for p := 1; p < 6; p++ {
			var state struct{ ISR []int }
			if k.get(fmt.Sprintf("/brokers/topics/t/partitions/%d/state", p), &state); len(state.ISR) != 2 {
				return false
			}
		}
		return true
	})
}

// startKafka starts an ensemble and two brokers on it.
func startKafka(t *testing.T) *kafka {
	t.Helper()
	kind := harness.UnderTest()
	k := &kafka{t: t, jars: harness.KafkaJars(t), brokers: make([]*process, 2)}
	k.e = harness.StartEnsemble(t, harness.EnsembleOptions{Kinds: []harness.Kind{kind, kind, kind}})
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	var err error
	if k.c, err = zk.Dial(ctx, k.e.ClientAddrs()+chroot, zk.WithSessionTimeout(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.c.Close() })
	for id := range k.brokers {
		k.start(id + 1)
	}
	for i, b := range k.brokers {
		k.until("a broker registers", b, func() bool { return k.registration(i+1) != 0 })
	}
	return k
}

// start starts a broker on its directory.
func (k *kafka) start(id int) {
	k.t.Helper()
	dir := k.dir(id)
	lines := []string{
		fmt.Sprintf("broker.id=%d", id), "listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + filepath.Join(dir, "logs"),
		"zookeeper.connect=" + k.e.ClientAddrs() + chroot, "zookeeper.session.timeout.ms=8000",
		"zookeeper.connection.timeout.ms=60000", "authorizer.class.name=kafka.security.authorizer.AclAuthorizer",
		"allow.everyone.if.no.acl.found=true", "super.users=User:ANONYMOUS",
		"offsets.topic.replication.factor=2", "offsets.topic.num.partitions=1", "group.initial.rebalance.delay.ms=0",
		"log.cleaner.dedupe.buffer.size=2097152", "num.network.threads=2", "num.io.threads=2",
	}
	if err := os.WriteFile(filepath.Join(dir, "server.properties"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		k.t.Fatal(err)
	}
	k.brokers[id-1] = k.run("INFO", "kafka.Kafka", filepath.Join(dir, "server.properties"))
}

// dir is the folder of a broker, the same for all its lives.
func (k *kafka) dir(id int) string {
	dir := filepath.Join(k.e.Member(1).Dir(), fmt.Sprintf("broker-%d", id))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		k.t.Fatal(err)
	}
	return dir
}

// registration is the zxid in which a broker registered itself, 0 if it is not
// there.
func (k *kafka) registration(id int) int64 { return k.czxid(fmt.Sprintf("/brokers/ids/%d", id)) }

// registrations are those of both brokers, and in which one of them became the
// controller.
func (k *kafka) registrations() []int64 {
	return []int64{k.registration(1), k.registration(2), k.czxid("/controller")}
}

func (k *kafka) czxid(path string) int64 {
	k.t.Helper()
	var stat zk.Stat
	k.ask(path, func(ctx context.Context) (err error) {
		_, stat, err = k.c.Exists(ctx, path)
		return err
	})
	return stat.Czxid
}

// get reads a znode that holds JSON.
func (k *kafka) get(path string, into any) {
	k.t.Helper()
	k.ask(path, func(ctx context.Context) error {
		data, _, err := k.c.Get(ctx, path)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, into)
	})
}

// ask repeats a read whose connection broke under it.
func (k *kafka) ask(path string, read func(context.Context) error) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), harness.Patience)
	defer cancel()
	err := read(ctx)
	for errors.Is(err, zk.ErrConnectionLoss) && ctx.Err() == nil {
		err = read(ctx)
	}
	if err != nil {
		k.t.Fatalf("%s: %v", path, err)
	}
}

// bootstrap are the addresses that the brokers have registered.
func (k *kafka) bootstrap() string {
	k.t.Helper()
	var addrs []string
	for id := range k.brokers {
		var broker struct {
			Host string
			Port int
		}
		k.get(fmt.Sprintf("/brokers/ids/%d", id+1), &broker)
		addrs = append(addrs, fmt.Sprintf("%s:%d", broker.Host, broker.Port))
	}
	return strings.Join(addrs, ",")
}

// tool runs one of Kafka's command line tools to its end.
func (k *kafka) tool(class string, args ...string) {
	k.t.Helper()
	p := k.client(class, args...)
	k.until(class+" ends", nil, func() bool { return !p.running() })
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		k.t.Fatalf("%s %v: exit code %d\n%s", class, args, code, strings.Join(p.find(""), "\n"))
	}
}

// client starts a program of Kafka's tools.
func (k *kafka) client(class string, args ...string) *process {
	k.t.Helper()
	return k.run("WARN", "org.apache.kafka.tools."+class, append([]string{"--bootstrap-server", k.bootstrap()}, args...)...)
}

// run starts a Java program. It ends with the test binary, however that ends.
func (k *kafka) run(level, class string, args ...string) *process {
	k.t.Helper()
	p := &process{done: make(chan struct{}), values: make(map[string]bool)}
	logging := filepath.Join(k.t.TempDir(), "log4j.properties")
	text := "log4j.rootLogger=" + level + ", O\nlog4j.appender.O=org.apache.log4j.ConsoleAppender\n" +
		"log4j.appender.O.layout=org.apache.log4j.PatternLayout\nlog4j.appender.O.layout.ConversionPattern=%d %p %m (%c{1})%n\n"
	if err := os.WriteFile(logging, []byte(text), 0o644); err != nil {
		k.t.Fatal(err)
	}
	p.cmd = exec.Command("java", append([]string{"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j.configuration=file:" + logging, "-cp", k.jars, class}, args...)...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.take(lines.Text())
		}
		// How it ended is in ProcessState.
		_ = p.cmd.Wait()
		close(p.done)
	}()
	k.t.Cleanup(func() {
		p.end(k.t, syscall.SIGKILL)
		if k.t.Failed() {
			kept := harness.LogFile(k.t, fmt.Sprintf("%s-%d.log", class, p.cmd.Process.Pid))
			err := os.WriteFile(kept, []byte(strings.Join(p.find(""), "\n")), 0o644)
			k.t.Logf("output of %s, kept in %s (%v)", class, kept, err)
		}
	})
	return p
}

// take keeps a line of output: the clients write one JSON object for each
// record.
func (p *process) take(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var event struct{ Name, Value, Message string }
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &event) != nil {
		p.text = append(p.text, line)
		return
	}
	switch event.Name {
	case "producer_send_success", "record_data":
		p.values[event.Value] = true
	case "producer_send_error":
		p.failed = append(p.failed, event.Message)
	}
}

func (p *process) has(value string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.values[value]
}

func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.values)
}

// find are the lines of output that a pattern matches.
func (p *process) find(pattern string) []string {
	re := regexp.MustCompile(pattern)
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, line := range p.text {
		if re.MatchString(line) {
			found = append(found, line)
		}
	}
	return found
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// end sends a signal to a process and waits until it is gone.
func (p *process) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	// An error means that it has ended already, which done tells too.
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(harness.Patience):
		t.Errorf("%v does not end on %v", p.cmd.Args[len(p.cmd.Args)-1], sig)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// more waits until a client has got on by some records.
func (k *kafka) more(p *process) {
	k.t.Helper()
	from := p.count()
	k.until("records go on", p, func() bool { return p.count() >= from+100 })
}

// until waits for an event that a process works at, which may be nil.
func (k *kafka) until(what string, p *process, cond func() bool) {
	k.t.Helper()
	var stop <-chan struct{}
	if p != nil {
		stop = p.done
	}
	harness.Until(k.t, what, stop, cond)
}
