/** Points go to the ledger, what else an actor notes to a store of its own: a writer for each, so that none waits for the other. */
import type { TimerOp } from '../actors/durable.ts';
import { isNote } from './ledgerRules.ts';
import type { OperationWriter, Scheduler } from './ports.ts';

export interface Writers {
  readonly ledger: OperationWriter;
  /** Timers, answers, offers and stock; told of timers that came with points. */
  readonly timers: OperationWriter & { stored(shard: number, timer: TimerOp): void };
  /** On the same way as the timers, or they would not be stored together. */
  readonly events: OperationWriter;
}

export const routeOperations = ({ ledger, timers, events }: Writers): OperationWriter => ({
  submit(entry, done) {
    const { op, shard } = entry;
    if (op.type === 'event') events.submit(entry, done);
    else if (isNote(op)) timers.submit(entry, done);
    else if (op.type !== 'pending' || op.timer === undefined) ledger.submit(entry, done);
    else {
      const { timer } = op;
      ledger.submit(entry, outcome => {
        if (outcome.ok) timers.stored(shard, timer);
        done(outcome);
      });
    }
  },
});

/** Where nothing is kept: as if it were stored. For measurements. */
export const forgetful = (scheduler: Pick<Scheduler, 'immediate'>): Writers['timers'] => ({
  stored() {},
  submit({ op: { id } }, done) {
    scheduler.immediate(() => done({ ok: true, committed: { id, code: 'created', atMs: 0, postings: [] } }));
  },
});
