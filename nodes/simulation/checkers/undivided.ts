/**
 * How regions are divided and where they live changes no result. Beside the regions of a world one matcher that is never
 * divided and never moves hears every position as it leaves its person's actor. Who is together by it is together in one
 * region, and nobody else is in any: but for as long as a shard is handed over and the next report takes.
 *
 * Only for worlds in which no actor dies and nothing is lost: elsewhere nobody can say what a region has heard. Nor can
 * anybody say which of two it heard first, whose positions came from two nodes, or waited for a commit. Who is further away
 * than the enter radius, and not beyond the exit radius, is together by what was heard when they were closer, and so is who
 * has lost his phone: nothing is said of two for as long as they are so, nor of two who are far from the square, of which
 * the matcher knows nothing.
 */
import { distanceM } from '../../../actors/geo/distance.ts';
import { Matcher } from '../../../actors/geo/matcher.ts';
import type { ProximityRules } from '../../../actors/geo/rules.ts';
import type { FixMessage } from '../../../actors/messages/region.ts';
import type { UserState } from '../../../actors/user/state.ts';
import type { AnyBehaviour } from '../../effects.ts';
import { isOnSquare, SQUARE_CELL } from '../streets.ts';
import type { VirtualTime } from '../virtualTime.ts';
import type { Judge } from './judge.ts';

const LOOK_MS = 500;
/** A shard is handed over within 5 s, a commit may hold a position up for 2 s, and reports come every 2.5 s. */
const LATE_MS = 10_000;
/** Two formulas for one distance. */
const RIM_M = 0.1;

export class Undivided {
  readonly #judge: Judge;
  readonly #time: VirtualTime;
  /** How many regions hold each pair. */
  readonly #held: () => ReadonlyMap<string, number>;
  readonly #matcher: Matcher;
  readonly #rules: ProximityRules;
  /** Newest position of everybody who shares. */
  readonly #fixes = new Map<string, FixMessage>();
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
    this.#rules = rules;
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
        if (track === null) this.#fixes.delete(id);
        else this.#fixes.set(id, track.fix);
        if (track === null || !isHere(track.fix)) this.#matcher.leave(id);
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
      if (count === wanted || this.#isOpen(pair)) {
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

  /** Nobody can say whether these two are together. */
  #isOpen(pair: string): boolean {
    const [one, other] = pair.split('|').map(id => this.#fixes.get(id));
    if (!one || !other) return false;
    if (!isHere(one) && !isHere(other)) return true;
    if (one.absent || other.absent) return true;
    const apartM = distanceM(one.latE7, one.lngE7, other.latE7, other.lngE7);
    const { enterM, enterMaxM, exitMarginM } = this.#rules;
    return apartM > enterM - RIM_M && apartM < enterMaxM + exitMarginM + RIM_M;
  }
}

const isHere = ({ latE7, lngE7 }: FixMessage): boolean => isOnSquare(latE7, lngE7);
