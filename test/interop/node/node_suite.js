// The Node suite of the interop ring: node node_suite.js HOST:PORT CASE, or
// --list. It uses node-zookeeper-client, a client written from nothing in
// JavaScript, which speaks the protocol of ZooKeeper 3.4.
'use strict';

const assert = require('assert');
const readline = require('readline');
const zookeeper = require('node-zookeeper-client');

const { CreateMode, Event, Exception, ACL, Permission, Id } = zookeeper;
let hosts;

// orders reads the harness's answers to "@order" lines.
const answers = [];
let waiting = null;

async function ask(order) {
  if (!waiting) {
    waiting = readline.createInterface({ input: process.stdin });
    waiting.on('line', (line) => answers.shift()(line));
  }
  const answer = new Promise((resolve) => answers.push(resolve));
  console.log('@' + order);
  assert.strictEqual(await answer, 'done');
}

function connect(options) {
  const client = zookeeper.createClient(hosts, { sessionTimeout: 20000, spinDelay: 50, ...options });
  return new Promise((resolve) => {
    client.once('connected', () => resolve(client));
    client.connect();
  });
}

// call makes a promise of a method whose callback is (error, ...results).
function call(client, method, ...args) {
  return new Promise((resolve, reject) => {
    client[method](...args, (error, ...results) => (error ? reject(error) : resolve(results)));
  });
}

async function refused(code, promise) {
  await assert.rejects(promise, (e) => e.getCode && e.getCode() === Exception[code]);
}


const cases = {
  async operations() {
    const zk = await connect();
    assert.deepStrictEqual(await call(zk, 'create', '/n', Buffer.from('one')), ['/n']);
    let [data, stat] = await call(zk, 'getData', '/n');
    assert.strictEqual(data.toString(), 'one');
    assert.strictEqual(stat.version, 0);
    [stat] = await call(zk, 'setData', '/n', Buffer.from('two'), 0);
    assert.strictEqual(stat.version, 1);
    await refused('BAD_VERSION', call(zk, 'setData', '/n', Buffer.from('x'), 0));
    await refused('NODE_EXISTS', call(zk, 'create', '/n'));
    await refused('NO_NODE', call(zk, 'getData', '/no'));
    await refused('NO_NODE', call(zk, 'create', '/no/n'));
    for (let i = 0; i < 3; i++) {
      const [path] = await call(zk, 'create', '/n/s-', null, CreateMode.PERSISTENT_SEQUENTIAL);
      assert.strictEqual(path, '/n/s-000000000' + i);
    }
    await call(zk, 'create', '/n/e', CreateMode.EPHEMERAL);
    const [children] = await call(zk, 'getChildren', '/n');
    assert.deepStrictEqual(children.sort(), ['e', 's-0000000000', 's-0000000001', 's-0000000002']);
    await refused('NOT_EMPTY', call(zk, 'remove', '/n'));
    await call(zk, 'mkdirp', '/deep/er/est');
    await call(zk, 'removeRecursive', '/n');
    [stat] = await call(zk, 'exists', '/n');
    assert.strictEqual(stat, null);
    zk.close();
  },

  async watches() {
    const zk = await connect();
    const other = await connect();
    await call(zk, 'create', '/w');
    const changed = new Promise((resolve) => zk.getData('/w', resolve, () => {}));
    const child = new Promise((resolve) => zk.getChildren('/w', resolve, () => {}));
    const there = new Promise((resolve) => zk.exists('/w/a', resolve, () => {}));
    await call(zk, 'exists', '/w');
    await call(other, 'setData', '/w', Buffer.from('x'));
    await call(other, 'create', '/w/a');
    assert.strictEqual((await changed).getType(), Event.NODE_DATA_CHANGED);
    assert.strictEqual((await child).getType(), Event.NODE_CHILDREN_CHANGED);
    assert.strictEqual((await there).getPath(), '/w/a');
    zk.close();
    other.close();
  },

  async transaction() {
    const zk = await connect();
    const tx = zk.transaction().create('/t', Buffer.from('1')).check('/t', 0).setData('/t', Buffer.from('2'), 0);
    const [results] = await call(tx, 'commit');
    assert.strictEqual(results.length, 3);
    const bad = zk.transaction().create('/t/a').remove('/none');
    await new Promise((resolve) => bad.commit((error, outcome) => {
      assert.ok(error);
      assert.deepStrictEqual(outcome.map((o) => o.err), [0, Exception.NO_NODE]);
      resolve();
    }));
    const [stat] = await call(zk, 'exists', '/t/a');
    assert.strictEqual(stat, null);
    zk.close();
  },

  async acls() {
    const zk = await connect();
    const other = await connect();
    zk.addAuthInfo('digest', Buffer.from('user:pw'));
    await call(zk, 'create', '/mine', Buffer.from('s'), ACL.CREATOR_ALL_ACL);
    await refused('NO_AUTH', call(other, 'getData', '/mine'));
    const [acls] = await call(zk, 'getACL', '/mine');
    assert.strictEqual(acls[0].id.scheme, 'digest');
    await call(zk, 'setACL', '/mine', [new ACL(Permission.READ, Id.ANYONE_ID_UNSAFE)]);
    const [data] = await call(other, 'getData', '/mine');
    assert.strictEqual(data.toString(), 's');
    zk.close();
    other.close();
  },

  async reconnect() {
    // The client never gets over a connection that is closed before its
    // handshake is answered, as Apache's server does while it comes up; so it
    // tries again only when the server is there.
    const zk = await connect({ spinDelay: 2500 });
    await call(zk, 'create', '/r');
    await call(zk, 'create', '/r/e', CreateMode.EPHEMERAL);
    const session = zk.getSessionId().toString('hex');
    const changed = new Promise((resolve) => zk.getData('/r', resolve, () => {}));
    await call(zk, 'exists', '/r');
    const lost = new Promise((resolve) => zk.once('disconnected', resolve));
    const back = new Promise((resolve) => lost.then(() => zk.once('connected', resolve)));
    await ask('kill');
    await lost;
    await ask('start');
    await back;
    assert.strictEqual(zk.getSessionId().toString('hex'), session);
    const other = await connect();
    const [stat] = await call(other, 'exists', '/r/e');
    assert.strictEqual(stat.ephemeralOwner.toString('hex'), session);
    await call(other, 'setData', '/r', Buffer.from('after'));
    assert.strictEqual((await changed).getType(), Event.NODE_DATA_CHANGED);
    zk.close();
    other.close();
  },

  async pipeline() {
    const zk = await connect();
    const paths = Array.from({ length: 2000 }, (_, i) => '/p' + i);
    const made = await Promise.all(paths.map((p) => call(zk, 'create', p, Buffer.from(p))));
    assert.deepStrictEqual(made.map(([p]) => p), paths);
    const read = await Promise.all(paths.map((p) => call(zk, 'getData', p)));
    assert.deepStrictEqual(read.map(([d]) => d.toString()), paths);
    zk.close();
  },
};

if (process.argv[2] === '--list') {
  console.log(Object.keys(cases).join('\n'));
} else {
  hosts = process.argv[2];
  cases[process.argv[3]]().then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}
