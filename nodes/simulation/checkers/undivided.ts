/**
 * How regions are divided and where they live changes no result. Beside the regions of a world one matcher that is never
 * divided and never moves hears every position as it leaves its person's actor. Who is together by it is together in one
 * region, and nobody else is in any: but for as long as a shard is handed over and the next report takes.
 *
 * Only for worlds in which no actor dies and nothing is lost: elsewhere nobody can say what a region has heard.
 */
import { Matcher } from '../../../actors/geo/matcher.ts';
import type { ProximityRules } from '../../../actors/geo/rules.ts';
import type { UserState } from '../../../actors/user/state.ts';
import type { AnyBehaviour } from '../../effects.ts';
import { isOnSquare, SQUARE_CELL } from '../streets.ts';
import type { VirtualTime } from '../virtualTime.ts';
import type { Judge } from './judge.ts';

const LOOK_MS = 500;
/** A shard is handed over within 5 s, a commit may hold a position up for 2 s, and reports come every 2.5 s. */
const LATE_MS = 10_000;

export class Undivided {
  readonly #judge: Judge;
  readonly #time: VirtualTime;
  /** How many regions hold each pair. */
  readonly #held: () => ReadonlyMap<string, number>;
  readonly #matcher: Matcher;
  readonly #together = new Set<string>();
  /** Since when it has not been as it should, world milliseconds, by pair. */
  readonly #wrongSince = new Map<string, number>();

  constructor(
    judge: Judge,
    time: VirtualTime,
    rules: ProximityRules,
    held: () => ReadonlyMap<string, number>,
  ) {
    this.#judge = judge;
    this.#time = time;
    this.#held = held;
    this.#matcher = new Matcher(SQUARE_CELL, rules, {
      entered: (officerId, civilianId) => this.#together.add(`${officerId}|${civilianId}`),
      ended: (officerId, civilianId) => this.#together.delete(`${officerId}|${civilianId}`),
    });
  }

  /** People: what their actors say of where they are. */
  watchUsers(behaviour: AnyBehaviour): AnyBehaviour {
    return {
      ...behaviour,
      receive: (state, message, turn) => {
        const before = (state as UserState).track;
        const next = behaviour.receive(state, message, turn);
        const { track } = next as UserState;
        if (track === before) return next;
        const { id } = turn.self;
        if (track === null || !isOnSquare(track.fix.latE7, track.fix.lngE7)) this.#matcher.leave(id);
        else this.#matcher.move(track.fix, this.#time.nowMs());
        return next;
      },
    };
  }

  /** Looks from now on. */
  start(): void {
    this.#time.after(LOOK_MS, () => {
      this.#look();
      this.start();
    });
  }

  #look(): void {
    const nowMs = this.#time.monotonicMs();
    this.#matcher.sweepSlots(this.#time.nowMs());
    const held = this.#held();
    for (const pair of new Set([...this.#together, ...held.keys()])) {
      const count = held.get(pair) ?? 0;
      const wanted = this.#together.has(pair) ? 1 : 0;
      if (count === wanted) {
        this.#wrongSince.delete(pair);
        continue;
      }
      const sinceMs = this.#wrongSince.get(pair) ?? nowMs;
      this.#wrongSince.set(pair, sinceMs);
      if (nowMs - sinceMs <= LATE_MS) continue;
      this.#judge.fail(
        'divisions change no result',
        `${pair}: in ${count} regions for ${Math.round(nowMs - sinceMs)} ms, in a town without divisions ${wanted}`,
      );
    }
    for (const pair of this.#wrongSince.keys())
      if (!this.#together.has(pair) && !held.has(pair)) this.#wrongSince.delete(pair);
  }
}
