/**
 * Batches as bytes: a checksum of all the rest, the length of the head, the head, which is one MessagePack list,
 * positional, and behind it the bodies of its envelopes one after the other. So a message that cannot be read costs
 * itself and not its batch, and what is not ours to execute is never decoded. A bit that changed on the way costs the
 * batch, which is sent again; without the checksum it would be another batch: a number changed is a new one, and what is
 * in it would be executed twice.
 *
 * Whatever arrives is treated as hostile: sizes are bounded before decoding, types are checked, nothing throws.
 * Positions may be appended to: a reader ignores what it does not know. The front stays the same in every version, and so
 * do the first two positions of an envelope: its kind, and the length of its body.
 */
import { crc32 } from 'node:zlib';
import { ACTOR_KINDS, type ActorKind, type Address } from '../../actors/turn.ts';
import { CLUSTER_LIMITS, LIMITS, ROUTING_LIMITS } from '../limits.ts';
import {
  type Ack,
  type Batch,
  BOUNCE_NAMES,
  type BounceReason,
  type Envelope,
  KIND,
  type Kind,
  type LetterEnvelope,
  VERSION,
  VERSION_OLDEST,
} from './envelope.ts';
import { Slice } from './slice.ts';
import { WireReader, WireWriter } from './wire.ts';

/**
 * In front of a batch, big-endian: CRC-32 of everything behind it, and the length of the head. Node's own CRC takes
 * 0.3 us for 200 bytes and 4 us for 16 KiB; one by a table in JavaScript 0.4 and 37.
 */
const CHECKSUM_BYTES = 4;
const FRONT_BYTES = CHECKSUM_BYTES + 4;

/** Characters of an actor's id, a session's id, a key; longer is not ours. */
const ID_MAX = 512;
const SESSIONS_MAX = 64;
/** Pieces of one hand-over. */
const PIECES_MAX = 4_096;
const REF_MAX = CLUSTER_LIMITS.nodeIdMax + 33;
/** A word such as an actor's kind. */
const WORD_MAX = 16;

/** Positions of the head, and of an envelope by kind with the two that all have. */
const HEAD = 7;
const POSITIONS: Record<Kind, number> = {
  [KIND.tell]: 14,
  [KIND.ask]: 14,
  [KIND.reply]: 3,
  [KIND.bounce]: 8,
  [KIND.cargo]: 8,
  [KIND.push]: 5,
  [KIND.close]: 6,
};

/** What can stand in a batch: an envelope, or what will be one when it is written. */
export interface Writable {
  readonly kind: Kind;
  readonly body: Slice | null;
  /** Everything behind kind and length. */
  write(out: WireWriter, nowMs: number): void;
}

/** The body of an envelope, if its kind has one. */
export function bodyOf(one: Envelope): Slice | null {
  if (one.kind === KIND.push) return one.bytes;
  return one.kind === KIND.bounce || one.kind === KIND.close ? null : one.body;
}

/** A letter with the time that is left for it now. */
export function writeLetter(out: WireWriter, letter: Omit<LetterEnvelope, 'ttlMs'>, ttlMs: number): void {
  out.count(letter.id);
  out.text(letter.to.kind);
  out.text(letter.to.id);
  out.count(letter.shard);
  out.count(letter.epoch);
  out.count(letter.mapRevision);
  out.count(letter.round);
  out.count(Math.ceil(ttlMs));
  out.count(letter.hops);
  out.text(letter.key);
  const { chain } = letter;
  if (chain.length === 0) out.text(null);
  else {
    out.list(2 * chain.length);
    for (const { kind, id } of chain) {
      out.text(kind);
      out.text(id);
    }
  }
  out.text(letter.trace);
}

export function writeEnvelope(out: WireWriter, one: Envelope): void {
  switch (one.kind) {
    case KIND.tell:
    case KIND.ask:
      return writeLetter(out, one, one.ttlMs);
    case KIND.reply:
      return out.count(one.id);
    case KIND.bounce:
      for (const value of [one.id, one.shard, one.why]) out.count(value);
      out.text(one.owner);
      out.count(one.epoch);
      return out.count(one.mapRevision);
    case KIND.cargo:
      for (const value of [one.id, one.shard, one.epoch, one.transfer, one.index, one.count])
        out.count(value);
      return;
    case KIND.push:
      out.text(one.userId);
      out.texts(one.sessions);
      return out.count(one.volatile ? 1 : 0);
    case KIND.close:
      out.text(one.userId);
      out.texts(one.sessions);
      out.count(one.code);
      return out.text(one.reason);
  }
}

const writer = new WireWriter();

