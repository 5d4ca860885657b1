/** What falls due next: a binary heap by time, and by order of arrival within one moment. */
export interface Queued {
  readonly dueAtMs: number;
  /** Taken out of use while it waits; it is dropped when its turn comes. */
  gone: boolean;
}

interface Place<T> {
  readonly item: T;
  readonly order: number;
}

export class DueQueue<T extends Queued> {
  readonly #heap: Place<T>[] = [];
  #order = 0;

  /** Items in the heap, those that are gone too. */
  get size(): number {
    return this.#heap.length;
  }

  push(item: T): void {
    const heap = this.#heap;
    const place = { item, order: this.#order++ };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(place, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = place;
  }

  /** Takes the soonest that is due at `nowMs`, or null. */
  shift(nowMs: number): T | null {
    for (;;) {
      const head = this.#heap[0];
      if (head === undefined || (!head.item.gone && head.item.dueAtMs > nowMs)) return null;
      this.#removeHead();
      if (!head.item.gone) return head.item;
    }
  }

  /** When the next one is due; infinite when none waits. */
  get nextMs(): number {
    while (this.#heap[0]?.item.gone) this.#removeHead();
    return this.#heap[0]?.item.dueAtMs ?? Number.POSITIVE_INFINITY;
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #removeHead(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && before(heap[right]!, heap[left]!) ? right : left;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

const before = <T extends Queued>(a: Place<T>, b: Place<T>): boolean =>
  a.item.dueAtMs < b.item.dueAtMs || (a.item.dueAtMs === b.item.dueAtMs && a.order < b.order);
