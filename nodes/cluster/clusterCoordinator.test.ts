/** Stories of several coordinators on virtual time, over one store. */
import { afterEach, describe, expect, it } from 'vitest';
import { CLUSTER_LIMITS } from '../limits.ts';
import type { TestNode } from './testCluster.ts';
import { VirtualCluster } from './testVirtual.ts';

let cluster: VirtualCluster;
/** A town of so many nodes in which everything is served. */
const town = async (nodes: number, seed = 1): Promise<TestNode[]> => {
  cluster = new VirtualCluster(seed);
  for (let i = 1; i <= nodes; i++) cluster.start(`n${i}`);
  await whole(10_000);
  return cluster.nodes;
};
const whole = (withinMs: number): Promise<number> =>
  cluster.until('every shard is served by one, and all know by whom', () => cluster.whole, withinMs);
const counted = (name: string): number => cluster.counts.get(name) ?? 0;
const remember = (node: TestNode): void => {
  for (const shard of node.host.memory.keys()) node.host.memory.set(shard, `known to ${node.id}`);
};
const remembered = (node: TestNode, of: TestNode): number =>
  [...node.host.memory.values()].filter(state => state === `known to ${of.id}`).length;
const write = (key: string, text: string): void => {
  const revision = cluster.bucket.get(key)?.revision ?? 0;
  cluster.bucket.put(key, new TextEncoder().encode(text), revision);
};
const shardOf = (owner: string, state: string): string => {
  const token = '0123456789abcdef';
  return JSON.stringify({
    v: 2,
    owner,
    incarnation: token,
    epoch: 3,
    state,
    to: `spook.${token}`,
    nonce: token,
  });
};
const nodeRecord = (id: string): { state: string; incarnation: string } =>
  JSON.parse(new TextDecoder().decode(cluster.bucket.get(`node.${id}`)!.value));

afterEach(() => {
  expect(cluster.problems).toEqual([]);
});

describe('starting', () => {
  it('one node takes everything, with two writes for each shard', async () => {
    const [n1] = await town(1);
    expect(cluster.shares()).toEqual([512]);
    expect(n1!.started).toBe(true);
    const writes = n1!.kv.log.filter(call => call.startsWith('put shard.')).length;
    expect(writes).toBe(1_024);
  });

  it('three nodes that start together share without moving anything twice', async () => {
    await town(3);
    for (const share of cluster.shares()) expect(Math.abs(share - 512 / 3)).toBeLessThan(1);
    expect(counted('heyblue_shards_taken_total')).toBe(512);
  });

  it('a joiner takes its share by hand-over, and what memory knew moves along', async () => {
    const [n1, n2] = await town(2);
    remember(n1!);
    remember(n2!);
    const n3 = cluster.start('n3');
    await cluster.until('n3 has its share', () => cluster.share(n3) >= 155, 10_000);
    await cluster.until('it started', () => n3.started, 5_000);
    await whole(5_000);
    expect(remembered(n3, n1!) + remembered(n3, n2!)).toBe(cluster.share(n3));
    expect(counted('heyblue_handoffs_total given')).toBeLessThanOrEqual((512 / 3) * 1.2);
  });

  it('few shards are on their way at once: 4 of one node, 8 of all', async () => {
    const nodes = await town(10);
    for (const node of nodes) node.host.closeMs = 300;
    const largest = async (id: string, weight: number, share: number): Promise<number> => {
      const joiner = cluster.start(id, { weight });
      let most = 0;
      const watch = (): boolean => {
        const moving = nodes[0]!.coordinator.view().handoffs;
        most = Math.max(most, moving.length);
        for (const one of nodes)
          expect(moving.filter(({ from }) => from === one.id).length).toBeLessThanOrEqual(
            CLUSTER_LIMITS.handoffs,
          );
        return cluster.share(joiner) >= share;
      };
      await cluster.until(`${id} has its share`, watch, 30_000, 10);
      await whole(5_000);
      return most;
    };
    expect(await largest('n11', 1, 42)).toBeGreaterThan(CLUSTER_LIMITS.handoffs);
    const most = await largest('n12', 10, 200);
    expect(most).toBeGreaterThan(CLUSTER_LIMITS.handoffs);
    // and what nodes that begin in one moment do not yet see of each other
    expect(most).toBeLessThanOrEqual(CLUSTER_LIMITS.handoffShare * 512 + 10);
  });

  it('nothing is handed over to a node that was not heard of lately', async () => {
    const [n1] = await town(1);
    n1!.host.closeMs = 500;
    remember(n1!);
    const n2 = cluster.start('n2');
    await cluster.until('n2 has something', () => cluster.share(n2) > 10, 10_000);
    cluster.kill(n2);
    await cluster.pass(CLUSTER_LIMITS.leaseMs + 100);
    n1!.kv.log.length = 0;
    await whole(10_000);
    expect(n1!.kv.log.filter(call => call.includes('releasing'))).toEqual([]);
  });

  it('a node that restarts under its id goes on when its former self is gone', async () => {
    const [n1] = await town(2);
    cluster.kill(n1!);
    const again = cluster.start('n1');
    await whole(10_000);
    await cluster.until('it has its share again', () => cluster.share(again) > 200, 10_000);
    expect(again.coordinator.ref).not.toBe(n1!.coordinator.ref);
  });

  it('who comes while another one is still taking everything is not robbed', async () => {
    cluster = new VirtualCluster();
    const n1 = cluster.start('n1');
    n1.kv.answerMs = call => (call.includes('acquiring') ? 500 : 0);
    await cluster.until('n1 is at it', () => n1.kv.log.some(call => call.includes('acquiring')), 5_000);
    await cluster.pass(50);
    const n2 = cluster.start('n2');
    await cluster.until('n2 has something', () => cluster.share(n2) > 50, 10_000);
    const had = Array.from({ length: 512 }, (_, shard) => shard).filter(
      s => n2.coordinator.epochOf(s) !== null,
    );
    await whole(20_000);
    expect(had.filter(shard => n2.coordinator.epochOf(shard) !== 1)).toEqual([]);
  });

  it('shares follow the weights', async () => {
    cluster = new VirtualCluster();
    cluster.start('n1', { weight: 1 });
    cluster.start('n2', { weight: 3 });
    await whole(10_000);
    expect(cluster.shares()).toEqual([128, 384]);
  });
});

