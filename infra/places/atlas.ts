/**
 * The geography of one node: it looks twice a second whether operators changed something, reads what changed, and answers
 * from memory meanwhile with what it had. A store that is away or holds rubbish changes nothing here: the old map stays.
 *
 * Indexing a country of zip codes takes a second, so it is done on a thread of its own (`mapThread.ts`).
 */

import {
  type Atlas,
  boxOf,
  cellOfRegion,
  Fences,
  NO_FENCES,
  type PlaceStore,
  PolygonIndex,
} from '../../nodes/placesPort.ts';
import type { Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { indexAreas } from './mapThread.ts';

/** Half of the second within which a node follows. */
const ATLAS_LOOK_MS = 500;
/** Cells whose zip code is remembered: a city and its surroundings. */
const CELLS_MAX = 50_000;

export interface AtlasOptions {
  readonly store: Pick<PlaceStore, 'versions' | 'zips' | 'places'>;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class NodeAtlas implements Atlas {
  readonly #options: AtlasOptions;
  #zips: PolygonIndex | null = null;
  #fences = NO_FENCES;
  #zipsVersion = 0;
  #placesVersion = 0;
  readonly #cells = new Map<string, string | null>();
  #cancel: (() => void) | null = null;
  #stopped = false;
  #failing = false;

  constructor(options: AtlasOptions) {
    this.#options = options;
  }

  get fences(): Fences {
    return this.#fences;
  }

  /** Of what is in memory. */
  get versions() {
    return { zips: this.#zipsVersion, places: this.#placesVersion };
  }

  /** Begins to follow; resolves after the first look, whatever came of it. */
  async start(): Promise<void> {
    await this.look();
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  zipOf(cell: string): string | null {
    if (this.#zips === null) return null;
    const known = this.#cells.get(cell);
    if (known !== undefined) return known;
    const number = cellOfRegion(cell);
    let zip: string | null = null;
    if (number !== null) {
      const { south, north, west, east } = boxOf(number);
      zip = this.#zips.at((south + north) / 2, (west + east) / 2);
    }
    if (this.#cells.size >= CELLS_MAX) this.#cells.clear();
    this.#cells.set(cell, zip);
    return zip;
  }

  /** Reads what changed; for the timer and for tests. */
  async look(): Promise<void> {
    const { store, log, metrics } = this.#options;
    try {
      const newest = await store.versions();
      if (newest.zips !== this.#zipsVersion) {
        const { version, areas } = await store.zips();
        this.#zips = areas.length > 0 ? new PolygonIndex(await indexAreas(areas)) : null;
        this.#cells.clear();
        this.#zipsVersion = version;
        metrics.gauge('heyblue_zip_areas', areas.length);
        log.info({ version, areas: areas.length }, 'zip codes are followed');
      }
      if (newest.places !== this.#placesVersion) {
        const { version, places } = await store.places();
        this.#fences = new Fences(places.filter(place => place.active));
        this.#placesVersion = version;
        metrics.gauge('heyblue_places', this.#fences.size);
      }
      if (this.#failing) log.info({}, 'the map is read again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) log.warn({ err: error }, 'the map cannot be read; the old one stays');
      this.#failing = true;
    }
  }

  #again(): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.scheduler.after(ATLAS_LOOK_MS, () => {
      void this.look().then(() => this.#again());
    });
  }
}
