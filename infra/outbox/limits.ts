/** Every bound and timing of the publishers. */

/** Rows that one publisher holds in memory. */
export const ROWS_MAX = 500;
/** So many when rows that are refused again and again stand in front: those behind them are not kept waiting. */
export const ROWS_BEHIND_MAX = 8_000;
/** One PutRecords: 500 records and 5 MiB; half a MiB is left for keys and the envelope of the request. */
export const PUT_RECORDS_MAX = 500;
export const PUT_RECORDS_BYTES_MAX = 4.5 * 1024 * 1024;
/** Shards of a stream that we create. */
export const STREAM_SHARDS = 2;
/** Conditional puts under way at once. */
export const PUTS_IN_FLIGHT = 16;

/** The thread of the publishers is told this long after a commit, of all that came with it. */
export const POKE_MS = 50;
/** After the first word of new rows we wait so long for more: one round for many. */
export const LINGER_MS = 200;
/**
 * Rows of which nobody told us are found this late at most: those of other nodes, too, so that with the lingering and the
 * sending a balance is right everywhere within a second (DOMAIN rule 10). Only who leads asks.
 */
export const POLL_MS = 500;
/** So often a node looks whether it owns the shard of a target, should nobody have told it. */
export const LEAD_MS = 1_000;
/** After a failure, doubled up to the maximum. */
export const BACKOFF_MS_MIN = 50;
export const BACKOFF_MS_MAX = 2_000;
/** How long a request to AWS may take before its outcome counts as unknown and it is sent again. */
export const REQUEST_MS_MAX = 5_000;
export const CONNECT_MS_MAX = 2_000;
/** A stream or table that we create is asked about so often until it is ready. */
export const READY_POLL_MS = 50;
export const READY_POLLS_MAX = 600;
/** Beyond so many rows the depth is not counted exactly. */
export const DEPTH_MAX = 100_000;
export const DEPTH_MS = 5_000;

if (BACKOFF_MS_MIN > BACKOFF_MS_MAX) throw new Error('the backoff grows');
if (POKE_MS + LINGER_MS > POLL_MS) throw new Error('rows are told of sooner than they are found');
if (ROWS_BEHIND_MAX < ROWS_MAX) throw new Error('the window grows');

/** A thread of publishers that broke is started again after this long. */
export const THREAD_RESTART_MS = 1_000;
