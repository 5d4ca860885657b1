/** Every bound and timing of the archive. */

/** A nameless file of the folder store is left over by a killed process when it is so old. */
export const STRAY_MS = 3_600_000;

/** So often a shard without news is looked at: an archive may be behind by minutes. */
export const POLL_MS = 5_000;
/** So often the list of shards is read: splits and merges are found this late. */
export const SHARDS_MS = 60_000;
/** Between two reads of a shard that has more: the service allows five a second, and we are not the only reader. */
export const READ_MS = 400;
/** Records in one GetRecords: all that the service gives; 10 MB at most. */
export const PAGE_RECORDS = 10_000;
/** After a failure of stream or store, doubled up to the maximum. */
export const BACKOFF_MS_MIN = 200;
export const BACKOFF_MS_MAX = 30_000;
/** Rows of one group of a Parquet file: what a reader's thread takes at once. */
export const GROUP_ROWS = 100_000;
/** Hours whose objects a shard's archiver remembers. */
export const HOURS_REMEMBERED = 256;
/** Of one event, as the stream takes it; a column holds no more of it. */
export const TEXT_MAX = 1_048_576;
/** How often an object may turn out to be there already before the writer gives up for this time. */
export const ADOPTIONS_MAX = 8;
/** So long after its end an hour is sealed: besides two flushes, as most of what comes late has come by then. */
export const SEAL_AFTER_MS = 900_000;
/** So often an archiver looks for hours to seal. */
export const SEAL_MS = 900_000;
/** Events of an hour beyond which it is not sealed: 16 bytes of memory each. */
export const SEAL_EVENTS_MAX = 8_000_000;
/** How long one request to the object store may take. */
export const STORE_REQUEST_MS_MAX = 60_000;
/** A thread of archivers that broke is started again after this long. */
export const THREAD_RESTART_MS = 5_000;
/** So often a node looks which shards it owns, should nobody have told it. */
export const LEAD_MS = 1_000;
/** The end of a Parquet file that is read first: it holds the footer of files of our size. */
export const FOOTER_BYTES = 64 * 1_024;

if (BACKOFF_MS_MIN > BACKOFF_MS_MAX) throw new Error('the backoff grows');
