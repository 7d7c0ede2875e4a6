package apache

// The reasons why a test is left out.
const (
	inside    = "reaches into the server's objects"
	factory   = "changes the server in its process"
	slow      = "takes long and shows nothing that others do not"
	asRoot    = "fails for root on Apache's server, too"
	ownSetup  = "needs properties of Apache's build, and fails without them on Apache's server, too"
	endOfTime = "waits for a time to pass"
	mistaken  = "takes the event SaslAuthenticated for a lost connection if it comes soon"
)

// class is a class of Apache's tests below org.apache.zookeeper and what is
// left out of it: methods by name, each with the reason.
type class struct {
	name string
	out  map[string]string
}

// alone are the classes whose tests start one server.
var alone = []class{
	{name: "GetAllChildrenNumberTest"},
	{name: "GetEphemeralsTest"},
	{name: "RemoveWatchesCmdTest"},
	{name: "ZKUtilTest", out: map[string]string{"testUnreadableFileInput": asRoot}},
	{name: "ZooKeeperTest", out: map[string]string{"testDeleteRecursiveFail": slow, "testDeleteRecursiveAsync": slow}},
	{name: "test.ACLCountTest"},
	{name: "test.ACLRootTest"},
	{name: "test.ACLTest", out: map[string]string{"testAcls": inside}},
	{name: "test.AsyncOpsTest"},
	{name: "test.AuthTest"},
	{name: "test.ChrootTest", out: map[string]string{"testChrootWithZooKeeperPathWatcher": ownSetup}},
	{name: "test.ClientPortBindTest"},
	{name: "test.ClientRetryTest"},
	{name: "test.ClientTest", out: map[string]string{"testPathValidation": factory, "testPing": endOfTime}},
	{name: "test.CreateTest"},
	{name: "test.DigestAuthDisabledTest"},
	{name: "test.EnforceQuotaTest"},
	{name: "test.EnsembleAuthTest"},
	{name: "test.FourLetterWordsTest"},
	{name: "test.GetChildren2Test"},
	{name: "test.LoadFromLogTest"},
	{name: "test.MaxCnxnsTest"},
	{name: "test.MultiAsyncTransactionTest"},
	{name: "test.MultiOperationTest"},
	{name: "test.NullDataTest"},
	{name: "test.PersistentRecursiveWatcherTest"},
	{name: "test.PersistentWatcherTest"},
	{name: "test.RecoveryTest"},
	{name: "test.RestoreCommittedLogTest"},
	{name: "test.ServerCnxnTest"},
	{name: "test.SessionInvalidationTest"},
	{name: "test.SessionTest", out: map[string]string{"testMinMaxSessionTimeout": factory, "testMaximumCnxnPerIP": factory,
		"testSessionStateNoDupStateReporting": endOfTime}},
	{name: "test.StandaloneTest"},
	{name: "test.StatTest"},
	{name: "test.SyncCallTest"},
	{name: "test.WatcherFuncTest"},
	{name: "test.WatcherTest", out: map[string]string{"testWatcherCount": inside, "testWatchAutoResetWithPending": endOfTime,
		"testWatcherAutoResetDisabledWithGlobal": endOfTime, "testWatcherAutoResetDisabledWithLocal": endOfTime}},
	{name: "test.ZooKeeperQuotaTest"},
}

// ensembles are the classes whose tests start several.
var ensembles = []class{
	{name: "server.quorum.EagerACLFilterTest", out: map[string]string{"testCreateOK": slow, "testCreate2OK": slow, "testCreate2Fail": slow,
		"testDeleteOK": slow, "testSetDataOK": slow, "testSetACLOK": slow}},
	{name: "server.quorum.EphemeralNodeDeletionTest"},
	{name: "server.quorum.ReconfigBackupTest", out: map[string]string{"testBackupStatic": "compares a file that this bench adds a line to"}},
	{name: "server.quorum.ReconfigRecoveryTest", out: map[string]string{"testNextConfigUnreachable": endOfTime, "testNextConfigAlreadyActive": slow,
		"testCurrentObserverIsParticipantInNewConfig": slow, "testObserverConvertedToParticipantDuringFLE": slow}},
	{name: "test.CheckTest"},
	{name: "test.DuplicateLocalSessionUpgradeTest"},
	{name: "test.FourLetterWordsQuorumTest"},
	{name: "test.LocalSessionsOnlyTest"},
	{name: "test.QuorumQuotaTest"},
	{name: "test.QuorumRestartTest"},
	{name: "test.ReconfigExceptionTest"},
	{name: "test.ReconfigMisconfigTest"},
	{name: "test.SessionUpgradeTest"},
	{name: "test.TruncateTest"},
}

// authenticating are the classes about SASL. They set properties when they are
// loaded, and Java reads a JAAS file once: each has a process of its own.
// SaslAuthDesignatedServerTest is not there, which keeps its users in the
// process.
var authenticating = []class{
	{name: "SaslAuthTest", out: map[string]string{"testThreadsShutdownOnAuthFailed": mistaken, "testZKOperationsAfterClientSaslAuthFailure": mistaken,
		"testDisconnectNotCreatingLoginThread": mistaken}},
	{name: "test.SaslAuthDesignatedClientTest", out: map[string]string{"testReadAccessUser": factory}},
	{name: "test.SaslAuthFailDesignatedClientTest"},
	{name: "test.SaslAuthFailTest"},
	{name: "test.SaslAuthMissingClientConfigTest"},
	{name: "test.SaslAuthRequiredFailNoSASLTest"},
	{name: "test.SaslAuthRequiredFailWrongSASLTest"},
	{name: "test.SaslAuthRequiredMultiClientTest"},
	{name: "test.SaslAuthRequiredTest"},
	{name: "test.SaslSuperUserTest", out: map[string]string{"testOtherSuperIsSuper": factory}},
}
