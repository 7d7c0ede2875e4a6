package config

// Why the options below change nothing.
const (
	noJVM     = "there is no JVM that could pause"
	noThreads = "one loop and a poller for every two cores do the work"
	noBuffers = "replies are written into buffers that grow as needed"
	noCache   = "replies are written straight from the tree"
	noNetty   = "there is one connection layer, which does not need it"
	noChain   = "there is no chain of request processors"
	noWaiting = "connections are written and closed without waiting as it is"
	noWatches = "there is one watch table, which keeps no dead watchers"
	noPaths   = "the metrics read_per_namespace and write_per_namespace tell it"
	onlyCli   = "only the command line client reads it"
	onlyLogs  = "logging is set up by the options of the server command"
)

var jvmOptions = []Option{
	{Key: "serverCnxnFactory", Type: Class, Default: "org.apache.zookeeper.server.NIOServerCnxnFactory", Since: "3.4", Status: NoEffect, Why: noNetty,
		Doc: "Connection layer: NIO or Netty."},
	{Key: "nio.numSelectorThreads", Type: Int, Default: "square root of half the cores", computed: true, Unit: "threads", Since: "3.5.0", Status: NoEffect, Why: noThreads,
		Doc: "Selector threads."},
	{Key: "nio.numWorkerThreads", Type: Int, Default: "2 x cores", computed: true, Unit: "threads", Since: "3.5.0", Status: NoEffect, Why: noThreads,
		Doc: "Threads that read and write."},
	{Key: "nio.directBufferBytes", Type: Int, Default: "65536", Unit: "bytes", Since: "3.5.0", Status: NoEffect, Why: noBuffers,
		Doc: "Buffer of a thread that writes."},
	{Key: "nio.shutdownTimeout", Type: Long, Default: "5000", Unit: "ms", Since: "3.5.0", Status: NoEffect, Why: noThreads,
		Doc: "Time for the worker threads to stop."},
	{Key: "intBufferStartingSizeBytes", Type: Int, Default: "1024", Unit: "bytes", Since: "3.6.0", Status: NoEffect, Why: noBuffers,
		Doc: "First size of the buffer of a reply."},
	{Key: "maxResponseCacheSize", Type: Int, Default: "400", Unit: "entries", Since: "3.6.0", Status: NoEffect, Why: noCache,
		Doc: "Replies to getData that are kept."},
	{Key: "maxGetChildrenResponseCacheSize", Type: Int, Default: "400", Unit: "entries", Since: "3.6.0", Status: NoEffect, Why: noCache,
		Doc: "Replies to getChildren that are kept."},
	{Key: "netty.advancedFlowControl.enabled", Type: Bool, Default: "false", Since: "3.6.0", Status: NoEffect, Why: noNetty,
		Doc: "Stop reading from a client while its requests wait. Documented by Apache as advancedFlowControlEnabled, which is not read."},
	{Key: "netty.server.outstandingHandshake.limit", Type: Int, Default: "-1", Since: "3.6.0",
		Doc:    "TLS handshakes at the same time; -1 is no limit.",
		fields: bind(func(c *Config) any { return &c.OutstandingHandshakeLimit })},
	{Key: "netty.server.earlyDropSecureConnectionHandshakes", Type: Bool, Default: "false", Since: "3.6.4",
		Doc:    "Refuse TLS handshakes while the server does not serve.",
		fields: bind(func(c *Config) any { return &c.EarlyDropSecureHandshakes })},
	{Key: "commitProcessor.numWorkerThreads", Type: Int, Default: "cores", computed: true, Unit: "threads", Since: "3.5.0", Status: NoEffect, Why: noChain,
		Doc: "Threads that answer reads."},
	{Key: "commitProcessor.maxReadBatchSize", Type: Int, Default: "-1", Unit: "requests", Since: "3.6.0", Status: NoEffect, Why: noChain,
		Doc: "Reads between two looks at the commits."},
	{Key: "commitProcessor.maxCommitBatchSize", Type: Int, Default: "1", Unit: "transactions", Since: "3.6.0", Status: NoEffect, Why: noChain,
		Doc: "Commits between two looks at the reads."},
	{Key: "commitProcessor.shutdownTimeout", Type: Long, Default: "5000", Unit: "ms", Since: "3.5.0", Status: NoEffect, Why: noChain,
		Doc: "Time for those threads to stop."},
	{Key: "watchManagerName", Type: Class, Default: "org.apache.zookeeper.server.watch.WatchManager", Since: "3.6.0", Status: NoEffect, Why: noWatches,
		Doc: "Watch table: WatchManager or WatchManagerOptimized."},
	{Key: "watcherCleanThreadsNum", Type: Int, Default: "2", Unit: "threads", Since: "3.6.0", Status: NoEffect, Why: noWatches,
		Doc: "Threads that clear away dead watchers."},
	{Key: "watcherCleanThreshold", Type: Int, Default: "1000", Unit: "watchers", Since: "3.6.0", Status: NoEffect, Why: noWatches,
		Doc: "Dead watchers at which they are cleared away."},
	{Key: "watcherCleanIntervalInSeconds", Type: Int, Default: "600", Unit: "s", Since: "3.6.0", Status: NoEffect, Why: noWatches,
		Doc: "How often they are cleared away at least."},
	{Key: "maxInProcessingDeadWatchers", Type: Int, Default: "-1", Unit: "watchers", Since: "3.6.0", Status: NoEffect, Why: noWatches,
		Doc: "Dead watchers above which new watches have to wait."},
	{Key: "bitHashCacheSize", Type: Int, Default: "10", Unit: "entries", Since: "3.6.0", Status: NoEffect, Why: noWatches,
		Doc: "Cache of a path in the watch table."},
	{Key: "pathStats.enabled", Type: Bool, Default: "false", Since: "3.6.0", Status: NoEffect, Why: noPaths,
		Doc: "Write the busiest paths to the log."},
	{Key: "pathStats.slotCapacity", Type: Int, Default: "60", Unit: "slots", Since: "3.6.0", Status: NoEffect, Why: noPaths, Doc: "Slots that are kept."},
	{Key: "pathStats.slotDuration", Type: Int, Default: "15", Unit: "s", Since: "3.6.0", Status: NoEffect, Why: noPaths, Doc: "Length of a slot."},
	{Key: "pathStats.maxDepth", Type: Int, Default: "6", Unit: "path parts", Since: "3.6.0", Status: NoEffect, Why: noPaths, Doc: "Length of the paths."},
	{Key: "pathStats.sampleRate", Type: Double, Default: "0.1", Unit: "ratio", Since: "3.6.0", Status: NoEffect, Why: noPaths, Doc: "Share of the requests that is looked at."},
	{Key: "pathStats.initialDelay", Type: Long, Default: "5", Unit: "s", Since: "3.6.0", Status: NoEffect, Why: noPaths, Doc: "Time to the first report."},
	{Key: "pathStats.delay", Type: Long, Default: "5", Unit: "s", Since: "3.6.0", Status: NoEffect, Why: noPaths, Doc: "Time between reports."},
	{Key: "pathStats.topPathMax", Type: Int, Default: "20", Unit: "paths", Since: "3.6.0", Status: NoEffect, Why: noPaths, Doc: "Paths in a report."},
}

