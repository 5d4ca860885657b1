/** The thread of the archivers; see `thread.ts`. Logs and figures go to the main thread as messages. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Log } from '../../nodes/ports.ts';
import { systemClock, systemScheduler } from '../clock.ts';
import { stepBack } from '../stepBack.ts';
import { Archive } from './archive.ts';
import { KinesisShards } from './kinesisShards.ts';
import { openObjects } from './openObjects.ts';
import type { ArchiveOrder, FromArchive, ToArchive } from './thread.ts';

// an archive may be minutes behind
stepBack();
const port = parentPort!;
const { place, kinesisEndpoint, flushBytes, flushMs } = workerData as ArchiveOrder;
const say = (message: FromArchive): void => port.postMessage(message);
const line =
  (level: keyof Log) =>
  (fields: object, message: string): void =>
    say({ type: 'log', level, fields, message });

const archive = new Archive({
  store: openObjects(place),
  streams: new KinesisShards({
    endpoint: kinesisEndpoint,
    region: place.region,
    credentials: place.credentials,
  }),
  flushBytes,
  flushMs,
  scheduler: systemScheduler,
  ...systemClock(),
  log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
  metrics: {
    count: (name, labels, by) =>
      say({ type: 'metric', kind: 'count', name, labels: labels ?? {}, value: by ?? 1 }),
    gauge: (name, value, labels) => say({ type: 'metric', kind: 'gauge', name, labels: labels ?? {}, value }),
    observe() {},
  },
});
port.on('message', (message: ToArchive) => {
  if (message.type === 'own') return archive.own(message.shards);
  void archive.close().finally(() => port.close());
});
