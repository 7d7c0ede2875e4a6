// Package applications holds the tests with whole applications that keep their
// state in ZooKeeper. It is tests only.
//
// What a client's suite asks for one call at a time an application asks for
// all at once and for hours: it must go on while the servers below it are
// killed, restarted and paused, keep its sessions over all of that, and lose
// one exactly when its own process was silent for too long.
package applications
