/**
 * Batches as bytes: a checksum of all the rest, the length of the head, the head, which is one MessagePack array,
 * positional, and behind it the bodies of its envelopes one after the other. So a message that cannot be read costs
 * itself and not its batch, and what is not ours to execute is never decoded. A bit that changed on the way costs the
 * batch, which is sent again; without the checksum it would be another batch: a number changed is a new one, and what is
 * in it would be executed twice.
 *
 * Whatever arrives is treated as hostile: sizes are bounded before decoding, types are checked after, nothing throws.
 * Positions may be appended to: a reader ignores what it does not know. The front stays the same in every version.
 */
import { crc32 } from 'node:zlib';
import { Packr } from 'msgpackr';
import { ACTOR_KINDS, type ActorKind, type Address } from '../../actors/turn.ts';
import { CLUSTER_LIMITS, LIMITS, ROUTING_LIMITS } from '../limits.ts';
import {
  type Ack,
  type Batch,
  BOUNCE_NAMES,
  type BounceReason,
  type Envelope,
  KIND,
  type LetterEnvelope,
  VERSION,
  VERSION_OLDEST,
} from './envelope.ts';
import { Slice } from './slice.ts';

/** In front of a batch, big-endian: CRC-32 of everything behind it, and the length of the head. */
const CHECKSUM_BYTES = 4;
const FRONT_BYTES = CHECKSUM_BYTES + 4;

const packr = new Packr({ useRecords: false, int64AsType: 'number' });

/** Characters of an actor's id, a session's id, a key; longer is not ours. */
const ID_MAX = 512;
const SESSIONS_MAX = 64;
/** Pieces of one hand-over. */
const PIECES_MAX = 4_096;
const REF_MAX = CLUSTER_LIMITS.nodeIdMax + 33;

export type Wire = readonly unknown[];

/** An envelope as it stands in its batch, without its body. */
export function toWire(one: Envelope): Wire {
  switch (one.kind) {
    case KIND.tell:
    case KIND.ask:
      return wireOfLetter(one, one.ttlMs);
    case KIND.reply:
      return [one.kind, one.id];
    case KIND.bounce:
      return [one.kind, one.id, one.shard, one.why, one.owner, one.epoch, one.mapRevision];
    case KIND.cargo:
      return [one.kind, one.id, one.shard, one.epoch, one.transfer, one.index, one.count];
    case KIND.push:
      return [one.kind, one.userId, one.sessions, one.volatile ? 1 : 0];
    case KIND.close:
      return [one.kind, one.userId, one.sessions, one.code, one.reason];
  }
}

/** The body of an envelope, if its kind has one. */
export function bodyOf(one: Envelope): Slice | null {
  if (one.kind === KIND.push) return one.bytes;
  return one.kind === KIND.bounce || one.kind === KIND.close ? null : one.body;
}

/** A letter with the time that is left for it now. */
export function wireOfLetter(letter: Omit<LetterEnvelope, 'ttlMs'>, ttlMs: number): Wire {
  const { kind, id, to, shard, epoch, mapRevision, round, hops, key, chain, trace } = letter;
  const waiting = chain.length === 0 ? null : chain.flatMap(each => [each.kind, each.id]);
  const left = Math.ceil(ttlMs);
  return [kind, id, to.kind, to.id, shard, epoch, mapRevision, round, left, hops, key, waiting, trace];
}

/**
 * `oldest` is the first number of the link that is not settled, at most `number`. `bodies` belong to the envelopes at the
 * same places; null where there is none.
 */
export function encodeBatch(
  from: string,
  to: string,
  number: number,
  oldest: number,
  acks: readonly Ack[],
  envelopes: readonly Wire[],
  bodies: readonly (Slice | null)[],
): Uint8Array {
  const told = acks.map(({ gateway, last, holes }) => [gateway, last, holes]);
  const lengths = bodies.map(body => body?.length ?? 0);
  const head = packr.pack([VERSION, from, to, number, oldest, told, envelopes, lengths]);
  let at = FRONT_BYTES + head.length;
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, at));
  const front = new DataView(bytes.buffer);
  front.setUint32(CHECKSUM_BYTES, head.length);
  bytes.set(head, FRONT_BYTES);
  for (const body of bodies) {
    if (body === null) continue;
    body.copyTo(bytes, at);
    at += body.length;
  }
  front.setUint32(0, crc32(bytes.subarray(CHECKSUM_BYTES)));
  return bytes;
}

/** Why a message is no batch; `damaged` when its bytes are not those that somebody sent. */
export type Refused = 'too_large' | 'damaged' | 'garbage' | 'version';

export function decodeBatch(bytes: Uint8Array): Batch | Refused {
  // A batch of many envelopes is small; one large envelope travels alone.
  if (bytes.length > 2 * ROUTING_LIMITS.envelopeBytes) return 'too_large';
  if (bytes.length < FRONT_BYTES) return 'garbage';
  const front = new DataView(bytes.buffer, bytes.byteOffset);
  if (front.getUint32(0) !== crc32(bytes.subarray(CHECKSUM_BYTES))) return 'damaged';
  const bodies = FRONT_BYTES + front.getUint32(CHECKSUM_BYTES);
  if (bodies > bytes.length) return 'garbage';
  let wire: unknown;
  try {
    wire = packr.unpack(bytes, { start: FRONT_BYTES, end: bodies });
  } catch {
    return 'garbage';
  }
  if (!Array.isArray(wire) || !isCount(wire[0])) return 'garbage';
  if (wire[0] > VERSION || wire[0] < VERSION_OLDEST) return 'version';
  const [, from, to, number, oldest, told, envelopes, lengths] = wire as unknown[];
  if (!isText(from, REF_MAX) || !isText(to, REF_MAX)) return 'garbage';
  if (!isCount(number) || !isCount(oldest)) return 'garbage';
  if (!Array.isArray(told) || !Array.isArray(envelopes)) return 'garbage';
  const acks: Ack[] = [];
  for (const one of told) {
    const ack = readAck(one);
    if (ack === null) return 'garbage';
    acks.push(ack);
  }
  const taken: Envelope[] = [];
  const refused: ('kind' | 'garbage')[] = [];
  if (!Array.isArray(lengths) || lengths.length !== envelopes.length) return 'garbage';
  let at = bodies;
  for (let i = 0; i < envelopes.length; i++) {
    const length: unknown = lengths[i];
    if (!isCount(length) || at + length > bytes.length) return 'garbage';
    const read = readEnvelope(envelopes[i], new Slice(bytes, at, at + length));
    at += length;
    if (typeof read === 'string') refused.push(read);
    else taken.push(read);
  }
  return { from, to, number, oldest, acks, envelopes: taken, refused };
}

