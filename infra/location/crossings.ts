/** Who hears of circles entered and left; a listener that throws costs the others nothing. */
import type { Crossing } from '../../nodes/locationPort.ts';
import type { Log } from '../../nodes/ports.ts';

export class Crossings {
  readonly #log: Log;
  readonly #listeners = new Set<(crossing: Crossing) => void>();

  constructor(log: Log) {
    this.#log = log;
  }

  hear(heard: (crossing: Crossing) => void): () => void {
    const own = (crossing: Crossing): void => heard(crossing);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  tell(crossing: Crossing): void {
    for (const heard of this.#listeners) {
      try {
        heard(crossing);
      } catch (error) {
        // its message may repeat what it was told
        this.#log.error({ reason: (error as Error).name }, 'a listener of crossings threw');
      }
    }
  }
}
