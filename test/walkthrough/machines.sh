#!/usr/bin/env bash
# machines.sh ARCHIVE WALKTHROUGH DIR runs WALKTHROUGH on three machines of
# their own, cdh001, cdh002 and cdh003, which are namespaces on this one: each
# has a network address, a host name, and empty /application and /data, and all
# have the same hosts file and the user hadoop. It must run in fresh mount,
# network, process and host name namespaces (see walkthrough_test.go), so that
# nothing of it is seen or left outside; the machines' roots are made below the
# empty directory DIR.
set -euo pipefail
archive=$1 walkthrough=$2 dir=$3
export user=hadoop id=4242 groups=--clear-groups
machines=(cdh001 cdh002 cdh003)

mount -t proc proc /proc
mount -t tmpfs -o mode=755 zooid-machines "$dir"
ip link set lo up
ip link add switch type bridge
ip link set switch up
{
  echo "127.0.0.1 localhost"
  for n in "${!machines[@]}"; do echo "10.9.0.$((n + 1)) ${machines[n]}"; done
} >"$dir/hosts"
{ grep -v "^$user:" /etc/passwd; echo "$user:x:$id:$id::/home/hadoop:/bin/bash"; } >"$dir/passwd"

# boot is a machine's first process: it gives the machine its root, says that it
# is up, and stays.
boot() {
  local name=$1 root=$2 archive=$3
  hostname "$name"
  mkdir "$root"
  mount -t tmpfs -o mode=755 "$name" "$root"
  local entry
  for entry in /*; do
    case $entry in /application | /data | /home | /proc | /tmp | /walkthrough) continue ;; esac
    if [[ -L $entry ]]; then
      cp -P "$entry" "$root$entry"
    elif [[ -d $entry ]]; then
      mkdir "$root$entry"
      mount --rbind "$entry" "$root$entry"
    fi
  done
  mkdir -p "$root"/{application/hadoop,data,home/hadoop,proc,tmp,walkthrough}
  chmod 1777 "$root/tmp"
  mount -t proc proc "$root/proc"
  cp "$archive" "$root/walkthrough/"
  mount --bind "$root/../passwd" "$root/etc/passwd"
  mount --bind "$root/../hosts" "$root/etc/hosts"
  chown -R "$id:$id" "$root"/{application/hadoop,data,home/hadoop} 2>/dev/null || :
  echo up >"$root/../$name.up"
  exec chroot "$root" sleep infinity
}
export -f boot

declare -A pids
for n in "${!machines[@]}"; do
  name=${machines[n]}
  mkfifo "$dir/$name.up"
  unshare --mount --net --uts bash -ec "boot $name '$dir/$name' '$archive'" &
  pids[$name]=$!
  read -r <"$dir/$name.up"
  ip link add "to-$name" type veth peer name uplink netns "${pids[$name]}"
  ip link set "to-$name" master switch up
  nsenter --target "${pids[$name]}" --net bash -ec "
    ip link set lo up
    ip address add 10.9.0.$((n + 1))/24 dev uplink
    ip link set uplink up"
done
# (Where no root but an ordinary user plays, that user is already one.)
chown "$id:$id" "$dir/hosts" 2>/dev/null || id=0 groups=--keep-groups

# on MACHINE COMMAND is COMMAND typed into a login shell on MACHINE.
on() {
  nsenter --target "${pids[$1]}" --mount --net --uts --root --wdns=/home/hadoop \
    setpriv --reuid $id --regid $id $groups \
    env -i HOME=/home/hadoop USER=$user LANG=C.UTF-8 TZ=UTC PATH=/usr/local/bin:/usr/bin:/bin \
    bash -lc "$2"
}
archive=/walkthrough/$(basename "$archive")
. "$walkthrough"
