/**
 * Where people walk: one square of a town that three regions share a corner of, so that nobody goes far without crossing
 * a border. Places are metres east and north of that corner. The border between the two regions in the north goes on, in the
 * south, as that between two quads of the third, where this is divided: so four regions share the corner then.
 */
import { AREAS, areaId, boxOf, cellOf, cover } from '../../actors/geo/grid.ts';
import { groundOf } from '../../actors/geo/layout.ts';
import { EARTH_RADIUS_M } from '../../actors/geo/limits.ts';
import type { Dice } from './dice.ts';

export interface Place {
  readonly eastM: number;
  readonly northM: number;
}

/** The cell on whose northern edge the corner is. */
export const SQUARE_CELL = cellOf(41.1544, -45);
const TOWN = boxOf(SQUARE_CELL);
/** In the middle of the town's northern edge two columns of the band above meet: at -45 degrees it is so to the centimetre. */
const CORNER = { lat: TOWN.north, lng: (TOWN.west + TOWN.east) / 2 };
const DEG_M = (EARTH_RADIUS_M * Math.PI) / 180;
const LNG_DEG_M = DEG_M * Math.cos((CORNER.lat * Math.PI) / 180);

const SQUARE_CELLS: ReadonlySet<number> = new Set(cover(CORNER.lat, CORNER.lng, 100));

/** Whether people on the square may be heard of in this region. */
export const isSquareRegion = (id: string): boolean => SQUARE_CELLS.has(groundOf(id)?.cell ?? -1);

/** The areas that hear of them: one, so that whoever is there is told to all. */
export const SQUARE_AREAS: ReadonlySet<string> = new Set(
  AREAS.cover(CORNER.lat, CORNER.lng, 100).map(areaId),
);

/** Half the edge of the square. */
const SQUARE_M = 45;
/** As a receiver wanders from one second to the next: more, and standing people seem to walk. */
const NOISE_M = 0.3;

export const latE7Of = ({ northM }: Place): number => Math.round((CORNER.lat + northM / DEG_M) * 1e7);
export const lngE7Of = ({ eastM }: Place): number => Math.round((CORNER.lng + eastM / LNG_DEG_M) * 1e7);

/** Not where people are who went far away. */
export const isOnSquare = (latE7: number, lngE7: number): boolean =>
  Math.hypot((latE7 / 1e7 - CORNER.lat) * DEG_M, (lngE7 / 1e7 - CORNER.lng) * LNG_DEG_M) < 4 * SQUARE_M;

export const apartM = (a: Place, b: Place): number => Math.hypot(a.eastM - b.eastM, a.northM - b.northM);

export const somewhere = (dice: Dice): Place => ({
  eastM: dice.between(-SQUARE_M, SQUARE_M),
  northM: dice.between(-SQUARE_M, SQUARE_M),
});

/** Within so many metres of a place, each way. */
export const beside = ({ eastM, northM }: Place, withinM: number, dice: Dice): Place => ({
  eastM: eastM + dice.between(-withinM, withinM),
  northM: northM + dice.between(-withinM, withinM),
});

/** One person's way: from one place to the next at a steady pace, and there until sent on. */
export class Walk {
  #from: Place;
  #to: Place;
  #startMs = 0;
  #mps = 1;

  constructor(at: Place) {
    this.#from = at;
    this.#to = at;
  }

  go(to: Place, mps: number, nowMs: number): void {
    this.#from = this.at(nowMs);
    this.#to = to;
    this.#startMs = nowMs;
    this.#mps = mps;
  }

  at(nowMs: number): Place {
    const wholeM = apartM(this.#from, this.#to);
    const doneM = ((nowMs - this.#startMs) / 1_000) * this.#mps;
    if (doneM >= wholeM) return this.#to;
    const share = doneM / wholeM;
    return {
      eastM: this.#from.eastM + (this.#to.eastM - this.#from.eastM) * share,
      northM: this.#from.northM + (this.#to.northM - this.#from.northM) * share,
    };
  }

  /** What the phone believes. */
  seen(nowMs: number, dice: Dice): Place {
    return beside(this.at(nowMs), NOISE_M, dice);
  }
}
