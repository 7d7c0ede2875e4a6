#!/usr/bin/env bash
# sandbox.sh ARCHIVE WALKTHROUGH DIR runs WALKTHROUGH on a machine of its own,
# whose root is mounted on the empty directory DIR: same programs, but a network
# with nothing on it, empty /application and /data, and the user hadoop. It must
# run in fresh mount, network, process and host name namespaces (see
# walkthrough_test.go), so that nothing of it, neither a file nor a process nor
# port 2181, is seen or left outside.
set -euo pipefail
archive=$1 walkthrough=$2 root=$3
user=hadoop id=4242 groups=--clear-groups

hostname zoo-01
ip link set lo up

# The root of the sandbox: every directory of the machine but those that the
# walkthrough writes to, which are empty ones in memory.
mount -t tmpfs -o mode=755 zooid-walkthrough "$root"
for entry in /*; do
  name=${entry#/}
  case $name in application | data | home | proc | tmp | walkthrough) continue ;; esac
  if [[ -L $entry ]]; then
    cp -P "$entry" "$root/$name"
  elif [[ -d $entry ]]; then
    mkdir "$root/$name"
    mount --rbind "$entry" "$root/$name"
  fi
done
mkdir -p "$root"/{application/hadoop,data,home/hadoop,proc,tmp,walkthrough}
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
cp "$archive" "$walkthrough" "$root/walkthrough/"

# The user, for this sandbox only.
{ grep -v "^$user:" /etc/passwd; echo "$user:x:$id:$id::/home/hadoop:/bin/bash"; } >"$root/walkthrough/passwd"
mount --bind "$root/walkthrough/passwd" "$root/etc/passwd"
# (Where no root but an ordinary user plays, that user is already one.)
chown -R $id:$id "$root"/{application/hadoop,data,home/hadoop} 2>/dev/null || id=0 groups=--keep-groups

cd "$root"
exec chroot . setpriv --reuid $id --regid $id $groups \
  env -i HOME=/home/hadoop USER=$user LANG=C.UTF-8 TZ=UTC PATH=/usr/local/bin:/usr/bin:/bin \
  bash "/walkthrough/$(basename "$walkthrough")" "/walkthrough/$(basename "$archive")"
