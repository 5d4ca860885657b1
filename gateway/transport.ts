/**
 * What a session needs from a socket library, so that sessions can be told their story by a test as well as by a real
 * socket. The real one is `uws.ts`.
 */
import type { Identity } from './auth/tokens.ts';

/** What became of the bytes given to `send`. */
export const SENT = 1;
export const BUFFERED = 0;
export const DROPPED = 2;
export const CLOSED = -1;

/** One accepted socket. Every method may be called after the socket has closed; nothing then happens. */
export interface Socket<D> {
  /** The session that speaks through it. */
  data: D | null;
  /** Where it comes from, as text. */
  readonly address: string;
  /** `traceparent` of the request that opened it, as sent; empty or absent when there was none. */
  readonly trace?: string;
  /** Whose token stood in the handshake, verified; absent when there was none. */
  readonly bearer?: Identity | null;
  /** Sends one binary message; the answer is one of the four numbers above. */
  send(bytes: Uint8Array): number;
  /** Bytes that the peer has not taken yet. */
  bufferedBytes(): number;
  /** Runs `write` so that everything sent in it leaves in one packet. */
  cork(write: () => void): void;
  /** Sends a close frame and closes. `closed` of the listener runs before this returns. */
  close(code: number, reason: string): void;
}

/** A refusal before the upgrade: an HTTP status and a sentence. */
export interface Turned {
  readonly status: 400 | 401 | 403 | 429 | 503;
  readonly message: string;
  readonly retryAfterS?: number;
}

/** Let in; with the person whose token stood in the handshake, when there was one. */
export interface Welcome {
  readonly bearer: Identity | null;
}

export interface Knock {
  /** `Sec-WebSocket-Protocol` as sent; empty when absent. */
  readonly protocols: string;
  /** `Origin` as sent; empty when absent (an app that is not a web page). */
  readonly origin: string;
  /** `Host` as sent; absent or empty when there was none. */
  readonly host?: string;
  /** Where it comes from, as text. */
  readonly address: string;
}

/** What a transport tells. `message` bytes are valid until the call returns. */
export interface Listener<D> {
  /** A connection came from this peer and has said nothing yet. False cuts it. */
  connected?(peer: string): boolean;
  /** One of those sent its request; `admit` follows when it asks for a socket. */
  spoke?(peer: string): void;
  /** One of those went, or was cut for its silence, without a request. */
  silent?(peer: string): void;
  /** Null lets the socket in. */
  admit(knock: Knock): Turned | null;
  /** Whose token stands in the handshake; null when there is none. Asked of those that `admit` let in; never rejects. */
  bearer?(knock: Knock): Promise<Turned | Welcome> | null;
  opened(socket: Socket<D>): void;
  message(socket: Socket<D>, bytes: Uint8Array, binary: boolean): void;
  /** A ping or pong of the transport itself; the library has answered already. */
  pinged?(socket: Socket<D>): void;
  /** What was buffered has gone out. */
  drained(socket: Socket<D>): void;
  /** `code` of the close frame, of either side; 1006 when there was none. */
  closed(socket: Socket<D>, code: number): void;
}

export interface Transport {
  /** Starts listening; the port that was taken. Rejects with {@link PortInUse}. */
  listen(host: string, port: number): Promise<number>;
  /** No new sockets; the ones that are open stay. */
  stopListening(): void;
  /**
   * Handshakes from now on see the certificate that the files hold now; sockets that are open stay as they are.
   * Throws when the files cannot be used; then nothing has changed. Absent without TLS.
   */
  renew?(): void;
  /** Cuts what is still open. */
  close(): void;
}
