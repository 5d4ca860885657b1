/** Figures of the load of chaos. */

/** A command is certain within this, whatever happens to the nodes, or counts as unknown. */
export const CERTAIN_MS = 45_000;
/** A question to one's own actor. */
export const ASK_MS = 30_000;
/** Everybody is asked once more in the end, and is served within this. */
export const LAST_ASK_MS = 45_000;
/** Phones, actors and PostgreSQL say the same within this after the last command. */
export const SETTLE_MS = 45_000;
/** A code lives 45 s; after this a phone shows a new one. */
export const CODE_MS = 12_000;
export const CODES_MAX = 4;
export const TICK_MS = 20;
export const REPORT_MS = 250;
/** Of one try over REST. */
export const REST_TRY_MS = 6_000;
export const REST_PAUSE_MS = 150;
/** Nodes are asked how they are so often; the resolution of what is said of overlaps. */
export const SAMPLE_MS = 400;
/** Of each so many samples, one reads the metrics. */
export const METRICS_EVERY = 5;

export const OFFICERS = 32;
export const CIVILIANS_MIN = 48;
export const CIVILIANS_MAX = 400;
export const CHARITIES = 4;
/** Officers who share where they are, for the presence of the others. */
export const BEAT_OFFICERS = 6;
/** Officers who give to each other: at most 100 points in 24 hours, in gifts of 1, 2, 3, ... 13. */
export const GIVERS = 24;
export const GIFTS_PER_GIVER = 13;
export const SHOPS = 3;
export const GRANT = 1_000_000;
export const PRICE = 5;
export const STOCK = 1_000_000;

/** Each second. */
export const RATES = { meet: 6, donate: 3, give: 1, buy: 1.5, ask: 6 } as const;

/** Settings of every node that this load needs, on top of those of `FOR_LOAD`. */
export const LOAD_ENV: Readonly<Record<string, string>> = {
  // no two meet twice for points in one run: a second encounter of a pair is always wrong
  HEYBLUE_COOLDOWN_H: '24',
  // longer than an outage, short enough to see reservations end by themselves
  HEYBLUE_REDEEM_S: '60',
  // longer than any run
  HEYBLUE_SHARE_MINUTES: '1440',
};
