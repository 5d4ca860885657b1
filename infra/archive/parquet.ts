/**
 * Rows as a Parquet object, and what its footer says of it.
 *
 * The same rows give the same bytes: columns, encodings and the order of everything are fixed. Pages are packed with
 * Zstandard, which every reader of Parquet knows and which leaves half of what Snappy does.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { parquetMetadata, parquetRead } from 'hyparquet';
import { ByteWriter, type ColumnSource, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { type ArchivedEvent, COLUMNS, type Column } from './columns.ts';
import { FOOTER_BYTES, GROUP_ROWS } from './limits.ts';
import type { ObjectStore, StoredObject } from './objectStore.ts';

/** The records of a stream's shard that an object holds: all of its hour between these two, both among them. */
export interface Span {
  readonly firstSeq: string;
  readonly lastSeq: string;
}

const PHYSICAL: Record<Column['type'], Omit<SchemaElement, 'name'>> = {
  uuid: { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } },
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  integer: { type: 'INT32' },
  bigint: { type: 'INT64' },
  boolean: { type: 'BOOLEAN' },
  time: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
};

const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: COLUMNS.length },
  ...COLUMNS.map(({ name, type, required }) => ({
    name,
    ...PHYSICAL[type],
    repetition_type: required ? ('REQUIRED' as const) : ('OPTIONAL' as const),
  })),
];

const ID_COLUMN = 'event_id';
const FIRST = 'heyblue.first_seq';
const LAST = 'heyblue.last_seq';

export function parquetOf(events: readonly ArchivedEvent[], span: Span): Uint8Array {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: SCHEMA,
    codec: 'ZSTD',
    compressors: { ZSTD: input => zstdCompressSync(input) },
    kvMetadata: [
      { key: FIRST, value: span.firstSeq },
      { key: LAST, value: span.lastSeq },
    ],
    createdBy: 'heyblue',
  });
  parquet.write({
    columnData: COLUMNS.map(
      (column): ColumnSource => ({
        name: column.name,
        data: events.map(column.of),
        ...(column.unique && { encoding: 'PLAIN', statistics: false }),
      }),
    ),
    rowGroupSize: GROUP_ROWS,
  });
  parquet.finish();
  return writer.getBytes();
}

/** What an object says of itself; null when it is gone. Throws when it is no object of the archive. */
export async function spanOf(store: ObjectStore, key: string, bytes: number): Promise<Span | null> {
  let wanted = Math.min(bytes, FOOTER_BYTES);
  for (;;) {
    const end = await store.get(key, { start: bytes - wanted, end: bytes });
    if (end === null) return null;
    // its last eight bytes are the length of the footer and the word PAR1
    const length =
      end.length < 8 ? 0 : new DataView(end.buffer, end.byteOffset).getUint32(end.length - 8, true);
    if (length + 8 > wanted && wanted < bytes) {
      wanted = Math.min(bytes, length + 8);
      continue;
    }
    const { key_value_metadata: said = [] } = parquetMetadata(end);
    const of = (name: string): string => said.find(one => one.key === name)?.value ?? '';
    const span = { firstSeq: of(FIRST), lastSeq: of(LAST) };
    if (span.firstSeq === '' || span.lastSeq === '') throw new Error(`${key} is not of the archive`);
    return span;
  }
}

/**
 * Of each id in an object its last eight bytes, in the order of the rows; null when the object is gone. All but two bits of
 * them are by chance in any UUID. Only this column is fetched. Throws when it is no object of the archive.
 */
export async function idTailsOf(
  store: ObjectStore,
  { key, bytes }: StoredObject,
): Promise<readonly bigint[] | null> {
  const tails: bigint[] = [];
  let gone = false;
  await parquetRead({
    file: {
      byteLength: bytes,
      async slice(start, end = bytes) {
        const from = start < 0 ? Math.max(0, bytes + start) : start;
        const part = await store.get(key, { start: from, end });
        gone ||= part === null;
        return new Uint8Array(part ?? []).buffer;
      },
    },
    columns: [ID_COLUMN],
    compressors: { ZSTD: (input, length) => new Uint8Array(zstdDecompressSync(input)).subarray(0, length) },
    parsers: {
      uuidFromBytes: (id: Uint8Array) => new DataView(id.buffer, id.byteOffset).getBigUint64(8),
    },
    onChunk: ({ columnData }) => {
      for (const tail of columnData) tails.push(tail as bigint);
    },
  }).catch(error => {
    if (!gone) throw error;
  });
  return gone ? null : tails;
}
