/**
 * The matcher of one region: who met whom, by the rules of `rules.ts` (numbers in brackets are theirs), changed in place.
 *
 * A fix costs: one lookup by the account's number, the place on the ground, a look at each slot of the mover, and a search
 * for people of the other role within reach in the micro cells around. Only pairs whose officer is placed here are
 * judged here: officers are sent to one region, civilians to every region in reach, so each pair has exactly one judge.
 */
import type { FixMessage } from '../messages/region.ts';
import { arrive, type Departure, departure } from './departure.ts';
import { Fixes } from './fixes.ts';
import type { Reach } from './ground.ts';
import { type MatchWatch, type Moved, NOTHING } from './happenings.ts';
import { type PackedMatcher, packMatcher, restoreMatcher } from './matcherPacking.ts';
import { Members } from './members.ts';
import { DUE, Pairs } from './pairs.ts';
import { Radii } from './radii.ts';
import { CIVILIAN, NIL, OFFICER } from './record.ts';
import type { ProximityRules } from './rules.ts';
import { around, FOUND, officersAround } from './search.ts';
import { AGAIN, TOLD } from './slots.ts';
import { beginTelling, Tellings, takeTold } from './tellings.ts';

export type { Departure } from './departure.ts';
export type { EndReason, MatchWatch, Meeting, Met, Moved, Near } from './happenings.ts';
export type { PackedMatcher, PackedOfficer, PackedSlot } from './matcherPacking.ts';

/** For a fix that comes alone; empty between moves, so one for all regions. */
const ONE = new Fixes();

function only(fix: FixMessage): Fixes {
  ONE.clear();
  ONE.add(fix);
  return ONE;
}

/** Moves are counted round and round, in 31 bits. */
const LAST_MOVE = 0x7fff_fffe;
const ALL = Number.MAX_SAFE_INTEGER;

export class Matcher {
  readonly members: Members;
  readonly pairs: Pairs;
  readonly tellings: Tellings;
  readonly #rules: ProximityRules;
  readonly #enterReach: Reach;
  /** Somebody wants to hear who is near whom (10), so a civilian's search for officers goes so far. */
  readonly #hearsNear: boolean;
  readonly #officersReach: Reach;
  /** Number of the current move; marks the members it has looked at. */
  #move = 0;

  constructor(cell: number, rules: ProximityRules, watch: MatchWatch | null = null) {
    this.#rules = rules;
    const radii = Radii.of(rules);
    this.#hearsNear = watch?.near !== undefined;
    const officersM = this.#hearsNear ? radii.wideM : rules.enterMaxM;
    this.members = new Members(cell, rules, radii, officersM);
    this.pairs = new Pairs(this.members, rules, watch);
    this.tellings = new Tellings(this.members, this.pairs, rules, watch);
    this.#enterReach = this.members.reach(rules.enterMaxM);
    this.#officersReach = this.members.reach(officersM);
  }

  get slotCount(): number {
    return this.pairs.slots.count;
  }

  /**
   * Takes fixes in their order; says what they brought about. One that is not newer than the person's last is ignored.
   * `before` hears of each before it is taken.
   */
  takeAll(fixes: Fixes, nowMs: number, before?: (i: number) => void): Moved {
    const { members } = this;
    beginTelling();
    members.find(fixes);
    for (let i = 0; i < fixes.count; i++) {
      before?.(i);
      const index = members.place(fixes, i, nowMs);
      if (index !== NIL) this.#judge(index);
    }
    return takeTold();
  }

  /** Takes one fix. */
  move(fix: FixMessage, nowMs: number): Moved {
    const moved = this.takeAll(only(fix), nowMs);
    ONE.clear();
    return moved;
  }

  /** Forgets a person and all slots; `atMs` for who went out of reach with a fix taken then. */
  leave(userId: string, atMs?: number): void {
    const { members, pairs } = this;
    const index = members.indexOf(userId);
    if (index === NIL) return;
    if (atMs !== undefined) {
      const side = members.roleOf(index);
      for (let slot = members.firstSlot(index); slot !== NIL; ) {
        const following = pairs.slots.next(slot, side);
        const otherMs = members.takenAtMs(pairs.slots.member(slot, 1 - side));
        if (!pairs.endSilent(slot, members.takenAtMs(index), otherMs, atMs)) pairs.end(slot, atMs, 'far');
        slot = following;
      }
    }
    this.#remove(index);
  }

  /** Forgets an officer whose fix fell into another region, and returns what that needs to go on. */
  departOfficer(userId: string, atMs: number): Departure {
    const taken = departure(this, userId, atMs);
    const index = this.members.indexOf(userId);
    if (index !== NIL && this.members.roleOf(index) === OFFICER) this.#remove(index);
    return taken;
  }

  /** Takes an officer over from another region: first what he brings, then his fix. */
  adopt(fix: FixMessage, brought: Partial<Departure>, nowMs: number): Moved {
    const { members } = this;
    members.find(only(fix));
    const placed = ONE.count === 0 ? NIL : members.place(ONE, 0, nowMs);
    ONE.clear();
    const index = placed === NIL ? members.indexOf(fix.userId) : placed;
    if (index === NIL || members.roleOf(index) !== OFFICER) return NOTHING;
    arrive(this, index, fix, brought);
    if (placed === NIL) return NOTHING;
    beginTelling();
    this.#judge(placed);
    return takeTold();
  }

