/**
 * Bad habits: our own client with something done wrong between it and its socket. The kit must notice each of them, or its
 * scripts prove nothing (`conformance.test.ts`).
 */
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeClientFrame,
  encodeServerFrame,
} from '../../../protocol/codec.ts';
import type { ClientFrame, ServerFrame } from '../../../protocol/frames.ts';

interface Habit {
  /** What leaves instead; null for nothing. */
  readonly out?: (frame: ClientFrame) => ClientFrame | null;
  /** What arrives instead; null for nothing, a number for the end of the connection with that code. */
  readonly in?: (frame: ServerFrame) => ServerFrame | number | null;
  /** What the client is told of a close. */
  readonly closed?: (code: number) => number;
  /** What the app says instead. */
  readonly said?: (report: object) => object[];
  /** A frame that cannot be read ends the connection. */
  readonly strict?: boolean;
}

const memory: { token: string | null; offset: number; version: number; key: number } = {
  token: null,
  offset: 0,
  version: 0,
  key: 0,
};

const hello = (
  frame: ClientFrame,
  change: (frame: ClientFrame & { type: 'hello' }) => ClientFrame,
): ClientFrame => (frame.type === 'hello' ? change(frame) : frame);

export const HABITS = {
  /** Gives every event to the app twice. */
  repeats: { said: report => ('event' in report ? [report, report] : [report]) },
  /** Gives every answer twice. */
  answers: { said: report => ('answer' in report ? [report, report] : [report]) },
  /** Never notices that an event is missing. */
  gaps: {
    in: frame => {
      if (frame.type === 'welcome') memory.offset = frame.offset;
      if (frame.type !== 'event' || frame.offset <= memory.offset) return frame;
      return { ...frame, offset: ++memory.offset };
    },
  },
  /** Never resumes. */
  forgets: { out: frame => hello(frame, one => ({ ...one, resume: null })) },
  /** Takes the offset of WELCOME for its own. */
  adopts: {
    out: frame =>
      hello(frame, one =>
        memory.token === null
          ? one
          : { ...one, resume: { sessionId: memory.token, epoch: EPOCH_A, offset: memory.offset } },
      ),
    in: frame => {
      if (frame.type === 'welcome') {
        memory.token = frame.sessionId;
        memory.offset = frame.offset;
      }
      return frame;
    },
  },
  /** Sends a command again under another key. */
  rekeys: {
    out: frame => {
      if (frame.type !== 'command' || frame.idem === null) return frame;
      return { ...frame, idem: `00000000-0000-7000-8000-${String(++memory.key).padStart(12, '0')}` };
    },
  },
  /** Shows its first token for ever. */
  stale: {
    out: frame =>
      hello(frame, one => {
        memory.token ??= one.token;
        return { ...one, token: memory.token };
      }),
  },
  /** Breaks the old connection before it makes a new one. */
  breaks: { in: frame => (frame.type === 'goaway' ? 1012 : frame) },
  /** Takes every close for a lost connection. */
  insists: { closed: () => 1006 },
  /** Comes back at once. */
  hastes: { closed: code => (code === 1013 ? 4200 : code) },
  /** Never asks whether anybody is there, and says nothing of the app. */
  mute: {
    out: frame => (['ping', 'clientState', 'ack', 'pong'].includes(frame.type) ? null : frame),
  },
  /** Acknowledges what it has not got. */
  boasts: { out: frame => (frame.type === 'ack' ? { ...frame, offset: frame.offset + 1 } : frame) },
  /** Does not live with what it does not know. */
  strict: { strict: true },
  /** Takes any version of a volatile frame for a newer one. */
  rewinds: {
    in: frame => (frame.type === 'volatile' ? { ...frame, version: ++memory.version + 1_000 } : frame),
  },
  /** Does not unpack. */
  packs: { in: frame => (frame.type === 'batch' ? null : frame) },
  /** Sends its oldest position. */
  lags: { out: frame => (frame.type === 'location' ? { ...frame, latE7: 10_000_000 } : frame) },
} as const satisfies Record<string, Habit>;

const EPOCH_A = '0190e90c-0000-7000-8000-000000000041';
export type HabitName = keyof typeof HABITS;

/** A WebSocket with a habit. */
export const habitual = (name: HabitName): typeof WebSocket => {
  const habit: Habit = HABITS[name];
  return class extends WebSocket {
    private hear: ((event: MessageEvent) => void) | null = null;
    private end: ((event: { code: number; reason: string }) => void) | null = null;

    override send(data: Uint8Array<ArrayBuffer>): void {
      const frame = decodeClientFrame(data);
      const out = habit.out === undefined ? frame : habit.out(frame);
      if (out !== null) super.send(encodeClientFrame(out) as Uint8Array<ArrayBuffer>);
    }
    override set onmessage(hear: ((event: MessageEvent) => void) | null) {
      this.hear = hear;
      super.onmessage = event => {
        let frame: ServerFrame;
        try {
          frame = decodeServerFrame(new Uint8Array(event.data as ArrayBuffer));
        } catch {
          if (habit.strict === true) this.close(4999);
          else this.hear?.(event);
          return;
        }
        const became = habit.in === undefined ? frame : habit.in(frame);
        if (typeof became === 'number') {
          this.close(1000);
          this.end?.({ code: became, reason: '' });
        } else if (became !== null) {
          const data = encodeServerFrame(became).slice().buffer;
          this.hear?.({ data } as MessageEvent);
        }
      };
    }
    override set onclose(end: ((event: CloseEvent) => void) | null) {
      this.end = end as typeof this.end;
      super.onclose = event =>
        this.end?.({ code: habit.closed?.(event.code) ?? event.code, reason: event.reason });
    }
  } as typeof WebSocket;
};

/** What the app says with this habit. */
export const saidWith = (name: HabitName, report: object): object[] =>
  (HABITS[name] as Habit).said?.(report) ?? [report];
