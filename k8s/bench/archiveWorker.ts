/** Writes the days of a town as the archiver of a shard would: an object for each hour; see `archive.bench.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ArchivedEvent } from '../../infra/archive/columns.ts';
import { FolderStore } from '../../infra/archive/folderStore.ts';
import { hourOf, objectKey } from '../../infra/archive/layout.ts';
import { parquetOf } from '../../infra/archive/parquet.ts';
import { type TownShape, townEvents } from '../../infra/archive/townEvents.ts';

export interface ArchiveOrder {
  readonly folder: string;
  readonly shard: string;
  readonly town: TownShape;
}

const { folder, shard, town } = workerData as ArchiveOrder;
const store = new FolderStore(folder);
const waiting = { 'user-events': [] as ArchivedEvent[], transactions: [] as ArchivedEvent[] };
let hour = hourOf(town.startMs);
let seq = 1_000_000_000;
let bytes = 0;

async function flush(): Promise<void> {
  for (const stream of ['user-events', 'transactions'] as const) {
    const events = waiting[stream];
    if (events.length === 0) continue;
    const span = { firstSeq: String(seq), lastSeq: String(seq + events.length - 1) };
    seq += events.length;
    const body = parquetOf(events, span);
    await store.putNew(objectKey(stream, hour, shard, span.firstSeq), body);
    bytes += body.length;
    waiting[stream] = [];
  }
}

for (const { stream, key, event } of townEvents(town)) {
  const timeMs = Date.parse(String(event.time));
  if (hourOf(timeMs) !== hour) await flush();
  hour = hourOf(timeMs);
  waiting[stream].push({
    id: String(event.id),
    type: String(event.type),
    version: Number(event.version),
    timeMs,
    key,
    head: event,
    data: event.data as Record<string, unknown>,
  });
}
await flush();
parentPort!.postMessage(bytes);
