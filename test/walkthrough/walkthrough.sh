#!/usr/bin/env bash
# The way from the release archive to a stopped server, as somebody goes it who
# knows ZooKeeper: zoo.cfg, myid, zkServer.sh, zkCli.sh. The arguments are the
# archive; /application/hadoop and /data belong to the user who runs this.
archive=$1

# step shows a command as typed at a prompt, then runs it.
step() {
  printf '$ %s\n' "$*"
  eval "$*"
  local code=$?
  [[ $code -eq 0 ]] || printf '(exit code %d)\n' "$code"
}

step whoami

# Unpack, and give the version a name without one.
cd /application/hadoop || exit 1
step "tar -xzf $archive"
step 'ln -s zooid-[0-9]* zookeeper'
step 'ls zookeeper/'

# The directories and the configuration.
step 'mkdir -p /data/zookeeper/zkdata /data/zookeeper/zklog'
cat >/application/hadoop/zookeeper/conf/zoo.cfg <<'CFG'
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
# the port at which the clients will connect (客户端端口)
clientPort=2181
# 保留快照的数量
#autopurge.snapRetainCount=3
# 清理任务的间隔(小时),0 表示关闭
#autopurge.purgeInterval=1
server.1=zoo-01:2888:3888
CFG
step 'echo 1 > /data/zookeeper/zkdata/myid'

# The scripts on the PATH.
cat >>~/.bash_profile <<'PROFILE'
export ZOOKEEPER_HOME=/application/hadoop/zookeeper
export PATH=$PATH:$ZOOKEEPER_HOME/bin
PROFILE
step '. ~/.bash_profile'

# Start it and look at it.
cd ~ || exit 1
step 'zkServer.sh start'
step 'zkServer.sh status'
step 'zkServer.sh start'
step 'cat /data/zookeeper/zkdata/zookeeper_server.pid | grep -c "^[0-9]*$"'

# One command after the other from the shell of the operator ...
step 'zkCli.sh -server localhost:2181 create /app "hello"'
step 'zkCli.sh -server localhost:2181 get /app'
step 'zkCli.sh -server localhost:2181 get /nothing'
step 'zkCli.sh -server localhost:2181 ls /'

# ... and a session of its own.
step 'zkCli.sh -server localhost:2181 <<"COMMANDS"
ls /
create /app/config "a=1"
create -s /app/task- first
create -s /app/task- second
create -e /app/worker me
create -c /app/box
ls -R /app
get -s /app/config
set /app/config "a=2"
set -v 0 /app/config "a=3"
get /app/config
stat /app
addauth digest alice:secret
create /app/private x auth::cdrwa
getAcl /app/private
setAcl /app/config world:anyone:ra
set /app/config "a=4"
getAcl /app/config
setAcl /app/config world:anyone:cdrwa
whoami
get -w /app/config
set /app/config "a=5"
getEphemerals
getAllChildrenNumber /app
setquota -n 20 /app
listquota /app
delquota /app
sync /app
version
delete /app
delete /app/config
deleteall /app
ls /
create /survives "the restart"
nonsense
history
quit
COMMANDS'

# What was written is there after a restart.
step 'zkServer.sh restart'
step 'zkServer.sh status'
step 'zkCli.sh -server localhost:2181 get /survives'
step 'zkCli.sh -server localhost:2181 delete /survives'

step 'zkServer.sh stop'
step 'zkServer.sh status'
step 'zkServer.sh stop'
step 'ls /data/zookeeper/zkdata /data/zookeeper/zkdata/version-2'
step 'ls /data/zookeeper/zklog/version-2'
