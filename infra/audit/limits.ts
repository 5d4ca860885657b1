/**
 * Every bound of the auditor. What it knows of the ledger is written here again, in its own words: a reader that took the
 * writers' constants would share their mistakes.
 */

/** The account that gives the points: the one that may go below zero, and of which no follower is told. */
export const MINT = '00000000-0000-7000-8000-000000000001';
/** The account to which points go whose time is over. */
export const EXPIRED = '00000000-0000-7000-8000-000000000002';
/** Numbers of the outbox' targets. */
export const TARGET = { userEvents: 1, transactions: 2, balances: 3, catalogs: 4 } as const;
export const TRANSACTIONS_STREAM = 'transactions';
export const USER_EVENTS_STREAM = 'user-events';
export const BALANCES_TABLE = 'balances';
export const CATALOGS_TABLE = 'catalogs';
export const RULES_TABLE = 'rules';

/** Differences of one check that are named; the others are counted. */
export const NAMED_MAX = 1_000;
/** Of those, shown to people. */
export const SHOWN_MAX = 5;
/** Rows that are fetched at once. */
export const FETCH_ROWS = 20_000;
/** Ids that one question names. */
export const IDS_PER_QUESTION = 5_000;
/** What is found only in a follower is remembered until PostgreSQL is asked again. */
export const UNKNOWN_MAX = 100_000;
/** Progress is told so often. */
export const SAY_MS = 2_000;

/** A check of a big ledger reads for minutes; beyond this something is wrong. */
export const STATEMENT_MS_MAX = 60 * 60_000;
export const CONNECT_MS_MAX = 5_000;

/** What waits in the outbox longer than this is late (DOMAIN rule 10: two minutes at the very most). */
export const BOUND_S = 120;
/** Besides two of its flushes, an event may take so long from the stream to the archive. */
export const ARCHIVE_SLACK_S = 300;
/** Points that are set aside are given back by a timer when their time is over; so much later somebody forgot them. */
export const OVERDUE_S = 3_600;
/** Close to the end of a stream's memory a record may go while we read. */
export const RETENTION_MARGIN_S = 900;
/** Records carry the time of their arrival by another clock. */
export const CLOCK_SKEW_S = 60;
/** Records of one read. */
export const RECORDS_PER_READ = 10_000;

/** A day is sealed so long after its end: no commit of it is under way any more, and no clock is that wrong. */
export const SEAL_AFTER_S = 900;
/** Transfers whose hash is taken between two notes of how far the seal is. */
export const SEAL_STEP = 5_000;

/** So many days back the job closes what nobody asked for. */
export const SETTLE_DAYS = 8;
/** Days that one statement closes, and statements of one round. */
export const SETTLE_ROWS = 200;
export const SETTLE_ROUNDS_MAX = 100;

/** Keys and answers are remembered for a day. */
export const KEY_HOURS = 24;
/** Rows that one statement removes, and statements of one round: what is left waits for the next. */
export const PRUNE_ROWS = 5_000;
export const PRUNE_ROUNDS_MAX = 200;
export const PRUNE_MS = 60_000;
/** So often the node looks whether it is the one that audits. */
export const LEAD_MS = 5_000;
/** So often it looks whether a day is to be sealed. */
export const SEAL_LOOK_MS = 600_000;
/** And whether a merchant's is to be closed. */
export const SETTLE_LOOK_MS = 300_000;
/** Statements of the job, beside those of audits and seals. */
export const JOB_STATEMENT_MS_MAX = 30_000;
/** Ids of one check that stand in one line of the log. */
export const LOGGED_MAX = 20;

if (SETTLE_LOOK_MS >= SEAL_LOOK_MS) throw new Error('of a sealed day the merchants are closed');
if (LOGGED_MAX > NAMED_MAX || SHOWN_MAX > NAMED_MAX) throw new Error('what is told must have been named');
