/**
 * The frames of `heyblue.v1.msgpack` as code sees them. On the wire each is one positional msgpack array whose first
 * item is the type number; see PROTOCOL.md, generated from the catalogue.
 */

/** First item of every frame. */
export const FRAME = {
  hello: 0,
  command: 1,
  event: 2,
  volatile: 3,
  ping: 4,
  pong: 5,
  goaway: 6,
  tokenExpiring: 7,
  clientState: 8,
  batch: 9,
} as const;

/** Reported position. Coordinates are degrees times 1e7; never logged, never sent to another person. */
export interface Location {
  readonly seq: number;
  readonly latE7: number;
  readonly lngE7: number;
  /** Horizontal accuracy (68 %), decimetres. */
  readonly accuracyDm: number;
  readonly headingDeg: number | null;
  readonly speedDms: number | null;
  /** When the fix was taken, Unix milliseconds; null = when it arrived. */
  readonly takenAtMs: number | null;
  /** What the phone says of the fix, {@link FIX_FLAG}; absent: nothing. */
  readonly flags?: number;
}

/** Bits of a position's flags; those that are not named are of later versions and mean nothing yet. */
export const FIX_FLAG = {
  /** The operating system says that the position is simulated. */
  simulated: 1,
  /** The phone needs no answer while the period is the one that it was told on this connection. */
  quiet: 2,
} as const;

export interface Resume {
  readonly sessionId: string;
  readonly epoch: string;
  readonly offset: number;
}

/** What a client may send. `body` is still an unchecked tuple: the catalogue's validator opens it. */
export type ClientFrame =
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly token: string;
      readonly deviceId: string;
      readonly app: string;
      readonly resume: Resume | null;
    }
  | {
      readonly type: 'command';
      readonly cid: number;
      readonly op: number;
      readonly body: readonly unknown[];
      readonly idem: string | null;
    }
  | { readonly type: 'ack'; readonly offset: number }
  | ({ readonly type: 'location' } & Location)
  | { readonly type: 'ping'; readonly n: number }
  | { readonly type: 'pong'; readonly n: number }
  | { readonly type: 'clientState'; readonly foreground: boolean }
  | { readonly type: 'batch'; readonly frames: readonly ClientFrame[] };

/** Settings that WELCOME gives to a client. */
export interface SessionConfig {
  readonly pingS: number;
  readonly maxBytes: number;
  readonly tokenTtlS: number;
  readonly reconnectJitterMs: number;
}

/** What a server sends. Bodies of replies and events are opened with the catalogue. */
export type ServerFrame =
  | {
      readonly type: 'welcome';
      readonly version: number;
      readonly sessionId: string;
      readonly epoch: string;
      readonly offset: number;
      readonly resumed: boolean;
      readonly nowMs: number;
      readonly config: SessionConfig;
    }
  | { readonly type: 'reply'; readonly cid: number; readonly result: readonly unknown[] }
  | {
      readonly type: 'error';
      /** 0 when the error answers no command (a position, a frame). */
      readonly cid: number;
      readonly code: number;
      readonly message: string;
      readonly retryable: boolean;
      readonly retryAfterMs: number;
    }
  | {
      readonly type: 'event';
      readonly offset: number;
      readonly kind: number;
      readonly eventId: string;
      readonly body: readonly unknown[];
    }
  | {
      readonly type: 'volatile';
      readonly kind: number;
      readonly key: string;
      readonly version: number;
      /** nil: the thing is gone. */
      readonly body: readonly unknown[] | null;
    }
  | { readonly type: 'ping'; readonly n: number }
  | { readonly type: 'pong'; readonly n: number }
  | {
      readonly type: 'goaway';
      readonly reason: string;
      readonly deadlineMs: number;
      readonly delayMinMs: number;
      readonly delayMaxMs: number;
      readonly url: string | null;
    }
  | { readonly type: 'tokenExpiring'; readonly ttlS: number }
  | { readonly type: 'batch'; readonly frames: readonly ServerFrame[] };
