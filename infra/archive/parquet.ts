/**
 * Rows as a Parquet object, and what its footer says of it.
 *
 * The same rows give the same bytes: columns, encodings and the order of everything are fixed. Pages are packed with
 * Zstandard, which every reader of Parquet knows and which leaves half of what Snappy does.
 */
import { zstdCompressSync } from 'node:zlib';
import { parquetMetadata } from 'hyparquet';
import { ByteWriter, type ColumnSource, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { type ArchivedEvent, COLUMNS, type Column } from './columns.ts';
import { FOOTER_BYTES, GROUP_ROWS } from './limits.ts';
import type { ObjectStore } from './objectStore.ts';

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

export const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: COLUMNS.length },
  ...COLUMNS.map(({ name, type, required }) => ({
    name,
    ...PHYSICAL[type],
    repetition_type: required ? ('REQUIRED' as const) : ('OPTIONAL' as const),
  })),
];

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
