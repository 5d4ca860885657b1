/**
 * Where an object lies: by stream and by the hour in which its events happened, UTC, as Hive, Athena and DuckDB read it:
 * `archive/<stream>/year=YYYY/month=MM/day=DD/hour=HH/<shard>-<firstSeq>.parquet`.
 *
 * The name says which record of the stream the object begins with, and its footer with which it ends: so the archive
 * itself knows what it holds, whoever wrote it, and nothing is written a second time.
 */

const HOUR_MS = 3_600_000;

/** Hours since 1970, UTC. */
export const hourOf = (timeMs: number): number => Math.floor(timeMs / HOUR_MS);

const two = (value: number): string => String(value).padStart(2, '0');

export const ARCHIVE = 'archive';

/** The folder of an hour, with a slash at the end. */
export function hourFolder(stream: string, hour: number): string {
  const at = new Date(hour * HOUR_MS);
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()];
  const date = `year=${String(year).padStart(4, '0')}/month=${two(month)}/day=${two(day)}`;
  return `${ARCHIVE}/${stream}/${date}/hour=${two(at.getUTCHours())}/`;
}

/** @param firstSeq sequence number of the first record, as the stream gave it */
export const objectKey = (stream: string, hour: number, shard: string, firstSeq: string): string =>
  `${hourFolder(stream, hour)}${shard}-${firstSeq}.parquet`;

/** What is put aside because it is no event: one object a record. */
export const errorKey = (why: string, stream: string, shard: string, seq: string): string =>
  `errors/${why}/${stream}/${shard}-${seq}.json`;

/** The folder of the hour in which an archived object lies, with a slash at the end. */
export const folderOf = (key: string): string => key.slice(0, key.lastIndexOf('/') + 1);

const HOUR_PATH = /\/year=(\d{4})\/month=(\d\d)\/day=(\d\d)\/hour=(\d\d)\/$/;

/** When the hour of such a folder is over; null when it is no hour's. */
export function hourEndMs(folder: string): number | null {
  const [, year, month, day, hour] = HOUR_PATH.exec(folder) ?? [];
  if (hour === undefined) return null;
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour)) + HOUR_MS;
}

/** What was found out about the objects of an hour (`seal.ts`); not below the archive, where everything is Parquet. */
export const SEALS = 'seals';

export const sealKey = (folder: string, digest: string): string =>
  `${SEALS}${folder.slice(ARCHIVE.length)}${digest}.json`;

export const checkpointKey = (stream: string, shard: string): string => `checkpoints/${stream}/${shard}.json`;

/** Sequence numbers of a stream are decimal numbers of any length. */
export const isBefore = (a: string, b: string): boolean =>
  a.length === b.length ? a < b : a.length < b.length;
