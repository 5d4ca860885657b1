/**
 * From turns to the location service: a turn says a position or that the person opts out, and goes on. Samples are the
 * service's to queue; an opt-out is repeated here, ever more slowly, until the service says that nothing is left. What a
 * crash takes of that expires in the store.
 */
import { SAMPLING_LIMITS } from './limits.ts';
import type { LocationPort, PositionSample } from './locationPort.ts';
import type { Log, Scheduler } from './ports.ts';

/** What turns speak to: both return at once and never throw. */
export interface Sampler {
  sample(sample: PositionSample): void;
  /** Removes everything of the person, however long that takes. */
  optOut(userId: string): void;
}

export class Sampling implements Sampler {
  readonly #location: Pick<LocationPort, 'sample' | 'forget'>;
  readonly #scheduler: Scheduler;
  readonly #log: Log;
  /** People who are being forgotten; true: once more, they opted out again meanwhile. */
  readonly #going = new Map<string, boolean>();

  constructor(location: Pick<LocationPort, 'sample' | 'forget'>, scheduler: Scheduler, log: Log) {
    this.#location = location;
    this.#scheduler = scheduler;
    this.#log = log;
  }

  /** People of whom something may be left. */
  get pending(): number {
    return this.#going.size;
  }

  sample(sample: PositionSample): void {
    this.#location.sample(sample);
  }

  optOut(userId: string): void {
    if (this.#going.has(userId)) this.#going.set(userId, true);
    else if (this.#going.size >= SAMPLING_LIMITS.optOutsMax)
      this.#log.warn(
        { pending: this.#going.size },
        'too many people opt out; the history of one expires by itself',
      );
    else this.#forget(userId, SAMPLING_LIMITS.retryMs);
  }

  #forget(userId: string, retryMs: number): void {
    this.#going.set(userId, false);
    this.#location.forget(userId).then(
      () => {
        if (this.#going.get(userId) === true) this.#forget(userId, SAMPLING_LIMITS.retryMs);
        else this.#going.delete(userId);
      },
      () => {
        // the service has said what is wrong; here it is a matter of patience
        const nextMs = Math.min(retryMs * 2, SAMPLING_LIMITS.retryMaxMs);
        this.#scheduler.after(retryMs, () => this.#forget(userId, nextMs));
      },
    );
  }
}
