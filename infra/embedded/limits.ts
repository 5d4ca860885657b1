/**
 * Every timing and bound of the embedded servers, in one place, with the inequalities between them checked at load.
 */

/** A stop of everything must fit into 5 s (what the README promises); the parts below share it. */
export const STOP_TOTAL_MS_MAX = 5_000;
/** How long the node may drain after SIGTERM before it is killed. */
export const NODE_STOP_MS_MAX = 3_200;
/** How long the DynamoDB and Kinesis process may take to close its files before it is killed. */
export const AWS_STOP_MS_MAX = 500;
/** PostgreSQL: the fast shutdown writes a checkpoint; when that takes longer, the immediate one relies on the WAL. */
export const POSTGRES_FAST_STOP_MS_MAX = 800;
export const POSTGRES_IMMEDIATE_STOP_MS_MAX = 300;

/** An orphan left by `kill -9` gets more time than our own server: nobody waits at a prompt with Ctrl-C. */
export const ORPHAN_STOP_MS_MAX = 10_000;
/** Replaying the write-ahead log after a crash under load can take a while. */
export const POSTGRES_READY_MS_MAX = 120_000;
export const AWS_READY_MS_MAX = 30_000;
/** An orphaned DynamoDB and Kinesis process closes its files within this, or it never does. */
export const LEVELDB_LOCK_MS_MAX = 5_000;
export const NODE_READY_MS_MAX = 120_000;
/** How often we look whether a process is gone or a file says ready. */
export const POLL_MS = 20;
/** After the postmaster was killed, its backends need a moment to let go of the shared memory. */
export const POSTGRES_START_ATTEMPTS_MAX = 8;
export const POSTGRES_START_PAUSE_MS = 500;

/** Logs of PostgreSQL beyond this size move to one older file at the next start. */
export const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** A dead process is started again after this pause, doubled each time up to the maximum. */
export const RESTART_PAUSE_MS_MIN = 200;
export const RESTART_PAUSE_MS_MAX = 5_000;
/** So many deaths within the window, and we give up: it would die again. */
export const RESTART_DEATHS_MAX = 5;
export const RESTART_WINDOW_MS = 30_000;

const stopTotal =
  NODE_STOP_MS_MAX + AWS_STOP_MS_MAX + POSTGRES_FAST_STOP_MS_MAX + POSTGRES_IMMEDIATE_STOP_MS_MAX;
if (stopTotal >= STOP_TOTAL_MS_MAX) throw new Error(`the stops add up to ${stopTotal} ms`);

/** NATS: it writes nothing on its way out that is not on disk already. */
export const NATS_STOP_MS_MAX = 500;
/** Reading the streams of a town after a crash. */
export const NATS_READY_MS_MAX = 30_000;
export const NATS_START_ATTEMPTS_MAX = 4;
/** Fetching a package list of 10 MB and a package of 5 MB over a slow line. */
export const NATS_FETCH_MS_MAX = 300_000;
export const NATS_VERSION_MS_MAX = 10_000;
