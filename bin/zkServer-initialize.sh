#!/usr/bin/env bash
# zkServer-initialize.sh makes empty data directories for a new server.

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

case " $* " in
  *" -h "* | *" --help "*) "$ZOOID" initialize --program "$0" --configfile "$ZOOCFG" --help; exit 1 ;;
esac
exec "$ZOOID" initialize --program "$0" --configfile "$ZOOCFG" "$@"
