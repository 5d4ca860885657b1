/** The thread of the publishers; see `thread.ts`. Logs and figures go to the main thread as messages. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Log, Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { Outbox, type OutboxAddresses } from './index.ts';
import type { FromThread, ToThread } from './thread.ts';

const port = parentPort!;
const say = (message: FromThread): void => port.postMessage(message);

const line =
  (level: keyof Log) =>
  (fields: object, message: string): void =>
    say({ type: 'log', level, fields, message });
const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
const metrics: Metrics = {
  count: (name, labels, by) =>
    say({ type: 'metric', kind: 'count', name, labels: labels ?? {}, value: by ?? 1 }),
  observe: (name, value, labels) =>
    say({ type: 'metric', kind: 'observe', name, labels: labels ?? {}, value }),
  gauge: (name, value, labels) => say({ type: 'metric', kind: 'gauge', name, labels: labels ?? {}, value }),
};

const outbox = new Outbox({ ...(workerData as OutboxAddresses), log, metrics, scheduler: systemScheduler });
port.on('message', (message: ToThread) => {
  if (message.type === 'poke') return outbox.poke();
  void outbox.close(message.budgetMs).finally(() => port.close());
});
