/**
 * How the client stays connected: idle -> connecting -> connected -> (suspended | closed), with one source of tokens.
 *
 * Moving to another node is make-before-break: when the server says GOAWAY, a second socket is opened within the window
 * that it named, while the first goes on. Only the WELCOME of the new one ends the old one. From its HELLO on the server
 * may already have replaced the old one (4004), which is then no reason to stop. When the new one fails, the old one
 * stays as long as the server leaves it, and the next attempt has the same backoff as any other.
 */
import { PROTOCOL_VERSION } from '../../protocol/catalogue.ts';
import { CLOSE } from '../../protocol/errors.ts';
import type { Resume, ServerFrame } from '../../protocol/frames.ts';
import { Connection } from './connection.ts';
import { type Maybe, messageOf, monotonicMs } from './platform.ts';
import { adviceFor, delayMs } from './reconnect.ts';
import { Renewal } from './renewal.ts';
import {
  type ClientOptions,
  type SocketConstructor,
  type State,
  type StateChange,
  type TokenReason,
  Unauthorized,
} from './types.ts';

type Welcome = ServerFrame & { type: 'welcome' };

/** A connection that lasted so long was a good one: the next reconnect is quick again. */
const STABLE_MS = 30_000;
/** After the app comes to the front or the network changes, the connection must prove itself within this. */
const PROBE_MS = 3_000;
/** However often the network changes, attempts keep this distance. */
const EAGER_MS = 1_000;
/** Before the first WELCOME has told. */
const JITTER_MS = 5_000;
/** A source of tokens that does not answer has failed. */
const TOKEN_MS = 30_000;
/** What is still to be answered on the old socket after a move has so long to come. */
const LINGER_MS = 1_000;

export interface LifecycleDoors {
  /** Reads what an earlier run left; what it throws is tried again. */
  readonly load: () => Maybe<unknown>;
  /** Where to resume from. */
  readonly resume: () => Resume | null;
  readonly welcomed: (frame: Welcome) => void;
  /** A frame of the connection at hand; of an older one only answers to commands. */
  readonly heard: (frame: ServerFrame) => void;
  /** There is no connection any more. */
  readonly lost: () => void;
  /** Answers may still come on a connection that is about to be replaced. */
  readonly unanswered: () => boolean;
  readonly renewed: () => void;
  /** What is held may be wrong: no resume. */
  readonly distrust: () => void;
  readonly changed: (change: StateChange) => void;
}

/** By name too: an app may have the class from another copy of this package. */
const isUnauthorized = (error: unknown): boolean =>
  error instanceof Unauthorized || (error as Error | null)?.name === 'Unauthorized';

/** One way to a WELCOME: a token, a socket, HELLO. */
interface Attempt {
  connection: Connection | null;
  token: string;
}

