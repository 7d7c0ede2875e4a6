#!/usr/bin/env bash
# The way of an ensemble of three, as somebody goes it who knows ZooKeeper: the
# same zoo.cfg on each machine, its own myid, zkServer.sh restart, zkServer.sh
# status; a leader that is killed, and comes back. machines.sh runs this: on
# MACHINE COMMAND is a command in the shell of one machine, archive the release.

# step shows a command as typed at a machine's prompt, then runs it there.
step() {
  printf '%s$ %s\n' "$1" "$2"
  local code=0
  on "$1" "$2" || code=$?
  [[ $code -eq 0 ]] || printf '(exit code %d)\n' "$code"
}

# leader is the machine whose server says that it leads, once all the machines
# that are named serve; the operator looks until they do, for a minute at most.
leader() {
  local deadline=$((SECONDS + 60)) found machine mode serving
  while ((SECONDS < deadline)); do
    found='' serving=0
    for machine in "$@"; do
      mode=$(on "$machine" 'zkServer.sh status 2>/dev/null' | sed -n 's/^Mode: //p') || :
      case $mode in leader) found=$machine ;& follower) ((++serving)) ;; esac
    done
    if [[ -n $found && $serving -eq $# ]]; then
      echo "$found"
      return
    fi
    sleep 0.1
  done
  echo "no leader among $*" >&2
  exit 1
}

# Unpack on each machine, with the same configuration and another myid.
n=0
for machine in cdh001 cdh002 cdh003; do
  step $machine "cd /application/hadoop && tar -xzf $archive && ln -s zooid-[0-9]* zookeeper"
  step $machine 'mkdir -p /data/zookeeper/zkdata /data/zookeeper/zklog'
  on $machine 'cat >/application/hadoop/zookeeper/conf/zoo.cfg' <<'CFG'
# The number of milliseconds of each tick
# 服务器之间或客户端与服务器之间维持心跳的时间间隔
tickTime=2000
# Follower 初始化连接到 Leader 时最长能忍受多少个心跳的时间间隔数
initLimit=10
# Leader 与 Follower 之间发送消息,请求和应答的时间长度
syncLimit=5
# 数据目录
dataDir=/data/zookeeper/zkdata
# 日志目录
dataLogDir=/data/zookeeper/zklog
# 客户端端口
clientPort=2181
# server.N=主机名:Leader 与 Follower 通信的端口:选举的端口
server.1=cdh001:2888:3888
server.2=cdh002:2888:3888
server.3=cdh003:2888:3888
CFG
  step $machine "echo $((++n)) > /data/zookeeper/zkdata/myid"
  on $machine 'cat >>~/.bash_profile' <<'PROFILE'
export ZOOKEEPER_HOME=/application/hadoop/zookeeper
export PATH=$PATH:$ZOOKEEPER_HOME/bin
PROFILE
done

# Start them. Two of three are a quorum; before that none has a mode.
step cdh001 'zkServer.sh restart'
step cdh001 'zkServer.sh status'
step cdh002 'zkServer.sh restart'
step cdh003 'zkServer.sh restart'
leader cdh001 cdh002 cdh003 >/dev/null
for machine in cdh001 cdh002 cdh003; do step $machine 'zkServer.sh status'; done

# Each sees what the others write.
for machine in cdh001 cdh002 cdh003; do
  step $machine "zkCli.sh -server $machine:2181 create /from-$machine 'hello from $machine'"
done
for machine in cdh001 cdh002 cdh003; do
  step $machine "zkCli.sh -server $machine:2181 <<'COMMANDS'
sync /
ls /
get /from-cdh001
get /from-cdh002
get /from-cdh003
quit
COMMANDS"
done
step cdh001 'zkCli.sh -server cdh001:2181,cdh002:2181,cdh003:2181 create /app 1'

# The leader dies, another one leads, and writes go on.
dead=$(leader cdh001 cdh002 cdh003)
living=()
for machine in cdh001 cdh002 cdh003; do [[ $machine == "$dead" ]] || living+=($machine); done
step "$dead" 'kill -9 $(cat /data/zookeeper/zkdata/zookeeper_server.pid)'
step "$dead" 'zkServer.sh status'
leader "${living[@]}" >/dev/null
step "${living[0]}" 'zkCli.sh -server cdh001:2181,cdh002:2181,cdh003:2181 set /app 2'
for machine in "${living[@]}"; do step "$machine" 'zkServer.sh status'; done
for machine in "${living[@]}"; do
  step "$machine" "zkCli.sh -server $machine:2181 create /without-the-leader-$machine x"
done

# It comes back as a follower and has what it missed.
step "$dead" 'zkServer.sh restart'
leader cdh001 cdh002 cdh003 >/dev/null
for machine in cdh001 cdh002 cdh003; do step $machine 'zkServer.sh status'; done
step "$dead" "zkCli.sh -server $dead:2181 <<'COMMANDS'
sync /
ls /
get /app
quit
COMMANDS"

# A leader is relieved without being stopped, and another one leads.
before=$(leader cdh001 cdh002 cdh003)
step "$before" 'zkServer.sh handover'
after=$(leader cdh001 cdh002 cdh003)
[[ $after != "$before" ]] || { echo "$before leads on after it has handed over" >&2; exit 1; }
step "$before" 'zkServer.sh handover'
step "$after" 'zkCli.sh -server cdh001:2181,cdh002:2181,cdh003:2181 get /app'

# One of three that is left serves nobody, and says so once it has noticed.
step cdh001 'zkServer.sh stop'
step cdh002 'zkServer.sh stop'
for _ in {1..300}; do
  on cdh003 'zkServer.sh status' >/dev/null 2>&1 || break
  sleep 0.1
done
step cdh003 'zkServer.sh status'
step cdh003 'zkServer.sh stop'
for machine in cdh001 cdh002 cdh003; do
  step $machine 'ls /data/zookeeper/zkdata /data/zookeeper/zkdata/version-2 /data/zookeeper/zklog/version-2'
done
