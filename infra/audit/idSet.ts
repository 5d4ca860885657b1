/** A set of UUIDs that takes 16 bytes each and some room: a day's transfers fit where a set of texts would not. */

const WORDS = 4;
const ROOM = 2;

export class IdSet {
  #slots: Uint32Array;
  #mask: number;
  #size = 0;
  /** Of the id that is looked for. */
  readonly #id = new Uint32Array(WORDS);

  constructor(expected = 1_024) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, expected * ROOM)));
    this.#slots = new Uint32Array(slots * WORDS);
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** False when it was there. The nil UUID is never there. */
  add(id: string): boolean {
    this.#read(id);
    const at = this.#place();
    if (at < 0) return false;
    this.#slots.set(this.#id, at);
    if (++this.#size * ROOM > this.#mask) this.#grow();
    return true;
  }

  has(id: string): boolean {
    this.#read(id);
    return this.#place() < 0;
  }

  #read(id: string): void {
    const digits = id.replaceAll('-', '');
    for (let word = 0; word < WORDS; word++) {
      this.#id[word] = Number.parseInt(digits.slice(word * 8, word * 8 + 8), 16);
    }
  }

  /** Where the id can be put; -1 when it is there. */
  #place(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#id;
    let slot =
      (Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0xc2b2ae35) ^ Math.imul(c ^ d, 0x9e3779b1)) & this.#mask;
    for (;;) {
      const at = slot * WORDS;
      const slots = this.#slots;
      if (slots[at] === 0 && slots[at + 1] === 0 && slots[at + 2] === 0 && slots[at + 3] === 0) return at;
      if (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c && slots[at + 3] === d) return -1;
      slot = (slot + 1) & this.#mask;
    }
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    this.#mask = this.#slots.length / WORDS - 1;
    for (let at = 0; at < before.length; at += WORDS) {
      this.#id.set(before.subarray(at, at + WORDS));
      if (this.#id.some(word => word !== 0)) this.#slots.set(this.#id, this.#place());
    }
  }
}