export class Lifecycle {
  private readonly options: ClientOptions;
  private readonly doors: LifecycleDoors;
  private readonly random: () => number;
  private readonly urls: readonly string[];
  /** Which of the addresses is next. */
  private nth: number;
  /** Where a server that stops has sent us; good for one attempt. */
  private sentTo: string | null = null;
  state: State = 'idle';
  /** The one that is welcome. */
  private current: Connection | null = null;
  private attempt: Attempt | null = null;
  /** The one before, while it may still answer. */
  private retired: Connection | null = null;
  private renewal: Renewal | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | null = null;
  private retryAtMs = 0;
  private attempts = 0;
  private openedMs = Number.NEGATIVE_INFINITY;
  private welcomedMs = 0;
  private jitterMs = JITTER_MS;
  /** The server refused the last token; once is enough. */
  private tokenRefused = false;
  private lastToken: string | null = null;
  /** What must be asked of `getToken` next. */
  private reason: TokenReason = 'connect';
  /** The network changed: when the connection does not prove itself, the next one is opened at once. */
  private eagerUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: ClientOptions, doors: LifecycleDoors) {
    this.options = options;
    this.doors = doors;
    this.random = options.random ?? Math.random;
    this.urls = typeof options.url === 'string' ? [options.url] : [...options.url];
    if (this.urls.length === 0) throw new TypeError('a client needs an address');
    this.nth = Math.floor(this.random() * this.urls.length) % this.urls.length;
  }

  /** The connection that takes what the app says; null while there is none. */
  get connection(): Connection | null {
    return this.current;
  }

  connect(): void {
    if (this.state === 'connecting' || this.state === 'connected') return;
    this.tokenRefused = false;
    this.attempts = 0;
    this.open();
  }

  /** Over, whatever was going on. */
  finish(code: number, reason: string): void {
    if (this.state === 'closed') return;
    this.clearRetry();
    this.state = 'closed';
    const open = [this.current, this.attempt?.connection, this.retired];
    this.attempt = null;
    this.leaveCurrent();
    for (const one of open) one?.close(CLOSE.normal, reason);
    this.change('closed', code, reason, null);
  }

  /** Ends the connection at hand because of what it said, and comes back. */
  abandon(code: number, reason: string): void {
    this.current?.close(code, reason);
  }

  /** The network may have changed under us: find out quickly instead of waiting for a timeout. */
  networkChanged(): void {
    this.eagerUntilMs = monotonicMs() + PROBE_MS + EAGER_MS;
    if (this.current !== null) this.current.probe(PROBE_MS);
    if (this.attempt !== null) this.attempt.connection?.hurry(PROBE_MS);
    else if (this.state === 'suspended') this.openEagerly();
  }

  /** The server wants a fresh token on this connection. */
  tokenExpiring(): void {
    this.renewal?.begin();
  }

  /** True when the frame belonged to the renewal of a token. */
  renewing(frame: ServerFrame & { type: 'reply' | 'error' }): boolean {
    return this.renewal?.heard(frame) ?? false;
  }

  /** The server is about to stop: another connection within the window that it named. */
  leaveSoon({ delayMinMs, delayMaxMs, url }: ServerFrame & { type: 'goaway' }): void {
    if (this.attempt !== null) return;
    this.sentTo = url;
    if (url === null && this.retryTimer === null) this.nth = (this.nth + 1) % this.urls.length;
    this.openLater(delayMinMs + this.random() * Math.max(0, delayMaxMs - delayMinMs));
  }

  private open(): void {
    this.clearRetry();
    this.openedMs = monotonicMs();
    const attempt: Attempt = { connection: null, token: '' };
    this.attempt = attempt;
    if (this.current === null && this.state !== 'connecting') this.change('connecting', 0, '', null);
    const { reason } = this;
    this.token(reason).then(
      token => {
        if (this.attempt !== attempt) return;
        attempt.token = token;
        this.reason = 'connect';
        this.greet(attempt);
      },
      error => {
        if (this.attempt !== attempt) return;
        if (isUnauthorized(error)) return this.finish(CLOSE.badToken, messageOf(error));
        this.failed(0, messageOf(error), 'backoff');
      },
    );
  }

  /**
   * A token of the app. One that has none that could be good, or only the one that was refused, has nobody signed in:
   * without a token nothing is ever said.
   */
  private async token(reason: TokenReason): Promise<string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('getToken does not answer')), TOKEN_MS);
    });
    try {
      const token = await Promise.race([this.options.getToken(reason), late]);
      if (typeof token !== 'string' || token === '') throw new Unauthorized('getToken has no token');
      if (reason === 'refused' && token === this.lastToken)
        throw new Unauthorized('the token is not good any more, and getToken has no other');
      return token;
    } finally {
      clearTimeout(timer);
    }
  }

  private greet(attempt: Attempt): void {
    const then = (): void => {
      if (this.attempt !== attempt) return;
      const { token } = attempt;
      this.lastToken = token;
      const url = this.sentTo ?? this.urls[this.nth]!;
      this.sentTo = null;
      const { deviceId, app = 'heyblue-client', WebSocket } = this.options;
      const Socket = WebSocket ?? (globalThis.WebSocket as unknown as SocketConstructor);
      const who = { type: 'hello', version: PROTOCOL_VERSION, token, deviceId, app } as const;
      const hello = () => ({ ...who, resume: this.doors.resume() });
      attempt.connection = new Connection(Socket, url, hello, {
        frame: (frame, from) => this.heard(frame, from),
        gone: (code, why, from) => this.gone(code, why, from),
      });
    };
    Promise.resolve()
      .then(this.doors.load)
      .then(then, error => {
        if (this.attempt === attempt) this.failed(0, messageOf(error), 'backoff');
      });
  }

  private heard(frame: ServerFrame, from: Connection): void {
    if (from === this.attempt?.connection) {
      if (frame.type === 'welcome') this.welcomed(frame, from);
    } else if (from === this.current) {
      if (frame.type !== 'welcome') this.doors.heard(frame);
    } else if (frame.type === 'reply' || (frame.type === 'error' && frame.cid !== 0)) this.doors.heard(frame);
  }

  private welcomed(frame: Welcome, connection: Connection): void {
    const old = this.current;
    const moved = this.state === 'connected';
    this.clearRetry();
    this.renewal?.stop();
    this.renewal = new Renewal(connection, this.attempt!.token, {
      token: () => this.renewalToken(connection),
      renewed: token => {
        this.lastToken = token;
        this.doors.renewed();
      },
    });
    this.calm();
    this.current = connection;
    this.attempt = null;
    this.eagerUntilMs = Number.NEGATIVE_INFINITY;
    this.jitterMs = frame.config.reconnectJitterMs;
    this.welcomedMs = monotonicMs();
    connection.established(frame.config.pingS * 1_000);
    this.retired?.close(CLOSE.moved, 'moved');
    this.retired = old;
    old?.retire(CLOSE.moved, 'moved', this.doors.unanswered() ? LINGER_MS : 0);
    this.state = 'connected';
    this.doors.welcomed(frame);
    if (!moved && this.current === connection) this.change('connected', 0, '', null);
  }

  /** A socket is gone. */
  private gone(code: number, reason: string, from: Connection): void {
    if (from === this.current) {
      if (code === CLOSE.resyncNeeded) this.doors.distrust();
      const challenger = this.attempt?.connection;
      this.leaveCurrent();
      // Ours has come: the newer one of two connections, or of as many as there were.
      if (challenger?.saidHello) {
        if (code !== CLOSE.replaced) this.change('connecting', code, reason, null);
      } else if (this.attempt !== null) {
        if (adviceFor(code) === 'stop') this.finish(code, reason);
        else this.change('connecting', code, reason, null);
      } else this.failed(code, reason);
    } else if (from === this.attempt?.connection) this.failed(code, reason);
    else if (from === this.retired) this.retired = null;
  }

  /** The connection at hand ends; when it was a good one, what went wrong before it is forgotten. */
  private calm(): void {
    if (this.current === null || monotonicMs() - this.welcomedMs < STABLE_MS) return;
    this.attempts = 0;
    this.tokenRefused = false;
  }

  private leaveCurrent(): void {
    this.calm();
    this.current = null;
    this.renewal?.stop();
    this.renewal = null;
    this.doors.lost();
  }

  /** There is a connection less, or an attempt came to nothing: what now? */
  private failed(code: number, reason: string, advice = adviceFor(code)): void {
    const challenged = this.attempt !== null && this.current !== null;
    this.attempt = null;
    const final = advice === 'stop' || (advice === 'newToken' && this.tokenRefused);
    if (final) {
      // The connection at hand is good until it is closed; its end will find the same.
      if (!challenged) this.finish(code, reason);
      return;
    }
    if (code === CLOSE.resyncNeeded) this.doors.distrust();
    if (advice === 'newToken') this.tokenRefused = true;
    if (code === CLOSE.badToken || code === CLOSE.tokenExpired) this.reason = 'refused';
    if (this.retryTimer !== null) {
      // A GOAWAY named the time, and its deadline came first: the wait goes on.
      return this.change('suspended', code, reason, Math.max(0, this.retryAtMs - monotonicMs()));
    }
    if (advice !== 'newToken' && code !== CLOSE.resyncNeeded && code !== 0)
      this.nth = (this.nth + 1) % this.urls.length;
    if (monotonicMs() < this.eagerUntilMs && code === CLOSE.heartbeatLost) {
      this.change('suspended', code, reason, 0);
      return this.openEagerly();
    }
    // Where there are several addresses, asking each of them once is one attempt.
    const rounds = Math.floor(this.attempts / this.urls.length);
    const waitMs = delayMs(advice as 'backoff', rounds, this.jitterMs, this.random());
    if (advice !== 'newToken') this.attempts++;
    this.openLater(waitMs);
    if (this.current === null) this.change('suspended', code, reason, waitMs);
  }

  private openEagerly(): void {
    const waitMs = Math.max(0, this.openedMs + EAGER_MS - monotonicMs());
    if (waitMs === 0) this.open();
    else this.openLater(waitMs);
  }

  private openLater(waitMs: number): void {
    this.clearRetry();
    this.retryAtMs = monotonicMs() + waitMs;
    this.retryTimer = setTimeout(() => this.open(), waitMs);
  }

  private async renewalToken(connection: Connection): Promise<string | null> {
    try {
      return await this.token('expiring');
    } catch (error) {
      if (isUnauthorized(error) && this.current === connection) this.finish(CLOSE.badToken, messageOf(error));
      return null;
    }
  }

  private change(state: State, code: number, reason: string, willRetryInMs: number | null): void {
    this.state = state;
    this.doors.changed({ state, code, reason, willRetryInMs });
  }

  private clearRetry(): void {
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    this.retryTimer = null;
  }
}
