/**
 * The pairs that are together in one region: each has a slot, which begins, counts and ends by rules 1 to 7 of `rules.ts`
 * (numbers in brackets are theirs).
 */
import type { SlotStage, SlotTransfer } from '../messages/region.ts';
import type { EndReason, MatchWatch } from './happenings.ts';
import { FIX_LATE_MS } from './limits.ts';
import type { Members } from './members.ts';
import { CIVILIAN, NIL, OFFICER } from './record.ts';
import type { ProximityRules } from './rules.ts';
import { AGAIN, COUNTING, FIXES_MAX, READY, Slots, TOLD } from './slots.ts';

/** Slots that the current move found complete, with instant match on. Empty between moves, so one for all regions. */
export const DUE: number[] = [];

/** Offered again is ready, with the moment of the first time. */
const STAGES: readonly SlotStage[] = ['counting', 'ready', 'told', 'ready'];

export class Pairs {
  readonly slots = new Slots();
  readonly #members: Members;
  readonly #rules: ProximityRules;
  readonly #watch: MatchWatch | null;

  constructor(members: Members, rules: ProximityRules, watch: MatchWatch | null) {
    this.#members = members;
    this.#rules = rules;
    this.#watch = watch;
  }

  /** (1) to (5) for a pair that has a slot, at a fix of `mover`; whether it still has. */
  look(slot: number, side: number, mover: number, other: number, tMs: number): boolean {
    const { slots } = this;
    const members = this.#members;
    const rules = this.#rules;
    const { radii } = members;
    const otherMs = members.takenAtMs(other);
    if (this.endSilent(slot, members.previousMs, otherMs, tMs)) return false;
    const line = members.lineSquared(mover, other);
    if (!members.isWithin(mover, other, line, radii.far)) return this.end(slot, tMs, 'far');
    const apart = tMs - otherMs;
    if (apart > rules.freshMs || apart < -rules.freshMs) return true;
    const gap = slots.sinceLastMs(slot, tMs);
    if (!members.isWithin(mover, other, line, radii.exit[members.accuracySum(mover, other)]!)) {
      if (members.isRepeated) return true;
      if (slots.isOutside(slot, side)) return this.end(slot, tMs, 'outside');
      slots.setOutside(slot, side, true);
      if (gap > 0) slots.setLastMs(slot, tMs);
      return true;
    }
    slots.setOutside(slot, OFFICER, false);
    slots.setOutside(slot, CIVILIAN, false);
    if (members.isSharp(mover) && members.isSharp(other)) this.#count(slot, side, mover, other, gap, tMs);
    return true;
  }

  /** (6) between two who are close enough and have no slot. */
  begin(officer: number, civilian: number, tMs: number): void {
    const members = this.#members;
    const slot = this.slots.open(officer, civilian, members.whole);
    this.slots.setLastMs(slot, tMs);
    this.#watch?.entered(members.idOf(officer), members.idOf(civilian), tMs);
    if (members.isSharp(officer) && members.isSharp(civilian)) this.#complete(slot);
  }

