package zk

import (
	"errors"
	"fmt"

	"zooid/internal/wire"
)

// Code is an error code of the protocol; it is an error itself. The constants
// below are its values.
type Code = wire.Code

// The codes that servers answer with, and the few that arise in a client.
// Compare with errors.Is.
const (
	// ErrNoNode: the znode, or the parent of the one to create, does not exist.
	ErrNoNode = wire.CodeNoNode
	// ErrNodeExists: the znode to create exists already.
	ErrNodeExists = wire.CodeNodeExists
	// ErrNotEmpty: the znode to delete has children.
	ErrNotEmpty = wire.CodeNotEmpty
	// ErrBadVersion: the version asked for is not the one that the znode has.
	ErrBadVersion = wire.CodeBadVersion
	// ErrNoAuth: the access control list does not allow the operation.
	ErrNoAuth = wire.CodeNoAuth
	// ErrAuthFailed: a credential was refused; the session is over.
	ErrAuthFailed = wire.CodeAuthFailed
	// ErrInvalidACL: the list is empty, or an entry is malformed or of an unknown scheme.
	ErrInvalidACL = wire.CodeInvalidACL
	// ErrNoChildrenForEphemerals: ephemeral znodes have no children.
	ErrNoChildrenForEphemerals = wire.CodeNoChildrenForEphemerals
	// ErrBadArguments: a path, mode, TTL or configuration is malformed.
	ErrBadArguments = wire.CodeBadArguments
	// ErrSessionExpired: the servers have ended the session; its ephemeral znodes are gone.
	ErrSessionExpired = wire.CodeSessionExpired
	// ErrConnectionLoss: the connection broke while the request was under way
	// (whether it was executed is unknown), or none could be had in time (it was not).
	ErrConnectionLoss = wire.CodeConnectionLoss
	// ErrNotReadOnly: a server in read-only mode does not take writes.
	ErrNotReadOnly = wire.CodeNotReadOnly
	// ErrNoWatcher: there is no such watch to remove.
	ErrNoWatcher = wire.CodeNoWatcher
	// ErrUnimplemented: the server does not know the operation, or has it switched off.
	ErrUnimplemented = wire.CodeUnimplemented
	// ErrMarshalling: the server could not decode the request.
	ErrMarshalling = wire.CodeMarshallingError
	// ErrQuotaExceeded: a hard quota would be exceeded.
	ErrQuotaExceeded = wire.CodeQuotaExceeded
	// ErrThrottled: the server gave the request up under load; it was not executed.
	ErrThrottled = wire.CodeThrottledOp
	// ErrReconfigDisabled: the ensemble does not allow reconfig.
	ErrReconfigDisabled = wire.CodeReconfigDisabled
	// ErrReconfigInProgress: another reconfig has not ended yet.
	ErrReconfigInProgress = wire.CodeReconfigInProgress
	// ErrNewConfigNoQuorum: no quorum of the new configuration is connected and synced.
	ErrNewConfigNoQuorum = wire.CodeNewConfigNoQuorum
	// ErrEphemeralOnLocalSession: a local session may not own ephemeral znodes here.
	ErrEphemeralOnLocalSession = wire.CodeEphemeralOnLocalSession
	// ErrAuthRequired: the server demands an authentication that the session lacks.
	ErrAuthRequired = wire.CodeSessionClosedRequireSASLAuth
	// ErrRuntimeInconsistency: in the results of a failed Multi, an operation
	// behind the one that failed.
	ErrRuntimeInconsistency = wire.CodeRuntimeInconsistency
)

// ErrClosed ends every operation of a client that was closed or detached.
var ErrClosed = errors.New("zk: the client is closed")

// ErrTooLarge refuses a request above the limit of WithMaxRequest before it
// is sent: a server would answer it by dropping the connection.
var ErrTooLarge = errors.New("zk: the request is too large")

// OpError is what an operation returns: which one, on which path, and why.
type OpError struct {
	Op   string // "get", "create", ...
	Path string // as the caller gave it; empty if the operation has none
	Err  error  // a Code, a *PathError, a context's error, ...
}

// Error implements error.
func (e *OpError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("zk: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("zk: %s %s: %v", e.Op, e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *OpError) Unwrap() error { return e.Err }

// opError wraps err; nil stays nil, and a wrapped one is not wrapped again.
func opError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var done *OpError
	if errors.As(err, &done) {
		return err
	}
	return &OpError{Op: op, Path: path, Err: err}
}

// lossOf is a connection loss with what caused it, if that is known.
func lossOf(cause error) error {
	if cause == nil {
		return ErrConnectionLoss
	}
	return fmt.Errorf("%w: %w", ErrConnectionLoss, cause)
}
