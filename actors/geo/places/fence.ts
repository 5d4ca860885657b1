/**
 * Who is at which place: circles around merchants and community hubs, with one enter and one exit for each visit.
 *
 * A position wanders by its accuracy, so a circle with one edge would tell of many visits of somebody who stands at the
 * edge. As in the matching of people (proximity study 4.4): enter inside the radius, exit only beyond a wider one
 * and only after two fixes in a row, and a fix that is less accurate than the rule says nothing at all.
 *
 * What is remembered of a person (`Stay`) is plain values and goes where the person's actor goes; the rest follows from the
 * fix, so that the same fixes give the same visits wherever the actor lived meanwhile.
 */

import { distanceM } from '../distance.ts';
import { latReachDeg, lngReachDeg } from '../grid.ts';
import { POLE_E7, WHOLE_E7, wrapE7 } from './bandGrids.ts';
import { type BoxTable, buildBoxes, visitBoxes } from './boxIndex.ts';
import { PLACES_LIMITS } from './limits.ts';

export const PLACE_KINDS = ['hub', 'merchant'] as const;
export type PlaceKind = (typeof PLACE_KINDS)[number];

/** Something that stands still. Where it is, everybody may know. */
export interface Place {
  readonly id: string;
  readonly kind: PlaceKind;
  readonly name: string;
  /** What the code on its wall carries (`protocol/hubToken.ts`), and the lowest number of a poster that is good. */
  readonly number: number;
  readonly poster: number;
  readonly latE7: number;
  readonly lngE7: number;
  readonly radiusM: number;
}

export interface FenceRules {
  readonly version: number;
  /** Beyond the radius by so much before it is an exit: as far as in the matching of people (4.4, Rexit). */
  readonly marginM: number;
  /** Fixes in a row outside: two, as in the matching of people (4.4, traccar#3609). */
  readonly exitFixes: number;
  /**
   * A fix less accurate than this proves nothing. Wider than between two people, where 20 m score and 30 m keep (`../rules.ts`):
   * a visit moves no points, and a phone inside a building knows its place to 20 to 50 m (by judgement, from no study).
   */
  readonly accuracyM: number;
}

export const FENCE_RULES: FenceRules = { version: 1, marginM: 25, exitFixes: 2, accuracyM: 50 };

/** One visit that has not ended. */
export interface Stay {
  readonly placeId: string;
  readonly kind: PlaceKind;
  readonly enteredAtMs: number;
  /** Fixes outside, in a row. */
  readonly outside: number;
}

export interface Crossing {
  readonly placeId: string;
  readonly kind: PlaceKind;
  readonly way: 'enter' | 'exit';
}

export interface FencedFix {
  readonly latE7: number;
  readonly lngE7: number;
  /** Decimetres. */
  readonly accuracyDm: number;
  readonly takenAtMs: number;
}

/** The places of the town. Replaced as a whole when one changes. */
export class Fences {
  readonly rules: FenceRules;
  readonly #places: readonly Place[];
  readonly #byId: ReadonlyMap<string, Place>;
  readonly #byNumber: ReadonlyMap<number, Place>;
  readonly #boxes: BoxTable;

  constructor(places: readonly Place[], rules: FenceRules = FENCE_RULES) {
    this.rules = rules;
    this.#places = places;
    this.#byId = new Map(places.map(place => [place.id, place]));
    this.#byNumber = new Map(places.map(place => [place.number, place]));
    this.#boxes = buildBoxes(places.length, number => boxAround(places[number]!));
  }

  get size(): number {
    return this.#places.length;
  }

  get all(): readonly Place[] {
    return this.#places;
  }

  of(placeId: string): Place | null {
    return this.#byId.get(placeId) ?? null;
  }

  /** The hub on whose wall this poster hangs; null when there is none, or the poster was withdrawn. */
  hubOf(number: number, poster: number): Place | null {
    const place = this.#byNumber.get(number);
    return place?.kind === 'hub' && poster >= place.poster ? place : null;
  }

  /** Places whose circle holds the point, the nearest first. */
  at(latE7: number, lngE7: number): readonly Place[] {
    let found: { readonly place: Place; readonly awayM: number }[] | null = null;
    visitBoxes(this.#boxes, latE7, wrapE7(lngE7), number => {
      const place = this.#places[number]!;
      const awayM = distanceM(latE7, lngE7, place.latE7, place.lngE7);
      if (awayM <= place.radiusM) (found ??= []).push({ place, awayM });
    });
    if (found === null) return NOWHERE;
    const sorted = found as { readonly place: Place; readonly awayM: number }[];
    return sorted.sort((a, b) => a.awayM - b.awayM).map(one => one.place);
  }
}

const NOWHERE: readonly Place[] = [];
export const NO_FENCES = new Fences([]);

function boxAround({ latE7, lngE7, radiusM }: Place) {
  const latReach = Math.ceil(latReachDeg(radiusM) * 1e7) + 1;
  const lngReach = Math.min(WHOLE_E7 / 2, Math.ceil(lngReachDeg(latE7 / 1e7, radiusM) * 1e7) + 1);
  return {
    southE7: Math.max(-POLE_E7, latE7 - latReach),
    northE7: Math.min(POLE_E7, latE7 + latReach),
    westE7: wrapE7(lngE7 - lngReach),
    spanE7: 2 * lngReach,
  };
}

export interface Stepped {
  /** `stays` itself when nothing changed. */
  readonly stays: readonly Stay[];
  readonly crossings: readonly Crossing[];
}

const NO_CROSSINGS: readonly Crossing[] = [];

/** What one fix, newer than all before it, changes. A place that was moved or taken away is left like any other. */
export function stepFences(fences: Fences, stays: readonly Stay[], fix: FencedFix): Stepped {
  const { rules } = fences;
  if (fix.accuracyDm > rules.accuracyM * 10) return { stays, crossings: NO_CROSSINGS };
  const inside = fences.at(fix.latE7, fix.lngE7);
  if (inside.length === 0 && stays.length === 0) return { stays, crossings: NO_CROSSINGS };
  const crossings: Crossing[] = [];
  const next: Stay[] = [];
  let changed = false;
  for (const stay of stays) {
    const place = fences.of(stay.placeId);
    const awayM = place ? distanceM(fix.latE7, fix.lngE7, place.latE7, place.lngE7) : Infinity;
    const out = place === null || awayM > place.radiusM + rules.marginM;
    const outside = out ? stay.outside + 1 : 0;
    if (place === null || outside >= rules.exitFixes) {
      crossings.push({ placeId: stay.placeId, kind: stay.kind, way: 'exit' });
      changed = true;
    } else if (outside === stay.outside) next.push(stay);
    else {
      next.push({ ...stay, outside });
      changed = true;
    }
  }
  for (const { id, kind } of inside) {
    if (next.length >= PLACES_LIMITS.stays) break;
    if (stays.some(stay => stay.placeId === id)) continue;
    next.push({ placeId: id, kind, enteredAtMs: fix.takenAtMs, outside: 0 });
    crossings.push({ placeId: id, kind, way: 'enter' });
    changed = true;
  }
  return changed ? { stays: next, crossings } : { stays, crossings: NO_CROSSINGS };
}

/** The person cannot be followed any more: every visit ends. */
export const endStays = (stays: readonly Stay[]): readonly Crossing[] =>
  stays.map(({ placeId, kind }) => ({ placeId, kind, way: 'exit' }));
