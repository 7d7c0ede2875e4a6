// Package wire holds the records that ZooKeeper's servers and clients
// exchange, the transaction records of its log, the opcodes and the error
// codes, each record with a plain Append and Decode pair over package jute.
//
// It is used by everything that speaks a protocol or reads a file: the client
// port, the core, the storage, the public client and the tools. Decoded paths,
// data and ACL vectors are slices of the input, so that a request reaches the
// tree without being copied. The package holds no state and does no I/O, and
// it must never decide what a request means.
//
// Records and numbers are those of zookeeper.jute, ZooDefs.OpCode and
// KeeperException.Code.
package wire

// Opcode is the type of a request, and of the transaction that it becomes.
type Opcode int32

// The opcodes of ZooDefs.OpCode.
const (
	OpNotification         Opcode = 0
	OpCreate               Opcode = 1
	OpDelete               Opcode = 2
	OpExists               Opcode = 3
	OpGetData              Opcode = 4
	OpSetData              Opcode = 5
	OpGetACL               Opcode = 6
	OpSetACL               Opcode = 7
	OpGetChildren          Opcode = 8
	OpSync                 Opcode = 9
	OpPing                 Opcode = 11
	OpGetChildren2         Opcode = 12
	OpCheck                Opcode = 13
	OpMulti                Opcode = 14
	OpCreate2              Opcode = 15
	OpReconfig             Opcode = 16
	OpCheckWatches         Opcode = 17
	OpRemoveWatches        Opcode = 18
	OpCreateContainer      Opcode = 19
	OpDeleteContainer      Opcode = 20
	OpCreateTTL            Opcode = 21
	OpMultiRead            Opcode = 22
	OpAuth                 Opcode = 100
	OpSetWatches           Opcode = 101
	OpSASL                 Opcode = 102
	OpGetEphemerals        Opcode = 103
	OpGetAllChildrenNumber Opcode = 104
	OpSetWatches2          Opcode = 105
	OpAddWatch             Opcode = 106
	OpWhoAmI               Opcode = 107
	OpCreateSession        Opcode = -10
	OpCloseSession         Opcode = -11
	OpError                Opcode = -1
)

// The reserved xids of a request or reply header.
const (
	XidNotification int32 = -1
	XidPing         int32 = -2
	XidAuth         int32 = -4
	XidSetWatches   int32 = -8
)

// opcodeNames are the short names that cons prints as lop=, and the names in
// tools that dump transactions.
var opcodeNames = map[Opcode][2]string{
	OpNotification:         {"NA", "notification"},
	OpCreate:               {"CREA", "create"},
	OpDelete:               {"DELE", "delete"},
	OpExists:               {"EXIS", "exists"},
	OpGetData:              {"GETD", "getData"},
	OpSetData:              {"SETD", "setData"},
	OpGetACL:               {"GETA", "getACL"},
	OpSetACL:               {"SETA", "setACL"},
	OpGetChildren:          {"GETC", "getChildren"},
	OpSync:                 {"SYNC", "sync"},
	OpPing:                 {"PING", "ping"},
	OpGetChildren2:         {"GETC", "getChildren2"},
	OpCheck:                {"CHEC", "check"},
	OpMulti:                {"MULT", "multi"},
	OpCreate2:              {"CREA", "create2"},
	OpReconfig:             {"RECO", "reconfig"},
	OpCheckWatches:         {"CHKW", "checkWatches"},
	OpRemoveWatches:        {"REMW", "removeWatches"},
	OpCreateContainer:      {"CREA", "createContainer"},
	OpDeleteContainer:      {"DELE", "deleteContainer"},
	OpCreateTTL:            {"CREA", "createTTL"},
	OpMultiRead:            {"MLTR", "multiRead"},
	OpAuth:                 {"AUTH", "auth"},
	OpSetWatches:           {"SETW", "setWatches"},
	OpSASL:                 {"SASL", "sasl"},
	OpGetEphemerals:        {"GETE", "getEphemerals"},
	OpGetAllChildrenNumber: {"GETACN", "getAllChildrenNumber"},
	OpSetWatches2:          {"STW2", "setWatches2"},
	OpAddWatch:             {"ADDW", "addWatch"},
	OpWhoAmI:               {"HOMI", "whoAmI"},
	OpCreateSession:        {"SESS", "createSession"},
	OpCloseSession:         {"CLOS", "closeSession"},
	OpError:                {"NA", "error"},
}

// Short returns the four-letter form that the cons command shows as the last
// operation of a connection; "NA" for a number that is no opcode.
func (o Opcode) Short() string {
	if n, ok := opcodeNames[o]; ok {
		return n[0]
	}
	return "NA"
}

// String returns the name as ZooDefs.OpCode has it, or "unknown N".
func (o Opcode) String() string {
	if n, ok := opcodeNames[o]; ok {
		return n[1]
	}
	return "unknown " + itoa(int64(o))
}

// Known reports whether a client may send the number: all opcodes except those
// that only exist inside a server, and check, which lives in a multi. Apache's
// server also takes deleteContainer and createSession from clients, the first
// without a permission check; here they are the server's own.
func (o Opcode) Known() bool {
	switch o {
	case OpNotification, OpError, OpCheck, OpCreateSession, OpDeleteContainer:
		return false
	}
	_, ok := opcodeNames[o]
	return ok
}

// Writes reports whether the operation becomes a transaction.
func (o Opcode) Writes() bool {
	switch o {
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL, OpDelete, OpDeleteContainer,
		OpSetData, OpSetACL, OpReconfig, OpMulti, OpCheck, OpCreateSession, OpCloseSession:
		return true
	}
	return false
}

// itoa spares the package an import of strconv for two error texts.
func itoa(v int64) string {
	if v == 0 {
		return "0"
	}
	neg := v < 0
	u := uint64(v)
	if neg {
		u = -u
	}
	var b [20]byte
	i := len(b)
	for u > 0 {
		i--
		b[i] = byte('0' + u%10)
		u /= 10
	}
	if neg {
		i--
		b[i] = '-'
	}
	return string(b[i:])
}
