/**
 * A user's stream of events goes on, whatever dies: under one epoch a place is one event, byte for byte, whoever tells of
 * it; a phone that resumes where a ring still reaches is resumed, without a snapshot; and in the end the stream has as many
 * events as the account has movements and the store has other events of the user.
 *
 * Nothing in a world takes the trust in a lineage away, so the epoch of a user never changes.
 */
import type { Resume } from '../../../protocol/frames.ts';
import type { Down, SeenEvent } from '../simulatedGateway.ts';
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

/** A ring holds 128 events or 16 KB of them (five minutes are longer than any world's life): so many it always holds. */
const RING_EVENTS_MIN = 100;

export class Continuity {
  readonly #judge: Judge;
  readonly #truth: Truth;
  /** Two actors may have been alive at once: what stands where is not promised then. */
  readonly #excused: () => boolean;
  readonly #epochs = new Map<string, string>();
  readonly #places = new Map<string, string>();
  resumed = 0;

  constructor(judge: Judge, truth: Truth, excused: () => boolean) {
    this.#judge = judge;
    this.#truth = truth;
    this.#excused = excused;
  }

  welcomed(userId: string, { epoch, offset, resumed }: Down & { k: 'welcome' }, resume: Resume | null): void {
    const before = this.#epochs.get(userId);
    this.#epochs.set(userId, epoch);
    if (before !== undefined && before !== epoch) this.#fail(userId, `epoch ${epoch} after ${before}`);
    if (resume === null) return;
    if (resumed) this.resumed++;
    else if (offset - resume.offset <= RING_EVENTS_MIN) {
      this.#fail(userId, `not resumed from ${resume.offset} of ${resume.epoch} at ${offset} of ${epoch}`);
    }
  }

  /** An event leaves for a user, or reaches a phone. */
  stands(userId: string, { offset, bytes, event }: SeenEvent): void {
    if (offset < 0 || event?.name === 'snapshot' || this.#excused()) return;
    const place = `${userId} ${offset}`;
    const before = this.#places.get(place);
    if (before === undefined) this.#places.set(place, bytes);
    else if (before !== bytes) this.#fail(userId, `${event?.name} at ${offset}, where another event stood`);
  }

  /** All is quiet, and the phone was welcomed once more. */
  finally(userId: string, offset: number): void {
    const { version } = this.#truth.balanceOf(userId);
    const stored = this.#truth.events.get(userId)?.length ?? 0;
    if (offset === version + stored) return;
    this.#fail(userId, `stands at ${offset}, with ${version} movements and ${stored} stored events`);
  }

  #fail(userId: string, words: string): void {
    this.#judge.fail('the stream goes on', `${userId}: ${words}`);
  }
}
