/** Points go to the ledger, timers and events to stores of their own: a writer for each, so that none waits for another. */
import type { OperationWriter, Scheduler } from './ports.ts';

export interface Writers {
  readonly ledger: OperationWriter;
  readonly timers: OperationWriter;
  readonly events: OperationWriter;
}

export const routeOperations = ({ ledger, timers, events }: Writers): OperationWriter => ({
  submit(entry, done) {
    const { type } = entry.op;
    const writer = type === 'timer' ? timers : type === 'event' ? events : ledger;
    writer.submit(entry, done);
  },
});

/** Where nothing is kept: as if it were stored. For measurements. */
export const forgetful = (scheduler: Pick<Scheduler, 'immediate'>): OperationWriter => ({
  submit({ op: { id } }, done) {
    scheduler.immediate(() => done({ ok: true, committed: { id, code: 'created', atMs: 0, postings: [] } }));
  },
});
