/**
 * A scan that was made without network is settled once: whoever was told that it is pending sees it become the encounter
 * that was named, or is told that it came to nothing, never both; nothing waits on when its time is over; and encounters
 * are a cooldown apart by the time of the meeting, which is the scan and not its upload.
 */
import { SCAN_TIMER } from '../../../actors/user/state.ts';
import { eventId } from '../../../actors/user/stream.ts';
import type { MemoryTimers } from '../../memory/memoryTimers.ts';
import type { Op } from '../history.ts';
import type { Scan } from '../pocket.ts';
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

export class Scans {
  readonly #judge: Judge;
  readonly #truth: Truth;
  /** By encounter id and scanner, every scan that was ever made. */
  readonly #made = new Map<string, Scan>();
  /** Those of which an upload was answered: Unix second by which they are settled. */
  readonly #promised = new Map<string, number>();
  /** Of world time zero, Unix milliseconds. */
  readonly #epochMs: number;

  constructor(judge: Judge, truth: Truth, epochMs: number) {
    this.#epochMs = epochMs;
    this.#judge = judge;
    this.#truth = truth;
  }

  made(scan: Scan): void {
    this.#made.set(nameOf(scan), scan);
  }

  /** An upload was answered. */
  ended(scan: Scan, { outcome, result }: Op): void {
    if (outcome !== 'ok' || !result?.ok) return;
    const { encounterId, settlesS } = result.value as { encounterId: string; settlesS: number };
    if (encounterId !== scan.encounterId) {
      this.#fail(`an upload was answered with ${encounterId}, the scan is ${scan.encounterId}`);
    }
    this.#promised.set(nameOf(scan), settlesS);
  }

  /** How many came true only when their time was over, and came to nothing. */
  get counts(): { readonly timedOut: number; readonly refused: number } {
    let [timedOut, refused] = [0, 0];
    for (const [name, settlesS] of this.#promised) {
      const scan = this.#made.get(name)!;
      if (this.#isRefused(scan)) refused++;
      const effect = this.#truth.effects.get(scan.encounterId);
      if (this.#isPaid(scan) && effect!.atMs + this.#epochMs >= settlesS * 1_000) timedOut++;
    }
    return { timedOut, refused };
  }

  /** Unix second by which the last of those that wait is settled; 0 when none waits. */
  get openUntilS(): number {
    let untilS = 0;
    for (const [name, settlesS] of this.#promised) {
      const scan = this.#made.get(name)!;
      if (!this.#isPaid(scan) && !this.#isRefused(scan)) untilS = Math.max(untilS, settlesS);
    }
    return untilS;
  }

  /** When the two met, Unix milliseconds; null for what was no scan without network. */
  metAtMs(encounterId: string): number | null {
    for (const scan of this.#made.values()) {
      if (scan.encounterId === encounterId) return scan.scannedAtS * 1_000;
    }
    return null;
  }

  judge(timers: MemoryTimers): void {
    for (const [name, settlesS] of this.#promised) {
      const scan = this.#made.get(name)!;
      const [paid, refused] = [this.#isPaid(scan), this.#isRefused(scan)];
      if (paid && refused) this.#fail(`${wordsOf(scan)} counted, and was refused`);
      if (!paid && !refused)
        this.#fail(`${wordsOf(scan)} came to nothing, and nobody said so by ${settlesS} s`);
    }
    for (const { presenter } of new Set(this.#made.values())) {
      for (const { name, dueAtMs } of timers.of('user', presenter.id)) {
        if (name.startsWith(SCAN_TIMER))
          this.#fail(`${name} of ${presenter.nick} waits still, until ${dueAtMs}`);
      }
    }
  }

  #isPaid({ encounterId, scanner }: Scan): boolean {
    const op = this.#truth.effects.get(encounterId)?.op;
    return op?.type === 'encounter' && (op.officer === scanner.id || op.civilian === scanner.id);
  }

  #isRefused({ encounterId, scanner }: Scan): boolean {
    const id = eventId('scan.refused', scanner.id, encounterId);
    return this.#truth.events.get(scanner.id)?.some(one => one.id === id) ?? false;
  }

  #fail(words: string): void {
    this.#judge.fail('a scan settles once', words);
  }
}

const nameOf = ({ encounterId, scanner }: Scan): string => `${encounterId} ${scanner.id}`;
const wordsOf = ({ encounterId, scanner, presenter }: Scan): string =>
  `the scan ${encounterId} of ${presenter.nick} by ${scanner.nick}`;
