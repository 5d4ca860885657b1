/**
 * The matcher of one region: who met whom, by the rules of `rules.ts`, changed in place.
 *
 * A fix costs: one lookup by id, the place on the sphere, a look at each slot of the mover, and a search for people of
 * the other role within `enter` in the micro cells around. Only pairs whose officer is placed here are judged here:
 * officers are sent to one region, civilians to every region in reach, so each pair has exactly one judge.
 */
import type { FixMessage, SlotStage, SlotTransfer } from '../messages/region.ts';
import { CIVILIAN, lineSquared, Members, OFFICER, type PackedMember } from './members.ts';
import type { ProximityRules } from './rules.ts';
import { COUNTING, READY, Slots, TOLD } from './slots.ts';

const NIL = -1;
/** Moves are counted round and round, in 31 bits. */
const LAST_MOVE = 0x7fff_fffe;
const STAGES: readonly SlotStage[] = ['counting', 'ready', 'told'];
const NO_MEETINGS: readonly Meeting[] = [];

/** Two people dwelt together and both have instant match on. `atMs`: the fix that completed it. */
export interface Meeting {
  readonly officer: { readonly id: string; readonly handle: string };
  readonly civilian: { readonly id: string; readonly handle: string };
  readonly atMs: number;
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
];

export class Matcher {
  readonly members: Members;
  readonly #rules: ProximityRules;
  readonly #enter: number;
  readonly #exit: number;
  readonly #slots = new Slots();
  /** Number of the current move; marks the members it has looked at. */
  #move = 0;
  readonly #found: number[] = [];
  #meetings: Meeting[] = [];

  constructor(cell: number, rules: ProximityRules) {
    this.#rules = rules;
    this.#enter = lineSquared(rules.enterM);
    this.#exit = lineSquared(rules.exitM);
    this.members = new Members(cell, rules.enterM, rules.accuracyM);
  }

  get slotCount(): number {
    return this.#slots.count;
  }

  /** Takes a fix; returns the meetings it completed. A fix that is not newer than the last is ignored. */
  move(fix: FixMessage, nowMs: number): readonly Meeting[] {
    const index = this.members.place(fix, nowMs);
    return index === NIL ? NO_MEETINGS : this.#judge(index, fix);
  }

  /** Forgets a person and all slots. */
  leave(userId: string): void {
    const index = this.members.indexOf(userId);
    if (index !== NIL) this.#remove(index);
  }

  /** Forgets an officer and returns what his next region needs to go on. */
  departOfficer(userId: string): SlotTransfer[] {
    const index = this.members.indexOf(userId);
    if (index === NIL) return [];
    const slots = this.#slots;
    const taken: SlotTransfer[] = [];
    for (let slot = this.members.firstSlot(index); slot !== NIL; slot = slots.next(slot, OFFICER)) {
      taken.push({
        civilianId: this.members.idOf(slots.member(slot, CIVILIAN)),
        lastMs: slots.lastMs(slot),
        dwellMs: slots.dwellMs(slot),
        officerFixes: slots.fixes(slot, OFFICER),
        civilianFixes: slots.fixes(slot, CIVILIAN),
        stage: STAGES[slots.stage(slot)]!,
      });
    }
    this.#remove(index);
    return taken;
  }