describe('going away', () => {
  it('the shards of a killed node are served again within 8 s, by everybody', async () => {
    const [n1, n2, n3] = await town(3);
    cluster.kill(n1!);
    expect(await whole(9_000)).toBeLessThan(8_000);
    expect(n2!.host.gone).toEqual([n1!.coordinator.ref]);
    expect(cluster.share(n2!) - cluster.share(n3!)).toBeLessThanOrEqual(1);
  });

  it('sooner when the bus proved that nobody listens there any more', async () => {
    const [n1, n2] = await town(3);
    cluster.kill(n1!);
    n2!.coordinator.unheard(n1!.coordinator.ref);
    expect(await whole(9_000)).toBeLessThan(5_200);
  });

  it('that proof kills nobody who still renews', async () => {
    const [n1, n2] = await town(2);
    for (let s = 0; s < 20; s++) {
      n2!.coordinator.unheard(n1!.coordinator.ref);
      await cluster.pass(1_000);
    }
    expect(counted('heyblue_evictions_total')).toBe(0);
    expect(cluster.whole).toBe(true);
  });

  it('a node that leaves is not waited for', async () => {
    const [n1] = await town(3);
    await cluster.settled('n1 left', n1!.coordinator.stop(), 3_000);
    expect(n1!.coordinator.serving()).toBe(false);
    expect(await whole(3_000)).toBeLessThan(500);
  });

  it('a node that drains gives everything away, with what memory knew, and takes nothing', async () => {
    const [n1, n2, n3] = await town(3);
    remember(n1!);
    const had = cluster.share(n1!);
    await cluster.settled('it is drained', n1!.coordinator.drain(), 10_000);
    expect(cluster.share(n1!)).toBe(0);
    await whole(2_000);
    expect(remembered(n2!, n1!) + remembered(n3!, n1!)).toBe(had);
    await cluster.pass(3_000);
    expect(cluster.share(n1!)).toBe(0);
    await cluster.settled('n1 left', n1!.coordinator.stop(), 3_000);
    expect(nodeRecord('n1').state).toBe('left');
  });

  it('a node that drains alone keeps serving, and its drain ends', async () => {
    const [n1] = await town(1);
    await cluster.settled('nobody is there to take anything', n1!.coordinator.drain(), 3_000);
    expect(cluster.share(n1!)).toBe(512);
  });

  it('the records of nodes that are gone for long are removed', async () => {
    cluster = new VirtualCluster(1, { forgetMs: 30_000 });
    cluster.start('n1');
    const n2 = cluster.start('n2');
    await whole(10_000);
    await cluster.settled('n2 left', n2.coordinator.stop(), 3_000);
    await cluster.pass(60_000, 500);
    expect(cluster.bucket.get('node.n2')).toBeNull();
    expect(cluster.nodes[0]!.coordinator.view().nodes.map(one => one.node)).toEqual(['n1']);
    expect(cluster.whole).toBe(true);
  });
});

