/**
 * The way of a user's event to its store. An event is stored as the next one or not at all. If it is not, somebody else
 * has gone on with the stream since its actor began; the actor is thrown away then, with everything that it held back, and
 * starts again from what is stored.
 */
import type { CommitEntry, OperationWriter, WriteOutcome } from '../ports.ts';

const BEHIND: WriteOutcome = {
  ok: false,
  reason: 'unavailable',
  message: 'the events of this user went on without it, try again',
};
const SENSELESS: WriteOutcome = { ok: false, reason: 'rejected', message: 'this is no event' };

/** @param writer a `LedgerWriter` over an event store */
export const eventWriter = (writer: OperationWriter): OperationWriter => ({
  submit(entry: CommitEntry, done: (outcome: WriteOutcome) => void): void {
    writer.submit(entry, outcome => done(outcome.ok ? judged(outcome) : outcome));
  },
});

function judged(outcome: WriteOutcome & { ok: true }): WriteOutcome {
  const { code } = outcome.committed;
  if (code === 'created' || code === 'exists') return outcome;
  return code === 'invalid' ? SENSELESS : BEHIND;
}
