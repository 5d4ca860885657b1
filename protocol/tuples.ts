/** Frames as positional tuples, as the writer takes them (it throws on numbers that are not whole): nil is null. */
import { wireText } from './body.ts';
import { type ClientFrame, FRAME, type ServerFrame } from './frames.ts';
import { uuidToBytes } from './ids.ts';

const id = (text: string | null): Uint8Array | null => (text === null ? null : uuidToBytes(text));
/** Items of a body that no catalogue entry has encoded: texts as they may travel. */
const wireItem = (item: unknown): unknown => {
  if (typeof item === 'string') return wireText(item);
  return Array.isArray(item) ? item.map(wireItem) : item;
};
const seconds = (ms: number): number => Math.floor(ms / 1000);

/** Throws on values out of range. */
export const clientTuple = (frame: ClientFrame): unknown[] => {
  switch (frame.type) {
    case 'hello': {
      const { version, token, deviceId, app, resume } = frame;
      const from = resume && [id(resume.sessionId), id(resume.epoch), resume.offset];
      return [FRAME.hello, version, wireText(token), wireText(deviceId), wireText(app), from];
    }
    case 'command':
      return [FRAME.command, frame.cid, frame.op, wireItem(frame.body), id(frame.idem)];
    case 'ack':
      return [FRAME.event, frame.offset];
    case 'location': {
      const { seq, latE7, lngE7, accuracyDm, headingDeg, speedDms, takenAtMs, flags = 0 } = frame;
      const s = takenAtMs === null ? null : seconds(takenAtMs);
      const ms = takenAtMs === null ? null : takenAtMs - s! * 1000;
      const point = [seq, latE7, lngE7, accuracyDm];
      const tuple = [FRAME.volatile, ...point, headingDeg, speedDms, s, ms];
      return flags === 0 ? tuple : [...tuple, flags];
    }
    case 'ping':
      return [FRAME.ping, frame.n];
    case 'pong':
      return [FRAME.pong, frame.n];
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
      const settings = [pingS, maxBytes, tokenTtlS, reconnectJitterMs];
      const s = seconds(nowMs);
      const now = [s, nowMs - s * 1000];
      return [FRAME.hello, version, id(sessionId), id(epoch), offset, resumed, ...now, settings];
    }
    case 'reply':
      return [FRAME.command, frame.cid, 0, wireItem(frame.result)];
    case 'error': {
      const { cid, code, message, retryable, retryAfterMs } = frame;
      return [FRAME.command, cid, code, wireText(message), retryable, retryAfterMs, null];
    }
    case 'event':
      return [FRAME.event, frame.offset, frame.kind, id(frame.eventId), wireItem(frame.body)];
    case 'volatile':
      return [FRAME.volatile, frame.kind, wireText(frame.key), frame.version, wireItem(frame.body)];
    case 'ping':
      return [FRAME.ping, frame.n];
    case 'pong':
      return [FRAME.pong, frame.n];
    case 'goaway': {
      const { reason, deadlineMs, delayMinMs, delayMaxMs, url } = frame;
      const times = [deadlineMs, delayMinMs, delayMaxMs];
      return [FRAME.goaway, wireText(reason), ...times, url === null ? null : wireText(url)];
    }
    case 'tokenExpiring':
      return [FRAME.tokenExpiring, frame.ttlS];
    case 'batch':
      return [FRAME.batch, frame.frames.map(serverTuple)];
  }
};