describe('standing still', () => {
  it('a pause of 3 s is nobody’s business', async () => {
    const [n1] = await town(3);
    remember(n1!);
    const had = cluster.share(n1!);
    n1!.process.pause();
    await cluster.pass(3_000);
    n1!.process.resume();
    await cluster.pass(8_000);
    expect(counted('heyblue_evictions_total')).toBe(0);
    expect(remembered(n1!, n1!)).toBe(had);
    expect(n1!.host.told).not.toContain('suspended');
  });

  it('after 15 s it is evicted, discards everything and joins again', async () => {
    const [n1] = await town(3);
    remember(n1!);
    const before = n1!.coordinator.ref;
    n1!.process.pause();
    await cluster.pass(4_100);
    expect(n1!.coordinator.serving()).toBe(false);
    await cluster.until(
      'the others serve everything',
      () => cluster.shares().every((n, i) => i === 0 || n === 256),
      9_000,
    );
    n1!.process.resume();
    await cluster.until('it has joined again', () => n1!.coordinator.serving(), 3_000);
    expect(n1!.coordinator.ref).not.toBe(before);
    expect(n1!.host.told.filter(what => /^(suspended|evicted|resumed)/.test(what))).toEqual([
      'suspended',
      `evicted ${n1!.coordinator.ref}`,
      'resumed',
    ]);
    expect(remembered(n1!, n1!)).toBe(0);
    await whole(10_000);
    expect(counted('heyblue_evictions_total')).toBe(1);
  });

  it('clocks that differ by 9 % in rate keep two owners apart', async () => {
    for (const [slow, fast] of [
      [0.96, 1.045],
      [1, 1.09],
    ]) {
      cluster = new VirtualCluster(7);
      const n1 = cluster.start('n1', { rate: slow });
      cluster.start('n2', { rate: fast });
      await whole(10_000);
      n1.kv.cut = true;
      await cluster.until('n2 has everything', () => cluster.share(cluster.nodes[1]!) === 512, 10_000);
      expect(cluster.problems).toEqual([]);
    }
  });
});

