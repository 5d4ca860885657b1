/**
 * One shard moves from n1 to n2 (a third node looks on), and something goes wrong at every single step of either side:
 * before the call to the store, or after it took effect. Whatever happens, nothing is stuck and nobody serves it twice.
 */
import { describe, expect, it } from 'vitest';
import type { Mishap, TestNode } from './testCluster.ts';
import { VirtualCluster } from './testVirtual.ts';

const MOVED = 'known to n1';

interface Story {
  readonly cluster: VirtualCluster;
  readonly n1: TestNode;
  readonly n2: TestNode;
  /** The shard on its way; known once the hand-over has begun. */
  moving(): number | null;
}

/** n1 has nearly everything; n2 comes with a weight for which exactly one shard moves. */
async function begin(prepare: (story: Story) => void): Promise<Story> {
  const cluster = new VirtualCluster(11);
  const n1 = cluster.start('n1', { weight: 1_000 });
  await cluster.until('n1 has everything', () => cluster.whole, 10_000);
  for (const shard of n1.host.memory.keys()) n1.host.memory.set(shard, MOVED);
  const n2 = cluster.add('n2', { weight: 3 });
  const moving = (): number | null => {
    const put = n1.kv.log.find(call => /^put shard\.\d+ releasing/.test(call));
    return put ? Number(/\d+/.exec(put)![0]) : null;
  };
  const story: Story = { cluster, n1, n2, moving };
  prepare(story);
  void n2.coordinator.start();
  return story;
}

/** The steps of the scripts: what each side asks of the store about the moving shard. */
const STEPS: readonly { readonly who: 'n1' | 'n2'; readonly call: RegExp }[] = [
  { who: 'n1', call: /^put shard\.\d+ releasing/ },
  { who: 'n1', call: /^put shard\.\d+ released/ },
  { who: 'n2', call: /^put shard\.\d+ acquiring/ },
  { who: 'n2', call: /^put shard\.\d+ owned/ },
];

async function ends(story: Story, what: string): Promise<number> {
  const { cluster } = story;
  await cluster.until(`${what}: the hand-over began`, () => story.moving() !== null, 10_000);
  await cluster.pass(16_000, 50);
  const tookMs = await cluster.until(`${what}: everything is served`, () => cluster.whole, 20_000);
  expect(cluster.problems, what).toEqual([]);
  return tookMs;
}

