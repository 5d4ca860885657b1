/**
 * Slots: what a region remembers of two people who are close, one cache line each. Every slot hangs in two lists, that
 * of the officer and that of the civilian, so a mover finds all of his without a lookup by pair.
 */
import { FIRST_SLOT, LINKS } from './members.ts';

const NIL = -1;
/** A slot is 64 bytes, seen as 16 whole numbers and as 8 numbers. */
const WHOLE = 16;
const NUMBERS = 8;
/** Whole numbers: the two members, then next, previous and fixes of each side (0 officer, 1 civilian), then the stage. */
const NEXT = 2;
const PREVIOUS = 4;
const FIXES = 6;
const STAGE = 8;
/** Numbers, in the bytes behind those. */
const LAST = 5;
const DWELL = 6;

export const COUNTING = 0;
export const READY = 1;
export const TOLD = 2;

export class Slots {
  #capacity = 16;
  #used = 0;
  #freed = NIL;
  #open = 0;
  #numbers = new Float64Array(NUMBERS * this.#capacity);
  #whole = new Int32Array(this.#numbers.buffer);

  get count(): number {
    return this.#open;
  }

  /** A slot at the head of both lists, whose heads stand in the links of the members. */
  open(officer: number, civilian: number, links: Int32Array): number {
    let slot = this.#freed;
    if (slot !== NIL) this.#freed = this.#whole[WHOLE * slot]!;
    else {
      slot = this.#used++;
      if (slot === this.#capacity) this.#grow();
    }
    this.#open++;
    this.#attach(slot, 0, officer, links);
    this.#attach(slot, 1, civilian, links);
    return slot;
  }

  close(slot: number, links: Int32Array): void {
    this.#detach(slot, 0, links);
    this.#detach(slot, 1, links);
    this.#whole[WHOLE * slot] = this.#freed;
    this.#freed = slot;
    this.#open--;
  }

  /** The member on a side: 0 the officer, 1 the civilian. */
  member(slot: number, side: number): number {
    return this.#whole[WHOLE * slot + side]!;
  }

  /** The next slot of the member on a side; -1 at the end. */
  next(slot: number, side: number): number {
    return this.#whole[WHOLE * slot + NEXT + side]!;
  }

  fixes(slot: number, side: number): number {
    return this.#whole[WHOLE * slot + FIXES + side]!;
  }

  setFixes(slot: number, side: number, count: number): void {
    this.#whole[WHOLE * slot + FIXES + side] = count;
  }

  stage(slot: number): number {
    return this.#whole[WHOLE * slot + STAGE]!;
  }

  setStage(slot: number, stage: number): void {
    this.#whole[WHOLE * slot + STAGE] = stage;
  }

  /** Fix time of the last look, Unix milliseconds. */
  lastMs(slot: number): number {
    return this.#numbers[NUMBERS * slot + LAST]!;
  }

  setLastMs(slot: number, lastMs: number): void {
    this.#numbers[NUMBERS * slot + LAST] = lastMs;
  }

  dwellMs(slot: number): number {
    return this.#numbers[NUMBERS * slot + DWELL]!;
  }

  setDwellMs(slot: number, dwellMs: number): void {
    this.#numbers[NUMBERS * slot + DWELL] = dwellMs;
  }

  #attach(slot: number, side: number, member: number, links: Int32Array): void {
    const whole = this.#whole;
    const head = links[LINKS * member + FIRST_SLOT]!;
    whole[WHOLE * slot + side] = member;
    whole[WHOLE * slot + NEXT + side] = head;
    whole[WHOLE * slot + PREVIOUS + side] = NIL;
    if (head !== NIL) whole[WHOLE * head + PREVIOUS + side] = slot;
    links[LINKS * member + FIRST_SLOT] = slot;
  }

  #detach(slot: number, side: number, links: Int32Array): void {
    const whole = this.#whole;
    const next = whole[WHOLE * slot + NEXT + side]!;
    const previous = whole[WHOLE * slot + PREVIOUS + side]!;
    if (next !== NIL) whole[WHOLE * next + PREVIOUS + side] = previous;
    if (previous !== NIL) whole[WHOLE * previous + NEXT + side] = next;
    else links[LINKS * whole[WHOLE * slot + side]! + FIRST_SLOT] = next;
  }

  #grow(): void {
    this.#capacity *= 2;
    const numbers = new Float64Array(NUMBERS * this.#capacity);
    new Int32Array(numbers.buffer).set(this.#whole);
    this.#numbers = numbers;
    this.#whole = new Int32Array(numbers.buffer);
  }
}
