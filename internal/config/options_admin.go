package config

// What this release lacks, for the rows that ask for it.
const (
	noKerberos = "Kerberos is not in this release"
	noAdmin    = "the HTTP admin server is not in this release"
	noAudit    = "the audit log is not in this release"
	noMetrics  = "only the four-letter word mntr shows metrics in this release"
)

// fourLetterWords are the words that ZooKeeper 3.9 knows.
var fourLetterWords = []string{
	"conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr",
	"ruok", "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs",
}

// FourLetterWords lists the four-letter words that ZooKeeper 3.9 knows, sorted.
func FourLetterWords() []string { return append([]string(nil), fourLetterWords...) }

var adminOptions = []Option{
	{Key: "4lw.commands.whitelist", Type: List, Default: "none", computed: true, Since: "3.4.10",
		Doc:    "Four-letter words that are answered, or `*` for all. srvr always is.",
		fields: bind(func(c *Config) any { return &c.FourLetterWords })},
	{Key: "admin.enableServer", Type: Bool, Default: "true", Since: "3.5.0", Status: NotYet, Why: noAdmin,
		Doc: "Run the HTTP admin server."},
	{Key: "admin.serverAddress", Type: Host, Default: "0.0.0.0", Since: "3.5.0", Status: NotYet, Why: noAdmin,
		Doc: "Address of the admin server."},
	{Key: "admin.serverPort", Type: Port, Default: "8080", Since: "3.5.0", Status: NotYet, Why: noAdmin, Range: between(0, 65535),
		Doc: "Port of the admin server."},
	{Key: "admin.idleTimeout", Type: Int, Default: "30000", Unit: "ms", Since: "3.5.0", Status: NotYet, Why: noAdmin,
		Doc: "Time after which an idle connection to the admin server is closed."},
	{Key: "admin.commandURL", Type: Text, Default: "/commands", Since: "3.5.0", Status: NotYet, Why: noAdmin,
		Doc: "Prefix of the URLs of the commands."},
	{Key: "admin.httpVersion", Type: Int, Default: "11", Since: "3.6", Status: NotYet, Why: noAdmin,
		Doc: "HTTP version; 11 is HTTP/1.1."},
	{Key: "admin.portUnification", Type: Bool, Default: "false", Since: "3.6.0", Status: NotYet, Why: noAdmin,
		Doc: "Serve HTTP and HTTPS on the one port."},
	{Key: "admin.forceHttps", Type: Bool, Default: "false", Since: "3.7.1", Status: NotYet, Why: noAdmin,
		Doc: "Serve HTTPS only."},
	{Key: "admin.needClientAuth", Type: Bool, Default: "false", Since: "3.9.0", Status: NotYet, Why: noAdmin,
		Doc: "Require a client certificate."},
	{Key: "admin.rateLimiterIntervalInMS", Type: Int, Default: "300000", Unit: "ms", Since: "3.9.0", Status: NotYet, Why: noAdmin,
		Doc: "Shortest time between two snapshot, or two restore, commands."},
	{Key: "admin.snapshot.enabled", Type: Bool, Default: "true", Since: "3.9.0", Status: NotYet, Why: noAdmin,
		Doc: "Allow the snapshot command."},
	{Key: "admin.restore.enabled", Type: Bool, Default: "true", Since: "3.9.0", Status: NotYet, Why: noAdmin,
		Doc: "Allow the restore command."},
	{Key: "audit.enable", Type: Bool, Default: "false", Since: "3.6.0", Status: NotYet, Why: noAudit, asks: whenTrue,
		Doc: "Write a record of every change and who made it."},
	{Key: "audit.impl.class", Type: Class, Default: "Slf4jAuditLogger", Since: "3.6.0", Status: NotYet, Why: noAudit,
		Doc: "Class that writes the audit records."},
	{Key: "jmx.log4j.disable", Type: Bool, Default: "false", Since: "3.4", Status: NoEffect, Why: "there is no JMX",
		Doc: "Do not register the beans of log4j."},
	{Key: "controllerPort", Type: Port, Default: "none", computed: true, Since: "3.6", Status: NoEffect, Range: between(0, 65535),
		Why: "only ZooKeeper's test controller reads it", Doc: "Port of the test controller."},
	{Key: "jvm.pause.monitor", Typed: true, Type: Bool, Default: "false", Since: "3.6.0", Status: NoEffect, Why: noJVM,
		Doc: "Watch for pauses of the JVM."},
	{Key: "jvm.pause.sleep.time.ms", Typed: true, Type: Long, Default: "500", Unit: "ms", Since: "3.6.0", Status: NoEffect, Why: noJVM,
		Doc: "How often the pause monitor looks."},
	{Key: "jvm.pause.info-threshold.ms", Typed: true, Type: Long, Default: "1000", Unit: "ms", Since: "3.6.0", Status: NoEffect, Why: noJVM,
		Doc: "Pause that is logged at level info."},
	{Key: "jvm.pause.warn-threshold.ms", Typed: true, Type: Long, Default: "10000", Unit: "ms", Since: "3.6.0", Status: NoEffect, Why: noJVM,
		Doc: "Pause that is logged at level warn."},
}

