package config

import (
	"sort"
	"strings"

	"zooid/internal/ensemble"
	"zooid/internal/properties"
)

// NoID is the server id of a server without a myid file.
const NoID int64 = -1

// NoPort is the port of a server that does not listen.
const NoPort = ensemble.NoClientPort

// A Property is a system property or a setting: a name and its value.
type Property struct {
	Name, Value string
}

// Mode is whether the server runs alone or as a member of an ensemble.
type Mode uint8

// The two modes, decided as Apache's QuorumPeerMain decides them.
const (
	Standalone Mode = iota
	Distributed
)

// String is the mode as a person calls it.
func (m Mode) String() string {
	if m == Distributed {
		return "ensemble"
	}
	return "standalone"
}

// A Config is what a server is told to do: one field for each option that is
// honoured, with its default when nothing sets it. The sentence that explains
// an option stands in its row of the option table and in
// docs/configuration.md; the comments here give unit and special values.
//
// Parse or ParseArgs makes a Config and Complete finishes it; after that it is
// only read.
type Config struct {
	// File is the name that Parse was given, CommandLine after ParseArgs.
	File string

	DataDir                         string // snapshots, myid and epoch files; never empty
	DataLogDir                      string // transaction logs; DataDir when not set
	DynamicFile                     string // dynamicConfigFile, empty when there is none
	DatadirAutocreate, DbAutocreate bool

	ClientPort              int    // NoPort: no client service; 0: the system picks one
	ClientPortAddress       string // address to bind, not resolved; empty: all
	ClientPortListenBacklog int    // -1: what the system has

	SecureClientPort          int    // NoPort: no port for TLS clients alone; 0: the system picks one
	SecureClientPortAddress   string // address to bind, not resolved; empty: all
	ClientPortUnification     bool   // TLS clients on the client port too
	ClientTLS                 TLS    // the properties zookeeper.ssl.*
	ClientCertReload          bool
	OutstandingHandshakeLimit int // TLS handshakes at a time; 0 or less: no limit of its own
	EarlyDropSecureHandshakes bool

	TickTimeMs          int
	MinSessionTimeoutMs int // never -1: filled in from the tick
	MaxSessionTimeoutMs int // never -1: filled in from the tick
	MaxClientCnxns      int // connections of one address; 0 or less: no limit
	MaxCnxns            int // connections in all; 0 or less: no limit

	AutopurgeSnapRetainCount int
	AutopurgeIntervalMs      int64 // 0 or less: never purge

	StandaloneEnabled bool
	ReconfigEnabled   bool
	ReadOnlyMode      bool // readonlymode.enabled

	PreAllocSizeKB             int64 // 0 or less: do not preallocate
	SnapCount                  int
	SnapSizeLimitKB            int64 // 0 or less: no limit
	TxnLogSizeLimitKB          int64 // 0 or less: no limit
	ForceSync                  bool
	FsyncWarningThresholdMs    int64
	FlushDelayMs               int64 // 0: flush when nothing waits
	MaxWriteQueuePollTimeMs    int64
	MaxBatchSize               int    // 0 or less: no limit
	SnapshotCompression        string // "", "gz" or "snappy"
	SnapshotTrustEmpty         bool
	SerializeLastProcessedZxid bool
	DigestEnabled              bool
	CloseSessionTxnEnabled     bool

	ExtendedTypesEnabled            bool
	Emulate353TTLNodes              bool
	ContainerCheckIntervalMs        int64
	ContainerMaxPerMinute           int
	ContainerMaxNeverUsedIntervalMs int64 // 0: keep containers that never had a child

	JuteMaxBufferBytes         int
	JuteMaxBufferExtraBytes    int
	GlobalOutstandingLimit     int
	SessionlessCnxnTimeoutMs   int
	ClientTCPKeepAlive         bool
	LargeRequestMaxBytes       int
	LargeRequestThresholdBytes int // -1: no request counts as large
	EnforceQuota               bool

	Connections ConnectionThrottle
	Requests    RequestThrottle

	SkipACL                bool
	EnableEagerACLCheck    bool
	DigestAuthEnabled      bool
	SuperDigest            string // super:<base64>, empty: no super user
	DigestAlgorithm        string // as written, for example SHA1 or SHA-256
	EnsembleAuthNames      []string
	EnforceAuthEnabled     bool
	EnforceAuthSchemes     []string
	AllowSaslFailedClients bool
	X509SuperUser          string // subject of a certificate, empty: no super user
	SSLAuthProvider        string // x509
	FIPSMode               bool   // what it asks for counts only where it is Set
	SASL                   SASL
	// AuthProviders are the authProvider.N settings in the order of N: the
	// property name and the Java class that it names.
	AuthProviders []Property

	// FourLetterWords is 4lw.commands.whitelist as a list; "*" is all of them.
	FourLetterWords []string

	// Quorum holds what only a member of an ensemble needs.
	Quorum Quorum

	// ServerID is the number from myid, NoID without one. Complete sets it.
	ServerID int64
	// Members are the server, group and weight lines of the file or of the
	// dynamic file; never nil after Parse.
	Members *Membership
	// LastSeen is the configuration that was proposed when the server ran last,
	// nil without one; whoever reads the file sets it.
	LastSeen *Membership

	properties map[string]string
	sources    map[*Option]setting
	metrics    string
}

