/**
 * Some officers of a soak are on the beat: they say where they are all the while, far from where people meet, and meet
 * nobody. In the end half of them stop. Whatever was broken before, every civilian is then shown the other half and nobody
 * else: no ghost, and nobody missing (I6).
 */
import { setTimeout as pause } from 'node:timers/promises';
import { AREA_ABSENT_MS, AREA_RENEW_MS } from '../../actors/geo/limits.ts';
import type { ClientPhone } from '../swarm/clientPhone.ts';

/** A list of an area names at most sixteen. */
const BEAT_MAX = 8;
const BEAT_SHARE = 0.25;
/** So far south of the crowd that nobody is met, and in the same area: those have edges of 8 km. */
export const BEAT_SOUTH_M = 3_500;
/** An area that lost its node waits for those who are there to say so again. */
const SHOWN_MS_MAX = AREA_RENEW_MS + AREA_ABSENT_MS;
const POLL_MS = 200;
const WORDS_MAX = 5;

/** How many of so many officers are on the beat; 0 of very few. */
export const beatOf = (officers: number): number => Math.min(BEAT_MAX, Math.floor(officers * BEAT_SHARE));

/** What somebody's app shows: the officers of each area that it was told of. */
export class Shown {
  readonly userId: string;
  readonly #areas = new Map<string, readonly string[]>();

  constructor({ person, client }: Pick<ClientPhone, 'person' | 'client'>) {
    this.userId = person.userId;
    client.on('area.officers', (body, { key }) => {
      if (body === null) this.#areas.delete(key);
      else
        this.#areas.set(
          body.cell,
          body.officers.map(one => one.officerId),
        );
    });
  }

  get officers(): ReadonlySet<string> {
    return new Set([...this.#areas.values()].flat());
  }
}

/** What is wrong with what people are shown, in words; empty when each is shown exactly those who share. */
export const wronglyShown = (
  shown: readonly Pick<Shown, 'userId' | 'officers'>[],
  sharing: ReadonlySet<string>,
): string[] => {
  const isWithin = (some: ReadonlySet<string>, all: ReadonlySet<string>): boolean =>
    [...some].every(one => all.has(one));
  const ghosts = shown.filter(one => !isWithin(one.officers, sharing));
  const missing = shown.filter(one => !isWithin(sharing, one.officers));
  const words = (wrong: typeof ghosts, what: string): string[] =>
    wrong.length === 0
      ? []
      : [
          `presence: ${wrong.length} people ${what}: ${wrong
            .slice(0, WORDS_MAX)
            .map(one => one.userId)
            .join(', ')}`,
        ];
  return [
    ...words(ghosts, 'are shown officers who do not share'),
    ...words(missing, 'are not shown all officers who share'),
  ];
};

/**
 * Waits until each of them was shown exactly these, or the patience is over. Shares end and are renewed all the while, each
 * in its own time: so each is asked for a moment of its own.
 */
export const shownRightly = async (
  shown: readonly Shown[],
  sharing: ReadonlySet<string>,
): Promise<string[]> => {
  const end = performance.now() + SHOWN_MS_MAX;
  for (let left = shown; ; await pause(POLL_MS)) {
    left = left.filter(one => wronglyShown([one], sharing).length > 0);
    if (left.length === 0 || performance.now() > end) return wronglyShown(left, sharing);
  }
};
