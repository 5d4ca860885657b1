/**
 * The matcher of one region: who met whom, by the rules of `rules.ts` (numbers in brackets are theirs), changed in place.
 *
 * A fix costs: one lookup by id, the place on the sphere, a look at each slot of the mover, and a search for people of
 * the other role within reach in the micro cells around. Only pairs whose officer is placed here are judged here:
 * officers are sent to one region, civilians to every region in reach, so each pair has exactly one judge.
 */
import type { FixMessage, OfficerTransfer, SlotStage, SlotTransfer } from '../messages/region.ts';
import { lineSquared, type Reach } from './ground.ts';
import { FIX_LATE_MS } from './limits.ts';
import { CIVILIAN, Members, OFFICER, type PackedMember } from './members.ts';
import { Officer } from './officer.ts';
import type { ProximityRules } from './rules.ts';
import { COUNTING, FIXES_MAX, READY, Slots, TOLD } from './slots.ts';

const NIL = -1;
/** Moves are counted round and round, in 31 bits. */
const LAST_MOVE = 0x7fff_fffe;
const STAGES: readonly SlotStage[] = ['counting', 'ready', 'told'];
const ALL = Number.MAX_SAFE_INTEGER;
const NONE: readonly never[] = [];
const NOTHING: Moved = { meetings: NONE, nears: NONE };

/** One of two who met. */
export interface Met {
  readonly id: string;
  readonly handle: string;
  /** Bits of doubt about the positions. */
  readonly trust: number;
}

/** Two people dwelt together and both have instant match on. `atMs`: the fix that completed it. */
export interface Meeting {
  readonly officer: Met;
  readonly civilian: Met;
  readonly atMs: number;
}

/** An officer is around a civilian. Says neither how far nor where. `atMs`: the civilian's fix. */
export interface Near {
  readonly civilianId: string;
  readonly officer: { readonly id: string; readonly handle: string };
  readonly atMs: number;
}

/** What a fix brought about. */
export interface Moved {
  readonly meetings: readonly Meeting[];
  readonly nears: readonly Near[];
}

export type EndReason = 'silence' | 'far' | 'outside' | 'crowd' | 'left';

/** Hears of every slot, for tests and simulations; each begins once and ends once, wherever the officer goes meanwhile. */
export interface MatchWatch {
  entered(officerId: string, civilianId: string, atMs: number): void;
  /** `atMs` is null for somebody who left. */
  ended(officerId: string, civilianId: string, atMs: number | null, reason: EndReason): void;
  near(near: Near): void;
}

/** Officer and civilian are places in the list of members. */
export type PackedSlot = readonly [
  officer: number,
  civilian: number,
  lastMs: number,
  dwellMs: number,
  officerFixes: number,
  civilianFixes: number,
  stage: number,
  outside: number,
];
/** `officer` is a place in the list of members. */
export type PackedOfficer = readonly [
  officer: number,
  matchedMs: readonly number[],
  told: OfficerTransfer['told'],
];

export interface PackedMatcher {
  readonly members: readonly PackedMember[];
  readonly slots: readonly PackedSlot[];
  readonly officers: readonly PackedOfficer[];
}

/** An officer as he leaves a region. */
export interface Departure {
  readonly slots: readonly SlotTransfer[];
  readonly officer: OfficerTransfer;
}

export class Matcher {
  readonly members: Members;
  readonly #rules: ProximityRules;
  readonly #watch: MatchWatch | null;
  readonly #slots = new Slots();
  readonly #officers = new Map<number, Officer>();
  /** By the sum of two accuracies in decimetres, squares of lines; -1 where one of them is poor. */
  readonly #enter: Float64Array;
  readonly #exit: Float64Array;
  readonly #near: Float64Array;
  readonly #far: number;
  readonly #relative: number;
  readonly #enterReach: Reach;
  /** What a civilian's one search for officers must see. */
  readonly #wide: Float64Array;
  readonly #wideReach: Reach;
  /** Number of the current move; marks the members it has looked at. */
  #move = 0;
  readonly #found: number[] = [];
  /** Slots that the current move found complete, with instant match on. */
  readonly #due: number[] = [];
  #meetings: Meeting[] = [];
  #nears: Near[] = [];

