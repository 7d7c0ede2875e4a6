package cli

// oneShots are commands that are run one after the other, each by a shell of
// its own: what one leaves behind the next finds.
var oneShots = []string{
	// znodes
	"ls /",
	"create /a",
	"create /a",
	"create /b 'hello_world'",
	"create /b/c x",
	"create /b/c/d/e x",
	"create /b/d ''",
	"create b",
	"create /b/",
	"create //",
	"create /b/../c",
	"create",
	"create -z /x",
	"create -s /b/seq-",
	"create -s /b/seq- data",
	"create -s /b/",
	"create -e -s /b/es- data",
	"create -es /b/es- data",
	"create -c /cont",
	"create -c -e /cont2",
	"create -c -s /cont2",
	"create -t 100000 /ttl x",
	"create -t 100000 -s /ttl-",
	"create -t x /ttl2",
	"create -t 0 /ttl2",
	"create -t -5 /ttl2",
	"create -t 1099511627776 /ttl2",
	"create -t 5 -e /ttl2",
	"create -t 5 -c /ttl2",
	"create -t",
	"create /acl1 d world:anyone:r",
	"create /acl2 d world:nobody:r",
	"create /acl3 d nonsense",
	"create /acl4 d world:anyone:rz",
	"create /acl5 d ip:10.0.0.1:cdrwa,world:anyone:rda",
	"create /acl6 d digest:u:p:cdrwa",
	"create /acl7 d auth::cdrwa",
	"create /acl8 d world:anyone:r,,world:anyone:w,",
	"create /zookeeper x",
	"create /umlaut-ä x",
	"get /a",
	"get /b",
	"get /b/d",
	"get -s /b",
	"get -b /b",
	"get -x /b",
	"get -x /a",
	"get -x /b/d",
	"get -sb /b",
	"get /nope",
	"get nope",
	"get",
	"get /a true",
	"get -q /a",
	"get /zookeeper/config",
	"set /b v2",
	"set /b v3 -s",
	"set -s /b v4 -v 99",
	"set -v 3 /b v5",
	"set -v 2 /b v5",
	"set /b",
	"set /nope x",
	"set -b /b aGVsbG8gd29ybGQgYW5kIG1vcmUgdGhhbiBzaXh0ZWVuIGJ5dGVz",
	"get -x /b",
	"get /b",
	"set -b /a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gfn+AgYL/",
	"get -x /a",
	"get -b /a",
	"set -b /a !!!",
	"set -b /a YWJ",
	"set /a v -v x",
	"set /a v",
	"ls /b",
	"ls -s /b",
	"ls -R /b",
	"ls -R /",
	"ls -R /nope",
	"ls -w /b",
	"ls -sw /b",
	"ls /b watch",
	"ls -?",
	"ls",
	"ls /nope",
	"ls b",
	"stat /b",
	"stat /nope",
	"stat -w /nope",
	"stat",
	"stat /b true",
	"getAllChildrenNumber /",
	"getAllChildrenNumber /b",
	"getAllChildrenNumber /nope",
	"getAllChildrenNumber",
	"getEphemerals",
	"getEphemerals /b",
	"getEphemerals b",
	"sync /",
	"sync /nope",
	"sync nope",
	"sync",
	"delete /b",
	"delete /nope",
	"delete -v 7 /acl1",
	"delete -v x /a",
	"delete -v",
	"delete",
	"delete /acl4 0",
	"delete /zookeeper/quota",
	"delete /",
	"deleteall /b -b x",
	"deleteall /b -b 2",
	"deleteall /b",
	"deleteall nope",
	"deleteall",
	"deleteall /zookeeper",
	"deleteall -b 0 /cont",
	// access
	"getAcl /a",
	"getAcl -s /a",
	"getAcl /acl5",
	"getAcl /nope",
	"getAcl",
	"setAcl /a world:anyone:cdrwa",
	"setAcl -s /a world:anyone:rwa",
	"setAcl -v 9 /a world:anyone:r",
	"setAcl -v 1 /a world:anyone:cdrwa",
	"setAcl -v x /a world:anyone:r",
	"setAcl /a nonsense",
	"setAcl /a world:nobody:r",
	"setAcl /a",
	"setAcl /nope world:anyone:r",
	"setAcl -R /a world:anyone:cdrwa",
	"set /acl1 x",
	"create /acl1/x",
	"whoami",
	"whoami x",
	"addauth",
	"addauth digest u:p",
	"addauth nosuchscheme x",
	// quotas
	"create /q d",
	"create /q/r d",
	"setquota -n 5 /q",
	"setquota -b 1 /q",
	"setquota -N 1 /q",
	"setquota -B 100 /q",
	"listquota /q",
	"setquota -n 3 /q/r",
	"setquota -n 3 /nope",
	"setquota -n 0 /q",
	"setquota -n x /q",
	"setquota -b -1 /q",
	"setquota -n 3 /zookeeper/quota",
	"setquota -n 3 /",
	"setquota -n 3 q",
	"setquota /q",
	"setquota -n 1 -b 2 /q",
	"setquota -n",
	"listquota /nope",
	"listquota /",
	"listquota",
	"delquota -n /q",
	"delquota -n -b /q",
	"listquota /q",
	"get /zookeeper/quota/q/zookeeper_limits",
	"delquota /q",
	"delquota /q",
	"delquota /nope",
	"delquota",
	"setquota -n 3 /q/r",
	"setquota -n 3 /q",
	"delquota /q/r",
	"ls /zookeeper/quota",
	// watches
	"addWatch /a",
	"addWatch -m PERSISTENT /a",
	"addWatch -m persistent_recursive /a",
	"addWatch -m foo /a",
	"addWatch /a /b",
	"addWatch",
	"addWatch a",
	"removewatches /a",
	"removewatches -c /a",
	"removewatches -l /a",
	"removewatches a",
	"removewatches",
	// the ensemble
	"config",
	"config -c",
	"config -s",
	"config -x",
	"reconfig",
	"reconfig -add 5=h:1:2;3",
	"reconfig -remove 1",
	"reconfig -members server.1=h:1:2;3",
	"reconfig -add x -members y",
	"reconfig -file /nope -members y",
	"reconfig -v zz -add x",
	"reconfig -v 1f -add x",
	"reconfig -file",
	"version",
	"version x",
	// the shell itself
	"nosuchcommand",
	"help",
	"''",
	"history",
	"redo",
	"redo 0",
	"redo x",
	"printwatches",
	"printwatches off",
	"printwatches on",
	"close",
	"connect",
	"quit",
	"get -- /a",
	"get -- -s /a",
	"set /a -1",
	"set /a --",
	"set -v -1 /a '\"quoted\"'",
	"get /a",
}

