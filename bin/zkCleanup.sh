#!/usr/bin/env bash
# zkCleanup.sh removes old snapshots and logs of the directories in zoo.cfg.

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

mapfile -t dirs < <("$ZOOID" daemon where "$ZOOCFG")
exec "$ZOOID" cleanup "${dirs[@]}" "$@"