  /**
   * Takes an officer over from another region: first what he brings, then his fix. A civilian not known here is out of
   * reach of every place in this region, so that slot has ended.
   */
  adopt(fix: FixMessage, brought: readonly SlotTransfer[], nowMs: number): readonly Meeting[] {
    const placed = this.members.place(fix, nowMs);
    const officer = placed === NIL ? this.members.indexOf(fix.userId) : placed;
    for (const one of brought) {
      const civilian = this.members.indexOf(one.civilianId);
      if (civilian === NIL || this.#slotOf(officer, civilian) !== NIL) continue;
      const slots = this.#slots;
      const slot = slots.open(officer, civilian, this.members.links);
      slots.setLastMs(slot, one.lastMs);
      slots.setDwellMs(slot, one.dwellMs);
      slots.setStage(slot, STAGES.indexOf(one.stage));
      slots.setFixes(slot, OFFICER, one.officerFixes);
      slots.setFixes(slot, CIVILIAN, one.civilianFixes);
    }
    return placed === NIL ? NO_MEETINGS : this.#judge(placed, fix);
  }

  /** A meeting that could not be settled is offered again at the next look at the two. */
  reopen(officerId: string, civilianId: string): void {
    const officer = this.members.indexOf(officerId);
    const civilian = this.members.indexOf(civilianId);
    if (officer === NIL || civilian === NIL) return;
    const slot = this.#slotOf(officer, civilian);
    if (slot !== NIL && this.#slots.stage(slot) === TOLD) this.#slots.setStage(slot, READY);
  }

  /** Everybody and every slot as plain values; members are named by their place in the list. */
  pack(): { readonly members: readonly PackedMember[]; readonly slots: readonly PackedSlot[] } {
    const places = new Map<number, number>();
    const packed: PackedMember[] = [];
    const slots: PackedSlot[] = [];
    for (let index = 0; index < this.members.highest; index++) {
      if (this.members.idOf(index) === '') continue;
      places.set(index, packed.push(this.members.pack(index)) - 1);
    }
    for (const [index, place] of places) {
      if (this.members.roleOf(index) !== OFFICER) continue;
      const own: PackedSlot[] = [];
      const all = this.#slots;
      for (let slot = this.members.firstSlot(index); slot !== NIL; slot = all.next(slot, OFFICER)) {
        const civilian = places.get(all.member(slot, CIVILIAN))!;
        const fixes = [all.fixes(slot, OFFICER), all.fixes(slot, CIVILIAN)] as const;
        own.push([place, civilian, all.lastMs(slot), all.dwellMs(slot), ...fixes, all.stage(slot)]);
      }
      // slots are opened at the head of the list
      slots.push(...own.reverse());
    }
    return { members: packed, slots };
  }

  /** Puts down what another matcher of this cell packed. Only into an empty one. */
  restore(members: readonly PackedMember[], slots: readonly PackedSlot[]): void {
    const indexes = members.map(member => this.members.restore(member));
    for (const [officer, civilian, lastMs, dwellMs, officerFixes, civilianFixes, stage] of slots) {
      const slot = this.#slots.open(indexes[officer]!, indexes[civilian]!, this.members.links);
      this.#slots.setLastMs(slot, lastMs);
      this.#slots.setDwellMs(slot, dwellMs);
      this.#slots.setFixes(slot, OFFICER, officerFixes);
      this.#slots.setFixes(slot, CIVILIAN, civilianFixes);
      this.#slots.setStage(slot, stage);
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

  /** Looks at everyone who may matter to a member that has just been placed. */
  #judge(index: number, fix: FixMessage): readonly Meeting[] {
    const { members } = this;
    const slots = this.#slots;
    const side = members.roleOf(index);
    const move = (this.#move = (this.#move % LAST_MOVE) + 1);
    const tMs = fix.takenAtMs;
    const usable = members.isAccurate(index);
    for (let slot = members.firstSlot(index); slot !== NIL; ) {
      const following = slots.next(slot, side);
      const other = slots.member(slot, 1 - side);
      members.markLooked(other, move);
      this.#look(slot, side, index, other, tMs, usable);
      slot = following;
    }
    if (members.isOffered(index)) {
      const { freshMs } = this.#rules;
      const found = this.#found;
      const count = members.around(
        index,
        fix.latE7 / 1e7,
        fix.lngE7 / 1e7,
        1 - side,
        this.#enter,
        freshMs,
        found,
      );
      for (let i = 0; i < count; i++) {
        const other = found[i]!;
        if (members.isLooked(other, move) || !members.isOffered(other)) continue;
        const [officer, civilian] = side === OFFICER ? [index, other] : [other, index];
        const slot = slots.open(officer, civilian, members.links);
        this.#begin(slot, tMs);
        this.#complete(slot, tMs);
      }
    }
    if (this.#meetings.length === 0) return NO_MEETINGS;
    const meetings = this.#meetings;
    this.#meetings = [];
    return meetings;
  }

  /** One look at a pair that has a slot: rules 1 to 4. */
  #look(slot: number, side: number, mover: number, other: number, tMs: number, usable: boolean): void {
    const { members } = this;
    const slots = this.#slots;
    const rules = this.#rules;
    const line = members.lineSquared(mover, other);
    if (line > this.#exit) {
      slots.close(slot, members.links);
      return;
    }
    const apart = Math.abs(tMs - members.takenAtMs(other));
    if (!usable || apart > rules.freshMs || !members.isAccurate(other)) return;
    const gap = tMs - slots.lastMs(slot);
    if (gap > rules.forgetMs) {
      if (line > this.#enter) {
        slots.close(slot, members.links);
        return;
      }
      this.#begin(slot, tMs);
    } else {
      const mine = members.speedOf(mover);
      const theirs = members.speedOf(other);
      const fast = Math.max(mine, theirs);
      const known = mine >= 0 && theirs >= 0;
      if (fast > rules.vehicleMps) slots.setDwellMs(slot, 0);
      else if (gap > 0 && gap <= rules.gapMs && known && fast <= rules.walkMps)
        slots.setDwellMs(slot, slots.dwellMs(slot) + gap);
      if (gap > 0) slots.setLastMs(slot, tMs);
      if (!members.isRepeated) slots.setFixes(slot, side, slots.fixes(slot, side) + 1);
    }
    this.#complete(slot, tMs);
  }

  #begin(slot: number, tMs: number): void {
    const slots = this.#slots;
    slots.setLastMs(slot, tMs);
    slots.setDwellMs(slot, 0);
    slots.setStage(slot, COUNTING);
    slots.setFixes(slot, OFFICER, 1);
    slots.setFixes(slot, CIVILIAN, 1);
  }

  /** Rule 5. */
  #complete(slot: number, tMs: number): void {
    const slots = this.#slots;
    const { members } = this;
    const stage = slots.stage(slot);
    if (stage === TOLD) return;
    if (stage === COUNTING) {
      const { dwellMs, dwellFixes } = this.#rules;
      if (slots.dwellMs(slot) < dwellMs) return;
      if (slots.fixes(slot, OFFICER) < dwellFixes || slots.fixes(slot, CIVILIAN) < dwellFixes) return;
      slots.setStage(slot, READY);
    }
    const officer = slots.member(slot, OFFICER);
    const civilian = slots.member(slot, CIVILIAN);
    if (!members.isInstant(officer) || !members.isInstant(civilian)) return;
    slots.setStage(slot, TOLD);
    this.#meetings.push({
      officer: { id: members.idOf(officer), handle: members.handleOf(officer) },
      civilian: { id: members.idOf(civilian), handle: members.handleOf(civilian) },
      atMs: tMs,
    });
  }

  #slotOf(officer: number, civilian: number): number {
    const slots = this.#slots;
    let slot = this.members.firstSlot(civilian);
    while (slot !== NIL && slots.member(slot, OFFICER) !== officer) slot = slots.next(slot, CIVILIAN);
    return slot;
  }

  #remove(index: number): void {
    const { members } = this;
    while (members.firstSlot(index) !== NIL) this.#slots.close(members.firstSlot(index), members.links);
    this.members.remove(index);
  }
}
