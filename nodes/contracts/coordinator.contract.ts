/**
 * What every coordinator must do. The first part holds for a node that is alone too; the second is about many, and runs
 * over the stores in memory on virtual time and over NATS and PostgreSQL in real time. All the while a table of who
 * serves what is kept, in which one shard with two owners is a failure.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mishap, TestCluster, TestNode } from '../cluster/testCluster.ts';
import { LIMITS } from '../limits.ts';
import type { Coordinator, EpochStore, KvEntry, KvStore } from '../ports.ts';

const SHARDS = Array.from({ length: LIMITS.shards }, (_, shard) => shard);

export interface SoleCoordinator {
  readonly coordinator: Coordinator;
  /** The store that its epochs come from. */
  readonly epochs: EpochStore;
  /** Waits, letting time pass. */
  settled<T>(promise: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** For any coordinator, also one that is alone. */
export function coordinatorContract(name: string, open: () => Promise<SoleCoordinator>): void {
  describe(`coordinator: ${name}`, () => {
    let town: SoleCoordinator;
    beforeEach(async () => {
      town = await open();
      await town.settled(town.coordinator.start());
    });
    afterEach(() => town.close());

    it('owns everything when it has started, and says so', () => {
      const { coordinator } = town;
      expect(coordinator.serving()).toBe(true);
      for (const shard of SHARDS) {
        const epoch = coordinator.epochOf(shard);
        expect(epoch).toBeGreaterThan(0);
        expect(coordinator.ownerOf(shard)).toEqual({ node: coordinator.ref, epoch });
      }
      expect(coordinator.mapRevision).toBeGreaterThan(0);
    });

    it('its epochs come from the store: the next ones are higher', async () => {
      const { coordinator, epochs } = town;
      const [next] = await town.settled(epochs.mint([7], 'somebody else'));
      expect(next).toBe(coordinator.epochOf(7)! + 1);
    });

    it('a shard that was lost is not served under the epoch that was refused', () => {
      const { coordinator } = town;
      const epoch = coordinator.epochOf(7)!;
      coordinator.lost(7, epoch);
      expect(coordinator.epochOf(7)).toBeNull();
      expect(coordinator.ownerOf(7)).toBeNull();
      expect(coordinator.epochOf(8)).not.toBeNull();
    });

    it('news about an older epoch of a shard changes nothing', () => {
      const { coordinator } = town;
      const epoch = coordinator.epochOf(7)!;
      coordinator.lost(7, epoch - 1);
      expect(coordinator.epochOf(7)).toBe(epoch);
    });

    it('a drain ends although nobody is there to take anything', async () => {
      await town.settled(town.coordinator.drain());
    });

    it('having stopped it owns nothing', async () => {
      const { coordinator } = town;
      await town.settled(coordinator.stop());
      for (const shard of SHARDS) expect(coordinator.epochOf(shard)).toBeNull();
    });

    it('shows itself', () => {
      const { coordinator } = town;
      const view = coordinator.view();
      expect(`${view.node}.${view.incarnation}`).toBe(coordinator.ref);
      expect(view.serving).toBe(true);
      expect(view.nodes).toMatchObject([{ node: view.node, state: 'up', shards: 512 }]);
      expect(new Set(view.owners)).toEqual(new Set([view.node]));
      expect(view.epochs).toEqual(SHARDS.map(shard => coordinator.epochOf(shard)));
    });
  });
}

export interface ClusterTown {
  readonly cluster: TestCluster;
  /** A look at the bucket as it is. */
  readonly kv: KvStore;
  /** Somebody deletes the bucket. */
  deleteBucket(): Promise<void>;
  /** Times of this town in units of the lease: how much patience to have. */
  readonly leaseMs: number;
  /** Time passes when the test lets it: nothing is late by itself. */
  readonly isVirtual: boolean;
  close(): Promise<void>;
}

/** For coordinators among others. */
export function clusterContract(name: string, open: () => Promise<ClusterTown>): void {
  // over real servers every patience may be needed once
  describe(`coordinators: ${name}`, { timeout: 180_000 }, () => {
    let town: ClusterTown;
    let cluster: TestCluster;
    beforeEach(async () => {
      town = await open();
      cluster = town.cluster;
    });
    afterEach(async () => {
      const { problems } = cluster;
      await town.close();
      expect(problems).toEqual([]);
    });

    const patience = (leases: number): number => town.leaseMs * leases;
    const whole = (leases = 10): Promise<number> =>
      cluster.until('every shard is served by one', () => cluster.whole, patience(leases));
    const start = async (count: number): Promise<TestNode[]> => {
      for (let i = 1; i <= count; i++) cluster.start(`n${i}`);
      await whole();
      await cluster.until(
        'all have their share',
        () => cluster.shares().every(share => share >= Math.floor(512 / count / 1.1)),
        patience(10),
      );
      await whole();
      return cluster.nodes;
    };
    const remember = (node: TestNode): void => {
      for (const shard of node.host.memory.keys()) node.host.memory.set(shard, `known to ${node.id}`);
    };
    const epochsOf = (node: TestNode): Map<number, number> =>
      new Map([...node.host.memory.keys()].map(shard => [shard, node.coordinator.epochOf(shard)!]));
    const isKnown = (state: unknown): boolean => typeof state === 'string' && state.startsWith('known to');
    const intact = (node: TestNode): boolean => [...node.host.memory.values()].every(isKnown);
    /**
     * A node that was given these shards has them with all that memory knew, and what it had itself. In real time an epoch
     * may be minted that nobody hears of in time: then another one is, and a parcel that was packed for the first is refused,
     * as it must be.
     */
    const expectGiven = (taker: TestNode, before: ReadonlyMap<number, number>): void => {
      const isTwice = (shard: number): boolean => {
        const epoch = before.get(shard);
        return epoch !== undefined && taker.coordinator.epochOf(shard) !== epoch + 1;
      };
      const forgotten = [...taker.host.memory].filter(([, state]) => !isKnown(state)).map(([shard]) => shard);
      expect(town.isVirtual ? forgotten : forgotten.filter(shard => !isTwice(shard))).toEqual([]);
      expect(forgotten.length).toBeLessThan(before.size / 4);
    };

    it('share everything, each shard with one owner whom all know', async () => {
      const nodes = await start(3);
      for (const shard of SHARDS) {
        const [owner] = cluster.servers(shard);
        const known = { node: owner!.coordinator.ref, epoch: owner!.coordinator.epochOf(shard) };
        for (const { coordinator } of nodes) expect(coordinator.ownerOf(shard)).toEqual(known);
      }
    });

    it('a joiner gets its share with what memory knew', async () => {
      const [n1] = await start(1);
      remember(n1!);
      const before = epochsOf(n1!);
      const n2 = cluster.start('n2');
      await cluster.until('it has its share', () => cluster.share(n2) >= 232, patience(15));
      await whole();
      expect(intact(n1!)).toBe(true);
      expectGiven(n2, before);
    });

    it('a draining node gives everything away, and leaves', async () => {
      const [n1, n2] = await start(2);
      remember(n1!);
      remember(n2!);
      const before = epochsOf(n1!);
      await cluster.settled('it is drained', n1!.coordinator.drain(), patience(15));
      expect(cluster.share(n1!)).toBe(0);
      await whole();
      expectGiven(n2!, before);
      await cluster.settled('it left', n1!.coordinator.stop(), patience(3));
      await whole(2);
    });

    it('a killed node is missed and replaced', async () => {
      const [n1, n2, n3] = await start(3);
      cluster.kill(n1!);
      await whole();
      await cluster.until(
        'they heard of it',
        () => n2!.host.gone.length > 0 && n3!.host.gone.length > 0,
        patience(2),
      );
      expect(n2!.host.gone).toContain(n1!.coordinator.ref);
    });

    it('a store that hangs: the node suspends, is replaced, and comes back as somebody else', async () => {
      const [n1] = await start(2);
      const before = n1!.coordinator.ref;
      n1!.kv.mishap = () => 'hang';
      await cluster.until('suspended', () => !n1!.coordinator.serving(), patience(2));
      await cluster.until('replaced', () => cluster.share(cluster.nodes[1]!) === 512, patience(6));
      n1!.kv.mishap = () => null;
      await cluster.until('back', () => cluster.share(n1!) >= 232, patience(20));
      expect(n1!.coordinator.ref).not.toBe(before);
      await whole();
    });

    it('the store away for all: they suspend, and resume with memory intact', async () => {
      const nodes = await start(2);
      const refs = nodes.map(node => node.coordinator.ref);
      const had = nodes.map(node => [...node.host.memory.keys()]);
      for (const node of nodes) remember(node);
      for (const node of nodes) node.kv.cut = true;
      await cluster.until('suspended', () => nodes.every(node => !node.coordinator.serving()), patience(2));
      await cluster.pass(patience(2));
      for (const node of nodes) node.kv.cut = false;
      await cluster.until('resumed', () => nodes.every(node => node.coordinator.serving()), patience(3));
      await whole();
      // In real time a node that saw the other one late may have evicted it: then that one has discarded everything,
      // and of its shards nobody knows anything. Whoever stayed the same forgets nothing of its own.
      const same = (node: TestNode, i: number): boolean => node.coordinator.ref === refs[i];
      for (const [i, node] of nodes.entries())
        if (same(node, i))
          for (const shard of had[i]!)
            expect([undefined, `known to ${node.id}`]).toContain(node.host.memory.get(shard));
      if (town.isVirtual) expect(nodes.every(same)).toBe(true);
      if (nodes.every(same)) expect(nodes.every(intact)).toBe(true);
    });

    it('answers that were lost, writes that were not applied or late: nothing is stuck, nothing is double', async () => {
      const spoil = (node: TestNode): void => {
        const mishaps: Mishap[] = [null, null, null, null, 'lost', 'dropped', 'late', 'lost'];
        node.kv.mishap = call =>
          call.startsWith('put') ? mishaps[cluster.random.uint32() % mishaps.length]! : null;
      };
      for (const id of ['n1', 'n2']) spoil(cluster.start(id));
      await whole(40);
      spoil(cluster.start('n3'));
      await cluster.until('n3 has something', () => cluster.share(cluster.nodes[2]!) > 50, patience(60));
      for (const node of cluster.nodes) node.kv.mishap = () => null;
      await whole(20);
    });

    it('stale reads: nothing is stuck, nothing is double', async () => {
      const nodes = await start(2);
      const old = new Map<string, KvEntry>((await town.kv.list()).map(entry => [entry.key, entry]));
      const spoil = (node: TestNode): void => {
        node.kv.stale = key => (cluster.random.uint32() % 3 === 0 ? old.get(key) : undefined);
        node.kv.staleList = () => (cluster.random.uint32() % 3 === 0 ? [...old.values()] : undefined);
        node.kv.mishap = call =>
          call.startsWith('put') && cluster.random.uint32() % 4 === 0 ? 'lost' : null;
      };
      for (const node of nodes) spoil(node);
      spoil(cluster.start('n3'));
      await cluster.until('n3 has something', () => cluster.share(cluster.nodes[2]!) > 50, patience(60));
      for (const node of cluster.nodes) {
        node.kv.mishap = () => null;
        node.kv.stale = node.kv.staleList = null;
      }
      await whole(20);
    });

    it('a shard that the fence took away is taken again under a higher epoch', async () => {
      const [n1] = await start(2);
      const shard = SHARDS.find(one => n1!.coordinator.epochOf(one) !== null)!;
      const epoch = n1!.coordinator.epochOf(shard)!;
      n1!.coordinator.lost(shard, epoch);
      expect(n1!.coordinator.epochOf(shard)).toBeNull();
      await whole();
      expect(n1!.coordinator.epochOf(shard)).toBeGreaterThan(epoch);
    });

    it('the bucket is deleted under load: nobody loses what memory knew', async () => {
      const nodes = await start(2);
      for (const node of nodes) remember(node);
      const refs = nodes.map(node => node.coordinator.ref);
      await town.deleteBucket();
      await cluster.until(
        'all are there again',
        () => nodes.every(node => node.coordinator.serving()),
        patience(5),
      );
      await cluster.pass(patience(3));
      await whole();
      // a bucket that was away for longer than a lease proves nothing to anybody
      for (const [i, node] of nodes.entries())
        if (node.coordinator.ref === refs[i]) expect(intact(node)).toBe(true);
      const keys = (await town.kv.list()).map(entry => entry.key);
      expect(new Set(keys).size).toBe(514);
    });
  });
}
