#!/bin/sh
# Searches with each fuzzer of each package for a bounded time: fuzz.sh TIME.
#
# The fuzzing engine of Go sometimes reports the end of its own time as a
# failure, when the deadline of its context is seen before that of the
# context below it. Such an end has no failing input and no other message, so
# it is told from a finding and taken for what it is.
set -u
time=${1:?usage: fuzz.sh TIME}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for pkg in $(go list ./...); do
	dir=$(go list -f '{{.Dir}}' "$pkg")
	for target in $(grep -ohE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | cut -c6-); do
		echo "fuzz $pkg $target"
		if go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 2 "$pkg" >"$log" 2>&1; then
			tail -n 2 "$log"
		elif grep -q 'Failing input written' "$log" || [ "$(sed -n '/^--- FAIL/{n;p;}' "$log")" != '    context deadline exceeded' ]; then
			cat "$log"
			exit 1
		else
			echo "ok  	$pkg	until the deadline"
		fi
	done
done