describe('cut off from the store', () => {
  it('suspends at its deadline, is evicted, and comes back as somebody else', async () => {
    const [n1] = await town(3);
    n1!.kv.cut = true;
    await cluster.until('suspended', () => n1!.host.told.includes('suspended'), 4_100);
    expect(n1!.coordinator.serving()).toBe(false);
    await cluster.until('the others serve everything', () => cluster.share(cluster.nodes[1]!) > 250, 8_000);
    n1!.kv.cut = false;
    await cluster.until('n1 serves', () => cluster.share(n1!) > 150, 10_000);
    await whole(10_000);
    expect(n1!.host.told.some(what => what.startsWith('evicted'))).toBe(true);
  });

  it('all of them, for a minute: they resume with memory intact, and nobody was evicted', async () => {
    const nodes = await town(3);
    for (const node of nodes) remember(node);
    for (const node of nodes) node.kv.cut = true;
    await cluster.pass(60_000, 100);
    expect(nodes.map(node => node.coordinator.serving())).toEqual([false, false, false]);
    for (const node of nodes) node.kv.cut = false;
    expect(await whole(10_000)).toBeLessThan(2_500);
    expect(counted('heyblue_evictions_total')).toBe(0);
    for (const node of nodes) expect(remembered(node, node)).toBe(cluster.share(node));
    expect(nodes[0]!.host.told.filter(what => /^(suspended|evicted|resumed)/.test(what))).toEqual([
      'suspended',
      'resumed',
    ]);
  });

  it('a store that hangs suspends, and never blocks for ever', async () => {
    const nodes = await town(2);
    for (const node of nodes) node.kv.mishap = () => 'hang';
    await cluster.until('suspended', () => nodes.every(node => node.host.told.includes('suspended')), 4_200);
    for (const node of nodes) node.kv.mishap = () => null;
    expect(await whole(5_000)).toBeLessThan(2_500);
  });

  it('the lease counts from before the renewal was sent, however late the answer is', async () => {
    const [n1] = await town(2);
    n1!.kv.answerMs = call => (call.startsWith('put node') ? 900 : 0);
    await cluster.pass(5_000);
    const applied = cluster.bucket.get('node.n1')!.revision;
    await cluster.until(
      'a renewal took effect',
      () => cluster.bucket.get('node.n1')!.revision > applied,
      3_000,
      2,
    );
    const appliedMs = cluster.time.monotonicMs();
    await cluster.pass(950, 10);
    n1!.kv.cut = true;
    const last = cluster.bucket.get('node.n1')!.revision;
    expect(last).toBeLessThanOrEqual(applied + 20);
    while (n1!.coordinator.serving()) await cluster.pass(5, 5);
    // at most one more renewal was under way; its sending is what counts
    expect(cluster.time.monotonicMs() - appliedMs).toBeLessThan(CLUSTER_LIMITS.leaseMs + 10);
  });

  it('a renewal that is found later counts from its own sending, not from the reading', async () => {
    const [n1] = await town(2);
    let puts = 0;
    let sentMs = 0;
    n1!.kv.mishap = call => {
      if (call.startsWith('get node.n1') && puts === 1) return 'hang';
      if (!call.startsWith('put node.n1')) return null;
      if (++puts === 1) {
        sentMs = cluster.time.monotonicMs();
        return 'doneThenSilence';
      }
      // the second one conflicts with the first, which is found; from then on nothing is answered
      return puts === 2 ? null : 'hang';
    };
    await cluster.until('found', () => puts === 3, 6_000, 5);
    while (n1!.coordinator.serving()) await cluster.pass(5, 5);
    const heldMs = cluster.time.monotonicMs() - sentMs;
    expect(heldMs).toBeGreaterThan(CLUSTER_LIMITS.leaseMs - 10);
    expect(heldMs).toBeLessThan(CLUSTER_LIMITS.leaseMs + 10);
  });

  it('nothing is opened after the deadline, whatever the store says', async () => {
    const [n1] = await town(1);
    n1!.kv.mishap = call => (call.startsWith('put node.n1') ? 'dropped' : null);
    await cluster.until(
      'the lease is nearly over',
      () => n1!.coordinator.view().leaseLeftMs! < 500,
      5_000,
      10,
    );
    n1!.kv.answerMs = call => (call.includes('owned') ? 900 : 0);
    n1!.host.told.length = 0;
    n1!.coordinator.lost(7);
    await cluster.pass(3_000);
    expect(n1!.host.told).toEqual(['dropped 7', 'suspended']);
    n1!.kv.mishap = () => null;
    await whole(5_000);
    expect(n1!.host.told.slice(2, 4)).toEqual(['resumed', `opened 7 ${n1!.coordinator.epochOf(7)}`]);
  });

  it('one renewal that hangs stops nobody', async () => {
    const [n1] = await town(2);
    let hangs = 2;
    n1!.kv.mishap = call => (/(put|get) node\.n1/.test(call) && hangs-- > 0 ? 'hang' : null);
    await cluster.pass(8_000);
    expect(hangs).toBeLessThan(1);
    expect(n1!.host.told).not.toContain('suspended');
  });

  it('says so after two renewals in a row that came to nothing', async () => {
    const [n1] = await town(1);
    n1!.kv.cut = true;
    await cluster.pass(10_000);
    expect(n1!.reconnects).toBeGreaterThan(0);
  });
});

describe('answers that were lost', () => {
  it('renewals that took effect are adopted', async () => {
    const nodes = await town(2);
    let hits = 0;
    for (const node of nodes)
      node.kv.mishap = call => (call.startsWith('put node') && ++hits % 2 ? 'lost' : null);
    await cluster.pass(20_000);
    expect(hits).toBeGreaterThan(20);
    expect(nodes.flatMap(node => node.host.told)).not.toContain('suspended');
    expect(counted('heyblue_evictions_total')).toBe(0);
  });

  it('even when every single answer is lost', async () => {
    const nodes = await town(2);
    for (const node of nodes) node.kv.mishap = call => (call.startsWith('put node') ? 'lost' : null);
    await cluster.pass(20_000);
    expect(nodes.flatMap(node => node.host.told)).not.toContain('suspended');
  });

  it('renewals that never took effect do not move the deadline', async () => {
    const [n1] = await town(2);
    n1!.kv.mishap = call => (call.startsWith('put node.n1') ? 'dropped' : null);
    await cluster.until('suspended', () => n1!.host.told.includes('suspended'), 4_200);
    await whole(10_000);
  });

  it('shards are taken and handed over all the same', async () => {
    cluster = new VirtualCluster(3);
    for (const id of ['n1', 'n2', 'n3']) {
      const node = cluster.start(id);
      node.kv.mishap = call =>
        call.startsWith('put')
          ? ([null, null, null, 'lost', 'dropped', 'late'] as const)[cluster.random.uint32() % 6]!
          : null;
    }
    await cluster.until('everything is served', () => cluster.whole, 60_000);
    cluster.start('n4');
    await cluster.until('n4 has its share', () => cluster.share(cluster.nodes[3]!) >= 116, 60_000);
    for (const node of cluster.nodes) node.kv.mishap = () => null;
    await whole(30_000);
  });
});

