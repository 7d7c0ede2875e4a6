#!/usr/bin/env bash
# zkTxnLogToolkit.sh prints, repairs or cuts a transaction log.

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

exec "$ZOOID" txnlog "$@"
