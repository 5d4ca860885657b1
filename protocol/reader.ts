/** Bytes to frames, through the bounded walker: what a server reads of strangers, and what clients read of a server. */
import { type ClientFrame, FRAME, type Resume, type ServerFrame } from './frames.ts';
import { bytesToUuid } from './ids.ts';
import { APP_BYTES_MAX, BATCH_FRAMES_MAX, DEVICE_ID_BYTES_MAX, INBOUND, OUTBOUND } from './limits.ts';
import { fail, Walker } from './walker.ts';

const U16 = 65_535;
const U32 = 4_294_967_295;
const I32 = 2_147_483_648;
const SAFE = Number.MAX_SAFE_INTEGER;

/** An optional id at position `at` of a tuple of `length`. */
const optionalId = (w: Walker, at: number, length: number): string | null =>
  at >= length || w.nil() ? null : w.id(bytesToUuid);
const optionalInt = (w: Walker, at: number, length: number, max: number): number | null =>
  at >= length || w.nil() ? null : w.int(0, max);

const resumeOf = (w: Walker, depth: number): Resume | null => {
  if (w.nil()) return null;
  const length = w.array(depth);
  if (length < 3) fail('shape');
  const resume = { sessionId: w.id(bytesToUuid), epoch: w.id(bytesToUuid), offset: w.int(0, SAFE) };
  w.skip(3, length, depth);
  return resume;
};

const batchOf = <T>(w: Walker, depth: number, one: (w: Walker, depth: number) => T | null): T[] => {
  if (depth > 1) return fail('shape');
  const count = w.array(depth + 1);
  if (count > BATCH_FRAMES_MAX) fail('length');
  const frames: T[] = [];
  for (let i = 0; i < count; i++) {
    const frame = one(w, depth + 2);
    if (frame !== null) frames.push(frame);
  }
  return frames;
};

const clientFrame = (w: Walker, depth: number): ClientFrame => {
  const length = w.array(depth);
  if (length < 2) fail('shape');
  let used = 2;
  let frame: ClientFrame;
  const type = w.int(0, U32);
  switch (type) {
    case FRAME.volatile: {
      if (length < 5) fail('shape');
      const seq = w.int(0, SAFE);
      const latE7 = w.int(-I32, I32 - 1);
      const lngE7 = w.int(-I32, I32 - 1);
      const accuracyDm = w.int(0, U32);
      const headingDeg = optionalInt(w, 5, length, U16);
      const speedDms = optionalInt(w, 6, length, U16);
      const s = optionalInt(w, 7, length, U32);
      const ms = optionalInt(w, 8, length, 999);
      const takenAtMs = s === null ? null : s * 1000 + (ms ?? 0);
      const flags = optionalInt(w, 9, length, U32) ?? 0;
      // written out twice: nearly all that a server hears are these
      frame =
        flags === 0
          ? { type: 'location', seq, latE7, lngE7, accuracyDm, headingDeg, speedDms, takenAtMs }
          : { type: 'location', seq, latE7, lngE7, accuracyDm, headingDeg, speedDms, takenAtMs, flags };
      used = 10;
      break;
    }
    case FRAME.command: {
      if (length < 4) fail('shape');
      const cid = w.int(1, U32);
      const op = w.int(1, U16);
      const body = w.tuple(depth + 1);
      frame = { type: 'command', cid, op, body, idem: optionalId(w, 4, length) };
      used = 5;
      break;
    }
    case FRAME.hello: {
      if (length < 5) fail('shape');
      const version = w.int(0, U16);
      const token = w.text(INBOUND.textBytes);
      const deviceId = w.text(DEVICE_ID_BYTES_MAX);
      if (deviceId === '') fail('shape');
      const app = w.text(APP_BYTES_MAX);
      const resume = length > 5 ? resumeOf(w, depth + 1) : null;
      frame = { type: 'hello', version, token, deviceId, app, resume };
      used = 6;
      break;
    }
    case FRAME.event:
      frame = { type: 'ack', offset: w.int(0, SAFE) };
      break;
    case FRAME.ping:
      frame = { type: 'ping', n: w.int(0, SAFE) };
      break;
    case FRAME.pong:
      frame = { type: 'pong', n: w.int(0, SAFE) };
      break;
    case FRAME.clientState:
      frame = { type: 'clientState', foreground: w.int(0, 1) === 1 };
      break;
    case FRAME.batch:
      frame = { type: 'batch', frames: batchOf(w, depth, clientFrame) };
      break;
    default:
      return fail('unknown');
  }
  w.skip(used, length, depth);
  return frame;
};

