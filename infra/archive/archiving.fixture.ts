/** A process that archives a shard into a folder until all is done, to be killed in the middle: FOLDER COUNT PORTION. */
import { FolderStore } from './folderStore.ts';
import { checkpointKey } from './layout.ts';
import { ShardArchiver } from './shardArchiver.ts';
import { eventOf, recordOf, START_MS } from './testArchive.ts';

const [folder = '', count = '0', portion = '1'] = process.argv.slice(2);
const [stream, shard] = ['transactions', 'shardId-000000000000'];
const store = new FolderStore(folder);
const archiver = new ShardArchiver({ store, stream, shard });
const noted = await store.get(checkpointKey(stream, shard));
let next = noted === null ? 0 : Number(Buffer.from(noted).toString()) + 1;
while (next < Number(count)) {
  const end = Math.min(Number(count), next + Number(portion));
  for (; next < end; next++) {
    const time = new Date(START_MS + (next % 3) * 3_600_000).toISOString();
    archiver.take([recordOf(1_000 + next, eventOf(next, { time }))]);
  }
  process.stdout.write('flush\n');
  await archiver.flush();
  await store.put(checkpointKey(stream, shard), Buffer.from(String(end - 1)));
}
process.stdout.write('done\n');