  /**
   * What became of a meeting that was offered is not known: it is offered again, as the same one, at the next look at the
   * two, and stays an automatic match of the officer (8): it may have been settled.
   */
  unknown(officerId: string, civilianId: string): void {
    const { slots } = this.pairs;
    const officer = this.members.indexOf(officerId);
    const civilian = this.members.indexOf(civilianId);
    if (officer === NIL || civilian === NIL) return;
    const slot = this.pairs.slotOf(officer, civilian);
    if (slot !== NIL && slots.stage(slot) === TOLD) slots.setStage(slot, AGAIN);
  }

  /** A meeting that was offered first at that moment was refused for good: it was no automatic match of the officer (8). */
  refused(officerId: string, offeredMs: number): void {
    const officer = this.members.indexOf(officerId);
    if (officer !== NIL) this.tellings.officers.get(officer)?.unmatched(offeredMs);
  }

  /** Ends the slots of those who fell silent so long ago that no fix can change it any more (1). */
  sweepSlots(nowMs: number): void {
    this.pairs.sweep(nowMs);
  }

  /** Forgets civilians and officers from whom nothing arrived since these times; returns the ids. */
  sweep(civiliansMs: number, officersMs: number): string[] {
    return this.members.silentSince(civiliansMs, officersMs).map(index => {
      const id = this.members.idOf(index);
      this.#remove(index);
      return id;
    });
  }

  /** Everybody and every slot as plain values. */
  pack(): PackedMatcher {
    return packMatcher(this);
  }

  /** Puts down what another matcher of this cell packed. Only into an empty one. */
  restore(packed: PackedMatcher): void {
    restoreMatcher(this, packed);
  }

  /** Looks at everyone who may matter to a member that has just been placed. */
  #judge(index: number): void {
    const { members, pairs, tellings } = this;
    const side = members.roleOf(index);
    const tMs = members.takenAtMs(index);
    const count = members.isPoor(index) ? 0 : this.#search(index, side, tMs);
    const first = members.firstSlot(index);
    if (first !== NIL || count > 0) {
      const move = (this.#move = (this.#move % LAST_MOVE) + 1);
      for (let slot = first; slot !== NIL; ) {
        const following = pairs.slots.next(slot, side);
        const other = pairs.slots.member(slot, 1 - side);
        if (pairs.look(slot, side, index, other, tMs)) members.markLooked(other, move);
        slot = following;
      }
      if (count > 0) {
        if (members.isOffered(index)) this.#begin(index, side, count, move, tMs);
        if (side === CIVILIAN && this.#hearsNear) tellings.announce(index, count, tMs);
      }
      if (DUE.length > 0) tellings.meet(tMs);
    }
    if (members.isNearFull(index)) tellings.forget(index, tMs);
  }

  /** Finds those of the other role who may matter; how many. */
  #search(index: number, side: number, tMs: number): number {
    const { members } = this;
    const { radii } = members;
    const { freshMs, crowdCivilians } = this.#rules;
    if (side === CIVILIAN) {
      const limits = this.#hearsNear ? radii.wide : radii.enter;
      return officersAround(members, index, this.#officersReach, limits, freshMs);
    }
    const most = members.isCrowded(index) ? crowdCivilians : ALL;
    const count = around(members, index, CIVILIAN, this.#enterReach, radii.enter, freshMs, most);
    if (!members.isRepeated) this.#crowd(index, count, tMs);
    return count;
  }

  /** (9) The crowd around an officer. */
  #crowd(officer: number, count: number, tMs: number): void {
    const { members, pairs } = this;
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
      const civilian = members.takenAtMs(pairs.slots.member(slot, CIVILIAN));
      if (!pairs.endSilent(slot, members.previousMs, civilian, tMs)) pairs.end(slot, tMs, 'crowd');
    }
  }

  /** (6) with those of the found who are close enough and have no slot. */
  #begin(index: number, side: number, count: number, move: number, tMs: number): void {
    const { members, pairs } = this;
    const { enter } = members.radii;
    for (let i = 0; i < count; i++) {
      const other = FOUND.member[i]!;
      if (side === CIVILIAN && this.#hearsNear) {
        const limit = enter[members.accuracySum(index, other)]!;
        if (!members.isWithin(index, other, FOUND.line[i]!, limit)) continue;
      }
      if (members.isLooked(other, move) || !members.isOffered(other)) continue;
      if (side === OFFICER) pairs.begin(index, other, tMs);
      else pairs.begin(other, index, tMs);
    }
  }

  #remove(index: number): void {
    const { members, pairs } = this;
    for (let slot = members.firstSlot(index); slot !== NIL; slot = members.firstSlot(index))
      pairs.end(slot, null, 'left');
    this.tellings.officers.delete(index);
    members.remove(index);
  }
}