  constructor(cell: number, rules: ProximityRules, watch: MatchWatch | null = null) {
    this.#rules = rules;
    this.#watch = watch;
    const members = new Members(cell, rules.sharpAccuracyM, rules.keepAccuracyM);
    this.members = members;
    const table = (radiusM: (sumM: number) => number): Float64Array =>
      Float64Array.from({ length: members.sums }, (_, sumDm) =>
        sumDm < members.poorSum ? lineSquared(radiusM(sumDm / 10)) : -1,
      );
    const enterM = (sumM: number): number =>
      Math.min(rules.enterMaxM, Math.max(rules.enterM, rules.enterPerAccuracy * sumM));
    this.#enter = table(enterM);
    this.#exit = table(sumM => enterM(sumM) + rules.exitMarginM);
    this.#near = table(() => rules.nearM);
    this.#far = lineSquared(rules.reachM);
    this.#relative = rules.relativeMps ** 2;
    this.#enterReach = members.reach(rules.enterMaxM);
    this.#wide = this.#near.map((near, sum) => Math.max(near, this.#enter[sum]!));
    this.#wideReach = members.reach(Math.max(rules.nearM, rules.enterMaxM));
  }

  get slotCount(): number {
    return this.#slots.count;
  }

  /** Takes a fix; says what it brought about. A fix that is not newer than the last, or cannot be, is ignored. */
  move(fix: FixMessage, nowMs: number): Moved {
    const index = this.members.place(fix, nowMs);
    return index === NIL ? NOTHING : this.#judge(index, fix.takenAtMs);
  }

