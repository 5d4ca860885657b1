/**
 * One person followed by an operator: which frames their sockets said and heard, never what was in them. Of a frame there
 * is its time, type, name, number, size and result; no body, no key, no place, no token and no sentence leaves this file.
 */
import { decodeServerFrame } from '../../protocol/codec.ts';
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';
import { commandByCode, eventByKind } from '../../protocol/messages.ts';
import type { Session, Watching } from '../session.ts';
import { BUFFERED, SENT } from '../transport.ts';
import { OPERATOR } from './limits.ts';

/** One frame, or what happened to the socket. */
export interface TraceEntry {
  /** Unix milliseconds of the gateway's clock. */
  readonly atMs: number;
  readonly dir: 'in' | 'out';
  readonly sessionId: string;
  /** Of the catalogue's frames, or `attach`, `close`. */
  readonly type: string;
  /** Of the command, event or thing. */
  readonly name?: string;
  readonly cid?: number;
  readonly offset?: number;
  /** Of the whole message; the frames in a BATCH have none of their own. */
  readonly bytes?: number;
  /** Of an ERROR or a close; 0 of a REPLY. */
  readonly code?: number;
  /** The phone did not take it at once, or it was dropped. */
  readonly sent?: 'buffered' | 'dropped';
}

type Noted = Omit<TraceEntry, 'atMs' | 'dir' | 'sessionId'>;

export class Watch implements Watching {
  readonly userId: string;
  readonly #wallMs: () => number;
  #entries: TraceEntry[] = [];
  /** Where the oldest stands once the ring is full. */
  #oldest = 0;
  #dropped = 0;
  /** Names of commands whose answer has not come, by session and cid. */
  readonly #asked = new Map<string, string>();
  /** When it is over, monotonic milliseconds. */
  untilMs: number;

  constructor(userId: string, untilMs: number, wallMs: () => number) {
    this.userId = userId;
    this.untilMs = untilMs;
    this.#wallMs = wallMs;
  }

  /** Oldest first. */
  get entries(): readonly TraceEntry[] {
    return [...this.#entries.slice(this.#oldest), ...this.#entries.slice(0, this.#oldest)];
  }

  /** Frames that had to make room. */
  get dropped(): number {
    return this.#dropped;
  }

  attached(session: Session): void {
    this.#note('in', session, { type: 'attach' });
  }

  heard(session: Session, frame: ClientFrame, bytes: number): void {
    this.#note('in', session, { ...this.#inbound(session, frame), bytes });
    if (frame.type !== 'batch') return;
    for (const one of frame.frames) this.#note('in', session, this.#inbound(session, one));
  }

  said(session: Session, message: Uint8Array, status: number): void {
    const sent = status === SENT ? {} : ({ sent: status === BUFFERED ? 'buffered' : 'dropped' } as const);
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(message);
    } catch {
      return this.#note('out', session, { type: 'unreadable', bytes: message.length, ...sent });
    }
    this.#note('out', session, { ...this.#outbound(session, frame), bytes: message.length, ...sent });
    if (frame.type !== 'batch') return;
    for (const one of frame.frames) this.#note('out', session, this.#outbound(session, one));
  }

  ended(session: Session, code: number): void {
    this.#note(session.closeCode === 0 ? 'in' : 'out', session, { type: 'close', code });
  }

  #inbound(session: Session, frame: ClientFrame): Noted {
    switch (frame.type) {
      case 'command': {
        const { cid, op } = frame;
        const name = commandByCode(op)?.name ?? 'unknown';
        if (this.#asked.size >= OPERATOR.traceAsked) this.#asked.clear();
        this.#asked.set(keyOf(session, cid), name);
        return { type: frame.type, name, cid };
      }
      case 'ack':
        return { type: frame.type, offset: frame.offset };
      default:
        return { type: frame.type };
    }
  }

  #outbound(session: Session, frame: ServerFrame): Noted {
    switch (frame.type) {
      case 'welcome':
        return { type: frame.type, name: frame.resumed ? 'resumed' : 'fresh', offset: frame.offset };
      case 'reply':
        return { type: frame.type, ...this.#answered(session, frame.cid), code: 0 };
      case 'error':
        return { type: frame.type, ...this.#answered(session, frame.cid), code: frame.code };
      case 'event':
        return { type: frame.type, name: eventName(frame.kind), offset: frame.offset };
      case 'volatile':
        return { type: frame.type, name: eventName(frame.kind) };
      default:
        return { type: frame.type };
    }
  }

  #answered(session: Session, cid: number): Noted | { readonly cid?: number; readonly name?: string } {
    if (cid === 0) return {};
    const key = keyOf(session, cid);
    const name = this.#asked.get(key);
    this.#asked.delete(key);
    return name === undefined ? { cid } : { cid, name };
  }

  #note(dir: 'in' | 'out', session: Session, noted: Noted): void {
    const entry: TraceEntry = { atMs: this.#wallMs(), dir, sessionId: session.ref?.id ?? '', ...noted };
    if (this.#entries.length < OPERATOR.traceEntries) {
      this.#entries.push(entry);
      return;
    }
    this.#entries[this.#oldest] = entry;
    this.#oldest = (this.#oldest + 1) % OPERATOR.traceEntries;
    this.#dropped++;
  }
}

const keyOf = (session: Session, cid: number): string => `${session.ref?.id} ${cid}`;
const eventName = (kind: number): string => eventByKind(kind)?.name ?? 'unknown';
