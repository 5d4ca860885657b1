/**
 * Every bound and timing of the way to NATS. Sources: the cluster study, section 4a, unless a line says otherwise. How
 * they fit to the leases of nodes (`CLUSTER_LIMITS` in `nodes/`) is checked by limits.test.ts.
 */
import { assert } from '../../protocol/assert.ts';

export const NATS_LIMITS = {
  /** So often the server is asked whether it is there; a silent connection is given up after `pingsOut` + 1 of them. */
  pingMs: 1_000,
  pingsOut: 2,
  /** Pause between two dials of one server, and the random part. It is dialled for ever. */
  redialMs: 250,
  redialJitterMs: 250,
  /** One dial: TCP, TLS and the first answer. */
  dialMs: 3_000,
  /** At the start the servers may come up later than we do; then it is an error. */
  firstConnectMs: 10_000,
  /** Calls to JetStream. The coordinator's own deadline is the same; ours cleans up. */
  callMs: 1_000,
  listMs: 5_000,
  /** Bytes that may wait in the socket of a connection that does not drain; then nothing is taken any more. */
  backlogBytes: 32 * 1_024 * 1_024,
  /** Messages that may still come back as unheard: at least so long, at most so many twice. */
  unheardMs: 2_000,
  unheardMessages: 32_768,
  /** A watch that hears nothing for `watchSilenceMs` although the server speaks every `watchBeatMs` is begun anew. */
  watchBeatMs: 1_000,
  watchSilenceMs: 3_000,
  watchRetryMs: 500,
  /** One record of ours; the server refuses what is larger than `valueBytes`, headers included. */
  recordBytes: 1_024,
  valueBytes: 4_096,
} as const;

assert(NATS_LIMITS.watchBeatMs * 2 < NATS_LIMITS.watchSilenceMs, 'a watch may miss a beat');
assert(NATS_LIMITS.recordBytes < NATS_LIMITS.valueBytes, 'a record fits into the bucket');
