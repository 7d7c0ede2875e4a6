package node

import (
	"slices"
	"strings"
	"time"

	"zooid/internal/auth"
	"zooid/internal/config"
	"zooid/internal/replica"
	"zooid/internal/storage"
)

// restorer fills the replica from the files and says how far it is.
type restorer struct {
	*replica.Restore
	n      *Node
	begin  time.Time
	said   time.Time
	loaded time.Time
}

// Loaded ends the snapshot.
func (t *restorer) Loaded(s *storage.SnapshotInfo) error {
	err := t.SnapshotDone(s.Zxid)
	if s.Tail.HasDigest {
		t.CompareAfter = s.Tail.DigestZxid
	}
	t.loaded = time.Now()
	t.n.metrics.StartupSnapLoadTime.Observe(t.loaded.Sub(t.begin).Milliseconds())
	return err
}

// Progress writes a line now and then.
func (t *restorer) Progress(p storage.Progress) {
	if time.Since(t.said) < progressEvery {
		return
	}
	t.said = time.Now()
	what := "loading the snapshot"
	if p.Log {
		what = "replaying the log"
	}
	percent := int64(100)
	if p.Size > 0 {
		percent = p.Done * 100 / p.Size
	}
	t.n.log.Info(what, "file", p.File, "percent", percent, "count", p.Count)
}

// recover loads what the directories hold; an empty server gets its first
// snapshot before it serves.
func (n *Node) recover() (*storage.Report, error) {
	cfg := n.replicaConfig()
	if n.member != nil {
		cfg.Ensemble = n.ensembleConfig(0, 0)
	}
	t, report, err := n.load(cfg)
	if err != nil {
		return nil, err
	}
	if n.member != nil {
		if err := n.epochs(cfg.Ensemble, report); err != nil {
			return nil, err
		}
	}
	n.core.r = replica.New(cfg)
	n.core.r.Install(t.Restore)
	n.tellRecovery(report, t)
	if !report.Empty {
		return report, nil
	}
	if report.LastZxid < 0 {
		if n.member == nil {
			return nil, errNoClients
		}
		n.log.Warn("the data directory is empty and db.autocreate is false: this server does not vote until it has a leader's data")
		return report, nil
	}
	if err := n.writeSnapshot(n.core.r.Cut()); err != nil {
		return nil, err
	}
	return report, n.dirs.DropMarker()
}

// load reads what the directories hold.
func (n *Node) load(cfg replica.Config) (*restorer, *storage.Report, error) {
	now := time.Now()
	t := &restorer{Restore: replica.NewRestore(cfg), n: n, begin: now, said: now, loaded: now}
	report, err := storage.Recover(n.dirs, storage.RecoverOptions{
		ReadAhead: true,
		Limits:    n.storageLimits(), TrustEmpty: n.cfg.SnapshotTrustEmpty, AutoCreate: n.cfg.DbAutocreate,
	}, t)
	return t, report, err
}

// reload reads the state again after the log was cut.
func (n *Node) reload() (*replica.Restore, error) {
	t, report, err := n.load(n.core.r.Config())
	if err != nil {
		return nil, err
	}
	n.tellRecovery(report, t)
	return t.Restore, nil
}

// epochs takes the epochs that the server has accepted and lived in.
func (n *Node) epochs(e *replica.EnsembleConfig, report *storage.Report) (err error) {
	e.Uninitialised = report.Empty && report.LastZxid < 0
	e.AcceptedEpoch, e.CurrentEpoch, err = storage.LoadEpochs(n.dirs, report.LastZxid)
	return err
}

// storageLimits bound what is read from files and from a leader.
func (n *Node) storageLimits() storage.Limits {
	return storage.Limits{MaxField: n.cfg.JuteMaxBufferBytes + n.cfg.JuteMaxBufferExtraBytes}
}

func (n *Node) openLog() *storage.Log {
	return storage.OpenLog(n.dirs.FS, n.dirs.Log, storage.LogOptions{
		PreAlloc:  n.cfg.PreAllocSizeKB << 10,
		SizeLimit: n.cfg.TxnLogSizeLimitKB << 10,
		NoSync:    !n.cfg.ForceSync,
	})
}

