/**
 * Whom a region tells of whom: rules 8 and 10 of `rules.ts` (numbers in brackets are theirs), and what has to be
 * remembered of officers for them.
 */
import { type MatchWatch, type Meeting, type Met, type Moved, type Near, NOTHING } from './happenings.ts';
import type { Members } from './members.ts';
import { Officer } from './officer.ts';
import { DUE, type Pairs } from './pairs.ts';
import { CIVILIAN, OFFICER } from './record.ts';
import type { ProximityRules } from './rules.ts';
import { FOUND } from './search.ts';
import { TOLD } from './slots.ts';

/** What the current move tells. Taken before it ends, so one for all regions. */
let meetings: Meeting[] = [];

/** Nothing is told, whatever became of the move before. */
export function beginTelling(): void {
  if (DUE.length > 0) DUE.length = 0;
  if (meetings.length > 0) meetings = [];
}

/** What the current move has told. */
export function takeTold(): Moved {
  if (meetings.length === 0) return NOTHING;
  const moved = { meetings };
  meetings = [];
  return moved;
}

export class Tellings {
  readonly officers = new Map<number, Officer>();
  readonly #members: Members;
  readonly #pairs: Pairs;
  readonly #rules: ProximityRules;
  readonly #watch: MatchWatch | null;

  constructor(members: Members, pairs: Pairs, rules: ProximityRules, watch: MatchWatch | null) {
    this.#members = members;
    this.#pairs = pairs;
    this.#rules = rules;
    this.#watch = watch;
  }

  /** (8) for the slots that a fix found complete. */
  meet(tMs: number): void {
    const { slots } = this.#pairs;
    const members = this.#members;
    const { capMatches, capMs } = this.#rules;
    const civilianId = (slot: number): string => members.idOf(slots.member(slot, CIVILIAN));
    if (DUE.length > 1) DUE.sort((a, b) => (civilianId(a) < civilianId(b) ? -1 : 1));
    for (const slot of DUE) {
      const officer = slots.member(slot, OFFICER);
      // one that is offered again is among his matches already
      if (slots.wasOffered(slot)) slots.setStage(slot, TOLD);
      else {
        const known = this.#officerAt(officer);
        if (known.isCapped(tMs, capMatches, capMs)) continue;
        known.matched(tMs, capMatches);
        slots.offer(slot, tMs);
      }
      const civilian = this.#met(slots.member(slot, CIVILIAN));
      const offeredMs = slots.offeredMs(slot, tMs);
      meetings.push({ officer: this.#met(officer), civilian, atMs: tMs, offeredMs });
    }
    DUE.length = 0;
  }

  /** (10) for a civilian who has just been placed, with those of the first `count` found who are close enough. */
  announce(civilian: number, count: number, tMs: number): void {
    const members = this.#members;
    const { near, isWideNear } = members.radii;
    const { member, line } = FOUND;
    let told = 0;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const officer = member[i]!;
      if (!members.isAnnounced(officer)) continue;
      if (
        !isWideNear &&
        !members.isWithin(civilian, officer, line[i]!, near[members.accuracySum(civilian, officer)]!)
      )
        continue;
      member[told++] = officer;
      sum = (sum + members.stampOf(officer)) | 0;
    }
    // mostly the same officers as with the fix before
    if (told > 0 && !members.knowsAround(civilian, sum, tMs)) this.#tellOf(told, civilian, sum, tMs);
  }

  /** Who was told of an officer so long ago that he may be told again is forgotten, so that there is room. */
  forget(officer: number, tMs: number): void {
    const known = this.officers.get(officer)!;
    known.forget(tMs, this.#rules.nearAgainMs);
    this.#members.setNearFull(officer, known.isFull);
  }

  /** What is known of an officer who came from elsewhere. */
  know(officer: number, known: Officer): void {
    this.officers.set(officer, known);
    this.#members.setNearFull(officer, known.isFull);
  }

  #tellOf(count: number, civilian: number, sum: number, tMs: number): void {
    const members = this.#members;
    const { nearAgainMs } = this.#rules;
    const civilianId = members.idOf(civilian);
    let sinceMs = tMs;
    for (let i = 0; i < count; i++) {
      const officer = FOUND.member[i]!;
      const known = this.#officerAt(officer);
      const toldMs = known.toldMs(civilianId);
      if (toldMs !== undefined && tMs - toldMs < nearAgainMs) {
        sinceMs = Math.min(sinceMs, toldMs);
        continue;
      }
      known.tell(civilianId, tMs);
      if (known.isFull) members.setNearFull(officer, true);
      const who = { id: members.idOf(officer), handle: members.handleOf(officer) };
      const near: Near = { civilianId, officer: who, atMs: tMs };
      this.#watch?.near?.(near);
    }
    members.setKnownAround(civilian, sum, sinceMs + nearAgainMs);
  }

  #officerAt(index: number): Officer {
    let known = this.officers.get(index);
    if (!known) this.officers.set(index, (known = new Officer()));
    return known;
  }

  #met(index: number): Met {
    const members = this.#members;
    return { id: members.idOf(index), handle: members.handleOf(index), trust: members.trustOf(index) };
  }
}