describe('a store that is not what it was', () => {
  it('stale reads move nothing and kill nobody', async () => {
    const nodes = await town(3);
    const old = new Map(cluster.bucket.list().map(entry => [entry.key, entry]));
    await cluster.pass(5_000);
    for (const node of nodes) {
      node.kv.stale = key => (cluster.random.uint32() % 2 ? old.get(key) : undefined);
      node.kv.mishap = call =>
        call.startsWith('put node') && cluster.random.uint32() % 3 === 0 ? 'lost' : null;
    }
    const refs = nodes.map(node => node.coordinator.ref);
    await cluster.pass(20_000);
    expect(nodes.map(node => node.coordinator.ref)).toEqual(refs);
    expect(counted('heyblue_evictions_total')).toBe(0);
    expect(counted('heyblue_shards_taken_total')).toBe(512);
  });

  it('a watch that stands still kills nobody, and is noticed', async () => {
    const [n1, n2] = await town(3);
    n1!.kv.deaf = true;
    await cluster.pass(30_000);
    expect(counted('heyblue_evictions_total')).toBe(0);
    expect(counted('heyblue_cluster_watch_stalls_total')).toBeGreaterThan(2);
    cluster.kill(n2!);
    await cluster.until('the deaf one learns of it too', () => cluster.whole, 20_000);
  });

  it('an observer that hears nothing at all may be wrong about everybody: its evictions fail', async () => {
    const [n1] = await town(3);
    n1!.kv.deaf = true;
    n1!.kv.mishap = call => (/^(list|lastRevision)/.test(call) ? 'refused' : null);
    await cluster.pass(30_000);
    expect(counted('heyblue_evictions_refused_total')).toBeGreaterThan(2);
    expect(counted('heyblue_evictions_total')).toBe(0);
    expect(cluster.nodes.flatMap(node => node.host.told)).not.toContain('suspended');
  });

  it('shards of a successor whose coming the watch did not tell are not taken from it', async () => {
    const [n1, n2, n3] = await town(3);
    await cluster.settled('n2 left', n2!.coordinator.stop(), 3_000);
    n2!.process.kill();
    await whole(3_000);
    n1!.kv.deafTo = key => key.startsWith('node.');
    n1!.kv.mishap = call => (/^(list|lastRevision)/.test(call) ? 'refused' : null);
    const again = cluster.start('n2');
    await cluster.until('it joined', () => again.coordinator.serving(), 2_000);
    await cluster.settled('n3 is drained', n3!.coordinator.drain(), 10_000);
    expect(cluster.share(again)).toBeGreaterThan(200);
    await cluster.pass(3_000);
    expect(cluster.share(again)).toBeGreaterThan(200);
    expect(counted('heyblue_shards_lost_total record')).toBe(0);
    // it was looked up for the sake of those shards
    expect(n1!.kv.log).toContain('get node.n2');
  });

  it('nor before its record was read', async () => {
    cluster = new VirtualCluster();
    write('shard.7', shardOf('ghost', 'owned'));
    const n1 = cluster.start('n1');
    n1.kv.mishap = call => (call === 'get node.ghost' ? 'refused' : null);
    await cluster.pass(20_000, 100);
    expect(n1.coordinator.epochOf(7)).toBeNull();
    n1.kv.mishap = () => null;
    await whole(3_000);
  });

  it('a record that the watch missed is found', async () => {
    const [n1, n2] = await town(2);
    n1!.kv.deaf = true;
    n2!.coordinator.lost(n2!.coordinator.epochOf(0) === null ? 0 : 0);
    const shard = Array.from({ length: 512 }, (_, s) => s).find(s => n2!.coordinator.epochOf(s) !== null)!;
    n2!.coordinator.lost(shard);
    await cluster.pass(500);
    n1!.kv.deaf = false;
    await cluster.until(
      'n1 knows the new epoch',
      () => n1!.coordinator.ownerOf(shard)?.epoch === n2!.coordinator.epochOf(shard),
      3_000,
    );
  });

  it('a bucket that is rolled back: everybody goes on, nothing moves, memory stays', async () => {
    const [n1, n2] = await town(2);
    const copy = cluster.bucket.copy();
    await cluster.pass(3_000);
    const n3 = cluster.start('n3');
    await cluster.until('n3 has its share', () => cluster.share(n3) >= 155, 10_000);
    await whole(5_000);
    for (const node of [n1!, n2!, n3]) remember(node);
    const shares = cluster.shares();
    cluster.bucket.restore(copy);
    await cluster.pass(12_000);
    expect(cluster.shares()).toEqual(shares);
    for (const node of [n1!, n2!, n3]) expect(remembered(node, node)).toBe(cluster.share(node));
    expect(counted('heyblue_cluster_rewinds_total')).toBeGreaterThan(0);
    expect(cluster.whole).toBe(true);
    // and what stands there is the truth again
    expect(nodeRecord('n3').state).toBe('up');
    cluster.kill(n3);
    await whole(9_000);
  });

  it('a bucket that is deleted under load: the same', async () => {
    const nodes = await town(3);
    for (const node of nodes) remember(node);
    cluster.bucket.restore();
    await cluster.pass(12_000);
    for (const node of nodes) expect(remembered(node, node)).toBe(cluster.share(node));
    expect(cluster.whole).toBe(true);
    expect(cluster.bucket.list().length).toBe(515);
    cluster.kill(nodes[0]!);
    await whole(9_000);
  });

  it('rolled back while a node was away: it discards what it cannot prove', async () => {
    const [n1] = await town(2);
    const copy = cluster.bucket.copy();
    await cluster.pass(2_000);
    n1!.kv.cut = true;
    const before = n1!.coordinator.ref;
    await cluster.until('n2 has everything', () => cluster.share(cluster.nodes[1]!) === 512, 9_000);
    cluster.bucket.restore(copy);
    n1!.kv.cut = false;
    await cluster.until('n1 joined again', () => n1!.coordinator.serving(), 5_000);
    expect(n1!.coordinator.ref).not.toBe(before);
    await whole(15_000);
  });

  it('rolled back to before an eviction: who was counted as gone does not rise under the same incarnation', async () => {
    const [n1, n2] = await town(2);
    const before = n1!.coordinator.ref;
    n1!.kv.cut = true;
    await cluster.pass(100);
    // n1's last renewal is in it: nothing that n1 will see differs from what it left
    const copy = cluster.bucket.copy();
    await cluster.until('n2 has everything', () => cluster.share(n2!) === 512, 9_000);
    expect(n2!.host.gone).toEqual([before]);
    cluster.bucket.restore(copy);
    n1!.kv.cut = false;
    const risenMs = cluster.time.monotonicMs();
    await cluster.until('n1 joined again', () => n1!.coordinator.ref !== before, 5_000);
    // until its next renewal it cannot know; what it writes meanwhile is of an old epoch and refused
    for (const problem of cluster.problems.splice(0)) {
      expect(problem).toMatch(/^\d+ shard \d+ at n1/);
      expect(Number(problem.split(' ')[0]) - risenMs).toBeLessThan(CLUSTER_LIMITS.renewMs);
    }
    await whole(15_000);
  });

  it('who comes to a bucket that was just emptied waits for those that are there', async () => {
    const nodes = await town(2);
    for (const node of nodes) remember(node);
    cluster.bucket.restore();
    const n3 = cluster.start('n3');
    await cluster.until('n3 has its share', () => cluster.share(n3) >= 155, 15_000);
    await whole(5_000);
    for (const node of cluster.nodes)
      for (const state of node.host.memory.values()) expect(state).not.toBeNull();
  });

  it('a node whose record turns to rubbish or vanishes is not gone: nothing moves', async () => {
    const [n1] = await town(3);
    write('node.n1', '{"v":2,"state":"fenced"}');
    await cluster.pass(5_000);
    cluster.bucket.remove('node.n1', cluster.bucket.get('node.n1')!.revision);
    await cluster.pass(5_000);
    expect(counted('heyblue_shards_taken_total')).toBe(512);
    expect(cluster.nodes.flatMap(node => node.host.gone)).toEqual([]);
    expect(nodeRecord('n1').incarnation).toBe(n1!.coordinator.ref.split('.')[1]);
  });

  it('a record that vanished while its node was away: it discards what it cannot prove', async () => {
    const [n1] = await town(1);
    const before = n1!.coordinator.ref;
    n1!.kv.cut = true;
    await cluster.pass(5_000);
    cluster.bucket.remove('node.n1', cluster.bucket.get('node.n1')!.revision);
    n1!.kv.cut = false;
    await cluster.until('it has joined again', () => n1!.coordinator.serving(), 5_000);
    expect(n1!.coordinator.ref).not.toBe(before);
    await whole(10_000);
  });

  it('a node whose record was removed is evicted all the same when it is silent', async () => {
    const [n1] = await town(2);
    cluster.kill(n1!);
    cluster.bucket.remove('node.n1', cluster.bucket.get('node.n1')!.revision);
    await whole(12_000);
    expect(nodeRecord('n1').state).toBe('fenced');
  });

  it('rubbish under every key is survived, counted and written over', async () => {
    const nodes = await town(3);
    for (const node of nodes) remember(node);
    const rubbish = ['', '{', '[]', 'null', '"x"', '{"v":99}', '{"v":2,"owner":7}', '\u0000\u0001'];
    for (const { key } of cluster.bucket.list())
      write(key, rubbish[cluster.random.uint32() % rubbish.length]!);
    write('node.ghost', '{"v":2');
    write('shard.512', '{"v":2}');
    write('shard.-1', '{}');
    write('else', '{}');
    await cluster.pass(12_000);
    for (const node of nodes) expect(remembered(node, node)).toBe(cluster.share(node));
    expect(cluster.whole).toBe(true);
    expect(counted('heyblue_cluster_rubbish_total shard')).toBeGreaterThan(0);
    expect(nodeRecord('n1').state).toBe('up');
    cluster.start('n4');
    await cluster.until('a joiner copes too', () => cluster.share(cluster.nodes[3]!) >= 116, 20_000);
  });

  it('records of a node that never was hold nothing up for ever', async () => {
    cluster = new VirtualCluster();
    for (let shard = 0; shard < 512; shard += 3) {
      const state = ['owned', 'acquiring', 'releasing', 'released'][shard % 4]!;
      write(`shard.${shard}`, shardOf('ghost', state));
    }
    cluster.start('n1');
    await whole(20_000);
  });
});