// scripts are lines for standard input.
var scripts = []struct {
	name    string
	options []string
	lines   string
}{
	{name: "empty"},
	{name: "the last command decides", lines: "get /nope\nls /\n"},
	{name: "the last command fails", lines: "ls /\nget /nope\n"},
	{name: "quit keeps the exit code", lines: "get /nope\nquit\n"},
	{name: "quit after success", lines: "ls /\nquit\nls /\n"},
	{name: "no newline at the end", lines: "ls /\nls /zookeeper"},
	{name: "empty lines", lines: "\n\nls /\n\nhistory\n"},
	{name: "carriage returns", lines: "ls /\r\nhistory\r\n"},
	{name: "unknown", lines: "foo\nls /\nhistory\n"},
	{name: "quotes", lines: `
create /q "a b  c"
get /q
set /q 'it is "so"'
get /q
set /q "it's"
get /q
set /q ""
get /q
set /q a"b
get /q
set /q x "y"
create "/with blank" v
ls /
get '/with blank'
  get   /q
	get	/q
`},
	{name: "history and redo", lines: `
ls /
create /r v
get /r
redo 2
redo 0
history
redo 99
redo -1
redo 3
redo 8
redo
history
set /r 1
set /r 2
set /r 3
set /r 4
history
`},
	{name: "printwatches", lines: `
printwatches
printwatches off
printwatches
create /w v
get -w /w
set /w v2
sync /
printwatches on
get -w /w
set /w v3
sync /
`},
	{name: "one-shot watches", lines: `
create /w v
get -w /w
set /w v2
set /w v3
ls -w /w
create /w/k
delete /w/k
stat -w /none
create /none
stat -w /none
delete /none
ls -R -w /w
set /w x
create /w/l
config -w
sync /
`},
	{name: "staying watches", lines: `
create /p v
addWatch -m PERSISTENT /p
addWatch -m PERSISTENT_RECURSIVE /p
create /p/k
set /p/k v
set /p v2
delete /p/k
removewatches /p
set /p v3
removewatches /p
sync /
`},
	{name: "removewatches", lines: `
create /m v
get -w /m
removewatches -c /m
removewatches -d /m
ls -w /m
removewatches -d /m
removewatches -c /m
get -w /m
removewatches -a /m
get -w /m
removewatches -l /m
addWatch -m PERSISTENT /m
removewatches -p /m
addWatch -m PERSISTENT_RECURSIVE /m
removewatches -r /m
removewatches -r /m
sync /
`},
	{name: "ephemerals", lines: `
create -e /e v
create -e -s /e- v
create /e/k v
getEphemerals
getEphemerals /e-
stat /e
delete /e
getEphemerals
`},
	{name: "close and connect", lines: `
ls /
close
ls /
history
version
foo
printwatches
connect
ls /
close
close
quit
`},
	{name: "credentials", lines: `
addauth digest u:p
whoami
create /mine v auth::cdrwa
getAcl /mine
get /mine
setAcl /mine digest:u:zUYmmcn+Ko9wpqkFGUrAkeUGHoo=:r,world:anyone:a
getAcl -s /mine
set /mine x
delete /mine
close
connect
get /mine
getAcl /mine
whoami
`},
	{name: "trees", lines: `
create /t
create /t/b
create /t/a
create /t/a/z
create /t/a/y
ls -R /t
ls -R /t/a
ls -R -s /t
deleteall /t/a -b 1
ls -R /t
deleteall /t
ls /
`},
	{name: "one below another", lines: `
create /top v
create /top/k v
ls /top
`},
	{name: "read-only flag", options: []string{"-r"}, lines: "ls /\n"},
	{name: "wait for the connection", options: []string{"-waitforconnection"}, lines: "ls /\n"},
	{name: "unknown option", options: []string{"-nonsense"}, lines: "ls /\n"},
	{name: "timeout", options: []string{"-timeout", "5000"}, lines: "ls /\n"},
}
