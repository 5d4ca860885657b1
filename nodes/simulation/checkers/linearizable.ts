/**
 * Linearizable per actor: what a person's actor said of the balance fits one order of single steps that respects real
 * time. Credits and debits are the ledger's postings, from the moment they were durable; a read, or an answer that names a
 * balance, took effect at one moment between question and answer.
 *
 * The search is that of Wing and Gong with Lowe's memory of states already tried: take any operation that begins before
 * every other one has ended, apply it to the model, go on; step back when nothing fits. Actors are independent, so each is
 * searched alone, which keeps it small. An operation that never ended (a posting nobody was told of, an unknown outcome)
 * may take its place anywhere after its beginning, or never.
 */
import type { Judge } from './judge.ts';

/** On one account. `endMs` is infinite when nobody knows. */
export interface Step {
  readonly kind: 'post' | 'read';
  /** Of a posting, what it adds; of a read, the balance it saw. */
  readonly value: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly words: string;
}

/** Tries given up beyond this: the verdict is then left open, and counted. */
const TRIES_MAX = 200_000;

/** Whether the steps fit one order; null when it was not found out within the bound. */
export function isLinearizable(steps: readonly Step[]): boolean | null {
  const sorted = [...steps].sort((a, b) => a.startMs - b.startMs);
  const done = new Array<boolean>(sorted.length).fill(false);
  const tried = new Set<string>();
  let owed = sorted.filter(step => Number.isFinite(step.endMs)).length;
  let tries = 0;

  const mark = (at: number, as: boolean): void => {
    done[at] = as;
    if (Number.isFinite(sorted[at]!.endMs)) owed += as ? -1 : 1;
  };
  /** Steps that begin before every other one that is left has ended. */
  const available = (): number[] => {
    let firstEndMs = Number.POSITIVE_INFINITY;
    for (const [at, step] of sorted.entries()) if (!done[at]) firstEndMs = Math.min(firstEndMs, step.endMs);
    const found: number[] = [];
    for (const [at, step] of sorted.entries()) {
      if (step.startMs > firstEndMs) break;
      if (!done[at]) found.push(at);
    }
    return found;
  };
  const search = (balance: number): boolean | null => {
    const read: number[] = [];
    // a read that fits changes nothing: taking it at once spoils no order
    for (let fits = true; fits && owed > 0; ) {
      fits = false;
      for (const at of available()) {
        if (sorted[at]!.kind !== 'read' || sorted[at]!.value !== balance) continue;
        mark(at, true);
        read.push(at);
        fits = true;
      }
    }
    let found: boolean | null = owed === 0;
    const key = `${balance} ${marks(done)}`;
    if (!found && ++tries > TRIES_MAX) found = null;
    if (found === false && !tried.has(key)) {
      tried.add(key);
      for (const at of available()) {
        if (sorted[at]!.kind === 'read') continue;
        mark(at, true);
        found = search(balance + sorted[at]!.value);
        if (found !== false) return found;
        mark(at, false);
      }
    }
    if (found === false) for (const at of read) mark(at, false);
    return found;
  };
  return search(0);
}

function marks(done: readonly boolean[]): string {
  let text = '';
  let word = 0;
  for (let i = 0; i < done.length; i++) {
    word = word * 2 + (done[i] ? 1 : 0);
    if (i % 16 === 15) {
      text += String.fromCharCode(word);
      word = 0;
    }
  }
  return text + String.fromCharCode(word);
}

export class Linearizable {
  readonly #judge: Judge;
  readonly #steps = new Map<string, Step[]>();
  judged = 0;
  open = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  add(userId: string, step: Step): void {
    const all = this.#steps.get(userId);
    if (all) all.push(step);
    else this.#steps.set(userId, [step]);
  }

  judge(): void {
    for (const [userId, steps] of this.#steps) {
      const verdict = isLinearizable(steps);
      if (verdict === null) this.open++;
      else this.judged++;
      if (verdict !== false) continue;
      const words = [...steps]
        .sort((a, b) => a.startMs - b.startMs)
        .map(one => `[${one.startMs.toFixed(0)}, ${one.endMs.toFixed(0)}] ${one.words}`);
      this.#judge.fail('linearizable per actor', `${userId}: no order fits\n      ${words.join('\n      ')}`);
    }
  }
}