describe('the fence', () => {
  const anyShardOf = (node: TestNode): number =>
    Array.from({ length: 512 }, (_, shard) => shard).find(shard => node.coordinator.epochOf(shard) !== null)!;

  it('a shard whose epoch was raised by somebody else is taken again at once', async () => {
    const [n1] = await town(2);
    const shard = anyShardOf(n1!);
    const epoch = n1!.coordinator.epochOf(shard)!;
    await cluster.ledger.mint([shard], 'a paused node that came late');
    n1!.coordinator.lost(shard, epoch);
    expect(n1!.coordinator.epochOf(shard)).toBeNull();
    expect(n1!.host.told).toContain(`dropped ${shard}`);
    const tookMs = await cluster.until('served again', () => cluster.servers(shard).length === 1, 2_000);
    expect(tookMs).toBeLessThan(200);
    expect(n1!.coordinator.epochOf(shard)).toBe(epoch + 2);
  });

  it('news of an epoch that is no longer ours changes nothing', async () => {
    const [n1] = await town(1);
    const shard = anyShardOf(n1!);
    const epoch = n1!.coordinator.epochOf(shard)!;
    n1!.coordinator.lost(shard, epoch - 1);
    expect(n1!.coordinator.epochOf(shard)).toBe(epoch);
  });

  it('two clusters on one database do not fence each other for ever', async () => {
    await town(1);
    const other = new VirtualCluster(2);
    // the other one has a bucket of its own and the epochs of the first
    const [n1] = cluster.nodes;
    let fights = 0;
    const shard = anyShardOf(n1!);
    for (let second = 0; second < 600; second++) {
      const epoch = n1!.coordinator.epochOf(shard);
      if (epoch !== null) {
        fights++;
        await cluster.ledger.mint([shard], 'the other cluster');
        n1!.coordinator.lost(shard, epoch);
      }
      await cluster.pass(1_000, 1_000);
    }
    expect(other.problems).toEqual([]);
    expect(fights).toBeLessThan(30);
  });
});

