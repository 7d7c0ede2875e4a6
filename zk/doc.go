// Package zk is a client of ZooKeeper: of Zooid and of every Apache ZooKeeper
// server from 3.4 on.
//
// A [Client] is one session. It keeps one connection to one of the servers
// that it was given, looks for another one when that breaks, brings its
// credentials and watches along, and lives until it is closed or the servers
// declare its session expired; then it is over and a new one must be made.
// Any number of goroutines may share a Client: their requests travel on the
// one connection without waiting for each other, and the servers answer them
// in the order in which they were sent.
//
// # Contexts and lost connections
//
// Every operation takes a context. While there is no connection an operation
// waits for one, as long as its context allows and no longer than a session
// timeout. What was not sent is safe to wait for; what was sent and not
// answered when the connection broke ends with [ErrConnectionLoss], and the
// caller alone can know whether to look, repeat or give up. A context that
// ends while a request is on its way abandons the answer, not the request.
//
// # Watches
//
// GetW, ExistsW and ChildrenW leave a one-shot watch behind: a channel that
// carries one [Event] and is then closed. AddWatch returns a [Watch] that
// stays until it is closed. A Watch never blocks the connection: its queue is
// bounded, and wherever events may have been missed (the queue was full, or
// the connection was lost for a while) it delivers [EventResync], which says
// read again. An event reaches its watch before any answer that shows the
// change does.
//
// # Errors
//
// What the servers refuse is an [*OpError] around a [Code], so that
// errors.Is(err, zk.ErrNoNode) and its like decide.
//
// The package stands between programs and the wire records; recipes (package
// zk/recipe) and the shell are built on it. It must never hide that an answer
// is unknown, retry a request that may have been executed, or start a second
// session behind the caller's back.
package zk
