/** Every bound and timing of what remembers in PostgreSQL, with the inequalities between them checked at load. */

export { SHARDS } from '../../protocol/limits.ts';

/** The role the node works with; it cannot change tables nor rewrite history. */
export const APP_ROLE = 'heyblue_app';
/** The role that the auditor reads with, and nothing else. */
export const AUDITOR_ROLE = 'heyblue_auditor';
/** How often it is looked whether the password of the owner is another one. */
export const LOGIN_LOOK_MS = 2_000;
/** Rows that share the balance of the mint, so that groups of different nodes do not wait for each other. */
export const MINT_STRIPES = 16;

/** PostgreSQL ends a group that takes longer (waiting for a lock, most likely); it is then proven not applied. */
export const COMMIT_STATEMENT_MS_MAX = 5_000;
/** Waiting for a row lock longer than this ends the group, proven not applied. */
export const COMMIT_LOCK_MS_MAX = 2_000;
/** No answer at all for so long: the connection is given up, the outcome is unknown. */
export const COMMIT_SILENCE_MS_MAX = 8_000;
/** Minting waits for the groups under way on those shards. */
export const MINT_STATEMENT_MS_MAX = 7_000;
export const CONNECT_MS_MAX = 3_000;
/** Pause before connecting again, doubled up to the maximum. */
export const RECONNECT_MS_MIN = 50;
export const RECONNECT_MS_MAX = 2_000;
/** Connections that carry groups: the writer's depth, and one for looking up. */
export const COMMIT_CONNECTIONS = 2;
/** How long a lost connection's backend gets to end before a look-up gives up and is tried again. */
export const TERMINATE_MS_MAX = 2_000;

/** Reads (hydration of actors, REST) use connections of their own, so that they never delay a commit. */
export const QUERY_CONNECTIONS = 2;
export const QUERY_STATEMENT_MS_MAX = 5_000;
export const QUERY_SILENCE_MS_MAX = 7_000;
/** A read that has waited for so long is given up: its asker (3 s) can still be told to try again. */
export const QUERY_WAIT_MS_MAX = 2_000;
/** Users that one hydration statement loads at most. */
export const QUERY_BATCH_MAX = 256;
/** Hydrations that may wait at once. */
export const QUERY_WAITING_MAX = 10_000;
/** A read of revocations goes back so far behind the last one; no insert of one takes longer. */
export const REVOCATIONS_OVERLAP_S = 10;
export const REVOCATION_STATEMENT_MS_MAX = 2_000;
/** An operator waits for this write before anything happens. */
export const AUDIT_STATEMENT_MS_MAX = 2_000;
/** Lists and reports of the market, for people who wait at a door (their request may take 15 s). */
export const MARKET_LINES = 2;
export const MARKET_STATEMENT_MS_MAX = 10_000;
export const MARKET_SILENCE_MS_MAX = 12_000;
/** A look at whether polygons or places changed, and whatever operators do with them, on a connection of its own. */
export const PLACES_STATEMENT_MS_MAX = 30_000;
export const PLACES_SILENCE_MS_MAX = 35_000;
/** Areas, and numbers of their corners, that one statement writes or reads: a few megabytes. */
export const ZIPS_PER_STATEMENT = 500;
export const ZIP_NUMBERS_PER_STATEMENT = 1_000_000;
/** Reading begins again when the polygons were replaced meanwhile. */
export const ZIP_READS_MAX = 5;
/** A device that was seen is written so often at most; so long the first one waits for others. */
export const DEVICE_MS_MIN = 60_000;
export const DEVICE_LINGER_MS = 1_000;
/** After a failure. */
export const DEVICE_RETRY_MS = 2_000;
export const DEVICE_BATCH_MAX = 500;
/** Devices that may wait: all phones of a node that drains, about 20 MB. */
export const DEVICES_WAITING_MAX = 100_000;
/** One for each publisher. */
export const OUTBOX_CONNECTIONS = 4;
export const ORM_CONNECTIONS_MAX = 4;
/** Encounters and remembered commands that a user actor starts from (actors/queries.ts). */
export const RECENT_ENCOUNTERS = 16;
export const RECENT_COMMANDS = 64;
export const REMEMBERED_HOURS = 24;
/** Postings of one person that are looked at; nobody meets so many, or gives so often. */
export const POSTINGS_MAX = 4_096;
/** Events that a ring may take again: its bounds (actors/limits.ts). */
export const RECENT_EVENTS = 128;
export const RECENT_MINUTES = 5;
/** Open redemptions, and users of an offer with a limit, that one read gives (`MARKET_LIMITS` of nodes/limits.ts). */
export const OPEN_REDEMPTIONS = 10_000;

/** Two nodes that start at once migrate one after the other. */
export const MIGRATE_LOCK_KEY = 0x48_45_59_42;
export const MIGRATE_ATTEMPTS_MAX = 20;
export const MIGRATE_PAUSE_MS = 50;

if (COMMIT_LOCK_MS_MAX >= COMMIT_STATEMENT_MS_MAX)
  throw new Error('a lock wait must end before the statement');
if (COMMIT_STATEMENT_MS_MAX >= MINT_STATEMENT_MS_MAX || MINT_STATEMENT_MS_MAX >= COMMIT_SILENCE_MS_MAX)
  throw new Error('minting must outlast a group, and end before we give up its connection');
if (COMMIT_STATEMENT_MS_MAX >= COMMIT_SILENCE_MS_MAX)
  throw new Error('PostgreSQL must end a statement before we give up its connection');

if (REVOCATION_STATEMENT_MS_MAX >= REVOCATIONS_OVERLAP_S * 1_000)
  throw new Error('a revocation must not become visible behind the reader');

/** How long a start waits for a PostgreSQL that refuses connections, and how often it asks. */
export const OPEN_MS_MAX = 20_000;
export const OPEN_PAUSE_MS = 250;
/** The same for `npm run migrate`, which runs while servers are set up around it. */
export const MIGRATE_OPEN_MS_MAX = 120_000;