/** Null for a frame of a later version inside of a BATCH: the others beside it still count. */
const serverFrame = (w: Walker, depth: number): ServerFrame | null => {
  const length = w.array(depth);
  if (length < 2) fail('shape');
  let used = 2;
  let frame: ServerFrame;
  switch (w.int(0, U32)) {
    case FRAME.hello: {
      if (length < 9) fail('shape');
      const version = w.int(0, U16);
      const sessionId = w.id(bytesToUuid);
      const epoch = w.id(bytesToUuid);
      const offset = w.int(0, SAFE);
      const resumed = w.bool();
      const nowMs = w.int(0, U32) * 1000 + w.int(0, 999);
      const settings = w.array(depth + 1);
      if (settings < 4) fail('shape');
      const config = {
        pingS: w.int(0, U32),
        maxBytes: w.int(0, U32),
        tokenTtlS: w.int(0, U32),
        reconnectJitterMs: w.int(0, U32),
      };
      w.skip(4, settings, depth + 1);
      frame = { type: 'welcome', version, sessionId, epoch, offset, resumed, nowMs, config };
      used = 9;
      break;
    }
    case FRAME.command: {
      if (length < 4) fail('shape');
      const cid = w.int(0, U32);
      const code = w.int(0, U16);
      if (code === 0) {
        frame = { type: 'reply', cid, result: w.tuple(depth + 1) };
        used = 4;
        break;
      }
      if (length < 6) fail('shape');
      const message = w.text(OUTBOUND.textBytes);
      frame = { type: 'error', cid, code, message, retryable: w.bool(), retryAfterMs: w.int(0, U32) };
      used = 6;
      break;
    }
    case FRAME.event: {
      if (length < 5) fail('shape');
      const offset = w.int(0, SAFE);
      const kind = w.int(0, U16);
      frame = { type: 'event', offset, kind, eventId: w.id(bytesToUuid), body: w.tuple(depth + 1) };
      used = 5;
      break;
    }
    case FRAME.volatile: {
      if (length < 4) fail('shape');
      const kind = w.int(0, U16);
      const key = w.text(OUTBOUND.textBytes);
      const version = w.int(0, SAFE);
      const body = length < 5 || w.nil() ? null : w.tuple(depth + 1);
      frame = { type: 'volatile', kind, key, version, body };
      used = 5;
      break;
    }
    case FRAME.ping:
      frame = { type: 'ping', n: w.int(0, SAFE) };
      break;
    case FRAME.pong:
      frame = { type: 'pong', n: w.int(0, SAFE) };
      break;
    case FRAME.goaway: {
      if (length < 5) fail('shape');
      const reason = w.text(OUTBOUND.textBytes);
      const deadlineMs = w.int(0, U32);
      const delayMinMs = w.int(0, U32);
      const delayMaxMs = w.int(0, U32);
      const url = length < 6 || w.nil() ? null : w.text(OUTBOUND.textBytes);
      frame = { type: 'goaway', reason, deadlineMs, delayMinMs, delayMaxMs, url };
      used = 6;
      break;
    }
    case FRAME.tokenExpiring:
      frame = { type: 'tokenExpiring', ttlS: w.int(0, U32) };
      break;
    case FRAME.batch:
      frame = { type: 'batch', frames: batchOf(w, depth, serverFrame) };
      break;
    default:
      if (depth === 1) return fail('unknown');
      w.skip(1, length, depth);
      return null;
  }
  w.skip(used, length, depth);
  return frame;
};

/** One walker for one kind of frame: one message at a time, and never a reference kept to its memory. */
const reader =
  <T>(walker: Walker, one: (w: Walker, depth: number) => T) =>
  (bytes: Uint8Array): T => {
    try {
      walker.open(bytes);
      const frame = one(walker, 1);
      walker.finish();
      return frame;
    } finally {
      walker.close();
    }
  };

/**
 * What a stranger said. Throws `DecodeError` and nothing else, whatever the bytes; keeps nothing of `bytes`.
 * The body of a command is still unchecked: `openCommand` opens it.
 */
export const decodeClientFrame: (bytes: Uint8Array) => ClientFrame = reader(new Walker(INBOUND), clientFrame);

/** What the server said, for clients. Throws `DecodeError`; unknown frames are `why: 'unknown'`, to be ignored. */
export const decodeServerFrame: (bytes: Uint8Array) => ServerFrame = reader(
  new Walker(OUTBOUND),
  // on its own an unknown frame throws: there is always one
  (w, depth) => serverFrame(w, depth)!,
);