function readAck(wire: unknown): Ack | null {
  if (!Array.isArray(wire)) return null;
  const [gateway, last, holes] = wire as unknown[];
  if (!isText(gateway, REF_MAX) || !isCount(last) || !Array.isArray(holes)) return null;
  if (holes.length > ROUTING_LIMITS.window || !holes.every(isCount)) return null;
  return { gateway, last, holes };
}

function readEnvelope(wire: unknown, body: Slice): Envelope | 'kind' | 'garbage' {
  if (!Array.isArray(wire) || !isCount(wire[0])) return 'garbage';
  switch (wire[0]) {
    case KIND.tell:
    case KIND.ask:
      return readLetter(wire, wire[0], body) ?? 'garbage';
    case KIND.reply: {
      const id: unknown = wire[1];
      return isCount(id) ? { kind: KIND.reply, id, body } : 'garbage';
    }
    case KIND.bounce:
      return readBounce(wire) ?? 'garbage';
    case KIND.cargo:
      return readCargo(wire, body) ?? 'garbage';
    case KIND.push: {
      const [, userId, sessions, volatile] = wire as unknown[];
      if (!isText(userId, ID_MAX) || !isIds(sessions)) return 'garbage';
      return { kind: KIND.push, userId, sessions, volatile: volatile === 1, bytes: body };
    }
    case KIND.close: {
      const [, userId, sessions, code, reason] = wire as unknown[];
      if (!isText(userId, ID_MAX) || !isIds(sessions) || !isCount(code) || !isText(reason, ID_MAX))
        return 'garbage';
      return { kind: KIND.close, userId, sessions, code, reason };
    }
    default:
      return 'kind';
  }
}

function readLetter(wire: Wire, kind: typeof KIND.tell | typeof KIND.ask, body: Slice): Envelope | null {
  // By index: taking an array apart by pattern costs more than reading it all.
  const id = wire[1];
  const toKind = wire[2];
  const toId = wire[3];
  const shard = wire[4];
  const epoch = wire[5];
  const mapRevision = wire[6];
  const round = wire[7];
  const ttlMs = wire[8];
  const hops = wire[9];
  const key = wire[10];
  const waiting = wire[11];
  const trace = wire[12];
  if (!isCount(id) || !isKind(toKind) || !isText(toId, ID_MAX) || !isShard(shard)) return null;
  if (!isCount(epoch) || !isCount(mapRevision) || !isCount(round) || !isCount(ttlMs)) return null;
  if (!isCount(hops)) return null;
  if (key !== null && !isText(key, ID_MAX)) return null;
  if (trace !== null && !isText(trace, ID_MAX)) return null;
  const chain = waiting === null ? NOBODY : readChain(waiting);
  if (chain === null) return null;
  const to = { kind: toKind, id: toId };
  return { kind, id, to, shard, epoch, mapRevision, round, ttlMs, hops, key, chain, trace, body };
}

const NOBODY: readonly Address[] = [];

function readChain(wire: unknown): readonly Address[] | null {
  if (!Array.isArray(wire) || wire.length > 2 * (ROUTING_LIMITS.chainMax + 1)) return null;
  const chain: Address[] = [];
  for (let i = 0; i < wire.length; i += 2) {
    const [kind, id] = [wire[i] as unknown, wire[i + 1] as unknown];
    if (!isKind(kind) || !isText(id, ID_MAX)) return null;
    chain.push({ kind, id });
  }
  return chain;
}

function readBounce(wire: Wire): Envelope | null {
  const [, id, shard, why, owner, epoch, mapRevision] = wire;
  if (!isCount(id) || !isShard(shard) || !isCount(epoch) || !isCount(mapRevision)) return null;
  if (!isCount(why) || why >= BOUNCE_NAMES.length) return null;
  if (owner !== null && !isText(owner, REF_MAX)) return null;
  return { kind: KIND.bounce, id, shard, why: why as BounceReason, owner, epoch, mapRevision };
}

function readCargo(wire: Wire, body: Slice): Envelope | null {
  const [, id, shard, epoch, transfer, index, count] = wire;
  if (!isCount(id) || !isShard(shard) || !isCount(epoch) || !isCount(transfer)) return null;
  if (!isCount(index) || !isCount(count) || index >= count || count > PIECES_MAX) return null;
  return { kind: KIND.cargo, id, shard, epoch, transfer, index, count, body };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isShard = (value: unknown): value is number => isCount(value) && value < LIMITS.shards;
const isText = (value: unknown, max: number): value is string =>
  typeof value === 'string' && value.length <= max;
const KINDS: ReadonlySet<unknown> = new Set(ACTOR_KINDS);
const isKind = (value: unknown): value is ActorKind => KINDS.has(value);
const isIds = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length <= SESSIONS_MAX && value.every(one => isText(one, ID_MAX));
