/** Single steps of a division; whole towns are in `k8s/tracks/divided.test.ts`. */
import { expect, test } from 'vitest';
import { Host, turnThatOnly } from '../k8s/tracks/host.ts';
import { boxOf, cellOf } from './geo/grid.ts';
import { dividedAt, type Layouts, quadId, UNDIVIDED } from './geo/layout.ts';
import { publishFix, type Track } from './geo/publish.ts';
import { proximityRules } from './geo/rules.ts';
import type { RegionMessage } from './messages/region.ts';
import { type RegionState, regionBehaviour } from './region.ts';
import type { Address } from './turn.ts';

const CELL = cellOf(40.73, -73.99);
const box = boxOf(CELL);
const NOW_MS = 1_700_000_000_000;
const rules = proximityRules();
/** Regions know that the cell is divided; those who publish without it do not. */
const divided: Layouts = {
  changes: 1,
  of: cell => (cell === CELL ? dividedAt(UNDIVIDED, '', 3, 100, NOW_MS - 3_600_000)! : undefined),
};

class Cell {
  readonly #letters: { to: string; message: RegionMessage }[] = [];
  readonly host = new Host<RegionState, RegionMessage>(
    regionBehaviour(rules, undefined, null, () => divided),
    id =>
      turnThatOnly({
        self: { kind: 'region', id },
        nowMs: NOW_MS,
        tell: (to, message) => this.tell(to, message),
        count() {},
      }),
  );
  tell(to: Address, message: object): void {
    if (to.kind === 'region') this.#letters.push({ to: to.id, message: message as RegionMessage });
  }
  deliver(): void {
    for (let next = this.#letters.shift(); next; next = this.#letters.shift())
      this.host.run(next.to, next.message);
  }
  knows(path: string, userId: string): boolean {
    return (this.host.actors.get(quadId(CELL, path))?.matcher.members.indexOf(userId) ?? -1) >= 0;
  }
}

/** As a node has them that is late. */
const UNHEARD: Layouts = { changes: 0, of: () => undefined };

test('an officer who has not heard of the quads leaves the one he goes out of, from his first fix on', () => {
  const cell = new Cell();
  const walk = (previous: Track | null, seq: number, east: number): Track => {
    const lat = box.south + (box.north - box.south) / 4;
    const lng = box.west + (box.east - box.west) * east;
    const position = {
      ...{ seq, latE7: Math.round(lat * 1e7), lngE7: Math.round(lng * 1e7) },
      ...{ accuracyDm: 50, takenAtMs: NOW_MS - 60_000 + 10_000 * seq },
    };
    const person = { userId: 'o', role: 'officer', handle: 'o', instant: true } as const;
    const track = publishFix(cell, person, previous, position, rules.reachM, UNHEARD);
    cell.deliver();
    return track;
  };
  const first = walk(null, 1, 0.25);
  expect([cell.knows('', 'o'), cell.knows('0', 'o'), cell.knows('1', 'o')]).toEqual([false, true, false]);
  const second = walk(first, 2, 0.75);
  expect([cell.knows('', 'o'), cell.knows('0', 'o'), cell.knows('1', 'o')]).toEqual([false, false, true]);
  walk(second, 3, 0.25);
  expect([cell.knows('', 'o'), cell.knows('0', 'o'), cell.knows('1', 'o')]).toEqual([false, true, false]);
});