describe('a hand-over', () => {
  it('moves one shard with what memory knew, under the very next epoch', async () => {
    const story = await begin(() => {});
    await ends(story, 'undisturbed');
    const shard = story.moving()!;
    expect(story.n2.coordinator.epochOf(shard)).toBe(2);
    expect(story.n2.host.memory.get(shard)).toBe(MOVED);
    expect(story.n1.host.told.filter(what => what.includes(` ${shard}`))).toEqual([
      `opened ${shard} 1`,
      `close ${shard}`,
    ]);
    for (const { who, call } of STEPS) {
      const calls = story[who].kv.log.filter(one => call.test(one) && one.includes(`shard.${shard} `));
      expect(calls, `${who} ${call}`).toHaveLength(who === 'n2' || /releas/.test(call.source) ? 1 : 0);
    }
  });

  it('nobody serves while it is on its way, and messages wait instead of bouncing for ever', async () => {
    const story = await begin(({ n1 }) => {
      n1.host.closeMs = 3_000;
    });
    await story.cluster.until(
      'it is closing',
      () => story.n1.host.told.some(one => one.startsWith('close')),
      5_000,
    );
    await story.cluster.pass(100);
    const shard = story.moving()!;
    for (const { coordinator } of story.cluster.nodes) {
      expect(coordinator.epochOf(shard)).toBeNull();
      expect(coordinator.ownerOf(shard)).toBeNull();
      expect(coordinator.view().handoffs).toEqual([
        { shard, from: 'n1', to: story.n2.coordinator.ref, phase: 'releasing' },
      ]);
    }
    await ends(story, 'slow turns');
  });

  for (const { who, call } of STEPS) {
    const step = `${who} at ${call.source.split(' ').at(-1)}`;

    for (const when of ['before', 'after'] as const) {
      it(`${step}: killed ${when} it`, async () => {
        let hit = false;
        const story = await begin(story => {
          const node = story[who];
          node.kv.mishap = one => {
            if (hit || !call.test(one) || story.moving() === null) return null;
            if (!one.includes(`shard.${story.moving()} `)) return null;
            hit = true;
            story.cluster.kill(node);
            return when === 'before' ? 'hang' : 'doneThenSilence';
          };
        });
        await ends(story, step);
        expect(hit).toBe(true);
        const [survivor] = story.cluster.nodes.filter(node => node.process.alive);
        expect(story.cluster.share(survivor!)).toBe(512);
      });

      it(`${step}: paused for 15 s ${when} it`, async () => {
        let hit = false;
        const story = await begin(story => {
          const node = story[who];
          node.kv.mishap = one => {
            if (hit || !call.test(one) || story.moving() === null) return null;
            hit = true;
            node.process.pause();
            story.cluster.time.after(15_000, () => node.process.resume());
            return when === 'before' ? 'late' : null;
          };
        });
        await ends(story, step);
        expect(hit).toBe(true);
      });
    }

    for (const mishap of ['lost', 'dropped', 'late', 'hang', 'refused'] as const satisfies Mishap[]) {
      it(`${step}: ${mishap}`, async () => {
        let hits = 0;
        const story = await begin(story => {
          story[who].kv.mishap = one =>
            call.test(one) && story.moving() !== null && hits++ === 0 ? mishap : null;
        });
        await ends(story, `${step} ${mishap}`);
        expect(hits).toBeGreaterThan(0);
        const shard = story.moving()!;
        const [owner] = story.cluster.servers(shard);
        // a claim that failed costs nobody an epoch
        if (call.source.includes('acquiring') && /dropped|refused/.test(mishap))
          expect(owner!.coordinator.epochOf(shard)).toBe(2);
        // nobody died, so nothing that only memory knew is lost
        expect(owner!.host.memory.get(shard)).toBe(MOVED);
      });

      it(`${step}: ${mishap}, and no read for 3 s`, async () => {
        let hits = 0;
        const story = await begin(story => {
          const node = story[who];
          let deafUntilMs = 0;
          node.kv.mishap = one => {
            const nowMs = story.cluster.time.monotonicMs();
            if (call.test(one) && story.moving() !== null && hits++ === 0) {
              deafUntilMs = nowMs + 3_000;
              return mishap;
            }
            return nowMs < deafUntilMs && one.startsWith('get shard') ? 'hang' : null;
          };
        });
        await ends(story, `${step} ${mishap}, no read`);
        expect(hits).toBeGreaterThan(0);
      });
    }
  }

  it('the other side does not answer: the shard stays, with what memory knew', async () => {
    const story = await begin(({ n1 }) => {
      n1.ships = false;
    });
    await ends(story, 'nobody answers');
    const shard = story.moving()!;
    expect(story.n1.coordinator.epochOf(shard)).toBeGreaterThan(1);
    expect(story.n1.host.memory.get(shard)).toBe(MOVED);
    story.n1.ships = true;
    await story.cluster.until('later it moves', () => story.cluster.share(story.n2) === 1, 10_000);
    expect([...story.n2.host.memory.values()]).toEqual([MOVED]);
  });

  it('turns that do not end: closed after the time that is due, and the shard moves', async () => {
    const story = await begin(({ n1 }) => {
      n1.host.closeMs = 1e9;
    });
    await ends(story, 'turns that do not end');
    expect(story.cluster.share(story.n2)).toBe(1);
  });

  it('parcels are worthless when somebody else had the shard in between', async () => {
    const story = await begin(({ n1, n2, cluster }) => {
      n2.kv.mishap = one => {
        if (/acquiring/.test(one)) void cluster.ledger.mint([Number(/\d+/.exec(one)![0])], 'in between');
        return null;
      };
      void n1;
    });
    await ends(story, 'an epoch in between');
    const shard = story.moving()!;
    expect(story.n2.coordinator.epochOf(shard)).toBe(3);
    expect(story.n2.host.memory.get(shard)).toBeNull();
  });

  it('the fence takes the shard away in the middle: what was packed is worthless', async () => {
    const story = await begin(({ n1, cluster }) => {
      n1.kv.mishap = one => {
        const shard = Number(/\d+/.exec(one)?.[0]);
        if (/released/.test(one)) {
          void cluster.ledger.mint([shard], 'in between');
          n1.coordinator.lost(shard);
        }
        return null;
      };
    });
    await ends(story, 'fenced in the middle');
    const shard = story.moving()!;
    const [owner] = story.cluster.servers(shard);
    expect(owner!.host.memory.get(shard)).toBeNull();
  });
});
