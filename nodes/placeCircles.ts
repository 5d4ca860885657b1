/**
 * Hubs and merchants as circles at the location service: put when an operator makes or moves a place, taken away when it is
 * closed or gone. Whoever listens to the service (a rule of EventBridge) hears of them; visits and codes do without it
 * (`actors/geo/places/fence.ts`), so nothing here is waited for.
 *
 * The service is compared with the map and only what differs is sent, so a restart of a town with unchanged places costs
 * one listing. Circles that are not ours stay. Logs name places, never where they are.
 */
import { CIRCLE_LIMITS } from './limits.ts';
import type { Circle, LocationPort } from './locationPort.ts';
import { type Fences, NO_FENCES, PLACE_KINDS, type Place } from './placesPort.ts';
import type { Clock, Log, Scheduler } from './ports.ts';

export interface PlaceCirclesOptions {
  readonly location: Pick<LocationPort, 'circles' | 'putCircles' | 'deleteCircles'>;
  /** The active places; another object after each change, {@link NO_FENCES} before they are known. */
  readonly fences: () => Fences;
  /** Whether it is this node's to do: where nodes share a service, one is enough. */
  readonly leads: () => boolean;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly scheduler: Scheduler;
  readonly log: Log;
}

const OURS = new RegExp(`^(${PLACE_KINDS.join('|')})-[0-9a-f-]{36}$`);

/** The kind stands in the id: a crossing names the circle alone. */
export const circleOf = ({ kind, id, latE7, lngE7, radiusM }: Place): Circle => ({
  id: `${kind}-${id}`,
  latE7,
  lngE7,
  radiusM,
});

const isSame = (a: Circle | undefined, b: Circle): boolean =>
  a?.latE7 === b.latE7 && a.lngE7 === b.lngE7 && a.radiusM === b.radiusM;

export class PlaceCircles {
  readonly #options: PlaceCirclesOptions;
  /** What the service has of ours, or refused and will again; null: to be listed first. */
  #there: Map<string, Circle> | null = null;
  #listedAtMs = 0;
  /** What was compared last. */
  #compared = NO_FENCES;
  #retryMs: number = CIRCLE_LIMITS.retryMs;
  #cancel = () => {};
  #stopped = false;

  constructor(options: PlaceCirclesOptions) {
    this.#options = options;
  }

  start(): void {
    void this.look().then(pauseMs => {
      if (!this.#stopped) this.#cancel = this.#options.scheduler.after(pauseMs, () => this.start());
    });
  }

  /** What is under way goes on. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** Sends what changed; never rejects. Milliseconds until it is worth looking again. */
  async look(): Promise<number> {
    const { fences, leads, clock, log } = this.#options;
    const now = fences();
    const old = clock.monotonicMs() - this.#listedAtMs >= CIRCLE_LIMITS.compareMs;
    if (old || !leads()) this.#there = null;
    if (now === NO_FENCES || !leads() || (this.#there !== null && now === this.#compared))
      return CIRCLE_LIMITS.lookMs;
    try {
      await this.#compare(now);
      this.#compared = now;
      this.#retryMs = CIRCLE_LIMITS.retryMs;
      return CIRCLE_LIMITS.lookMs;
    } catch (error) {
      // what came through of it is not known
      this.#there = null;
      const pauseMs = this.#retryMs;
      this.#retryMs = Math.min(pauseMs * 2, CIRCLE_LIMITS.retryMaxMs);
      log.warn({ reason: (error as Error).message }, 'places are not at the location service yet');
      return pauseMs;
    }
  }

  async #compare(now: Fences): Promise<void> {
    const { location, clock, log } = this.#options;
    if (this.#there === null) {
      const listed = await location.circles();
      this.#listedAtMs = clock.monotonicMs();
      this.#there = new Map(listed.filter(one => OURS.test(one.id)).map(one => [one.id, one]));
    }
    const there = this.#there;
    const wanted = new Map(now.all.map(place => circleOf(place)).map(one => [one.id, one]));
    const gone = [...there.keys()].filter(id => !wanted.has(id));
    const changed = [...wanted.values()].filter(one => !isSame(there.get(one.id), one));
    // first what is closed: a full collection has room then
    if (gone.length > 0) await location.deleteCircles(gone);
    for (const id of gone) there.delete(id);
    const refused = changed.length > 0 ? await location.putCircles(changed) : [];
    for (const one of changed) there.set(one.id, one);
    for (const { id, why } of refused) log.warn({ circle: id, why }, 'the location service refuses a place');
    if (gone.length + changed.length > 0)
      log.info(
        { put: changed.length - refused.length, removed: gone.length, refused: refused.length },
        'places at the location service',
      );
  }
}
