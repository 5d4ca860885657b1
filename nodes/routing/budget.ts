/**
 * Bytes of messages between nodes that wait in this node, in all: in lines and links until the other side has them, and
 * in mailboxes until they had their turn. Beyond the bound what comes from outside is turned away, so that a flood, or a
 * slow neighbour, costs answers and not the process.
 */
import { assert } from '../../protocol/assert.ts';

export class Budget {
  readonly #max: number;
  #used = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get used(): number {
    return this.#used;
  }

  hasRoom(bytes: number): boolean {
    return this.#used + bytes <= this.#max;
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
    assert(this.#used >= 0, 'what is released was taken');
  }
}
