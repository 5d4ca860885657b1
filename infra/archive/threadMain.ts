/** The thread of the archivers; see `thread.ts`. Logs and figures go to the main thread as messages. */
import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { Log } from '../../nodes/ports.ts';
import { systemClock, systemScheduler } from '../clock.ts';
import { Archive } from './archive.ts';
import { KinesisShards } from './kinesisShards.ts';
import { openObjects } from './openObjects.ts';
import type { ArchiveOrder, FromArchive, ToArchive } from './thread.ts';

/** An archive may be minutes behind: when the cores are short, everybody else goes first. */
function stepBack(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, constants.priority.PRIORITY_LOW);
  } catch {
    // no such place or no permission: nothing depends on it
  }
}

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
