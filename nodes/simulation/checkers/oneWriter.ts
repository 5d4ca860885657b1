/**
 * One writer per actor. An activation is seen when its state is made, and at each of its turns; it lives from its first
 * turn on (a state that no message ever met did nothing). An older one that has a turn after a younger one had its first
 * overlaps with it. Behind honest clocks and an honest
 * coordination store that must not happen at all; where the world took one of these away (a suspended machine, a bucket
 * put back), two copies may answer volatile questions for seconds: then the overlap is measured, and only its effects,
 * which the other checkers see, must be none.
 */
import type { ActorKind, Behaviour } from '../../../actors/turn.ts';
import type { AnyBehaviour, Behaviours } from '../../effects.ts';
import type { VirtualTime } from '../virtualTime.ts';
import type { Judge } from './judge.ts';

interface Live {
  readonly process: string;
  /** Of its first turn; NaN before. */
  startMs: number;
}

export class OneWriter {
  readonly #time: VirtualTime;
  readonly #judge: Judge;
  readonly #excused: () => boolean;
  readonly #youngest = new Map<string, Live>();
  activations = 0;
  turns = 0;
  overlaps = 0;
  overlapMsMax = 0;

  /** @param excused whether the world took away what the protocol needs for a strict single activation */
  constructor(time: VirtualTime, judge: Judge, excused: () => boolean) {
    this.#time = time;
    this.#judge = judge;
    this.#excused = excused;
  }

  /** The behaviours of one process, watched. */
  watch(process: string, behaviours: Behaviours): Behaviours {
    const watched = (behaviour: AnyBehaviour): AnyBehaviour => this.#watched(process, behaviour);
    return {
      ...behaviours,
      user: watched(behaviours.user),
      region: watched(behaviours.region),
      area: watched(behaviours.area),
      pair: watched(behaviours.pair),
    };
  }

  #watched(process: string, behaviour: AnyBehaviour): AnyBehaviour {
    const mine = new Map<string, Live>();
    const { kind } = behaviour;
    const began = (id: string): void => {
      mine.set(id, { process, startMs: Number.NaN });
      this.activations++;
    };
    const watched: AnyBehaviour = {
      ...behaviour,
      create: (id, loaded, turn) => {
        began(id);
        return behaviour.create(id, loaded, turn);
      },
      receive: (state, message, turn) => {
        this.#turn(kind, turn.self.id, mine.get(turn.self.id));
        return behaviour.receive(state, message, turn);
      },
    };
    if (!behaviour.unpack) return watched;
    const unpack = behaviour.unpack.bind(behaviour) as NonNullable<Behaviour<unknown, never>['unpack']>;
    return {
      ...watched,
      unpack: (id, packed, turn) => {
        began(id);
        return unpack(id, packed, turn);
      },
    };
  }

  #turn(kind: ActorKind, id: string, live: Live | undefined): void {
    this.turns++;
    if (live && Number.isNaN(live.startMs)) {
      live.startMs = this.#time.monotonicMs();
      this.#youngest.set(`${kind} ${id}`, live);
      return;
    }
    const youngest = this.#youngest.get(`${kind} ${id}`);
    if (live === youngest || !youngest) return;
    this.overlaps++;
    const overlapMs = this.#time.monotonicMs() - youngest.startMs;
    this.overlapMsMax = Math.max(this.overlapMsMax, overlapMs);
    if (this.#excused()) return;
    this.#judge.fail(
      'one writer per actor',
      `${kind} ${id} had a turn on ${live?.process} ${overlapMs.toFixed(1)} ms after ${youngest.process} began it`,
    );
  }
}
