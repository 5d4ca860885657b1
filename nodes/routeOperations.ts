/** Points go to the ledger, what else an actor notes to a store of its own: a writer for each, so that none waits for the other. */
import { isNote } from './ledgerRules.ts';
import type { OperationWriter, Scheduler } from './ports.ts';

export interface Writers {
  readonly ledger: OperationWriter;
  /** Timers, answers, offers and stock. */
  readonly timers: OperationWriter;
  /** On the same way as the timers, or they would not be stored together. */
  readonly events: OperationWriter;
}

export const routeOperations = ({ ledger, timers, events }: Writers): OperationWriter => ({
  submit(entry, done) {
    const { type } = entry.op;
    if (type === 'event') events.submit(entry, done);
    else if (isNote(entry.op)) timers.submit(entry, done);
    else ledger.submit(entry, done);
  },
});

/** Where nothing is kept: as if it were stored. For measurements. */
export const forgetful = (scheduler: Pick<Scheduler, 'immediate'>): OperationWriter => ({
  submit({ op: { id } }, done) {
    scheduler.immediate(() => done({ ok: true, committed: { id, code: 'created', atMs: 0, postings: [] } }));
  },
});
