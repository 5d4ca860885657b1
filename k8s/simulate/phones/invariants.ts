/**
 * The invariants of the realtime side (a to j), each judged by what stands on the lines, on the disks of the
 * phones and in the ledger; none of them asks the code that it judges.
 */

import type { Identity } from '../../../gateway/auth/tokens.ts';
import { LIMITS } from '../../../gateway/limits.ts';
import { EVENTS } from '../../../protocol/catalogue.ts';
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeClientFrame,
  encodeServerFrame,
} from '../../../protocol/codec.ts';
import type { Resume, ServerFrame } from '../../../protocol/frames.ts';
import { sameBytes } from './bytes.ts';
import type { Line } from './line.ts';
import { Peers } from './peers.ts';

export const INVARIANTS = [
  'a: offsets rise without a gap',
  'b: state of every device is that of the actor',
  'c: a key takes effect once',
  'd: one live socket for a device',
  'e: deltas add up to the balance',
  'f: nothing is told after a revocation',
  'g: what is buffered is bounded',
  'h: presence converges',
  'i: a node that drains lets nobody in',
  'j: decode and encode agree',
  'resumed: never partial, never silent',
  'an epoch outlives its node',
  'everybody is served again',
  'nothing throws',
] as const;
export type Invariant = (typeof INVARIANTS)[number];

export interface Broken {
  readonly invariant: Invariant;
  readonly words: string;
  readonly atMs: number;
}

/** What a line has seen so far. */
interface Seen {
  hello: { readonly resume: Resume | null } | null;
  welcome: (ServerFrame & { type: 'welcome' }) | null;
  /** Newest event that came; null before the first when the state is not known. */
  at: number | null;
  /** When the welcome or the newest event came. */
  atMs: number;
  /** Commands that left, by number: what they were said under. */
  readonly keys: Map<number, string>;
}

/** What a command with a key was answered, when that first came. */
interface Answer {
  readonly words: string;
  readonly atMs: number;
}

/** What a revocation goes by. */
export type Revocable = Pick<Identity, 'userId' | 'tokenId' | 'issuedAtMs'>;

/** A revocation as the town ordered it. */
export interface Revoked {
  readonly userId: string;
  readonly tokenId: string | null;
  /** Tokens issued until then; by the clocks of the nodes, which differ by some milliseconds. */
  readonly untilMs: number;
  readonly atMs: number;
}

/**
 * What a gateway lets wait for a phone at worst before it lets it go: the last rung, what waited for WELCOME, volatile
 * frames, one frame more. Written out, so that a limit that is raised is noticed; the transport drops at 256 KB.
 */
const BUFFERED_MAX = 65_536 + 65_536 + 32_768 + 65_536;
const REVOKED_MS = 1_000;
const LIVE_MS = 1_000;
/** After a kill, a cut or bad weather: until an owner is there and every session was asked for. */
const UNSETTLED_MS = 14_000;
/** Clocks of the machines differ by at most so much. */
const SKEW_MS = 100;

export class Invariants {
  readonly broken: Broken[] = [];
  readonly counts = new Map<string, number>();
  readonly #nowMs: () => number;
  readonly #seen = new Map<Line, Seen>();
  readonly #revoked: Revoked[] = [];
  /** Different answers to a key, oldest first. */
  readonly #answers = new Map<string, readonly Answer[]>();
  /** Operations that stored an effect, by the key of their command. */
  readonly #stored = new Map<string, string>();
  readonly #since = new Map<string, number>();
  /** (h), as phones are told of each other. */
  readonly peers: Peers;
  /** The person whose app this is; null for somebody who only says so. */
  personOf: (owner: string) => string | null = () => null;
  /** Whether this app knows a place to go on from. */
  placeOf: (owner: string) => boolean = () => false;
  /** When something happened last that may lose messages between nodes: a kill, a cut, bad weather; perhaps still to come. */
  #lossyMs = Number.NEGATIVE_INFINITY;

  /** Streams are durable: a kill costs no epoch, and movements are told in the order in which the ledger has them. */
  readonly strict: boolean;
  readonly #patience: number;

  /** @param patience everything may take so many times as long; a machine with other work is no broken promise */
  constructor(nowMs: () => number, strict: boolean, patience = 1) {
    this.#nowMs = nowMs;
    this.strict = strict;
    this.#patience = patience;
    const broken = (words: string): void => this.fail('h: presence converges', words);
    this.peers = new Peers(nowMs, broken, what => this.count(what));
  }

