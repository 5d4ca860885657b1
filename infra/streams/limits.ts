/** Every bound and timing of the readers. */

/** Records of one GetRecords; the service gives 10,000 or 10 MB, which is more than one statement should carry. */
export const RECORDS_MAX = 1_000;
/** A shard is asked so often when it has nothing new; the service answers 5 times a second, for all its readers together. */
export const POLL_MS = 1_000;
/** And at most so often when it has. */
export const GAP_MS = 250;
/** So often the shards of a stream are listed. */
export const LOOK_MS = 5_000;
/** A stream that is not there yet is looked for so often. */
export const MISSING_LOOK_MS = 1_000;
/** Between two checkpoints: what is read twice after a crash. */
export const CHECKPOINT_MS = 1_000;
/** After a failure, doubled up to the maximum. */
export const BACKOFF_MS_MIN = 100;
export const BACKOFF_MS_MAX = 5_000;
/** A shard that ended is remembered for longer than the service keeps its records. */
export const ENDED_KEPT_MS = 400 * 86_400_000;
/** Poison is kept for so long. */
export const DEAD_KEPT_MS = 90 * 86_400_000;
/** A longer record is kept by its beginning: an item of DynamoDB holds 400 KB. */
export const DEAD_BYTES_MAX = 300_000;
/** Dead letters that one look shows. */
export const DEAD_SHOWN_MAX = 100;
/** An event is known for this long; the streams keep records for less. */
export const INBOX_DAYS = 400;

if (BACKOFF_MS_MIN > BACKOFF_MS_MAX) throw new Error('the backoff grows');
if (GAP_MS > POLL_MS) throw new Error('a shard with news is asked sooner than one without');

/** So often what no stream has any more is forgotten. */
export const PRUNE_MS = 3_600_000;
/** The name of the read model is asked for so often until the database answers. */
export const MODEL_RETRY_MS = 1_000;
/** By so much the clocks of database and streams may differ. */
export const CLOCKS_MS = 60_000;
