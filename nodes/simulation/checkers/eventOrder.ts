/**
 * Events reach a phone gap-free and in order. After a resume the missed ones follow, each exactly one further, of the same
 * lineage; after a snapshot numbering goes on from it; while connected the next is the next. A live event may be lost
 * between two nodes only where the network lost messages: then the phone sees the gap and resumes.
 */
import type { Resume } from '../../../protocol/frames.ts';
import type { Down, SeenEvent } from '../simulatedGateway.ts';
import type { Judge } from './judge.ts';

interface Place {
  epoch: string;
  offset: number;
  /** Highest offset that the answer to the attach promised; replayed events up to here must be complete. */
  promised: number;
}

export class EventOrder {
  readonly #judge: Judge;
  readonly #lossy: () => boolean;
  readonly #places = new Map<string, Place>();
  gaps = 0;
  replayed = 0;

  /** @param lossy whether the network lost, held or broke anything so far */
  constructor(judge: Judge, lossy: () => boolean) {
    this.#judge = judge;
    this.#lossy = lossy;
  }

  welcomed(userId: string, { epoch, offset, resumed }: Down & { k: 'welcome' }, resume: Resume | null): void {
    if (resumed && resume?.epoch !== epoch) {
      this.#fail(userId, `resumed in ${epoch}, having asked for ${resume?.epoch}`);
    }
    if (resumed && resume && offset < resume.offset) {
      this.#fail(userId, `resumed at ${offset}, having seen ${resume.offset}`);
    }
    const from = resumed && resume ? resume.offset : offset;
    this.#places.set(userId, { epoch, offset: from, promised: offset });
  }

  /** A phone heard an event. `again`: it is among those replayed and was on its way live as well; a client drops it. */
  saw(userId: string, { offset, event }: SeenEvent): 'fine' | 'gap' | 'again' {
    const place = this.#places.get(userId);
    if (!place || offset < 0) return 'fine';
    if (event?.name === 'snapshot') {
      if (offset < place.offset) this.#fail(userId, `a snapshot of ${offset} after ${place.offset}`);
      if (offset > place.offset) return this.#gap(userId, place, offset);
      return 'fine';
    }
    if (offset === place.offset + 1) {
      place.offset = offset;
      if (offset <= place.promised) this.replayed++;
      return 'fine';
    }
    if (offset > place.offset) {
      if (place.offset < place.promised) {
        this.#fail(
          userId,
          `replay jumps from ${place.offset} to ${offset}, promised up to ${place.promised}`,
        );
      }
      return this.#gap(userId, place, offset);
    }
    if (offset <= place.promised) return 'again';
    this.#fail(userId, `event ${offset} (${event?.name}) after ${place.offset}`);
    return 'fine';
  }

  #gap(userId: string, place: Place, offset: number): 'gap' {
    this.gaps++;
    if (!this.#lossy()) this.#fail(userId, `event ${offset} after ${place.offset}, and nothing was lost`);
    return 'gap';
  }

  #fail(userId: string, words: string): void {
    this.#judge.fail('events gap-free and in order', `${userId}: ${words}`);
  }
}
