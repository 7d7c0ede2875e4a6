#!/usr/bin/env bash
# zkCli.sh is the command line shell. Its arguments, output and exit codes are
# those of Apache ZooKeeper's script of this name; `zooid cli` does the work.

ZOOBIN="${BASH_SOURCE[0]}"
[[ -h $ZOOBIN ]] && ZOOBIN="$(readlink -f "$ZOOBIN")"
ZOOBINDIR="$(cd "$(dirname "$ZOOBIN")" && pwd)" || exit 1
if [[ -e $ZOOBINDIR/../libexec/zkEnv.sh ]]; then
  # shellcheck source=bin/zkEnv.sh
  . "$ZOOBINDIR/../libexec/zkEnv.sh"
else
  # shellcheck source=bin/zkEnv.sh
  . "$ZOOBINDIR/zkEnv.sh"
fi
# The settings for TLS come in as words that were written for a JVM.
# shellcheck disable=SC2086
zoo_flags $CLIENT_JVMFLAGS $JVMFLAGS
exec "$ZOOID" cli "${ZOOFLAGS[@]}" "$@"
