/** Every bound and timing of the location service, with its source. */

/** At most one sample in so long of a person: the history is short and coarse, and the quota small. */
export const SAMPLE_MS = 60_000;
/** People who may have a sample waiting: 10,000 of about 150 bytes; 20 s of Amazon's 500 positions a second. */
export const WAITING_MAX = 10_000;
/** The first sample waits so long for others to fill its batch. */
export const LINGER_MS = 200;
/** Batches under way at once: at 50 ms each, 80 a second, above the quota of 50. */
export const BATCHES_IN_FLIGHT = 4;
/** A sample that the service refused by itself (its batch went through) is tried so often. */
export const SAMPLE_ATTEMPTS_MAX = 4;

/** A call is tried so often before it counts as failed. */
export const CALL_ATTEMPTS_MAX = 5;
/** After a failure, doubled up to the maximum. */
export const BACKOFF_MS_MIN = 50;
export const BACKOFF_MS_MAX = 5_000;
/** Callers that may wait for a token of one operation; more are told that the service is unavailable. */
export const TOKEN_WAITERS_MAX = 1_000;

/** Amazon Location, model 2020-11-19: items of one BatchUpdateDevicePosition, BatchPutGeofence, BatchEvaluateGeofences. */
export const AMAZON_BATCH_MAX = 10;
/** Ids of one BatchDeleteDevicePositionHistory. */
export const AMAZON_DELETE_MAX = 100;
/** Ids of one BatchDeleteGeofence. */
export const AMAZON_DELETE_CIRCLES_MAX = 10;
/** Positions of one page of GetDevicePositionHistory, geofences of one of ListGeofences. */
export const AMAZON_PAGE_MAX = 100;
/** A day has 1,440 samples at most, 15 pages. */
export const AMAZON_PAGES_MAX = 20;
/** The service keeps positions so long, whatever we want. */
export const AMAZON_KEEPS_DAYS = 30;
/** Radius of a circle, metres, and the length of an id. */
export const RADIUS_M_MAX = 100_000;
export const ID_CHARS_MAX = 100;

/** Where the table has no expiry of its own (the embedded one), what has expired is looked for so often. */
export const PRUNE_MS = 3_600_000;

/** People whose last position stays in memory, and pseudonyms whose person is known here. */
export const REMEMBERED_MAX = 100_000;
/** A claim is compared with samples at most so long before or after it. */
export const VERIFY_WINDOW_MS = 3_600_000;
/** Nobody is faster than this (study 4.6 (2)), metres per second. */
export const SPEED_MPS_MAX = 70;

if (BACKOFF_MS_MIN > BACKOFF_MS_MAX) throw new Error('the backoff grows');
