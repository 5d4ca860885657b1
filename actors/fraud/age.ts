/**
 * Whether a fix is of now. Only the server's clock counts: what is older than a minute or from the future proves nothing
 * and is refused, and the phone is told, because its clock or its network is at fault far more often than its owner.
 * (Study 4.6 (4): older than 60 s never scores.)
 */
import { ACTOR_LIMITS } from '../limits.ts';

export type Age = 'fresh' | 'stale' | 'future';

/** Both in Unix milliseconds. */
export function ageOf(takenAtMs: number, nowMs: number): Age {
  if (takenAtMs > nowMs + ACTOR_LIMITS.fixFutureMs) return 'future';
  return takenAtMs < nowMs - ACTOR_LIMITS.fixAgeMs ? 'stale' : 'fresh';
}
