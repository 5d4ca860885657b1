/**
 * What stands in the coordination store: who is there (`node.<id>`) and who does which shard (`shard.<n>`). Small JSON, so
 * that an operator can read it with any tool. Whatever is read is checked here: rubbish is no record.
 *
 * A version may add fields, never change what one means; so this program reads the version before its own (what was added
 * has a default) and the one after it (what it does not know is passed over). Two versions run side by side during a
 * rolling update, never three.
 */
import { CLUSTER_LIMITS, LIMITS } from '../limits.ts';

/** 2: `weight` of a node, `to` and `fromEpoch` of a shard. */
export const RECORD_VERSION = 2;

export type NodeState = 'up' | 'draining' | 'left' | 'fenced';

export interface NodeRecord {
  readonly incarnation: string;
  readonly gateway: string;
  /** Of the program. */
  readonly version: string;
  readonly weight: number;
  /** Where phones reach the node; absent when it does not tell. */
  readonly url?: string;
  readonly state: NodeState;
  /** Fresh with every write: tells the writer whether a write whose answer was lost took effect. */
  readonly nonce: string;
}

/** `owned`: the owner serves it. `acquiring`, `releasing`: the owner is at it. `released`: nobody has it. */
export type ShardState = 'acquiring' | 'owned' | 'releasing' | 'released';

export interface ShardRecord {
  /** Node id and incarnation of the owner; of the former one when it was released. */
  readonly owner: string;
  readonly incarnation: string;
  /** The owner's epoch; while it is acquiring the newest one that the record knew before (0: none). */
  readonly epoch: number;
  readonly state: ShardState;
  /** Reference of the node that it is handed over to. */
  readonly to: string | null;
  /** Released with its actors shipped, packed under this epoch. */
  readonly fromEpoch: number | null;
  readonly nonce: string;
}

const ID = /^[A-Za-z0-9_-]{1,63}$/;
const TOKEN = /^[a-z0-9]{16}$/;
const TEXT_MAX = 128;
/** A longer address is not told: the rest of the record counts for more. */
export const URL_MAX = 256;
const WEIGHT_MAX = 1_024;
const NODE_STATES: readonly string[] = ['up', 'draining', 'left', 'fenced'] satisfies NodeState[];
const SHARD_STATES: readonly string[] = [
  'acquiring',
  'owned',
  'releasing',
  'released',
] satisfies ShardState[];

/** Letters, digits, - and _, {@link CLUSTER_LIMITS}.nodeIdMax at most. */
export const isNodeId = (text: unknown): text is string => typeof text === 'string' && ID.test(text);
const isToken = (text: unknown): text is string => typeof text === 'string' && TOKEN.test(text);
const isText = (text: unknown): text is string => typeof text === 'string' && text.length <= TEXT_MAX;
const isUrl = (text: unknown): text is string =>
  typeof text === 'string' && text.length <= URL_MAX && /^wss?:\/\//.test(text) && URL.canParse(text);
const isEpoch = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
export const isWeight = (value: unknown): value is number =>
  typeof value === 'number' && value > 0 && value <= WEIGHT_MAX;

export const nodeKey = (id: string): string => `node.${id}`;
export const shardKey = (shard: number): string => `shard.${shard}`;

/** `id.incarnation`: how a node is named in subjects and replies. */
export const refOf = (id: string, incarnation: string): string => `${id}.${incarnation}`;

/** Undoes {@link refOf}; null for anything else. */
export function parseRef(ref: unknown): { readonly id: string; readonly incarnation: string } | null {
  if (typeof ref !== 'string') return null;
  const dot = ref.indexOf('.');
  const [id, incarnation] = [ref.slice(0, dot), ref.slice(dot + 1)];
  return isNodeId(id) && isToken(incarnation) ? { id, incarnation } : null;
}

/** What a key of the bucket names; null for keys that are not ours. */
export function parseKey(key: string): { readonly node: string } | { readonly shard: number } | null {
  if (key.startsWith('node.')) {
    const id = key.slice(5);
    return isNodeId(id) ? { node: id } : null;
  }
  if (!/^shard\.(0|[1-9]\d{0,2})$/.test(key)) return null;
  const shard = Number(key.slice(6));
  return shard < LIMITS.shards ? { shard } : null;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** JSON of this program's version. */
export function encodeRecord(record: NodeRecord | ShardRecord): Uint8Array {
  return encoder.encode(JSON.stringify({ v: RECORD_VERSION, ...record }));
}

type Fields = { readonly [name: string]: unknown };

/** The fields of a record of a version that this program reads; null for anything else. */
function fieldsOf(bytes: Uint8Array): Fields | null {
  if (bytes.length === 0 || bytes.length > CLUSTER_LIMITS.recordBytes) return null;
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const fields = value as Fields;
  const version = fields.v;
  if (!Number.isInteger(version)) return null;
  return Math.abs((version as number) - RECORD_VERSION) <= 1 ? fields : null;
}

/** Null for what is no record of a node, or of a version that cannot be read. */
export function decodeNode(bytes: Uint8Array): NodeRecord | null {
  const fields = fieldsOf(bytes);
  if (!fields) return null;
  const { incarnation, gateway, version, state, nonce } = fields;
  const weight = fields.weight ?? 1;
  if (!isToken(incarnation) || !isText(gateway) || !isText(version) || !isWeight(weight)) return null;
  if (!isToken(nonce) || typeof state !== 'string' || !NODE_STATES.includes(state)) return null;
  const told = isUrl(fields.url) ? { url: fields.url } : {};
  return { incarnation, gateway, version, weight, ...told, state: state as NodeState, nonce };
}

/** Null for what is no record of a shard, or of a version that cannot be read. */
export function decodeShard(bytes: Uint8Array): ShardRecord | null {
  const fields = fieldsOf(bytes);
  if (!fields) return null;
  const { owner, incarnation, epoch, state, nonce } = fields;
  const to = fields.to ?? null;
  const fromEpoch = fields.fromEpoch ?? null;
  if (!isNodeId(owner) || !isToken(incarnation) || !isEpoch(epoch) || !isToken(nonce)) return null;
  if (typeof state !== 'string' || !SHARD_STATES.includes(state)) return null;
  if (to !== null && parseRef(to) === null) return null;
  if (fromEpoch !== null && !isEpoch(fromEpoch)) return null;
  return {
    owner,
    incarnation,
    epoch,
    state: state as ShardState,
    to: to as string | null,
    fromEpoch,
    nonce,
  };
}

/** The nonce of any record; null for rubbish. */
export function nonceOf(bytes: Uint8Array): string | null {
  const nonce = fieldsOf(bytes)?.nonce;
  return isToken(nonce) ? nonce : null;
}
