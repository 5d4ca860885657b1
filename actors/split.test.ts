/** A cell is divided while people stand in it: what their phones see, on a real node with mailboxes, also when it dies then. */
import { beforeEach, expect, test } from 'vitest';
import { HERE, SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { cellOf } from './geo/grid.ts';
import { dividedAt, type Layout, mergedAt, regionsOf, UNDIVIDED } from './geo/layout.ts';
import { regionBehaviour } from './region.ts';
import { DEFAULT_RULES } from './rules.ts';
import { userBehaviour } from './user.ts';

const CELL = cellOf(HERE.lat, HERE.lng);
const KEYS = { newest: 1, masters: new Map([[1, new Uint8Array(32).fill(7)]]) };

/** The directory as the node knows it. */
class Directory {
  changes = 0;
  layout: Layout | undefined;
  of(cell: number): Layout | undefined {
    return cell === CELL ? this.layout : undefined;
  }
  lay(next: Layout | null): void {
    if (next === null) throw new Error('no such change');
    this.layout = next;
    this.changes++;
  }
}

let town: SmallTown;
let directory: Directory;
let crowd: TownPhone[];

beforeEach(async () => {
  directory = new Directory();
  const layoutsNow = () => directory;
  town = new SmallTown(
    {},
    {
      adapt: behaviours => ({
        ...behaviours,
        user: userBehaviour(DEFAULT_RULES, KEYS, undefined, layoutsNow),
        region: regionBehaviour(DEFAULT_RULES.proximity, undefined, null, layoutsNow),
      }),
    },
  );
  crowd = [await town.phone('officer'), await town.phone('civilian'), await town.phone('civilian')];
  for (const phone of crowd) {
    await phone.command('location.share', {});
    await phone.command('instant.set', { on: true });
  }
});

/** Everybody stands there and reports every ten seconds; `at` happens after so many of them. */
async function stand(reports: number, at: Record<number, () => void | Promise<void>> = {}): Promise<void> {
  for (let i = 0; i < reports; i++) {
    await at[i]?.();
    for (const [n, phone] of crowd.entries()) await phone.report(3 * n);
    await town.time.advance(10_000 - 30);
  }
}
const met = (): number => crowd[0]!.events('encounter.completed').length;
const divide = (path: string) => () =>
  directory.lay(dividedAt(directory.layout ?? UNDIVIDED, path, 3, 1, town.time.nowMs()));
/** The quad in which they stand, of the cell's regions now. */
const regionsInUse = (): number => regionsOf(directory.layout!).length;

test('a dwell goes on through a split, a second one and a merge, and counts once', async () => {
  const quad = { path: '' };
  await stand(3);
  divide('')();
  quad.path = '0123'.split('').find(path => dividedAt(directory.layout!, path, 3, 1, 0) !== null)!;
  await stand(5);
  const early = met();
  // 80 s: as long as it takes where nothing is divided
  expect(early).toBeGreaterThan(0);
  for (const path of ['0', '1', '2', '3']) divide(path)();
  await stand(2);
  directory.lay(mergedAt(directory.layout!, quad.path, town.time.nowMs()));
  await stand(6);
  expect(regionsInUse()).toBeGreaterThan(4);
  expect(met()).toBe(early);
  expect(town.problems).toEqual([]);
  for (const phone of crowd)
    for (const one of phone.events('encounter.completed')) expect(one).toMatchObject({ method: 'proximity' });
});

test('a node that dies in the middle of a split costs the dwell, not the meeting, and nothing counts twice', async () => {
  await stand(4, {
    3: async () => {
      divide('')();
      // the first of them says where he is, the region is asked, and the node is gone
      await crowd[0]!.report(0);
      town.kill();
      for (const phone of crowd) await phone.connect();
    },
  });
  expect(met()).toBe(0);
  await stand(9);
  const once = met();
  expect(once).toBeGreaterThan(0);
  await stand(9);
  expect(met()).toBe(once);
});

test('a node that is moved in the middle of a split loses nothing', async () => {
  await stand(8, { 4: divide(''), 5: () => town.move() });
  expect(met()).toBeGreaterThan(0);
});
