/**
 * Whose turn it is: sessions that have something waiting, each in the tick in which it is flushed. One timer drives it
 * and visits nobody else. A session in the background comes up so many ticks after its first frame, so that thousands of
 * them do not all have their turn at once.
 */
import { LIMITS } from './limits.ts';
import type { Session } from './session.ts';

/** Ticks until a session in the background has its turn. */
export const BACKGROUND_TICKS = LIMITS.backgroundFlushMs / LIMITS.flushMs;

export class Pacer {
  /** One more than the longest wait: what is put off while a tick is visited is never in it. */
  readonly #slots = Array.from({ length: BACKGROUND_TICKS + 1 }, () => new Set<Session>());
  /** Ticks so far. */
  now = 0;

  /** It has its turn in so many ticks (1 is the next one), or earlier if it had one already. */
  in(session: Session, ticks: number): void {
    const turn = this.now + ticks;
    if (session.turn > this.now && session.turn <= turn) return;
    this.cancel(session);
    session.turn = turn;
    this.#slot(turn).add(session);
  }

  cancel(session: Session): void {
    if (session.turn > 0) this.#slot(session.turn).delete(session);
    session.turn = 0;
  }

  /** The next tick: everyone whose turn it is. */
  tick(flush: (session: Session) => void): void {
    this.now++;
    const slot = this.#slot(this.now);
    for (const session of slot) {
      slot.delete(session);
      session.turn = 0;
      flush(session);
    }
  }

  /** Sessions that have something waiting. */
  get size(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.size, 0);
  }

  #slot(turn: number): Set<Session> {
    return this.#slots[turn % this.#slots.length]!;
  }
}
