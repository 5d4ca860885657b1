/**
 * Nobody gets rid of what speaks against his phone: by switching sharing off and on, by going away and coming back, or by a
 * node that hands over in good order or is killed; and nobody is suspected of what he may well have done.
 */
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { FIX_FLAG } from '../protocol/frames.ts';

const S = 1_000;
const MIN = 60 * S;
const FAR_M = 50_000;

let town: SmallTown;
let civilian: TownPhone;
beforeEach(async () => {
  town = new SmallTown();
  civilian = await town.phone('civilian');
  await civilian.report(0);
  await town.time.advance(10 * S);
});

/** What comes of it when the civilian scans the code of an officer whom he never met. */
async function meets(): Promise<'paid' | 'held'> {
  const officer = await town.phone('officer');
  const shown = await officer.command('qr.show', {});
  const scanned = await civilian.command('qr.scan', { token: shown.ok ? shown.value.token : '' });
  if (!scanned.ok) throw new Error(scanned.message);
  return scanned.value.points > 0 ? 'paid' : 'held';
}

async function jumps(): Promise<void> {
  await civilian.report(FAR_M);
  await town.time.advance(10 * S);
  await civilian.report(FAR_M + 5);
}

async function isAwayFor(ms: number): Promise<void> {
  civilian.disconnect(true);
  await town.time.advance(ms);
  await civilian.connect();
}

async function switchesOffAndOn(offMs = 0): Promise<void> {
  await civilian.command('location.stop', {});
  await town.time.advance(offMs);
  await civilian.command('location.share', {});
}

describe('a teleport is one', () => {
  test('with sharing switched off and on in between', async () => {
    await switchesOffAndOn();
    await jumps();
    expect(await meets()).toBe('held');
  });
  test('in the first position after it, too', async () => {
    await switchesOffAndOn();
    await civilian.report(FAR_M);
    expect(await meets()).toBe('held');
  });
  test('after a minute without the phone', async () => {
    await isAwayFor(MIN);
    await jumps();
    expect(await meets()).toBe('held');
  });
  test('after a hand-over to another node', async () => {
    await civilian.command('location.stop', {});
    await town.move();
    await civilian.command('location.share', {});
    await jumps();
    expect(await meets()).toBe('held');
  });
  test('and a way that can be gone is none', async () => {
    await switchesOffAndOn(5 * MIN);
    await civilian.report(10_000);
    expect(await meets()).toBe('paid');
  });
});

test('of who switched off a coarse cell is kept for two hours, and nothing finer', async () => {
  await civilian.command('location.stop', {});
  await town.move();
  const { latE7 } = civilian.placeAt(0);
  const held = (): string => JSON.stringify(town.travelled, (_, value) => value ?? null);
  expect(held()).toMatch(/"left":\{"cell":\d+,"atMs":\d+\}/);
  expect(held()).not.toContain(String(latE7));
  await town.time.advance(town.rules.fraud.waitMsMax);
  await town.move();
  expect(held()).toMatch(/"left":null/);
  expect(held()).not.toMatch(/"cell":\d/);
});

describe('who goes away and comes back', () => {
  test('is still the one whose positions were simulated, until that is over', async () => {
    await civilian.report(10, 50, FIX_FLAG.simulated);
    await isAwayFor(5 * MIN);
    expect(await meets()).toBe('held');
    await isAwayFor(6 * MIN);
    expect(await meets()).toBe('paid');
  });
  test('still owes for having been elsewhere, until that is over', async () => {
    await jumps();
    await isAwayFor(5 * MIN);
    expect(await meets()).toBe('held');
    await isAwayFor(10 * MIN);
    expect(await meets()).toBe('paid');
  });
  test('leaves memory as soon as ever when nothing speaks against him, else when that is over', async () => {
    civilian.disconnect(true);
    await town.time.advance(3 * MIN);
    expect(town.system.count('user')).toBe(0);
    await civilian.connect();
    await civilian.report(10, 50, FIX_FLAG.simulated);
    civilian.disconnect(true);
    await town.time.advance(9 * MIN);
    expect(town.system.count('user')).toBe(1);
    await town.time.advance(3 * MIN);
    expect(town.system.count('user')).toBe(0);
  });
});

describe('a node that is killed', () => {
  async function dies(): Promise<void> {
    town.kill();
    await civilian.connect();
  }
  /** Of the civilian's timers, the one that is the memory. */
  const remembered = () => town.stored.of('user', civilian.id).find(({ name }) => name === 'doubt');

  test('does not make a simulated phone an honest one, until that is over', async () => {
    await civilian.report(10, 50, FIX_FLAG.simulated);
    await dies();
    await civilian.report(20);
    expect(await meets()).toBe('held');
    await town.time.advance(5 * MIN);
    await dies();
    expect(await meets()).toBe('held');
    await town.time.advance(6 * MIN);
    expect(await meets()).toBe('paid');
  });
  test('takes no debt away, however often, and makes none longer', async () => {
    await jumps();
    for (let i = 0; i < 3; i++) await dies();
    await civilian.report(FAR_M + 10);
    expect(await meets()).toBe('held');
    // 50 km at 70 m/s are 12 minutes
    await town.time.advance(11 * MIN);
    await dies();
    expect(await meets()).toBe('held');
    await town.time.advance(2 * MIN);
    expect(await meets()).toBe('paid');
  });
  test('leaves a wait that goes on growing', async () => {
    await jumps();
    const first = remembered()!.dueAtMs;
    await dies();
    await civilian.report(FAR_M + 10);
    await town.time.advance(10 * S);
    await civilian.report(3 * FAR_M);
    await town.time.advance(10 * S);
    await civilian.report(3 * FAR_M + 5);
    expect(remembered()!.dueAtMs).toBeGreaterThan(first + 20 * MIN);
    await dies();
    await town.time.advance(30 * MIN);
    expect(await meets()).toBe('held');
  });
  test('finds nothing of where anybody was', async () => {
    await jumps();
    await civilian.report(10, 50, FIX_FLAG.simulated);
    const { latE7, lngE7 } = civilian.placeAt(FAR_M);
    const kept = JSON.stringify(remembered()!.message);
    expect(kept).toMatch(/"simulated":\d+/);
    for (const part of [latE7, lngE7]) expect(kept).not.toContain(String(part).slice(0, 5));
  });
  test('what holds when it ends is written once a minute at most, and of honest people nothing', async () => {
    const honest = await town.phone('civilian');
    const written = vi.spyOn(town.stored, 'commit');
    const doubts = () =>
      written.mock.calls.flatMap(([entries]) =>
        entries.filter(({ op }) => 'name' in op && op.name === 'doubt'),
      );
    for (let i = 0; i < 120; i++) {
      await honest.report((i * 37) % 11);
      await civilian.report((i * 31) % 11, 50, FIX_FLAG.simulated);
      await town.time.advance(5 * S);
    }
    expect(doubts().length).toBeGreaterThanOrEqual(8);
    expect(doubts().length).toBeLessThanOrEqual(11);
    expect(town.stored.of('user', honest.id).filter(({ name }) => name === 'doubt')).toEqual([]);
    await dies();
    expect(await meets()).toBe('held');
  });
  test('is forgotten when all of it is over', async () => {
    await jumps();
    expect(remembered()).toBeDefined();
    await town.time.advance(15 * MIN);
    expect(remembered()).toBeUndefined();
    await dies();
    expect(await meets()).toBe('paid');
  });
});