// SASL holds the options about clients that authenticate with SASL; Login joins
// them with what the JAAS file has.
type SASL struct {
	File          string // java.security.auth.login.config as written, see JAASFile
	Section       string // of the JAAS file, sasl.serverconfig
	SuperPassword string // of the user super, where it is set
	Required      bool   // sessionRequireClientSASLAuth; EnforceAuthSchemes says so too
	AnyUser       string // letAnySaslUserDoX, empty: none
	SuperUser     string // superUser, empty: none
	// SuperUsers are the values of superUser.N.
	SuperUsers []string
}

// ConnectionThrottle is the token bucket that slows down new sessions.
type ConnectionThrottle struct {
	Tokens        int // 0: no throttle
	FillTimeMs    int
	FillCount     int
	FreezeTimeMs  int // -1: never drop by chance
	DropIncrease  float64
	DropDecrease  float64
	DecreaseRatio float64
	// WeightEnabled makes a session cost its weight in tokens. Tokens and
	// FillCount are then already multiplied by GlobalWeight, as Java does it.
	WeightEnabled bool
	GlobalWeight  int
	LocalWeight   int
	RenewWeight   int
}

// RequestThrottle is the limit on requests under way and what becomes of
// those that have grown stale.
type RequestThrottle struct {
	MaxRequests          int // 0 or less: no throttle
	DropStale            bool
	StaleLatencyCheck    bool
	StaleConnectionCheck bool
	ShutdownTimeoutMs    int
	OpWaitTimeMs         int // throttled_op_wait_time; 0 or less: off
}

// Quorum holds the options of a member of an ensemble.
type Quorum struct {
	InitLimitTicks                int // 0: not set, refused in an ensemble
	SyncLimitTicks                int // 0: not set, refused in an ensemble
	ConnectToLearnerMasterTicks   int // InitLimitTicks when not set
	ElectionAlg                   int
	PeerType                      string // participant or observer; the server line wins
	LocalSessionsEnabled          bool
	LocalSessionsUpgradingEnabled bool
	ListenOnAllIPs                bool
	SyncEnabled                   bool // observers keep a log and snapshots
	ObserverMasterPort            int  // 0 or less: off
	OraclePath                    string
	MultiAddressEnabled           bool
	MultiAddressCheckEnabled      bool
	MultiAddressCheckTimeoutMs    int
	CnxnThreadsSize               int

	CommitLogCount            int
	SnapshotSizeFactor        float64
	CnxTimeoutMs              int
	CnxnTimeoutMs             int // quorumCnxnTimeoutMs; -1: from the limits
	ElectionPortBindRetry     int // 0: for ever
	MinNotificationIntervalMs int
	MaxNotificationIntervalMs int
	LeaderServes              bool
	LeaderNoDelay             bool
	FollowerNoDelay           bool
	TCPKeepAlive              bool
	ConnectDelayDuringRetryMs int
	MaxTimeToWaitForEpochMs   int // -1: no limit of its own
	MaxConcurrentSnapSyncs    int
	MaxConcurrentDiffSyncs    int
	AckLoggingFrequency       int
	ForceSnapshotSync         bool
	ObserverReconnectDelayMs  int64
	ObserverElectionDelayMs   int64
	InitialZxid               string // testingonly.initialZxid

	SSLQuorum                bool
	PortUnification          bool // plain connections are accepted too
	SSLQuorumReloadCertFiles bool
	TLS                      TLS // the properties zookeeper.ssl.quorum.*
	Auth                     QuorumAuth
}