  /** Forgets a person and all slots; `atMs` for who went out of reach with a fix taken then. */
  leave(userId: string, atMs?: number): void {
    const { members } = this;
    const slots = this.#slots;
    const index = members.indexOf(userId);
    if (index === NIL) return;
    if (atMs !== undefined) {
      const side = members.roleOf(index);
      for (let slot = members.firstSlot(index); slot !== NIL; ) {
        const following = slots.next(slot, side);
        const otherMs = members.takenAtMs(slots.member(slot, 1 - side));
        if (!this.#endSilent(slot, members.takenAtMs(index), otherMs, atMs)) this.#end(slot, atMs, 'far');
        slot = following;
      }
    }
    this.#remove(index);
  }

  /** Forgets an officer whose fix fell into another region, and returns what that needs to go on. */
  departOfficer(userId: string, atMs: number): Departure {
    const { members } = this;
    const slots = this.#slots;
    const index = members.indexOf(userId);
    const taken: SlotTransfer[] = [];
    if (index === NIL || members.roleOf(index) !== OFFICER) {
      const officer = { matchedMs: NONE, crowded: false, turningMs: null, told: NONE };
      return { slots: taken, officer };
    }
    for (let slot = members.firstSlot(index); slot !== NIL; ) {
      const following = slots.next(slot, OFFICER);
      const civilian = slots.member(slot, CIVILIAN);
      // (1) is judged by who knows when each was heard last
      if (!this.#endSilent(slot, members.takenAtMs(index), members.takenAtMs(civilian), atMs)) {
        taken.push({
          civilianId: members.idOf(civilian),
          lastMs: atMs - slots.sinceLastMs(slot, atMs),
          dwellMs: slots.dwellMs(slot),
          officerFixes: slots.fixes(slot, OFFICER),
          civilianFixes: slots.fixes(slot, CIVILIAN),
          stage: STAGES[slots.stage(slot)]!,
          outside: this.#outside(slot),
        });
        slots.close(slot, members.whole);
      }
      slot = following;
    }
    const known = this.#officers.get(index);
    const turning = members.turningMs(index);
    const officer: OfficerTransfer = {
      matchedMs: known?.matchedMs ?? NONE,
      crowded: members.isCrowded(index),
      turningMs: turning === null ? null : atMs - (((atMs | 0) - turning) | 0),
      told: known?.told ?? NONE,
    };
    this.#remove(index);
    // slots are opened at the head of the list
    return { slots: taken.reverse(), officer };
  }

  /**
   * Takes an officer over from another region: first what he brings, then his fix. A civilian not known here is out of
   * reach of every place in this region, so that slot has ended.
   */
  adopt(fix: FixMessage, brought: Partial<Departure>, nowMs: number): Moved {
    const { members } = this;
    const placed = members.place(fix, nowMs);
    const index = placed === NIL ? members.indexOf(fix.userId) : placed;
    if (index === NIL || members.roleOf(index) !== OFFICER) return NOTHING;
    const { officer } = brought;
    if (officer) {
      members.setCrowded(index, officer.crowded);
      members.setTurning(index, officer.turningMs === null ? null : officer.turningMs | 0);
      if (officer.matchedMs.length + officer.told.length > 0) {
        const known = new Officer(officer.matchedMs, officer.told);
        this.#officers.set(index, known);
        members.setNearFull(index, known.isFull);
      }
    }
    for (const one of brought.slots ?? NONE) {
      const civilian = members.indexOf(one.civilianId);
      if (civilian === NIL) {
        this.#watch?.ended(fix.userId, one.civilianId, fix.takenAtMs, 'far');
        continue;
      }
      if (this.#slotOf(index, civilian) !== NIL) continue;
      const fixes = [one.officerFixes, one.civilianFixes] as const;
      this.#resume(index, civilian, one.lastMs, one.dwellMs, fixes, STAGES.indexOf(one.stage), one.outside);
    }
    return placed === NIL ? NOTHING : this.#judge(placed, fix.takenAtMs);
  }

  /**
   * A meeting could not be settled: it was no automatic match of the officer (8), and when it may be tried again it is
   * offered again at the next look at the two.
   */
  unsettled(officerId: string, civilianId: string, again: boolean): void {
    const officer = this.members.indexOf(officerId);
    if (officer === NIL) return;
    this.#officers.get(officer)?.unmatched();
    const civilian = this.members.indexOf(civilianId);
    if (!again || civilian === NIL) return;
    const slot = this.#slotOf(officer, civilian);
    if (slot !== NIL && this.#slots.stage(slot) === TOLD) this.#slots.setStage(slot, READY);
  }

  /** Ends the slots of those who fell silent so long ago that no fix can change it any more (1). */
  sweepSlots(nowMs: number): void {
    const { members } = this;
    const slots = this.#slots;
    const beforeMs = nowMs - FIX_LATE_MS;
    // a look was at two fixes that are no further apart than this
    const quietMs = this.#rules.silenceMs + FIX_LATE_MS - this.#rules.freshMs;
    for (let slot = 0; slot < slots.highest; slot++) {
      if (!slots.isOpen(slot) || slots.sinceLastMs(slot, nowMs) < quietMs) continue;
      const officer = members.takenAtMs(slots.member(slot, OFFICER));
      const civilian = members.takenAtMs(slots.member(slot, CIVILIAN));
      this.#endSilent(slot, officer, civilian, beforeMs);
    }
  }

  /** Forgets members from whom nothing arrived since `beforeMs`; returns the ids. */
  sweep(beforeMs: number): string[] {
    return this.members.silentSince(beforeMs).map(index => {
      const id = this.members.idOf(index);
      this.#remove(index);
      return id;
    });
  }

  /** Everybody and every slot as plain values; members are named by their place in the list. */
  pack(): PackedMatcher {
    const { members } = this;
    const all = this.#slots;
    const places = new Map<number, number>();
    const packed: PackedMember[] = [];
    for (let index = 0; index < members.highest; index++) {
      if (members.idOf(index) === '') continue;
      places.set(index, packed.push(members.pack(index)) - 1);
    }
    const slots: PackedSlot[] = [];
    const officers: PackedOfficer[] = [];
    for (const [index, place] of places) {
      if (members.roleOf(index) !== OFFICER) continue;
      const known = this.#officers.get(index);
      if (known) officers.push([place, known.matchedMs, known.told]);
      const own: PackedSlot[] = [];
      const takenMs = members.takenAtMs(index);
      for (let slot = members.firstSlot(index); slot !== NIL; slot = all.next(slot, OFFICER)) {
        const civilian = places.get(all.member(slot, CIVILIAN))!;
        const fixes = [all.fixes(slot, OFFICER), all.fixes(slot, CIVILIAN)] as const;
        const lastMs = takenMs - all.sinceLastMs(slot, takenMs);
        const outside = this.#outside(slot);
        own.push([place, civilian, lastMs, all.dwellMs(slot), ...fixes, all.stage(slot), outside]);
      }
      // slots are opened at the head of the list
      slots.push(...own.reverse());
    }
    return { members: packed, slots, officers };
  }

  /** Puts down what another matcher of this cell packed. Only into an empty one. */
  restore({ members, slots, officers }: PackedMatcher): void {
    const indexes = members.map(member => this.members.restore(member));
    for (const [officer, matchedMs, told] of officers) {
      const known = new Officer(matchedMs, told);
      this.#officers.set(indexes[officer]!, known);
      this.members.setNearFull(indexes[officer]!, known.isFull);
    }
    for (const [officer, civilian, lastMs, dwellMs, officerFixes, civilianFixes, stage, outside] of slots) {
      const fixes = [officerFixes, civilianFixes] as const;
      this.#resume(indexes[officer]!, indexes[civilian]!, lastMs, dwellMs, fixes, stage, outside);
    }
  }

  /** Looks at everyone who may matter to a member that has just been placed. */
  #judge(index: number, tMs: number): Moved {
    const { members } = this;
    const slots = this.#slots;
    const side = members.roleOf(index);
    let count = 0;
    if (!members.isPoor(index)) {
      if (side === CIVILIAN) count = this.#around(index, OFFICER, this.#wideReach, this.#wide);
      else {
        const most = members.isCrowded(index) ? this.#rules.crowdCivilians : ALL;
        count = this.#around(index, CIVILIAN, this.#enterReach, this.#enter, most);
        if (!members.isRepeated) this.#crowd(index, count, tMs);
      }
    }
    const move = (this.#move = (this.#move % LAST_MOVE) + 1);
    for (let slot = members.firstSlot(index); slot !== NIL; ) {
      const following = slots.next(slot, side);
      const other = slots.member(slot, 1 - side);
      if (this.#look(slot, side, index, other, tMs)) members.markLooked(other, move);
      slot = following;
    }
    if (count > 0) {
      if (members.isOffered(index)) this.#begin(index, side, count, move, tMs);
      if (side === CIVILIAN) this.#announce(index, count, tMs);
    }
    if (this.#due.length > 0) this.#tell(tMs);
    if (members.isNearFull(index)) {
      const known = this.#officers.get(index)!;
      known.forget(tMs, this.#rules.nearAgainMs);
      members.setNearFull(index, known.isFull);
    }
    if (this.#meetings.length === 0 && this.#nears.length === 0) return NOTHING;
    const moved = { meetings: this.#meetings, nears: this.#nears };
    this.#meetings = [];
    this.#nears = [];
    return moved;
  }

  #around(index: number, role: number, reach: Reach, limits: Float64Array, most = ALL): number {
    return this.members.around(index, role, reach, limits, this.#rules.freshMs, most, this.#found);
  }

  /** (9) The crowd around an officer. */
  #crowd(officer: number, count: number, tMs: number): void {
    const { members } = this;
    const crowded = members.isCrowded(officer);
    const sinceMs = members.turningMs(officer);
    if (count > this.#rules.crowdCivilians === crowded) {
      if (sinceMs !== null) members.setTurning(officer, null);
      return;
    }
    if (sinceMs === null) members.setTurning(officer, tMs | 0);
    const lastedMs = sinceMs === null ? 0 : ((tMs | 0) - sinceMs) | 0;
    if (lastedMs < this.#rules.crowdMs) return;
    members.setTurning(officer, null);
    members.setCrowded(officer, !crowded);
    if (crowded) return;
    for (let slot = members.firstSlot(officer); slot !== NIL; slot = members.firstSlot(officer)) {
      const civilian = members.takenAtMs(this.#slots.member(slot, CIVILIAN));
      if (!this.#endSilent(slot, members.previousMs, civilian, tMs)) this.#end(slot, tMs, 'crowd');
    }
  }

  /** (1) to (5) for a pair that has a slot; whether it still has. */
  #look(slot: number, side: number, mover: number, other: number, tMs: number): boolean {
    const { members } = this;
    const slots = this.#slots;
    const rules = this.#rules;
    const otherMs = members.takenAtMs(other);
    if (this.#endSilent(slot, members.previousMs, otherMs, tMs)) return false;
    const line = members.lineSquared(mover, other);
    if (line > this.#far) return this.#end(slot, tMs, 'far');
    const apart = tMs - otherMs;
    if (apart > rules.freshMs || apart < -rules.freshMs) return true;
    const gap = slots.sinceLastMs(slot, tMs);
    if (line > this.#exit[members.accuracySum(mover, other)]!) {
      if (members.isRepeated) return true;
      if (slots.isOutside(slot, side)) return this.#end(slot, tMs, 'outside');
      slots.setOutside(slot, side, true);
      if (gap > 0) slots.setLastMs(slot, tMs);
      return true;
    }
    slots.setOutside(slot, OFFICER, false);
    slots.setOutside(slot, CIVILIAN, false);
    if (!members.isSharp(mover) || !members.isSharp(other)) return true;
    const mine = members.speedOf(mover);
    const theirs = members.speedOf(other);
    if (mine > rules.vehicleMps || theirs > rules.vehicleMps) {
      slots.setDwellMs(slot, 0);
      slots.setFixes(slot, OFFICER, 0);
      slots.setFixes(slot, CIVILIAN, 0);
    } else {
      const walking = mine >= 0 && theirs >= 0 && mine <= rules.walkMps && theirs <= rules.walkMps;
      if (gap > 0 && gap <= rules.gapMs && walking && members.relativeSquared(mover, other) <= this.#relative)
        slots.setDwellMs(slot, Math.min(slots.dwellMs(slot) + gap, rules.dwellMs));
      if (!members.isRepeated) slots.countFix(slot, side);
    }
    if (gap > 0) slots.setLastMs(slot, tMs);
    this.#complete(slot);
    return true;
  }

  /** (6) with those of the found who are close enough and have no slot. */
  #begin(index: number, side: number, count: number, move: number, tMs: number): void {
    const { members } = this;
    const found = this.#found;
    for (let i = 0; i < count; i++) {
      const other = found[i]!;
      if (members.isLooked(other, move) || !members.isOffered(other)) continue;
      if (side === OFFICER) this.#enterSlot(index, other, tMs);
      else if (members.lineSquared(index, other) <= this.#enter[members.accuracySum(index, other)]!)
        this.#enterSlot(other, index, tMs);
    }
  }

  #enterSlot(officer: number, civilian: number, tMs: number): void {
    const { members } = this;
    const slot = this.#slots.open(officer, civilian, members.whole);
    this.#slots.setLastMs(slot, tMs);
    this.#watch?.entered(members.idOf(officer), members.idOf(civilian), tMs);
    if (members.isSharp(officer) && members.isSharp(civilian)) this.#complete(slot);
  }

  /** (7) */
  #complete(slot: number): void {
    const slots = this.#slots;
    const { members } = this;
    const rules = this.#rules;
    const stage = slots.stage(slot);
    if (stage === TOLD) return;
    if (stage === COUNTING) {
      if (slots.dwellMs(slot) < rules.dwellMs) return;
      if (slots.fixes(slot, OFFICER) < rules.dwellFixes) return;
      if (slots.fixes(slot, CIVILIAN) < rules.dwellFixes) return;
      slots.setStage(slot, READY);
    }
    const officer = slots.member(slot, OFFICER);
    const civilian = slots.member(slot, CIVILIAN);
    if (!members.isInstant(officer) || !members.isInstant(civilian)) return;
    this.#due.push(slot);
  }

  /** (8) for the slots that this fix found complete. */
  #tell(tMs: number): void {
    const slots = this.#slots;
    const { members } = this;
    const { capMatches, capMs } = this.#rules;
    const civilianId = (slot: number): string => members.idOf(slots.member(slot, CIVILIAN));
    if (this.#due.length > 1) this.#due.sort((a, b) => (civilianId(a) < civilianId(b) ? -1 : 1));
    for (const slot of this.#due) {
      const officer = slots.member(slot, OFFICER);
      const known = this.#officerAt(officer);
      if (known.isCapped(tMs, capMatches, capMs)) continue;
      known.matched(tMs, capMatches);
      slots.setStage(slot, TOLD);
      const civilian = this.#met(slots.member(slot, CIVILIAN));
      this.#meetings.push({ officer: this.#met(officer), civilian, atMs: tMs });
    }
    this.#due.length = 0;
  }

  #met(index: number): Met {
    const { members } = this;
    return { id: members.idOf(index), handle: members.handleOf(index), trust: members.trustOf(index) };
  }

  /** (10) for a civilian who has just been placed, with those of the found officers who are close enough. */
  #announce(civilian: number, count: number, tMs: number): void {
    const { members } = this;
    const found = this.#found;
    let near = 0;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const officer = found[i]!;
      if (!members.isAnnounced(officer)) continue;
      if (members.lineSquared(civilian, officer) > this.#near[members.accuracySum(civilian, officer)]!)
        continue;
      found[near++] = officer;
      sum = (sum + members.stampOf(officer)) | 0;
    }
    // mostly the same officers as with the fix before
    if (near === 0 || members.knowsAround(civilian, sum, tMs)) return;
    const { nearAgainMs } = this.#rules;
    const civilianId = members.idOf(civilian);
    let sinceMs = tMs;
    for (let i = 0; i < near; i++) {
      const officer = found[i]!;
      const known = this.#officerAt(officer);
      const toldMs = known.toldMs(civilianId);
      if (toldMs !== undefined && tMs - toldMs < nearAgainMs) {
        sinceMs = Math.min(sinceMs, toldMs);
        continue;
      }
      known.tell(civilianId, tMs);
      if (known.isFull) members.setNearFull(officer, true);
      const who = { id: members.idOf(officer), handle: members.handleOf(officer) };
      const told: Near = { civilianId, officer: who, atMs: tMs };
      this.#nears.push(told);
      this.#watch?.near(told);
    }
    members.setKnownAround(civilian, sum, sinceMs + nearAgainMs);
  }

  #officerAt(index: number): Officer {
    let known = this.#officers.get(index);
    if (!known) this.#officers.set(index, (known = new Officer()));
    return known;
  }

  /** (1) Whether the two, heard last at these times, were too silent by `tMs`; then their slot has ended. */
  #endSilent(slot: number, oneMs: number, otherMs: number, tMs: number): boolean {
    const fromMs = Math.min(oneMs, otherMs);
    if (tMs - fromMs <= this.#rules.silenceMs) return false;
    this.#end(slot, fromMs + this.#rules.silenceMs, 'silence');
    return true;
  }

  #end(slot: number, atMs: number | null, reason: EndReason): false {
    const { members } = this;
    if (this.#watch !== null) {
      const officer = members.idOf(this.#slots.member(slot, OFFICER));
      this.#watch.ended(officer, members.idOf(this.#slots.member(slot, CIVILIAN)), atMs, reason);
    }
    this.#slots.close(slot, members.whole);
    return false;
  }

  #outside(slot: number): number {
    const slots = this.#slots;
    return (slots.isOutside(slot, OFFICER) ? 1 : 0) | (slots.isOutside(slot, CIVILIAN) ? 2 : 0);
  }

  #resume(
    officer: number,
    civilian: number,
    lastMs: number,
    dwellMs: number,
    fixes: readonly [officer: number, civilian: number],
    stage: number,
    outside = 0,
  ): void {
    const slots = this.#slots;
    const slot = slots.open(officer, civilian, this.members.whole);
    slots.setLastMs(slot, lastMs);
    slots.setDwellMs(slot, Math.min(dwellMs, this.#rules.dwellMs));
    slots.setStage(slot, stage);
    slots.setFixes(slot, OFFICER, Math.min(fixes[0], FIXES_MAX));
    slots.setFixes(slot, CIVILIAN, Math.min(fixes[1], FIXES_MAX));
    slots.setOutside(slot, OFFICER, (outside & 1) !== 0);
    slots.setOutside(slot, CIVILIAN, (outside & 2) !== 0);
  }

  #slotOf(officer: number, civilian: number): number {
    const slots = this.#slots;
    let slot = this.members.firstSlot(civilian);
    while (slot !== NIL && slots.member(slot, OFFICER) !== officer) slot = slots.next(slot, CIVILIAN);
    return slot;
  }

  #remove(index: number): void {
    const { members } = this;
    for (let slot = members.firstSlot(index); slot !== NIL; slot = members.firstSlot(index))
      this.#end(slot, null, 'left');
    this.#officers.delete(index);
    members.remove(index);
  }
}
