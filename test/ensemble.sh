#!/bin/sh
# Starts an ensemble of servers on this machine and stays until it is
# interrupted: ensemble.sh ZOOID [SERVERS [DIR]].
#
# Server N has its clients on port 2180+N, the quorum port on 2887+N and the
# election port on 3887+N, all on 127.0.0.1, and its data in DIR/N. A line for
# each server says what it does whenever that changes.
set -eu
zooid=${1:?usage: ensemble.sh ZOOID [SERVERS [DIR]]}
servers=${2:-3}
dir=${3:-build/ensemble}

list=
n=1
while [ "$n" -le "$servers" ]; do
	list="$list
server.$n=127.0.0.1:$((2887 + n)):$((3887 + n))"
	n=$((n + 1))
done

pids=
stop() {
	trap - EXIT INT TERM
	# shellcheck disable=SC2086
	kill $pids 2>/dev/null || :
	wait
	echo "stopped; the data is in $dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

n=1
while [ "$n" -le "$servers" ]; do
	mkdir -p "$dir/$n"
	echo "$n" > "$dir/$n/myid"
	cat > "$dir/$n/zoo.cfg" <<CFG
tickTime=2000
initLimit=10
syncLimit=5
dataDir=$dir/$n
clientPort=$((2180 + n))
clientPortAddress=127.0.0.1
4lw.commands.whitelist=*
autopurge.purgeInterval=1
admin.enableServer=false$list
CFG
	"$zooid" server "$dir/$n/zoo.cfg" >> "$dir/$n/log" 2>&1 &
	pids="$pids $!"
	n=$((n + 1))
done
hosts=
n=1
while [ "$n" -le "$servers" ]; do
	hosts="$hosts${hosts:+,}127.0.0.1:$((2180 + n))"
	n=$((n + 1))
done
echo "$servers servers; connect with: bin/zkCli.sh -server $hosts"
echo "their logs: $dir/N/log. Ctrl-C stops them."

before=
while :; do
	now=
	n=1
	for pid in $pids; do
		if ! kill -0 "$pid" 2>/dev/null; then
			role="stopped (see $dir/$n/log)"
		else
			role=$("$zooid" status "$dir/$n/zoo.cfg" 2>/dev/null | sed -n 's/^Mode: //p')
		fi
		now="$now
server $n  127.0.0.1:$((2180 + n))  pid $pid  ${role:-looking for a quorum}"
		n=$((n + 1))
	done
	if [ "$now" != "$before" ]; then
		echo "$now"
		before=$now
	fi
	sleep 1
done