// The metrics providers that come with ZooKeeper.
const (
	defaultMetrics    = "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider"
	nullMetrics       = "org.apache.zookeeper.metrics.impl.NullMetricsProvider"
	prometheusMetrics = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
)

var metricsOptions = []Option{
	{Key: "metricsProvider.className", Typed: true, Type: Class, Default: defaultMetrics, Since: "3.6.0", Status: NotYet, Why: noMetrics,
		asks:   func(_ *Config, value string) bool { return value == prometheusMetrics },
		fields: bind(func(c *Config) any { return &c.metrics }),
		Doc:    "Where the metrics go. The default provider is honoured; with the null provider they are kept all the same; a class that does not come with ZooKeeper is refused, as ZooKeeper refuses one that it cannot find."},
	{Key: "metricsProvider.httpHost", Typed: true, Type: Host, Default: "0.0.0.0", Since: "3.6.0", Status: NotYet, Why: noMetrics,
		Doc: "Address of the Prometheus endpoint."},
	{Key: "metricsProvider.httpPort", Typed: true, Type: Port, Default: "7000", Since: "3.6.0", Status: NotYet, Why: noMetrics, Range: between(0, 65535), lenient: true,
		Doc: "Port of the Prometheus endpoint."},
	{Key: "metricsProvider.exportJvmInfo", Typed: true, Type: Bool, Default: "true", Since: "3.6.0", Status: NotYet, Why: noMetrics, lenient: true,
		Doc: "Add metrics of the runtime."},
	{Key: "metricsProvider.numWorkerThreads", Typed: true, Type: Int, Default: "1", Unit: "threads", Since: "3.6.0", Status: NoEffect, Why: "metrics are counted in place", lenient: true,
		Doc: "Threads that update the summaries."},
	{Key: "metricsProvider.maxQueueSize", Typed: true, Type: Int, Default: "1000000", Unit: "updates", Since: "3.6.0", Status: NoEffect, Why: "metrics are counted in place", lenient: true,
		Doc: "Updates that may wait."},
	{Key: "metricsProvider.workerShutdownTimeoutMs", Typed: true, Type: Long, Default: "1000", Unit: "ms", Since: "3.6.0", Status: NoEffect, Why: "metrics are counted in place", lenient: true,
		Doc: "Time for the waiting updates at shutdown."},
	{Key: "metricsProvider.*", Typed: true, Type: Text, Default: "none", computed: true, Since: "3.6.0", Status: NotYet, Why: noMetrics,
		Doc: "Settings of the provider; among them, from 3.10 on, httpsPort, ssl.* and prometheusMetricsSummaryRotateIntervalSeconds."},
}
