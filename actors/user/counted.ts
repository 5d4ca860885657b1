/**
 * Which movements of the account this actor has counted, so that one that is told twice counts once, however long ago it
 * was told. Every movement has a version of its own on the account, and the versions rise one by one. The record that the
 * actor started from holds all up to `floor`; what came since may have come in any order.
 */
import { ACTOR_LIMITS } from '../limits.ts';

export interface Counted {
  /** Every version up to here is counted. */
  readonly floor: number;
  /** Versions above the floor that are counted, rising. */
  readonly above: readonly number[];
}

export const isCounted = ({ floor, above }: Counted, version: number): boolean =>
  version <= floor || above.includes(version);

/** With one more. Far too many gaps mean that the gaps will never be told: the oldest counts as told then. */
export function count(counted: Counted, version: number): Counted {
  if (isCounted(counted, version)) return counted;
  const above = [...counted.above, version].sort((a, b) => a - b);
  let { floor } = counted;
  let closed = 0;
  if (above.length > ACTOR_LIMITS.countedAbove) floor = above[closed++] as number;
  while (above[closed] === floor + 1) {
    floor++;
    closed++;
  }
  return { floor, above: closed > 0 ? above.slice(closed) : above };
}