// QuorumAuth is the SASL between members (quorum.auth.*).
type QuorumAuth struct {
	Enabled         bool
	LearnerRequired bool   // authenticate where this member dials
	ServerRequired  bool   // refuse who does not
	LearnerContext  string // section of the JAAS file
	ServerContext   string
}

// TLS is one set of TLS properties, those of the client port or those of the
// ports between members.
type TLS struct {
	KeyStore, TrustStore        TLSStore
	Protocol                    string
	EnabledProtocols            []string // empty: see the option
	CipherSuites                []string // empty: those of the runtime
	ClientAuth                  string   // none, want or need
	HostnameVerification        bool
	ClientHostnameVerification  bool
	AllowReverseDNS             bool
	CRL, OCSP                   bool // refused where they count
	HandshakeDetectionTimeoutMs int  // 0 or less counts as 5000
}

// TLSStore is where a key store or a trust store is.
type TLSStore struct {
	Location     string // empty: there is none
	Password     string
	PasswordPath string // of the file that holds the password; wins
	Type         string // JKS, PEM, PKCS12 or BCFKS; empty: by the name of the file
}

// ServesTLS says whether clients are served over TLS.
func (c *Config) ServesTLS() bool { return c.SecureClientPort != NoPort || c.ClientPortUnification }

// MembersTLS says whether TLS may be spoken between the members. That plain
// connections are accepted too does not ask for stores, as in ZooKeeper.
func (c *Config) MembersTLS() bool {
	q := &c.Quorum
	return q.SSLQuorum || q.PortUnification && q.TLS.KeyStore.Location != ""
}

// Mode says whether the server runs alone or in an ensemble. Like Apache's
// QuorumPeerMain it goes by the number of participants and standaloneEnabled;
// observers and a lone server line leave it standalone.
func (c *Config) Mode() Mode {
	if !c.StandaloneEnabled || len(c.Members.Voters()) > 1 {
		return Distributed
	}
	return Standalone
}

// Properties returns the system properties as the server sees them, sorted by
// name: every -D and every key of the file that ZooKeeper turns into one.
func (c *Config) Properties() []Property {
	all := make([]Property, 0, len(c.properties))
	for name, value := range c.properties {
		all = append(all, Property{name, value})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// Property returns the value of one system property and whether it is set.
func (c *Config) Property(name string) (string, bool) {
	value, ok := c.properties[name]
	return value, ok
}

// FourLetterAllowed says whether the whitelist lets a four-letter word
// through. srvr is always let through, and isro in read-only mode.
func (c *Config) FourLetterAllowed(word string) bool {
	if word == "srvr" || word == "isro" && c.ReadOnlyMode {
		return true
	}
	for _, w := range c.FourLetterWords {
		if w == word || w == "*" {
			return true
		}
	}
	return false
}

// Set says whether anything set the option with this key of zoo.cfg, so that
// it does not just have its default.
func (c *Config) Set(key string) bool {
	o := table.byKey(key)
	if o == nil {
		return false
	}
	_, ok := c.sources[o]
	return ok
}

// A setting is one key with its value, trimmed, and where it comes from.
type setting struct {
	key, value string
	file       string // empty for a -D
	line       int
	shown      string // the key as it is shown in messages
}

// At returns a Warning without text at the place of an option: where it was
// set, or the file when it was not.
func (c *Config) At(key string) Warning {
	if s, ok := c.sources[table.byKey(key)]; ok {
		return Warning{File: s.file, Line: s.line, Key: s.shown}
	}
	return Warning{File: c.File, Key: key}
}

// refuse is a refusal of the value of an option.
func (c *Config) refuse(key, text string) *Error {
	w, o := c.At(key), table.byKey(key)
	return &Error{File: w.File, Line: w.Line, Key: w.Key, Value: o.display(c.sources[o].value), Text: text}
}

// splitList cuts a comma list and drops empty parts and blanks.
func splitList(s string) []string {
	var list []string
	for _, part := range strings.Split(s, ",") {
		if part = properties.Trim(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
