package wire

// Code is an error code of the protocol. It is an error itself: a refused
// operation is a value that travels in the reply header, never a log line.
type Code int32

// The codes of KeeperException.Code.
const (
	CodeOK                           Code = 0
	CodeSystemError                  Code = -1
	CodeRuntimeInconsistency         Code = -2
	CodeDataInconsistency            Code = -3
	CodeConnectionLoss               Code = -4
	CodeMarshallingError             Code = -5
	CodeUnimplemented                Code = -6
	CodeOperationTimeout             Code = -7
	CodeBadArguments                 Code = -8
	CodeUnknownSession               Code = -12
	CodeNewConfigNoQuorum            Code = -13
	CodeReconfigInProgress           Code = -14
	CodeAPIError                     Code = -100
	CodeNoNode                       Code = -101
	CodeNoAuth                       Code = -102
	CodeBadVersion                   Code = -103
	CodeNoChildrenForEphemerals      Code = -108
	CodeNodeExists                   Code = -110
	CodeNotEmpty                     Code = -111
	CodeSessionExpired               Code = -112
	CodeInvalidCallback              Code = -113
	CodeInvalidACL                   Code = -114
	CodeAuthFailed                   Code = -115
	CodeSessionMoved                 Code = -118
	CodeNotReadOnly                  Code = -119
	CodeEphemeralOnLocalSession      Code = -120
	CodeNoWatcher                    Code = -121
	CodeRequestTimeout               Code = -122
	CodeReconfigDisabled             Code = -123
	CodeSessionClosedRequireSASLAuth Code = -124
	CodeQuotaExceeded                Code = -125
	CodeThrottledOp                  Code = -127
)

var codeNames = map[Code]string{
	CodeOK:                           "Ok",
	CodeSystemError:                  "SystemError",
	CodeRuntimeInconsistency:         "RuntimeInconsistency",
	CodeDataInconsistency:            "DataInconsistency",
	CodeConnectionLoss:               "ConnectionLoss",
	CodeMarshallingError:             "MarshallingError",
	CodeUnimplemented:                "Unimplemented",
	CodeOperationTimeout:             "OperationTimeout",
	CodeBadArguments:                 "BadArguments",
	CodeUnknownSession:               "UnknownSession",
	CodeNewConfigNoQuorum:            "NewConfigNoQuorum",
	CodeReconfigInProgress:           "ReconfigInProgress",
	CodeAPIError:                     "APIError",
	CodeNoNode:                       "NoNode",
	CodeNoAuth:                       "NoAuth",
	CodeBadVersion:                   "BadVersion",
	CodeNoChildrenForEphemerals:      "NoChildrenForEphemerals",
	CodeNodeExists:                   "NodeExists",
	CodeNotEmpty:                     "Directory not empty",
	CodeSessionExpired:               "Session expired",
	CodeInvalidCallback:              "Invalid callback",
	CodeInvalidACL:                   "InvalidACL",
	CodeAuthFailed:                   "AuthFailed",
	CodeSessionMoved:                 "Session moved",
	CodeNotReadOnly:                  "Not a read-only call",
	CodeEphemeralOnLocalSession:      "Ephemeral node on local session",
	CodeNoWatcher:                    "No such watcher",
	CodeRequestTimeout:               "Request timeout",
	CodeReconfigDisabled:             "Reconfig is disabled",
	CodeSessionClosedRequireSASLAuth: "Session closed because client failed to authenticate",
	CodeQuotaExceeded:                "Quota has exceeded",
	CodeThrottledOp:                  "Op throttled due to high load",
}

// Text returns the words that Apache's clients print after "KeeperErrorCode = ".
func (c Code) Text() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return "Unknown error " + itoa(int64(c))
}

// Error implements error in the words of Apache's clients.
func (c Code) Error() string { return "KeeperErrorCode = " + c.Text() }