  fail(invariant: Invariant, words: string): void {
    if (this.broken.length < 5) this.broken.push({ invariant, words, atMs: this.#nowMs() });
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** What is said between nodes may be lost, until then. */
  lost(untilMs = this.#nowMs()): void {
    this.#lossyMs = Math.max(this.#lossyMs, untilMs);
  }

  /** Nothing can have been lost since this moment. */
  #wasCalmSince(ms: number): boolean {
    return ms - this.#lossyMs > UNSETTLED_MS * this.#patience;
  }

  /** The effect of the command with this key is durable, by this operation: since then there is one answer. */
  stored(user: string, key: string, op: string, atMs = this.#nowMs()): void {
    const before = this.#stored.get(key);
    if (before !== undefined && before !== op)
      this.fail('c: a key takes effect once', `${key} of ${user} was stored by ${before}, then by ${op}`);
    this.#stored.set(key, op);
    // what was answered before had no effect, and went with its node
    if (before !== undefined || this.#wasCalmSince(0)) return;
    const since = (this.#answers.get(key) ?? []).filter(one => one.atMs > atMs);
    this.#answers.set(key, since);
    if (since.length > 1) this.#twoAnswers(key, since[0]!.words, since[1]!.words);
  }

  // (a), (c), (j) and resumption, on the line.

  said(line: Line, bytes: Uint8Array): void {
    const frame = decodeClientFrame(bytes);
    if (!sameBytes(encodeClientFrame(frame), bytes))
      this.fail('j: decode and encode agree', `${line.owner} said ${hex(bytes)}`);
    const seen = this.#of(line);
    if (frame.type === 'hello') seen.hello = { resume: frame.resume };
    else if (frame.type === 'command' && frame.idem !== null) seen.keys.set(frame.cid, frame.idem);
  }

  arrived(line: Line, bytes: Uint8Array): void {
    const frame = decodeServerFrame(bytes);
    if (!sameBytes(encodeServerFrame(frame), bytes))
      this.fail('j: decode and encode agree', `${line.owner} heard ${hex(bytes)}`);
    for (const one of frame.type === 'batch' ? frame.frames : [frame]) this.#frame(line, one);
  }

  #frame(line: Line, frame: ServerFrame): void {
    const seen = this.#of(line);
    switch (frame.type) {
      case 'welcome':
        return this.#welcome(line, seen, frame);
      case 'event':
        return this.#event(line, seen, frame);
      case 'reply': {
        const key = seen.keys.get(frame.cid);
        if (key === undefined) return;
        const words = JSON.stringify(frame.result);
        const before = this.#answers.get(key) ?? [];
        if (before.some(one => one.words === words)) return;
        this.#answers.set(key, [...before, { words, atMs: this.#nowMs() }]);
        const [first] = before;
        if (first === undefined) return;
        // what had no effect is not durable: it went with its node, and its answer with it
        if (this.#stored.has(key) || this.#wasCalmSince(first.atMs))
          this.#twoAnswers(key, first.words, words);
        return;
      }
      case 'volatile': {
        const person = this.personOf(line.owner);
        if (person !== null) this.peers.heard(person, frame);
        return;
      }
      default:
        return;
    }
  }

  #twoAnswers(key: string, first: string, then: string): void {
    this.fail('c: a key takes effect once', `${key}: first answered ${first}, then ${then}`);
  }

  #welcome(line: Line, seen: Seen, frame: ServerFrame & { type: 'welcome' }): void {
    const resume = seen.hello?.resume ?? null;
    this.count(resume === null ? 'welcome: fresh' : frame.resumed ? 'welcome: resumed' : 'welcome: anew');
    if (seen.welcome !== null)
      this.fail('resumed: never partial, never silent', `${line.owner} was welcomed twice`);
    seen.welcome = frame;
    seen.atMs = this.#nowMs();
    seen.at = frame.resumed ? (resume?.offset ?? null) : null;
    if (frame.resumed && (resume === null || resume.epoch !== frame.epoch || frame.offset < resume.offset))
      this.fail(
        'resumed: never partial, never silent',
        `${line.owner} resumed ${resume?.offset} at ${frame.offset}`,
      );
    if (resume === null && this.placeOf(line.owner) && this.strict)
      this.fail('an epoch outlives its node', `${line.owner} had a place and asked for everything anew`);
    if (resume !== null && !frame.resumed) {
      const why = resume.epoch === frame.epoch ? 'too old' : 'another epoch';
      this.count(`anew: ${why}`);
      if (why === 'another epoch' && this.strict)
        this.fail('an epoch outlives its node', `${line.owner} begins anew instead of at ${resume.offset}`);
    }
  }

  #event(line: Line, seen: Seen, { offset, kind }: ServerFrame & { type: 'event' }): void {
    const { welcome, at, atMs } = seen;
    seen.atMs = this.#nowMs();
    if (welcome === null)
      return this.fail(
        'resumed: never partial, never silent',
        `${line.owner}: event ${offset} before WELCOME`,
      );
    if (kind === EVENTS.snapshot.code) {
      if (at !== null && offset < at)
        this.fail('a: offsets rise without a gap', `${line.owner}: a snapshot at ${offset} after ${at}`);
      seen.at = offset;
      return;
    }
    if (at === null)
      return this.fail(
        'resumed: never partial, never silent',
        `${line.owner}: event ${offset} before the snapshot`,
      );
    if (offset <= at)
      this.fail('a: offsets rise without a gap', `${line.owner}: ${offset} after ${at} on one socket`);
    if (offset > at + 1) {
      this.count('gap on a socket');
      if (this.#wasCalmSince(atMs))
        this.fail('a: offsets rise without a gap', `${line.owner}: ${offset} after ${at}, nothing was lost`);
    }
    if (at < welcome.offset && offset > at + 1)
      this.fail(
        'resumed: never partial, never silent',
        `${line.owner}: the replay jumps from ${at} to ${offset}`,
      );
    seen.at = offset;
  }

  // (f)

  revoke(one: Revoked): void {
    this.#revoked.push(one);
  }

  /** The gateway says something to whoever has this token. */
  says(line: Line, identity: Revocable | null, bytes: Uint8Array): void {
    if (identity === null || this.#revoked.length === 0) return;
    for (const { userId, tokenId, untilMs, atMs } of this.#revoked) {
      if (this.#nowMs() <= atMs + REVOKED_MS * this.#patience) continue;
      const covers =
        tokenId === null
          ? identity.userId === userId && identity.issuedAtMs <= untilMs - SKEW_MS
          : identity.tokenId === tokenId;
      if (!covers) continue;
      const late = Math.round(this.#nowMs() - atMs);
      this.fail('f: nothing is told after a revocation', `${line.owner}: ${hex(bytes)} ${late} ms after it`);
    }
  }

  // (g)

  buffers(line: Line, bytes: number): void {
    if (bytes > BUFFERED_MAX)
      this.fail('g: what is buffered is bounded', `${line.owner}: ${bytes} bytes wait`);
    if (bytes > LIMITS.closeBufferBytes) this.count('buffered beyond the last rung');
  }

  // (i)

  opened(line: Line, gateway: { readonly gatewayId: string; readonly leaving: boolean }): void {
    if (gateway.leaving)
      this.fail('i: a node that drains lets nobody in', `${line.owner} was let in by ${gateway.gatewayId}`);
  }

  // (d)

  /** Looked at every now and then: sockets by user and device. */
  live(sockets: ReadonlyMap<string, number>): void {
    const nowMs = this.#nowMs();
    const settled = this.#wasCalmSince(nowMs);
    for (const [device, since] of this.#since) {
      if ((sockets.get(device) ?? 0) < 2 || !settled) this.#since.delete(device);
      else if (nowMs - since > LIVE_MS * this.#patience)
        this.fail(
          'd: one live socket for a device',
          `${device}: ${sockets.get(device)} for ${Math.round(nowMs - since)} ms`,
        );
    }
    if (!settled) return;
    for (const [device, count] of sockets)
      if (count > 1 && !this.#since.has(device)) this.#since.set(device, nowMs);
  }

  #of(line: Line): Seen {
    let seen = this.#seen.get(line);
    if (seen === undefined) {
      seen = { hello: null, welcome: null, at: null, atMs: 0, keys: new Map() };
      this.#seen.set(line, seen);
    }
    return seen;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, 48)).toString('hex');
