#!/usr/bin/env bash
# zkEnv.sh is sourced by every other script of this directory. It finds the
# configuration (ZOOCFGDIR, ZOOCFG), the log directory (ZOO_LOG_DIR) and the
# zooid binary (ZOOID), by the rules and with the variables of Apache
# ZooKeeper's script of this name. It prints nothing unless it fails.

ZOOBINDIR="${ZOOBINDIR:-/usr/bin}"
ZOOKEEPER_PREFIX="$ZOOBINDIR/.."

# Sourced without arguments it sees, and shifts, those of its caller.
if [[ $# -gt 1 && $1 == --config ]]; then
  ZOOCFGDIR=$2
  shift 2
fi

if [[ -z $ZOOCFGDIR ]]; then
  if [[ -e $ZOOKEEPER_PREFIX/conf ]]; then
    ZOOCFGDIR="$ZOOBINDIR/../conf"
  else
    ZOOCFGDIR="$ZOOBINDIR/../etc/zookeeper"
  fi
fi

# shellcheck source=/dev/null
[[ -f $ZOOCFGDIR/zookeeper-env.sh ]] && . "$ZOOCFGDIR/zookeeper-env.sh"

ZOOCFG="${ZOOCFG:-zoo.cfg}"
[[ $ZOOCFG == /* ]] || ZOOCFG="$ZOOCFGDIR/$ZOOCFG"

# shellcheck source=/dev/null
[[ -f $ZOOCFGDIR/java.env ]] && . "$ZOOCFGDIR/java.env"

ZOO_LOG_DIR="${ZOO_LOG_DIR:-$ZOOKEEPER_PREFIX/logs}"
USER="${USER:-$(id -un 2>/dev/null)}"

# The binary lies beside the scripts in a release, in build/ in a checkout.
# shellcheck disable=SC2034 # for those who source this
if [[ -x $ZOOBINDIR/zooid ]]; then
  ZOOID="$ZOOBINDIR/zooid"
elif [[ -x $ZOOBINDIR/../build/zooid ]]; then
  ZOOID="$ZOOBINDIR/../build/zooid"
elif ! ZOOID="$(type -P zooid)"; then
  echo "Error: there is no zooid binary in $ZOOBINDIR, $ZOOBINDIR/../build or PATH." \
    "In a checkout, run 'make build' first." >&2
  exit 1
fi

# zoo_flags WORD... sorts flags that were written for a JVM: -Dname=value goes
# into the array ZOOFLAGS, -Xmx becomes the soft memory limit of the Go runtime
# (unless GOMEMLIMIT is set), and what only a JVM understands is dropped.
zoo_flags() {
  local flag size
  ZOOFLAGS=()
  for flag in "$@"; do
    case $flag in
      -D?*) ZOOFLAGS+=("$flag") ;;
      -Xmx[0-9]*)
        size=${flag#-Xmx}
        case $size in
          *[kK]) size=${size%?}KiB ;;
          *[mM]) size=${size%?}MiB ;;
          *[gG]) size=${size%?}GiB ;;
          *[tT]) size=${size%?}TiB ;;
          *) size=${size}B ;;
        esac
        export GOMEMLIMIT="${GOMEMLIMIT:-$size}"
        ;;
    esac
  done
}
