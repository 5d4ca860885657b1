/** What the benchmark of slow phones says to its server, and hears. */

/** Begin: events to all phones in turn through their actors, and a volatile frame to each phone so often. */
export interface Load {
  readonly type: 'load';
  readonly eventsPerS: number;
  readonly volatileBytes: number;
  readonly volatileMs: number;
}

/** The answer to `unload`: events that each actor was given so far. */
export interface Told {
  readonly told: readonly number[];
}

/** The answer to `memory`, and to `collect`, which collects garbage before it looks. */
export interface Memory {
  readonly rss: number;
  /** Sockets closed with 4102 so far. */
  readonly slowClosed: number;
}