/** `oldest` is the first number of the link that is not settled, at most `number`. */
export function encodeBatch(
  from: string,
  to: string,
  number: number,
  oldest: number,
  acks: readonly Ack[],
  parts: readonly Writable[],
  nowMs: number,
): Uint8Array {
  writer.begin(FRONT_BYTES);
  writer.list(HEAD);
  writer.count(VERSION);
  writer.text(from);
  writer.text(to);
  writer.count(number);
  writer.count(oldest);
  writer.list(acks.length);
  for (const { gateway, last, holes } of acks) {
    writer.list(3);
    writer.text(gateway);
    writer.count(last);
    writer.counts(holes);
  }
  writer.list(parts.length);
  let length = 0;
  for (const part of parts) {
    const bodyLength = part.body?.length ?? 0;
    length += bodyLength;
    writer.list(POSITIONS[part.kind]);
    writer.count(part.kind);
    writer.count(bodyLength);
    part.write(writer, nowMs);
  }
  let { at } = writer;
  const bytes = new Uint8Array(at + length);
  bytes.set(writer.bytes.subarray(0, at));
  const front = new DataView(bytes.buffer);
  front.setUint32(CHECKSUM_BYTES, at - FRONT_BYTES);
  for (const { body } of parts) {
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
  const wire = new WireReader(bytes, FRONT_BYTES, bodies);
  const positions = wire.list();
  const version = wire.count();
  if (wire.failed) return 'garbage';
  if (version > VERSION || version < VERSION_OLDEST) return 'version';
  const from = wire.text(REF_MAX);
  const to = wire.text(REF_MAX);
  const number = wire.count();
  const oldest = wire.count();
  const acks = readAcks(wire);
  const count = wire.list();
  if (wire.failed || positions < HEAD) return 'garbage';
  const envelopes: Envelope[] = [];
  const refused: ('kind' | 'garbage')[] = [];
  for (let i = 0, at = bodies; i < count; i++) {
    const rest = wire.list() - 2;
    const kind = wire.count();
    const length = wire.count();
    if (wire.failed || rest < 0 || at + length > bytes.length) return 'garbage';
    const read = readWhole(wire, kind, rest, new Slice(bytes, at, at + length));
    at += length;
    if (read === null) return 'garbage';
    if (typeof read === 'string') refused.push(read);
    else envelopes.push(read);
  }
  wire.skip(positions - HEAD);
  return wire.failed ? 'garbage' : { from, to, number, oldest, acks, envelopes, refused };
}

function readAcks(wire: WireReader): Ack[] {
  const acks: Ack[] = [];
  for (let left = wire.list(); left > 0 && !wire.failed; left--) {
    const positions = wire.list();
    const gateway = wire.text(REF_MAX);
    const last = wire.count();
    const holes = wire.counts(ROUTING_LIMITS.window);
    if (positions < 3) wire.failed = true;
    wire.skip(positions - 3);
    acks.push({ gateway, last, holes });
  }
  return acks;
}

/** Reads all positions, and goes over those of an envelope that is not as it should be; null when that fails too. */
function readWhole(wire: WireReader, kind: number, rest: number, body: Slice): Envelope | Unread | null {
  const { at } = wire;
  const known = (POSITIONS as Record<number, number | undefined>)[kind];
  if (known !== undefined && rest >= known - 2) {
    const read = readEnvelope(wire, kind as Kind, body);
    if (!wire.failed && read !== null) {
      wire.skip(rest - known + 2);
      return wire.failed ? null : read;
    }
  }
  wire.failed = false;
  wire.at = at;
  wire.skip(rest);
  if (wire.failed) return null;
  return known === undefined ? 'kind' : 'garbage';
}
type Unread = 'kind' | 'garbage';

function readEnvelope(wire: WireReader, kind: Kind, body: Slice): Envelope | null {
  switch (kind) {
    case KIND.tell:
    case KIND.ask:
      return readLetter(wire, kind, body);
    case KIND.reply:
      return { kind, id: wire.count(), body };
    case KIND.bounce:
      return readBounce(wire);
    case KIND.cargo:
      return readCargo(wire, body);
    case KIND.push: {
      const userId = wire.text(ID_MAX);
      const sessions = wire.texts(SESSIONS_MAX, ID_MAX);
      return { kind, userId, sessions, volatile: wire.count() === 1, bytes: body };
    }
    case KIND.close: {
      const userId = wire.text(ID_MAX);
      const sessions = wire.texts(SESSIONS_MAX, ID_MAX);
      const code = wire.count();
      return { kind, userId, sessions, code, reason: wire.text(ID_MAX) };
    }
  }
}

function readLetter(wire: WireReader, kind: LetterEnvelope['kind'], body: Slice): Envelope | null {
  const id = wire.count();
  const to = readAddress(wire);
  const shard = wire.count();
  const epoch = wire.count();
  const mapRevision = wire.count();
  const round = wire.count();
  const ttlMs = wire.count();
  const hops = wire.count();
  const key = wire.textOrNull(ID_MAX);
  const chain = readChain(wire);
  const trace = wire.textOrNull(ID_MAX);
  if (shard >= LIMITS.shards) return null;
  return { kind, id, to, shard, epoch, mapRevision, round, ttlMs, hops, key, chain, trace, body };
}

function readAddress(wire: WireReader): Address {
  const kind = wire.text(WORD_MAX);
  if (!ACTOR_KINDS.includes(kind as ActorKind)) wire.failed = true;
  return { kind: kind as ActorKind, id: wire.text(ID_MAX) };
}

const NOBODY: readonly Address[] = [];

function readChain(wire: WireReader): readonly Address[] {
  if (wire.isNull()) return NOBODY;
  const length = wire.list();
  if (length % 2 !== 0 || length > 2 * (ROUTING_LIMITS.chainMax + 1)) wire.failed = true;
  const chain: Address[] = [];
  for (let i = 0; i < length && !wire.failed; i += 2) chain.push(readAddress(wire));
  return chain;
}

function readBounce(wire: WireReader): Envelope | null {
  const id = wire.count();
  const shard = wire.count();
  const why = wire.count();
  const owner = wire.textOrNull(REF_MAX);
  const epoch = wire.count();
  const mapRevision = wire.count();
  if (shard >= LIMITS.shards || why >= BOUNCE_NAMES.length) return null;
  return { kind: KIND.bounce, id, shard, why: why as BounceReason, owner, epoch, mapRevision };
}

function readCargo(wire: WireReader, body: Slice): Envelope | null {
  const id = wire.count();
  const shard = wire.count();
  const epoch = wire.count();
  const transfer = wire.count();
  const index = wire.count();
  const count = wire.count();
  if (shard >= LIMITS.shards || index >= count || count > PIECES_MAX) return null;
  return { kind: KIND.cargo, id, shard, epoch, transfer, index, count, body };
}
