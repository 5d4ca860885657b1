/**
 * Circles in memory, and who is inside which: the twin of a geofence collection.
 *
 * Small circles stand in the cells of a grid of a hundredth of a degree that their box touches, large ones in one list; a
 * position looks at its own cell and at that list. Who is in no circle takes no memory.
 */
import type { Circle } from '../../nodes/locationPort.ts';
import { isPoint, metresBetween, type Point } from './earth.ts';
import { ID_CHARS_MAX, RADIUS_M_MAX } from './limits.ts';

const CELL_E7 = 100_000;
const COLUMNS = 36_000;
/** A metre of latitude in E7 degrees, rounded up. */
const E7_PER_M = 91;
/** Larger ones would stand in too many cells. */
const SMALL_M_MAX = 2_000;
/** Beyond this the columns are too narrow for the box below. */
const SMALL_LAT_E7_MAX = 850_000_000;
const ID = /^[-._\p{L}\p{N}]+$/u;

/** Why a circle is none, or null. */
export function whyNoCircle({ id, latE7, lngE7, radiusM }: Circle): string | null {
  if (!ID.test(id) || id.length > ID_CHARS_MAX) return 'the id is not right';
  if (!isPoint({ latE7, lngE7 })) return 'the centre is not on Earth';
  if (!(radiusM > 0 && radiusM <= RADIUS_M_MAX)) return 'the radius must be above 0 and at most 100 km';
  return null;
}

const rowOf = (latE7: number): number => Math.floor(latE7 / CELL_E7);
const columnOf = (lngE7: number): number => ((Math.floor(lngE7 / CELL_E7) % COLUMNS) + COLUMNS) % COLUMNS;
const cellOf = (row: number, column: number): number => row * COLUMNS + column;

/** Cells that a circle may reach into; null when they are too many. */
function cellsOf({ latE7, lngE7, radiusM }: Circle): number[] | null {
  if (radiusM > SMALL_M_MAX || Math.abs(latE7) > SMALL_LAT_E7_MAX) return null;
  const reachE7 = Math.ceil(radiusM * E7_PER_M);
  const poleward = ((Math.abs(latE7) + reachE7) / 10_000_000 / 180) * Math.PI;
  const wideE7 = Math.ceil(reachE7 / Math.cos(poleward));
  const columns = new Set<number>();
  for (let lng = lngE7 - wideE7; lng < lngE7 + wideE7; lng += CELL_E7) columns.add(columnOf(lng));
  columns.add(columnOf(lngE7 + wideE7));
  const cells: number[] = [];
  for (let row = rowOf(latE7 - reachE7); row <= rowOf(latE7 + reachE7); row++)
    for (const column of columns) cells.push(cellOf(row, column));
  return cells;
}

export class Circles {
  readonly #byId = new Map<string, Circle>();
  readonly #small = new Map<number, Set<Circle>>();
  readonly #large = new Set<Circle>();
  /** Ids of the circles that somebody is inside of; nobody with an empty list. */
  readonly #inside = new Map<string, readonly string[]>();

  get size(): number {
    return this.#byId.size;
  }

  all(): readonly Circle[] {
    return [...this.#byId.values()];
  }

  put(circle: Circle): void {
    this.delete(circle.id);
    this.#byId.set(circle.id, circle);
    const cells = cellsOf(circle);
    if (cells === null) this.#large.add(circle);
    for (const cell of cells ?? []) {
      const there = this.#small.get(cell) ?? new Set();
      this.#small.set(cell, there.add(circle));
    }
  }

  delete(id: string): void {
    const circle = this.#byId.get(id);
    if (!circle) return;
    this.#byId.delete(id);
    this.#large.delete(circle);
    for (const cell of cellsOf(circle) ?? []) {
      const there = this.#small.get(cell);
      there?.delete(circle);
      if (there?.size === 0) this.#small.delete(cell);
    }
  }

  /** Moves somebody and says what was crossed: circles entered and left. */
  move(who: string, point: Point): { readonly entered: readonly string[]; readonly left: readonly string[] } {
    const before = this.#inside.get(who) ?? [];
    const now = this.#around(point);
    if (now.length === 0) this.#inside.delete(who);
    else this.#inside.set(who, now);
    return {
      entered: now.filter(id => !before.includes(id)),
      // a circle that was taken away is not left
      left: before.filter(id => !now.includes(id) && this.#byId.has(id)),
    };
  }

  forget(who: string): void {
    this.#inside.delete(who);
  }

  #around(point: Point): string[] {
    const found: string[] = [];
    const look = (circle: Circle): void => {
      const { id, latE7, radiusM } = circle;
      // most are told apart by their latitude
      if (Math.abs(point.latE7 - latE7) > radiusM * E7_PER_M) return;
      if (metresBetween(circle, point) <= radiusM) found.push(id);
    };
    this.#small.get(cellOf(rowOf(point.latE7), columnOf(point.lngE7)))?.forEach(look);
    this.#large.forEach(look);
    return found;
  }
}