describe('two processes with one node id', () => {
  it('the second one waits, says so, and takes over when the first is gone', async () => {
    const [n1] = await town(2);
    const twin = cluster.start('n1');
    await cluster.pass(20_000);
    expect(twin.coordinator.serving()).toBe(false);
    expect(twin.started).toBe(false);
    expect(n1!.coordinator.serving()).toBe(true);
    expect(cluster.logged.some(line => line.includes('another process runs under this node id'))).toBe(true);
    cluster.kill(n1!);
    await whole(15_000);
    await cluster.until('the twin serves', () => twin.started, 10_000);
  });

  it('a first one that was paused for too long finds the second and waits in its turn', async () => {
    const [n1] = await town(2);
    const twin = cluster.start('n1');
    await cluster.pass(2_000);
    n1!.process.pause();
    await cluster.until('the twin serves', () => twin.coordinator.serving(), 12_000);
    n1!.process.resume();
    await cluster.pass(20_000);
    expect(n1!.coordinator.serving()).toBe(false);
    expect(twin.coordinator.serving()).toBe(true);
    await whole(10_000);
  });
});

describe('two versions', () => {
  it('nothing moves between living nodes, orphans go to the newest version', async () => {
    cluster = new VirtualCluster();
    for (const id of ['n1', 'n2', 'n3']) cluster.start(id, { version: '1.9.0' });
    await whole(10_000);
    const [n1] = cluster.nodes;
    const had = cluster.share(n1!);
    const fresh = cluster.start('n4', { version: '1.10.0' });
    await cluster.pass(5_000);
    expect(fresh.started).toBe(true);
    expect(cluster.share(fresh)).toBe(0);
    void n1!.coordinator.drain();
    await cluster.until('n1 is empty', () => cluster.share(n1!) === 0, 15_000);
    await cluster.until('n4 has what n1 had', () => cluster.share(fresh) === had, 3_000);
    await cluster.settled('n1 left', n1!.coordinator.stop(), 3_000);
    cluster.kill(cluster.nodes[1]!);
    await whole(9_000);
    expect(cluster.share(cluster.nodes[2]!)).toBeLessThan(172);
  });

  it('a rolling update of three nodes moves each shard and ends level', async () => {
    cluster = new VirtualCluster();
    for (const id of ['n1', 'n2', 'n3']) cluster.start(id, { version: '1' });
    await whole(10_000);
    for (const old of [...cluster.nodes]) {
      await cluster.settled(`${old.id} is drained`, old.coordinator.drain(), 30_000);
      await cluster.settled('it left', old.coordinator.stop(), 3_000);
      old.process.kill();
      const fresh = cluster.start(old.id, { version: '2' });
      await cluster.until(`${old.id} is back`, () => fresh.started, 10_000);
      await whole(20_000);
    }
    await cluster.until(
      'all have their share',
      () => cluster.shares().filter(n => n >= 155).length === 3,
      20_000,
    );
    expect(counted('heyblue_evictions_total')).toBe(0);
  });
});

