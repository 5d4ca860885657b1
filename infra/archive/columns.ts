/**
 * An event as a row: which columns the archive has, of what type, and where each value comes from.
 *
 * One table for the writer, for DuckDB and for Athena. The head of the event stands in columns of its own; `payload` is its
 * data as JSON, whole, so that nothing is lost; and what the standard queries ask for stands once more in typed columns,
 * because unpacking JSON of ten million rows takes longer than any of the queries. A typed column is null where an event
 * has nothing for it. Columns are only ever added, at the end: older objects simply lack them.
 */
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import { TEXT_MAX } from './limits.ts';

/** As a reader of the archive may trust it: checked, and nothing more is known. */
export interface ArchivedEvent {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly timeMs: number;
  /** Partition key in the stream. */
  readonly key: string;
  readonly head: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, unknown>>;
}

export type ColumnType = 'uuid' | 'text' | 'integer' | 'bigint' | 'boolean' | 'time';
type Value = string | number | bigint | boolean | Date | null;

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly required?: true;
  /** No two rows have the same, as a rule: a dictionary would be in vain. */
  readonly unique?: true;
  readonly of: (event: ArchivedEvent) => Value;
}

const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value.length <= TEXT_MAX ? value : null;
const bigintOf = (value: unknown): bigint | null =>
  Number.isSafeInteger(value) ? BigInt(value as number) : null;
const INTEGER_MAX = 2 ** 31 - 1;
const integerOf = (value: unknown): number | null =>
  Number.isSafeInteger(value) && Math.abs(value as number) <= INTEGER_MAX ? (value as number) : null;
const booleanOf = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);
const inside = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

interface Leg {
  readonly account: string;
  readonly delta: number;
}
const isLeg = (leg: unknown): leg is Leg =>
  typeof inside(leg, 'account') === 'string' && Number.isSafeInteger(inside(leg, 'delta'));

/** The legs of a movement; none when it is no movement. */
const legsOf = ({ data }: ArchivedEvent): readonly Leg[] =>
  Array.isArray(data.legs) && data.legs.every(isLeg) ? data.legs : [];

const isPerson = ({ account }: Leg): boolean => account !== MINT_ACCOUNT;
const sum = (legs: readonly Leg[]): bigint => legs.reduce((total, { delta }) => total + BigInt(delta), 0n);

/** What people got: of a movement the sum of their credits, of a redemption its points. */
function pointsOf(event: ArchivedEvent): bigint | null {
  const legs = legsOf(event);
  if (legs.length === 0) return bigintOf(event.data.points);
  return sum(legs.filter(leg => leg.delta > 0 && isPerson(leg)));
}

/** What the mint gave; negative: what went back to it. */
function issuedOf(event: ArchivedEvent): bigint | null {
  const legs = legsOf(event);
  return legs.length === 0 ? null : -sum(legs.filter(leg => !isPerson(leg)));
}

/** The one who gave (sign -1) or got (sign 1); null when nobody did, or several. */
function soleParty(event: ArchivedEvent, sign: number): string | null {
  const parties = legsOf(event).filter(leg => isPerson(leg) && Math.sign(leg.delta) === sign);
  return parties.length === 1 ? parties[0]!.account : null;
}

/** Who got how much, as JSON, when one gave to several; null otherwise: then `payee` and `points` say it. */
function sharesOf(event: ArchivedEvent): string | null {
  const credits = legsOf(event).filter(leg => leg.delta > 0 && isPerson(leg));
  if (credits.length < 2 || soleParty(event, -1) === null) return null;
  return JSON.stringify(credits.map(({ account, delta }) => ({ account, delta })));
}

const ruleVersionOf = ({ rule, ruleId, version }: ArchivedEvent['data']): unknown =>
  ruleId === undefined ? inside(rule, 'version') : version;

const head = (name: string, type: ColumnType, field: string, inField?: string): Column => ({
  name,
  type,
  of: ({ head }) => typed(type, inField === undefined ? head[field] : inside(head[field], inField)),
});
const data = (name: string, type: ColumnType, field: string, inField?: string): Column => ({
  name,
  type,
  of: ({ data }) => typed(type, inField === undefined ? data[field] : inside(data[field], inField)),
});
function typed(type: ColumnType, value: unknown): Value {
  if (type === 'bigint') return bigintOf(value);
  if (type === 'integer') return integerOf(value);
  return type === 'boolean' ? booleanOf(value) : textOf(value);
}

