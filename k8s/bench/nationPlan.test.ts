import { describe, expect, it } from 'vitest';
import { nodesFor, planLines, pricesOf } from './nationPlan.ts';

const stretch = (serverCores: number, positionsPerS = 0, encountersPerS = 0) => ({
  seconds: 10,
  serverCores,
  positionsPerS,
  encountersPerS,
});
const MIB = 2 ** 20;

/** 10,000 people: 0.02 cores of phones, 30 us a position, 1 ms an encounter, 40 KiB each. */
const measured = {
  empty: stretch(0.01),
  quiet: stretch(0.03),
  alone: stretch(0.33, 10_000),
  both: stretch(0.43, 10_000, 100),
  rssEmpty: 200 * MIB,
  rssLoaded: 200 * MIB + 10_000 * 40_960,
};

describe('the table of nodes', () => {
  it('takes the price of each thing from the stretch that added it', () => {
    const price = pricesOf(measured, 10_000);
    expect(price.usPerPhoneS).toBeCloseTo(2);
    expect(price.usPerPosition).toBeCloseTo(30);
    expect(price.usPerEncounter).toBeCloseTo(1_000);
    expect(price.bytesPerPerson).toBe(40_960);
  });

  it('multiplies them by the nation, and takes the scarcer of CPU and memory', () => {
    const price = pricesOf(measured, 10_000);
    const [seldom, often] = nodesFor(price, 2_048);
    // 2.7 M x 2 us + 17,800 x 30 us + 140 x 1 ms, on nodes with 0.7 - 0.01 cores for it
    expect(seldom).toMatchObject({ cores: 6.07, nodes_by_cpu: 9 });
    // (0.7 x 2,048 - 200) MiB / 40 KiB
    expect(seldom).toMatchObject({ people_per_node: 31_580, nodes_by_memory: 86, nodes: 86 });
    expect(often).toMatchObject({ cores_of_positions: 5.34, nodes_by_cpu: 16 });
    expect(nodesFor(price, 65_536)[1]!.nodes).toBe(16);
    expect(planLines(price, nodesFor(price, 2_048)).at(-1)).toContain('178,000');
  });

  it('a stretch that cost less than the one before has no negative price', () => {
    expect(pricesOf({ ...measured, alone: stretch(0.01, 10_000) }, 10_000).usPerPosition).toBe(0);
  });
});
