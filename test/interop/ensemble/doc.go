// Package ensemble holds the tests of ensembles as real processes: members
// that are killed, paused, wiped and restarted under load, of Apache's server,
// of ours, and of both mixed. It is tests only.
//
// Each test states one promise of ZooKeeper and is run for every ensemble that
// -ensembles (or ZOOID_ENSEMBLES) names: J is a member of Apache's, Z one of
// ours, so "JJJ" shows that a promise is one and "JJZ" that we keep it in
// company. The words java, zooid and mixed stand for usual choices.
package ensemble
