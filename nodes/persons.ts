/**
 * What is kept of one person, wherever it is: the rows of the database, and the sampled positions at the location service.
 */
import { PERSON_LIMITS } from './limits.ts';
import type { LocationPort } from './locationPort.ts';
import type { PersonBook, Persons } from './personPort.ts';
import type { Clock, Scheduler } from './ports.ts';
import type { Sampler } from './sampling.ts';

export interface PersonsOptions {
  readonly book: PersonBook;
  readonly location: Pick<LocationPort, 'history'>;
  readonly sampler: Pick<Sampler, 'optOut'>;
  /** How long a sample is kept at most, milliseconds. */
  readonly historyMs: number;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

export const personsOf = ({
  book,
  location,
  sampler,
  historyMs,
  clock,
  scheduler,
}: PersonsOptions): Persons => ({
  async copy(userId, rows) {
    const copy = await book.copy(userId, rows);
    if (copy === null) return null;
    const nowMs = clock.nowMs();
    const positions = await location.history(userId, nowMs - historyMs, nowMs + PERSON_LIMITS.clocksApartMs);
    return { ...copy, positions: positions.slice(-rows).reverse() };
  },
  erase: (userId, operatorId) => book.erase(userId, operatorId),
  forget(userId) {
    sampler.optOut(userId);
    // what a node had waiting, or took while the sockets ended
    scheduler.after(PERSON_LIMITS.forgetAgainMs, () => sampler.optOut(userId));
  },
});
