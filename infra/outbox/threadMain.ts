/** The thread of the publishers; see `thread.ts`. Logs and figures go to the main thread as messages. */
import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { Log, Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { followUrls } from '../postgres/liveUrl.ts';
import { openStreams } from '../streams/index.ts';
import { Outbox, type OutboxAddresses } from './index.ts';
import type { FromThread, ToThread } from './thread.ts';

/**
 * When the cores are short, acknowledgements to people go first and the publishers catch up: on Linux a thread has a
 * priority of its own. Elsewhere, or where it is forbidden, they share evenly.
 */
function stepBack(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // no such place or no permission: nothing depends on it
  }
}

stepBack();
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

const addresses = workerData as OutboxAddresses;
followUrls(addresses.secretsDir ?? '', { appUrl: addresses.url });
const outbox = new Outbox({ ...addresses, log, metrics, scheduler: systemScheduler });
const streams = openStreams({ ...addresses, log, metrics, scheduler: systemScheduler });
streams.onFenced = (shard, epoch) => say({ type: 'unowned', shard, epoch });
outbox.onFenced = (target, epoch) => say({ type: 'fenced', target, epoch });
port.on('message', (message: ToThread) => {
  if (message.type === 'poke') return outbox.poke();
  if (message.type === 'lead') return outbox.lead(message.target, message.epoch);
  if (message.type === 'own') return streams.own(message.owned);
  const { budgetMs } = message;
  void Promise.all([outbox.close(budgetMs), streams.close(budgetMs)]).finally(() => port.close());
});