export const COLUMNS: readonly Column[] = [
  { name: 'event_id', type: 'uuid', required: true, unique: true, of: ({ id }) => id },
  { name: 'type', type: 'text', required: true, of: ({ type }) => type },
  { name: 'version', type: 'integer', required: true, of: ({ version }) => version },
  { name: 'time', type: 'time', required: true, of: ({ timeMs }) => new Date(timeMs) },
  head('subject', 'text', 'subject'),
  head('seq', 'bigint', 'seq'),
  { name: 'key', type: 'text', required: true, of: ({ key }) => key },
  { ...head('correlation', 'text', 'correlationId') },
  head('causation', 'text', 'causationId'),
  head('source', 'text', 'source'),
  head('trace', 'text', 'trace'),
  head('stamp_shard', 'integer', 'stamp', 'shard'),
  head('stamp_epoch', 'bigint', 'stamp', 'epoch'),
  head('stamp_seq', 'bigint', 'stamp', 'seq'),
  { name: 'payload', type: 'text', required: true, unique: true, of: ({ data }) => JSON.stringify(data) },
  // movements of points
  data('reason', 'text', 'reason'),
  // of the rule that gave them, or of the one that the event is about
  { name: 'rule_id', type: 'text', of: ({ data }) => textOf(inside(data.rule, 'id') ?? data.ruleId) },
  { name: 'rule_version', type: 'integer', of: ({ data }) => integerOf(ruleVersionOf(data)) },
  data('rule_trace', 'text', 'rule', 'trace'),
  data('method', 'text', 'method'),
  data('officer', 'text', 'officer'),
  data('civilian', 'text', 'civilian'),
  { name: 'payer', type: 'text', of: event => soleParty(event, -1) },
  { name: 'payee', type: 'text', of: event => soleParty(event, 1) },
  { name: 'points', type: 'bigint', of: pointsOf },
  { name: 'issued', type: 'bigint', of: issuedOf },
  // of an encounter where they met, of a person where he lives
  data('zip', 'text', 'zip'),
  // the kind of an account that is new, or of a movement of stock
  data('kind', 'text', 'kind'),
  // the market
  data('redemption', 'text', 'redemptionId'),
  data('buyer', 'text', 'user'),
  data('merchant', 'text', 'merchant'),
  data('offer', 'text', 'offer'),
  data('quantity', 'bigint', 'quantity'),
  data('restock', 'boolean', 'restock'),
  data('delta', 'bigint', 'delta'),
  data('on_hand', 'bigint', 'onHand'),
  data('reserved', 'bigint', 'reserved'),
  // what was given to several
  { name: 'shares', type: 'text', of: sharesOf },
];

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const TYPE = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/;
const TYPE_LENGTH_MAX = 100;
const VERSION_MAX = 1_000_000;

/** Why a record is not archived among the events, as it stands in the key of what is put aside. */
export type Unreadable = 'not-json' | 'not-an-event';

/** One record of a stream as an event, or why it is none. */
export function readEvent(key: string, record: Uint8Array): ArchivedEvent | Unreadable {
  let head: unknown;
  try {
    head = JSON.parse(decoder.decode(record));
  } catch {
    return 'not-json';
  }
  const [id, type, version, time, data] = ['id', 'type', 'version', 'time', 'data'].map(name =>
    inside(head, name),
  );
  if (typeof id !== 'string' || !UUID.test(id)) return 'not-an-event';
  if (typeof type !== 'string' || type.length > TYPE_LENGTH_MAX || !TYPE.test(type)) return 'not-an-event';
  if (typeof time !== 'string' || !ISO.test(time)) return 'not-an-event';
  if (integerOf(version) === null || (version as number) < 0 || (version as number) > VERSION_MAX) {
    return 'not-an-event';
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return 'not-an-event';
  const timeMs = Date.parse(time);
  if (Number.isNaN(timeMs)) return 'not-an-event';
  return {
    id,
    type,
    version: version as number,
    timeMs,
    key,
    head: head as Record<string, unknown>,
    data: data as Record<string, unknown>,
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true });