func (n *Node) tellRecovery(report *storage.Report, t *restorer) {
	m := n.metrics
	m.DBInitTime.Observe(time.Since(t.begin).Milliseconds())
	if report.Empty {
		// Java times the look for a snapshot too (FileTxnSnapLog.restore).
		m.StartupSnapLoadTime.Observe(time.Since(t.begin).Milliseconds())
	}
	if report.Txns > 0 {
		m.StartupTxnsLoaded.Observe(int64(report.Txns))
		m.StartupTxnsLoadTime.Observe(time.Since(t.loaded).Milliseconds())
	}
	for _, s := range report.Skipped {
		n.log.Warn("snapshot skipped", "file", s.Path, "error", s.Err)
	}
	for _, torn := range report.Torn {
		n.log.Warn("a record torn by a crash was dropped: it was never acknowledged", "error", torn)
	}
	for _, note := range report.Notes {
		n.log.Warn(note)
	}
	for _, f := range report.Removed {
		n.log.Info("removed a leftover file", "file", f)
	}
	if t.Mismatches > 0 {
		m.DigestMismatchesCount.AddN(int64(t.Mismatches))
		n.log.Warn("the digest of the tree differs from what the log says", "transactions", t.Mismatches)
	}
	if !report.Empty {
		file := ""
		if report.Snapshot != nil {
			file = report.Snapshot.Path
		}
		n.log.Info("data recovered", "snapshot", file, "transactions", report.Txns,
			"last_zxid", zxidHex(report.LastZxid), "took", time.Since(t.begin).Round(time.Millisecond))
	}
}

func (n *Node) replicaConfig() replica.Config {
	c := n.cfg
	id := c.ServerID
	if id < 0 { // none, or one that is no member's
		id = 1
	}
	r := replica.Config{
		ServerID: id, TickTime: int64(c.TickTimeMs),
		MinSessionTimeout: int32(c.MinSessionTimeoutMs), MaxSessionTimeout: int32(c.MaxSessionTimeoutMs),
		Seed:      uint64(n.started.UnixNano()),
		SnapCount: int64(c.SnapCount), SnapSize: max(c.SnapSizeLimitKB, 0) << 10,
		Auth:     n.policy,
		EagerACL: c.EnableEagerACLCheck, EnforceQuota: c.EnforceQuota, ExtendedTypes: c.ExtendedTypesEnabled, Emulate353: c.Emulate353TTLNodes,
		Digest: c.DigestEnabled, CloseSessionPaths: c.CloseSessionTxnEnabled, ReconfigEnabled: c.ReconfigEnabled,
		ContainerInterval: c.ContainerCheckIntervalMs, ContainerPerMinute: max(int64(c.ContainerMaxPerMinute), 1),
		ContainerNeverUsed: c.ContainerMaxNeverUsedIntervalMs,
		MaxRecord:          c.JuteMaxBufferBytes + c.JuteMaxBufferExtraBytes,
		SASL:               n.sasl,
	}
	if c.EnforceAuthEnabled {
		r.EnforceAuth = c.EnforceAuthSchemes
	}
	return r
}

func authPolicy(c *config.Config) *auth.Policy {
	p := &auth.Policy{
		SkipACL: c.SkipACL, DigestEnabled: c.DigestAuthEnabled, SuperDigest: c.SuperDigest,
		EnsembleNames: c.EnsembleAuthNames, EnsembleNamesNotSet: len(c.EnsembleAuthNames) == 0,
		LetAnySaslUserDoX: c.SASL.AnyUser, SuperUsers: c.SASL.SuperUsers,
	}
	if c.SASL.SuperUser != "" {
		p.SuperUsers = append(slices.Clip(p.SuperUsers), c.SASL.SuperUser)
	}
	p.X509, p.X509SuperUser = c.ServesTLS(), c.X509SuperUser
	p.DigestAlg, _ = auth.ParseAlgorithm(c.DigestAlgorithm)
	for _, q := range c.AuthProviders {
		p.SASL = p.SASL || strings.HasSuffix(q.Value, "SASLAuthenticationProvider")
		p.X509 = p.X509 || strings.HasSuffix(q.Value, "X509AuthenticationProvider")
		p.Ensemble = p.Ensemble || strings.HasSuffix(q.Value, "EnsembleAuthenticationProvider")
	}
	return p
}

func fourLetterWords(c *config.Config) string { return strings.Join(c.FourLetterWords, ",") }
