/**
 * Frames as positional tuples, before any packer sees them: what the server's codec and the client, which brings its
 * own small packer, have in common. Numbers of 2^32 and more are BigInt (see `whole`), nil is null.
 */
import { whole, wireText } from './body.ts';
import { type ClientFrame, FRAME, type ServerFrame } from './frames.ts';
import { uuidToBytes } from './ids.ts';

const id = (text: string | null): Uint8Array | null => (text === null ? null : uuidToBytes(text));
const orNil = (n: number | null): number | bigint | null => (n === null ? null : whole(n));
/** Items of a body that no catalogue entry has encoded: numbers and texts as they may travel. */
const wireItem = (item: unknown): unknown => {
  if (typeof item === 'number') return whole(item);
  if (typeof item === 'string') return wireText(item);
  return Array.isArray(item) ? item.map(wireItem) : item;
};
const seconds = (ms: number): number => Math.floor(ms / 1000);

/** Throws on values out of range. */
export const clientTuple = (frame: ClientFrame): unknown[] => {
  switch (frame.type) {
    case 'hello': {
      const { version, token, deviceId, app, resume } = frame;
      const from = resume && [id(resume.sessionId), id(resume.epoch), whole(resume.offset)];
      return [FRAME.hello, whole(version), wireText(token), wireText(deviceId), wireText(app), from];
    }
    case 'command':
      return [FRAME.command, whole(frame.cid), whole(frame.op), wireItem(frame.body), id(frame.idem)];
    case 'ack':
      return [FRAME.event, whole(frame.offset)];
    case 'location': {
      const { seq, latE7, lngE7, accuracyDm, headingDeg, speedDms, takenAtMs } = frame;
      const s = takenAtMs === null ? null : seconds(takenAtMs);
      const ms = takenAtMs === null ? null : takenAtMs - s! * 1000;
      const point = [whole(seq), whole(latE7), whole(lngE7), whole(accuracyDm)];
      return [FRAME.volatile, ...point, orNil(headingDeg), orNil(speedDms), orNil(s), orNil(ms)];
    }
    case 'ping':
      return [FRAME.ping, whole(frame.n)];
    case 'pong':
      return [FRAME.pong, whole(frame.n)];
    case 'clientState':
      return [FRAME.clientState, frame.foreground ? 1 : 0];
    case 'batch':
      return [FRAME.batch, frame.frames.map(clientTuple)];
  }
};

/** Throws on values out of range. */
export const serverTuple = (frame: ServerFrame): unknown[] => {
  switch (frame.type) {
    case 'welcome': {
      const { version, sessionId, epoch, offset, resumed, nowMs, config } = frame;
      const { pingS, maxBytes, tokenTtlS, reconnectJitterMs } = config;
      const settings = [whole(pingS), whole(maxBytes), whole(tokenTtlS), whole(reconnectJitterMs)];
      const s = seconds(nowMs);
      const now = [whole(s), whole(nowMs - s * 1000)];
      return [
        FRAME.hello,
        whole(version),
        id(sessionId),
        id(epoch),
        whole(offset),
        resumed,
        ...now,
        settings,
      ];
    }
    case 'reply':
      return [FRAME.command, whole(frame.cid), 0, wireItem(frame.result)];
    case 'error': {
      const { cid, code, message, retryable, retryAfterMs } = frame;
      return [
        FRAME.command,
        whole(cid),
        whole(code),
        wireText(message),
        retryable,
        whole(retryAfterMs),
        null,
      ];
    }
    case 'event':
      return [FRAME.event, whole(frame.offset), whole(frame.kind), id(frame.eventId), wireItem(frame.body)];
    case 'volatile':
      return [
        FRAME.volatile,
        whole(frame.kind),
        wireText(frame.key),
        whole(frame.version),
        wireItem(frame.body),
      ];
    case 'ping':
      return [FRAME.ping, whole(frame.n)];
    case 'pong':
      return [FRAME.pong, whole(frame.n)];
    case 'goaway': {
      const { reason, deadlineMs, delayMinMs, delayMaxMs, url } = frame;
      const times = [whole(deadlineMs), whole(delayMinMs), whole(delayMaxMs)];
      return [FRAME.goaway, wireText(reason), ...times, url === null ? null : wireText(url)];
    }
    case 'tokenExpiring':
      return [FRAME.tokenExpiring, whole(frame.ttlS)];
    case 'batch':
      return [FRAME.batch, frame.frames.map(serverTuple)];
  }
};
