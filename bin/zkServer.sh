#!/usr/bin/env bash
# zkServer.sh starts, stops and asks after one server. Arguments, environment,
# output and exit codes are those of Apache ZooKeeper's script of this name;
# what takes more than a line of shell is in `zooid daemon` and `zooid status`.

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

# There is no JMX here; wrappers wait for these lines, so they stay.
if [[ -n $JMXDISABLE && $JMXDISABLE != false ]]; then
  echo "JMX disabled by user request" >&2
else
  echo "ZooKeeper JMX enabled by default" >&2
  if [[ -n $JMXPORT ]]; then
    echo "ZooKeeper remote JMX Port set to $JMXPORT" >&2
    echo "ZooKeeper remote JMX authenticate set to ${JMXAUTH:-false}" >&2
    echo "ZooKeeper remote JMX ssl set to ${JMXSSL:-false}" >&2
    echo "ZooKeeper remote JMX log4j set to ${JMXLOG4J:-true}" >&2
    [[ -n $JMXHOSTNAME ]] && echo "ZooKeeper remote JMX Hostname set to $JMXHOSTNAME" >&2
  fi
fi

# A bare name is one of ZOOCFGDIR, anything with a slash is a path.
case $2 in
  '') ;;
  */*) ZOOCFG=$2 ;;
  *) ZOOCFG=$ZOOCFGDIR/$2 ;;
esac
echo "Using config: $ZOOCFG" >&2

read -ra words <<<"${ZK_SERVER_HEAP:+-Xmx${ZK_SERVER_HEAP}m} $SERVER_JVMFLAGS $JVMFLAGS"
zoo_flags "${words[@]}"
if [[ -n $ZOO_DATADIR_AUTOCREATE_DISABLE ]]; then
  "$ZOOID" daemon dirs "$ZOOCFG" || exit 1
  ZOOFLAGS=(-Dzookeeper.datadir.autocreate=false "${ZOOFLAGS[@]}")
fi
[[ -n $ZOO_LOG_LEVEL ]] && ZOOFLAGS=(--log-level "$ZOO_LOG_LEVEL" "${ZOOFLAGS[@]}")
[[ -n $ZOO_LOG_FORMAT ]] && ZOOFLAGS=(--log-format "$ZOO_LOG_FORMAT" "${ZOOFLAGS[@]}")
server=("$ZOOID" server "${ZOOFLAGS[@]}" "$ZOOCFG")
out="$ZOO_LOG_DIR/zookeeper-$USER-server-$HOSTNAME.out"

case $1 in
  start | stop | restart | handover)
    exec "$ZOOID" daemon "$1" --pid-file "$ZOOPIDFILE" --out "$out" "${ZOOFLAGS[@]}" "$ZOOCFG"
    ;;
  start-foreground)
    [[ -n $ZOO_NOEXEC ]] || exec "${server[@]}"
    "${server[@]}"
    ;;
  status)
    read -ra words <<<"$CLIENT_JVMFLAGS $SERVER_JVMFLAGS $JVMFLAGS"
    zoo_flags "${words[@]}"
    exec "$ZOOID" status "${ZOOFLAGS[@]}" "$ZOOCFG"
    ;;
  version)
    exec "$ZOOID" daemon version
    ;;
  print-cmd)
    printf '"%s" ' "${server[@]}"
    printf '> "%s" 2>&1 < /dev/null\n' "$out"
    ;;
  *)
    echo "Usage: $0 [--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd|handover}" >&2
    ;;
esac
