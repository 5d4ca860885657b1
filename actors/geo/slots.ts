/**
 * Slots: what a region remembers of two people who are together, 32 bytes each, two to a cache line. Every slot hangs in
 * two doubly linked lists, that of the officer and that of the civilian, so that a mover finds all of his without a
 * lookup by pair and a slot leaves both without a walk: the eight bytes that single links would save are the officer's
 * thousand slots in a stadium, walked at each end.
 *
 * Whole numbers: the two sides (member 24 bits, fixes 7 bits, whether the last fix was outside 1 bit), next and previous
 * of each side, time of the last look (Unix ms modulo 2^32), stage (2 bits) and 30 bits for the dwell (ms) or, once it is
 * complete and was offered, for when that was first (Unix ms modulo 2^30).
 */
import { FIRST_SLOT, WHOLE as MEMBER, NIL } from './record.ts';

const WHOLE = 8;
const NEXT = 2;
const PREVIOUS = 4;
const LAST = 6;
const DWELL = 7;

const INDEX = 0x00ff_ffff;
const FIX = 0x0100_0000;
const FIXES = 0x7f00_0000;
const OUTSIDE = 0x8000_0000 | 0;
/** A side that holds no member. */
const FREE = -1;

/** The dwell runs; it is complete; the pair was asked to settle it; it was asked, and what became of it is not known. */
export const COUNTING = 0;
export const READY = 1;
export const TOLD = 2;
export const AGAIN = 3;
/** A side counts its fixes up to this, which is more than any rule needs. */
export const FIXES_MAX = 127;

export class Slots {
  #capacity = 16;
  #used = 0;
  #freed = NIL;
  #open = 0;
  #whole = new Int32Array(WHOLE * this.#capacity);

  get count(): number {
    return this.#open;
  }

  /** Slots below this may be in use. */
  get highest(): number {
    return this.#used;
  }

  /** A slot at the head of both lists, whose heads stand in the records of the members: one fix of each, no dwell. */
  open(officer: number, civilian: number, members: Int32Array): number {
    let slot = this.#freed;
    if (slot !== NIL) this.#freed = this.#whole[WHOLE * slot + NEXT]!;
    else {
      slot = this.#used++;
      if (slot === this.#capacity) this.#grow();
    }
    this.#open++;
    this.#attach(slot, 0, officer, members);
    this.#attach(slot, 1, civilian, members);
    this.#whole[WHOLE * slot + DWELL] = 0;
    return slot;
  }

  close(slot: number, members: Int32Array): void {
    this.#detach(slot, 0, members);
    this.#detach(slot, 1, members);
    this.#whole[WHOLE * slot] = FREE;
    this.#whole[WHOLE * slot + NEXT] = this.#freed;
    this.#freed = slot;
    this.#open--;
  }

  isOpen(slot: number): boolean {
    return this.#whole[WHOLE * slot] !== FREE;
  }

  /** The member on a side: 0 the officer, 1 the civilian. */
  member(slot: number, side: number): number {
    return this.#whole[WHOLE * slot + side]! & INDEX;
  }

  /** The next slot of the member on a side; -1 at the end. */
  next(slot: number, side: number): number {
    return this.#whole[WHOLE * slot + NEXT + side]!;
  }

  fixes(slot: number, side: number): number {
    return (this.#whole[WHOLE * slot + side]! & FIXES) >>> 24;
  }

  setFixes(slot: number, side: number, count: number): void {
    const at = WHOLE * slot + side;
    this.#whole[at] = (this.#whole[at]! & ~FIXES) | (count << 24);
  }

  countFix(slot: number, side: number): void {
    const at = WHOLE * slot + side;
    if ((this.#whole[at]! & FIXES) !== FIXES) this.#whole[at]! += FIX;
  }

  /** Whether the last fix of the side was outside. */
  isOutside(slot: number, side: number): boolean {
    return this.#whole[WHOLE * slot + side]! < 0;
  }

  setOutside(slot: number, side: number, outside: boolean): void {
    const at = WHOLE * slot + side;
    this.#whole[at] = outside ? this.#whole[at]! | OUTSIDE : this.#whole[at]! & ~OUTSIDE;
  }

  /** Milliseconds from the last counted look to a time; right within 24 days. */
  sinceLastMs(slot: number, atMs: number): number {
    return ((atMs | 0) - this.#whole[WHOLE * slot + LAST]!) | 0;
  }

  setLastMs(slot: number, atMs: number): void {
    this.#whole[WHOLE * slot + LAST] = atMs | 0;
  }

  stage(slot: number): number {
    return this.#whole[WHOLE * slot + DWELL]! & 3;
  }

  setStage(slot: number, stage: number): void {
    const at = WHOLE * slot + DWELL;
    this.#whole[at] = (this.#whole[at]! & ~3) | stage;
  }

  /** Offered once at least: it has no dwell any more. */
  wasOffered(slot: number): boolean {
    return this.stage(slot) >= TOLD;
  }

  /** {@link TOLD}, for the first time. */
  offer(slot: number, atMs: number): void {
    this.#whole[WHOLE * slot + DWELL] = (atMs << 2) | TOLD;
  }

  /** When a slot was offered first; right within six days of `aboutMs`. */
  offeredMs(slot: number, aboutMs: number): number {
    return aboutMs - ((((aboutMs << 2) - (this.#whole[WHOLE * slot + DWELL]! & ~3)) | 0) >> 2);
  }

  /** Only of a slot that was not offered, as {@link setDwellMs}. */
  dwellMs(slot: number): number {
    return this.#whole[WHOLE * slot + DWELL]! >>> 2;
  }

  setDwellMs(slot: number, dwellMs: number): void {
    const at = WHOLE * slot + DWELL;
    this.#whole[at] = (this.#whole[at]! & 3) | (dwellMs << 2);
  }

  #attach(slot: number, side: number, member: number, members: Int32Array): void {
    const whole = this.#whole;
    const head = members[MEMBER * member + FIRST_SLOT]!;
    whole[WHOLE * slot + side] = member | FIX;
    whole[WHOLE * slot + NEXT + side] = head;
    whole[WHOLE * slot + PREVIOUS + side] = NIL;
    if (head !== NIL) whole[WHOLE * head + PREVIOUS + side] = slot;
    members[MEMBER * member + FIRST_SLOT] = slot;
  }

  #detach(slot: number, side: number, members: Int32Array): void {
    const whole = this.#whole;
    const next = whole[WHOLE * slot + NEXT + side]!;
    const previous = whole[WHOLE * slot + PREVIOUS + side]!;
    if (next !== NIL) whole[WHOLE * next + PREVIOUS + side] = previous;
    if (previous !== NIL) whole[WHOLE * previous + NEXT + side] = next;
    else members[MEMBER * this.member(slot, side) + FIRST_SLOT] = next;
  }

  #grow(): void {
    this.#capacity *= 2;
    const whole = new Int32Array(WHOLE * this.#capacity);
    whole.set(this.#whole);
    this.#whole = whole;
  }
}