describe('without epochs', () => {
  it('leases live on, and what is owned stays; orphans wait for the epochs', async () => {
    const [n1, n2, n3] = await town(3);
    for (const node of cluster.nodes) node.mints = false;
    cluster.kill(n1!);
    await cluster.pass(30_000, 100);
    expect(n2!.coordinator.serving() && n3!.coordinator.serving()).toBe(true);
    expect(cluster.shares().reduce((sum, one) => sum + one, 0)).toBeGreaterThan(340);
    for (const node of cluster.nodes) node.mints = true;
    await whole(12_000);
  });
});

describe('at rest', () => {
  it('one write a second, and one look at the newest revision each five', async () => {
    const [n1] = await town(3);
    await cluster.pass(5_000);
    n1!.kv.log.length = 0;
    await cluster.pass(60_000, 100);
    const puts = n1!.kv.log.filter(call => call.startsWith('put')).length;
    expect(puts).toBeGreaterThanOrEqual(58);
    expect(puts).toBeLessThanOrEqual(61);
    expect(n1!.kv.log.length - puts).toBeLessThanOrEqual(13);
    expect(n1!.kv.log.filter(call => call === 'list')).toEqual([]);
  });

  it('the view tells people what is going on', async () => {
    const [n1] = await town(2);
    const view = n1!.coordinator.view();
    expect(view.node).toBe('n1');
    expect(view.serving).toBe(true);
    expect(view.leaseLeftMs).toBeGreaterThan(CLUSTER_LIMITS.leaseMs - 1_500);
    expect(view.nodes.map(node => [node.node, node.state, node.shards])).toEqual([
      ['n1', 'up', 256],
      ['n2', 'up', 256],
    ]);
    expect(new Set(view.owners)).toEqual(new Set(['n1', 'n2']));
    expect(view.epochs.every(epoch => epoch === 1)).toBe(true);
    expect(view.handoffs).toEqual([]);
  });
});
