/** Points go to the ledger, timers to their own store: two writers, so that neither waits for the other. */
import type { OperationWriter } from '../ports.ts';

export const routeOperations = (ledger: OperationWriter, timers: OperationWriter): OperationWriter => ({
  submit(entry, done) {
    const writer = entry.op.type === 'timer' ? timers : ledger;
    writer.submit(entry, done);
  },
});
