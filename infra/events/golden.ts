/**
 * One committed file per event and version: an event as it looks, and the schema that others rely on.
 *
 * The example says something for every field, from fixed texts, so that a change of the catalogue shows as a difference for
 * the eye of whoever reviews it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { TObject } from 'typebox';
import type { JsonSchema } from './additive.ts';
import { CATALOGUE, EVENT_TYPES, type EventType, schemaOf } from './catalogue.ts';
import { detailTypeOf, sourceOf } from './envelope.ts';

export const GOLDEN = new URL('./generated/', import.meta.url);

export interface Golden {
  readonly event: Readonly<Record<string, unknown>>;
  readonly schema: JsonSchema;
}

const ids = (last: number): string => `0193a000-0000-7000-8000-${String(last).padStart(12, '0')}`;
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** Fixed words of fields that a schema alone cannot make up. */
const WORDS: Readonly<Record<string, unknown>> = {
  transferId: ids(1),
  redemptionId: ids(2),
  userId: ids(10),
  user: ids(10),
  civilian: ids(10),
  officer: ids(11),
  merchant: ids(12),
  offer: ids(20),
  ruleId: 'encounter.points',
  entryId: ids(21),
  account: ids(10),
  zip: '10001',
  day: '2026-11-21',
  reason: 'words',
  issuedUntil: '2026-11-21T10:00:00.000Z',
  expiresAt: '2026-11-21T10:10:00.000Z',
};

/** Legs that sum to zero, the mint last. */
const LEGS = [
  { account: ids(10), delta: 10, balance: 10, version: 1 },
  { account: '00000000-0000-7000-8000-000000000001', delta: -10 },
];

function example(name: string, schema: JsonSchema): unknown {
  if (name === 'legs') return LEGS;
  if (name in WORDS) return WORDS[name];
  const { anyOf, properties, type } = schema;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (anyOf) return example(name, anyOf[0]!);
  if (type === 'object') {
    return Object.fromEntries(Object.entries(properties ?? {}).map(([key, one]) => [key, example(key, one)]));
  }
  if (type === 'boolean') return true;
  return type === 'integer' ? 1 : 'text';
}

const plain = (schema: TObject): JsonSchema => JSON.parse(JSON.stringify(schema)) as JsonSchema;

export const goldenOf = (type: EventType): Golden => {
  const { version, data } = CATALOGUE[type];
  const event = {
    stamp: { shard: 7, epoch: 3, seq: 1_025 },
    trace: TRACE,
    id: ids(1),
    source: sourceOf(type),
    type,
    version,
    detailType: detailTypeOf(type, version),
    time: '2026-11-21T10:00:00.000Z',
    subject: ids(10),
    seq: 1,
    correlationId: TRACE.slice(3, 35),
    causationId: null,
    userId: ids(10),
    data: example('', plain(data)),
  };
  return { event, schema: plain(schemaOf(type)) };
};

export const fileOf = (type: EventType): string => `${detailTypeOf(type, CATALOGUE[type].version)}.json`;
export const textOf = (golden: Golden): string => `${JSON.stringify(golden, null, 2)}\n`;

/** What is committed, by file. */
export function committed(): Map<string, Golden> {
  const files = readdirSync(GOLDEN).filter(file => file.endsWith('.json'));
  return new Map(
    files.map(file => [file, JSON.parse(readFileSync(new URL(file, GOLDEN), 'utf8')) as Golden]),
  );
}

/** Files as the catalogue wants them. */
export const wanted = (): Map<string, Golden> =>
  new Map(EVENT_TYPES.map(type => [fileOf(type), goldenOf(type)]));
