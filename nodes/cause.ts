/**
 * What led to a message. It travels with the message and with everything that the message causes, over any number of
 * actors and nodes: the trace of the request, and who waits for an answer.
 */
import type { Address, ReplyTo } from '../actors/turn.ts';

export interface Cause {
  /** W3C `traceparent`, or null when nobody traces. */
  readonly trace: string | null;
  /** The actors that wait for the answer to this message, the first asker first; empty when none does. */
  readonly chain: readonly Address[];
  /** Where that answer goes. `chain` counts only as long as it was not given. */
  readonly asked: ReplyTo | null;
}

/** Whether an ask to this actor would make it wait for itself. */
export const waits = (chain: readonly Address[], to: Address): boolean => {
  for (const one of chain) if (one.id === to.id && one.kind === to.kind) return true;
  return false;
};

/** For a message that nobody waits for: only the trace goes on, and nothing at all when there is none. */
export const causeOfTell = (cause: Cause | null): Cause | null => {
  if (cause === null || cause.trace === null) return null;
  if (cause.chain.length === 0 && cause.asked === null) return cause;
  return { trace: cause.trace, chain: [], asked: null };
};
