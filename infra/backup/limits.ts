/** Bounds of backups. */

/** The format of a backup's folder; another one is refused. */
export const FORMAT = 1;
/** Nobody waits for a lock of ours, and we do not wait long for a schema that is being changed. */
export const LOCK_MS_MAX = 10_000;
export const CONNECT_MS_MAX = 10_000;
/** What DynamoDB takes in one write. */
export const ITEMS_PER_WRITE = 25;
export const WRITE_ATTEMPTS_MAX = 12;
export const WRITE_PAUSE_MS = 50;
/** So far back streams are told again what the ledger says: as long as a stream remembers, and an hour for clocks. */
export const TOLD_AGAIN_H = 25;
/** Events in one row of the outbox. */
export const KEYS_PER_ROW = 512;
/** Making a table where it is missing. */
export const TABLE_MS_MAX = 60_000;