var clientOptions = []Option{
	{Key: "client.secure", OnlyProperty: true, Type: Bool, Default: "false", Since: "3.5.1", Status: NoEffect, Why: onlyCli, Doc: "Speak TLS."},
	{Key: "clientCnxnSocket", OnlyProperty: true, Type: Class, Default: "ClientCnxnSocketNIO", Since: "3.4", Status: NoEffect, Why: onlyCli, Doc: "Connection layer of the client."},
	{Key: "sasl.client", OnlyProperty: true, Type: Bool, Default: "true", Since: "3.4", Status: NoEffect, Why: onlyCli, Doc: "Authenticate with SASL."},
	{Key: "sasl.clientconfig", OnlyProperty: true, Type: Text, Default: "Client", Since: "3.4", Status: NoEffect, Why: onlyCli, Doc: "Section of the JAAS file."},
	{Key: "sasl.client.username", OnlyProperty: true, Type: Text, Default: "zookeeper", Since: "3.4", Status: NoEffect, Why: onlyCli, Doc: "First part of the server's principal."},
	{Key: "sasl.client.canonicalize.hostname", OnlyProperty: true, Type: Bool, Default: "true", Since: "3.5.5", Status: NoEffect, Why: onlyCli, Doc: "Look up the canonical name of the server."},
	{Key: "server.principal", OnlyProperty: true, Type: Text, Default: "none", computed: true, Since: "3.5.5", Status: NoEffect, Why: onlyCli, Doc: "Principal of the server."},
	{Key: "request.timeout", OnlyProperty: true, Type: Long, Default: "0", Unit: "ms", Since: "3.5.3", Status: NoEffect, Why: onlyCli, Doc: "Time after which a request fails; 0 is never."},
	{Key: "disableAutoWatchReset", OnlyProperty: true, Type: Bool, Default: "false", Since: "3.4", Status: NoEffect, Why: onlyCli, Doc: "Do not set watches again after a new connection."},
	{Key: "log.dir", OnlyProperty: true, Type: Path, Default: "the logs directory", computed: true, Since: "3.4", Status: NoEffect, Why: onlyLogs, Doc: "Directory of the log files; the scripts set it."},
	{Key: "log.file", OnlyProperty: true, Type: Text, Default: "by user and host", computed: true, Since: "3.4", Status: NoEffect, Why: onlyLogs, Doc: "Name of the log file; the scripts set it."},
	{Key: "log.*", OnlyProperty: true, Type: Text, Default: "none", computed: true, Since: "3.4", Status: NoEffect, Why: onlyLogs, Doc: "Further settings of logback."},
	{Key: "root.logger", OnlyProperty: true, Type: Text, Default: "INFO, CONSOLE", Since: "3.4", Status: NoEffect, Why: onlyLogs, Doc: "Level and appenders of log4j."},
	{Key: "console.threshold", OnlyProperty: true, Type: Text, Default: "INFO", Since: "3.4", Status: NoEffect, Why: onlyLogs, Doc: "Level of the console."},
	{Key: "tracelog.*", OnlyProperty: true, Type: Text, Default: "none", computed: true, Since: "3.4", Status: NoEffect, Why: onlyLogs, Doc: "Settings of the trace log."},
	{Key: "auditlog.*", OnlyProperty: true, Type: Text, Default: "none", computed: true, Since: "3.6.0", Status: NoEffect, Why: onlyLogs, Doc: "Settings of the file of the audit log."},
	{Key: "jmx.log4j.mbean", OnlyProperty: true, Type: Text, Default: "log4j:hierarchy=default", Since: "3.6.0", Status: NoEffect, Why: "there is no JMX", Doc: "Name of the log4j bean."},
}
