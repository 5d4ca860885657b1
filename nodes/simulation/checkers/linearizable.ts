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
  const count = steps.length;
  const sorted = [...steps].sort((a, b) => a.startMs - b.startMs);
  const done = new Array<boolean>(count).fill(false);
  const tried = new Set<string>();
  let owed = sorted.filter(step => Number.isFinite(step.endMs)).length;
  let tries = 0;
  const search = (balance: number, taken: string): boolean | null => {
    if (owed === 0) return true;
    if (++tries > TRIES_MAX) return null;
    const key = `${balance} ${taken}`;
    if (tried.has(key)) return false;
    tried.add(key);
    let firstEndMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < count; i++) if (!done[i]) firstEndMs = Math.min(firstEndMs, sorted[i]!.endMs);
    for (let i = 0; i < count; i++) {
      const step = sorted[i]!;
      if (step.startMs > firstEndMs) break;
      if (done[i] || (step.kind === 'read' && step.value !== balance)) continue;
      const finite = Number.isFinite(step.endMs);
      done[i] = true;
      if (finite) owed--;
      const found = search(step.kind === 'post' ? balance + step.value : balance, marks(done));
      if (found !== false) return found;
      done[i] = false;
      if (finite) owed++;
    }
    return false;
  };
  return search(0, marks(done));
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
