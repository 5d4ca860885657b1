/** The way to NATS is quick enough for the leases that nodes keep there. */
import { expect, test } from 'vitest';
import { CLUSTER_LIMITS } from '../../nodes/limits.ts';
import { NATS_LIMITS } from './limits.ts';

test('the limits of both sides fit to each other', () => {
  expect(NATS_LIMITS.recordBytes).toBe(CLUSTER_LIMITS.recordBytes);
  expect(NATS_LIMITS.callMs).toBe(CLUSTER_LIMITS.callMs);
  // a dead connection is noticed before the lease ends
  expect(NATS_LIMITS.pingMs * (NATS_LIMITS.pingsOut + 1)).toBeLessThan(CLUSTER_LIMITS.leaseMs);
  // a silent watch begins anew before the poll has to find it out
  expect(NATS_LIMITS.watchSilenceMs).toBeLessThan(CLUSTER_LIMITS.pollMs);
});
