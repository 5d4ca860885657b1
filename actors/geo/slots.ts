/**
 * Slots: what a region remembers of two people who are close, 49 bytes in typed arrays. Each slot hangs in two lists,
 * that of the officer and that of the civilian, so a mover finds all of his without a lookup by pair.
 */

const NIL = -1;
const STRIDE = 8;
/** Fields of a slot among its eight integers. The next and previous of a side stand at 2 + side and 4 + side. */
const NEXT = 2;
const PREVIOUS = 4;
const FIXES = 6;

export const COUNTING = 0;
export const READY = 1;
export const TOLD = 2;

export class Slots {
  #capacity = 16;
  #used = 0;
  #freed = NIL;
  #open = 0;
  /** officer, civilian, next and previous of each list, fixes of each side. */
  #whole = new Int32Array(STRIDE * this.#capacity);
  lastMs = new Float64Array(this.#capacity);
  dwellMs = new Float64Array(this.#capacity);
  stages = new Uint8Array(this.#capacity);

  get count(): number {
    return this.#open;
  }

  /** A slot at the head of both lists, whose heads stand in `firstSlot`. */
  open(officer: number, civilian: number, firstSlot: Int32Array): number {
    let slot = this.#freed;
    if (slot !== NIL) this.#freed = this.#whole[STRIDE * slot]!;
    else {
      slot = this.#used++;
      if (slot === this.#capacity) this.#grow();
    }
    this.#open++;
    this.#attach(slot, 0, officer, firstSlot);
    this.#attach(slot, 1, civilian, firstSlot);
    return slot;
  }

  close(slot: number, firstSlot: Int32Array): void {
    this.#detach(slot, 0, firstSlot);
    this.#detach(slot, 1, firstSlot);
    this.#whole[STRIDE * slot] = this.#freed;
    this.#freed = slot;
    this.#open--;
  }

  /** The member on a side: 0 the officer, 1 the civilian. */
  member(slot: number, side: number): number {
    return this.#whole[STRIDE * slot + side]!;
  }

  /** The next slot of the member on a side; -1 at the end. */
  next(slot: number, side: number): number {
    return this.#whole[STRIDE * slot + NEXT + side]!;
  }

  fixes(slot: number, side: number): number {
    return this.#whole[STRIDE * slot + FIXES + side]!;
  }

  setFixes(slot: number, side: number, count: number): void {
    this.#whole[STRIDE * slot + FIXES + side] = count;
  }

  #attach(slot: number, side: number, member: number, firstSlot: Int32Array): void {
    const whole = this.#whole;
    const head = firstSlot[member]!;
    whole[STRIDE * slot + side] = member;
    whole[STRIDE * slot + NEXT + side] = head;
    whole[STRIDE * slot + PREVIOUS + side] = NIL;
    if (head !== NIL) whole[STRIDE * head + PREVIOUS + side] = slot;
    firstSlot[member] = slot;
  }

  #detach(slot: number, side: number, firstSlot: Int32Array): void {
    const whole = this.#whole;
    const next = whole[STRIDE * slot + NEXT + side]!;
    const previous = whole[STRIDE * slot + PREVIOUS + side]!;
    if (next !== NIL) whole[STRIDE * next + PREVIOUS + side] = previous;
    if (previous !== NIL) whole[STRIDE * previous + NEXT + side] = next;
    else firstSlot[whole[STRIDE * slot + side]!] = next;
  }

  #grow(): void {
    this.#capacity *= 2;
    const whole = new Int32Array(STRIDE * this.#capacity);
    whole.set(this.#whole);
    this.#whole = whole;
    const lastMs = new Float64Array(this.#capacity);
    lastMs.set(this.lastMs);
    this.lastMs = lastMs;
    const dwellMs = new Float64Array(this.#capacity);
    dwellMs.set(this.dwellMs);
    this.dwellMs = dwellMs;
    const stages = new Uint8Array(this.#capacity);
    stages.set(this.stages);
    this.stages = stages;
  }
}