  /** (1) Whether the two, heard last at these times, were too silent by `tMs`; then their slot has ended. */
  endSilent(slot: number, oneMs: number, otherMs: number, tMs: number): boolean {
    const fromMs = Math.min(oneMs, otherMs);
    if (tMs - fromMs <= this.#rules.silenceMs) return false;
    this.end(slot, fromMs + this.#rules.silenceMs, 'silence');
    return true;
  }

  end(slot: number, atMs: number | null, reason: EndReason): false {
    const members = this.#members;
    if (this.#watch !== null) {
      const officer = members.idOf(this.slots.member(slot, OFFICER));
      this.#watch.ended(officer, members.idOf(this.slots.member(slot, CIVILIAN)), atMs, reason);
    }
    this.slots.close(slot, members.whole);
    return false;
  }

  /** (2) A civilian of whom a slot was brought is not known here: out of reach of every place in this region. */
  endElsewhere(officerId: string, civilianId: string, atMs: number): void {
    this.#watch?.ended(officerId, civilianId, atMs, 'far');
  }

  /** Ends the slots of those who fell silent so long ago that no fix can change it any more (1). */
  sweep(nowMs: number): void {
    const members = this.#members;
    const { slots } = this;
    const beforeMs = nowMs - FIX_LATE_MS;
    // a look was at two fixes that are no further apart than this
    const quietMs = this.#rules.silenceMs + FIX_LATE_MS - this.#rules.freshMs;
    for (let slot = 0; slot < slots.highest; slot++) {
      if (!slots.isOpen(slot) || slots.sinceLastMs(slot, nowMs) < quietMs) continue;
      const officer = members.takenAtMs(slots.member(slot, OFFICER));
      const civilian = members.takenAtMs(slots.member(slot, CIVILIAN));
      this.endSilent(slot, officer, civilian, beforeMs);
    }
  }

  /** The slot of two, -1 for none. */
  slotOf(officer: number, civilian: number): number {
    const { slots } = this;
    let slot = this.#members.firstSlot(civilian);
    while (slot !== NIL && slots.member(slot, OFFICER) !== officer) slot = slots.next(slot, CIVILIAN);
    return slot;
  }

  /** Sides whose last fix was outside: 1 the officer, 2 the civilian. */
  outside(slot: number): number {
    const { slots } = this;
    return (slots.isOutside(slot, OFFICER) ? 1 : 0) | (slots.isOutside(slot, CIVILIAN) ? 2 : 0);
  }

  /** A slot as it goes with its officer into another region. */
  transfer(slot: number, atMs: number): SlotTransfer {
    const { slots } = this;
    const offered = slots.wasOffered(slot);
    return {
      civilianId: this.#members.idOf(slots.member(slot, CIVILIAN)),
      lastMs: atMs - slots.sinceLastMs(slot, atMs),
      dwellMs: offered ? this.#rules.dwellMs : slots.dwellMs(slot),
      officerFixes: slots.fixes(slot, OFFICER),
      civilianFixes: slots.fixes(slot, CIVILIAN),
      stage: STAGES[slots.stage(slot)]!,
      outside: this.outside(slot),
      ...(offered && { offeredMs: slots.offeredMs(slot, atMs) }),
    };
  }

  /** Opens the slot that another region had of the two. */
  resume(
    officer: number,
    civilian: number,
    brought: Omit<SlotTransfer, 'civilianId' | 'stage'>,
    stage: number,
  ): void {
    const { slots } = this;
    const { outside = 0 } = brought;
    const slot = slots.open(officer, civilian, this.#members.whole);
    slots.setLastMs(slot, brought.lastMs);
    // a node of the version before does not say when it was offered: the same for whoever hears it
    const offeredMs = brought.offeredMs ?? (stage === TOLD ? brought.lastMs : undefined);
    if (stage === COUNTING || offeredMs === undefined) {
      slots.setDwellMs(slot, Math.min(brought.dwellMs, this.#rules.dwellMs));
      slots.setStage(slot, stage);
    } else {
      slots.offer(slot, offeredMs);
      if (stage === READY) slots.setStage(slot, AGAIN);
    }
    slots.setFixes(slot, OFFICER, Math.min(brought.officerFixes, FIXES_MAX));
    slots.setFixes(slot, CIVILIAN, Math.min(brought.civilianFixes, FIXES_MAX));
    slots.setOutside(slot, OFFICER, (outside & 1) !== 0);
    slots.setOutside(slot, CIVILIAN, (outside & 2) !== 0);
  }

  /** (5) Both are inside and sharp. */
  #count(slot: number, side: number, mover: number, other: number, gap: number, tMs: number): void {
    const { slots } = this;
    if (!slots.wasOffered(slot)) this.#collect(slot, side, mover, other, gap);
    if (gap > 0) slots.setLastMs(slot, tMs);
    this.#complete(slot);
  }

  #collect(slot: number, side: number, mover: number, other: number, gap: number): void {
    const { slots } = this;
    const members = this.#members;
    const rules = this.#rules;
    if (members.isDriving(mover) || members.isDriving(other)) {
      slots.setDwellMs(slot, 0);
      slots.setFixes(slot, OFFICER, 0);
      slots.setFixes(slot, CIVILIAN, 0);
      return;
    }
    const walking = members.isWalking(mover) && members.isWalking(other);
    if (gap > 0 && gap <= rules.gapMs && walking && members.isTogether(mover, other))
      slots.setDwellMs(slot, Math.min(slots.dwellMs(slot) + gap, rules.dwellMs));
    if (!members.isRepeated) slots.countFix(slot, side);
  }

  /** (7) */
  #complete(slot: number): void {
    const { slots } = this;
    const members = this.#members;
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
    if (members.isInstant(officer) && members.isInstant(civilian)) DUE.push(slot);
  }
}

/** The number of a stage, as slots have it. */
export const stageOf = (stage: SlotStage): number => STAGES.indexOf(stage);
