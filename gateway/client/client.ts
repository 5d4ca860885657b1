/**
 * The realtime client: it connects, comes back by itself, gives every event once, and keeps commands until they are
 * answered. It has one source of tokens and no state that the app cannot see.
 *
 * ```ts
 * const client = new HeyBlueClient({ url: 'ws://localhost:8081/v1/ws', deviceId, getToken: () => token });
 * client.on('encounter.completed', ({ points, message }) => console.log(`+${points}`, message));
 * client.connect();
 * client.location({ lat: 40.7128, lng: -74.006, accuracyM: 5 });
 * const hey = await client.command('hey.say', { officerId });
 * if (!hey.ok) console.log(hey.code, hey.message);
 * ```
 */
import { PROTOCOL_VERSION } from '../../protocol/catalogue.ts';
import { encodeClientFrame } from '../../protocol/codec.ts';
import { CLOSE, ERROR, refuse } from '../../protocol/errors.ts';
import type { ClientFrame, Location, Resume, ServerFrame } from '../../protocol/frames.ts';
import { Connection } from './connection.ts';
import { Emitter } from './emitter.ts';
import { Inbox } from './inbox.ts';
import { Pending } from './pending.ts';
import { adviceFor, delayMs } from './reconnect.ts';
import { Tracker } from './tracker.ts';
import {
  type ClientOptions,
  type CommandBody,
  type CommandName,
  type CommandOptions,
  type CommandOutcome,
  type Handlers,
  type Message,
  type Position,
  type SocketConstructor,
  type State,
  type TokenReason,
  Unauthorized,
} from './types.ts';

const COMMAND_MS = 5_000;
const LOCATION_INTERVAL_MS = 500;
/** A connection that lasted so long was a good one: the next reconnect is quick again. */
const STABLE_MS = 30_000;
/** After the app comes to the front or the network changes, the connection must prove itself within this. */
const PROBE_MS = 3_000;
/** Before the first WELCOME has told. */
const JITTER_MS = 5_000;

export class HeyBlueClient {
  private readonly options: ClientOptions;
  private readonly emitter = new Emitter();
  private readonly pending = new Pending();
  private readonly inbox: Inbox;
  private readonly tracker: Tracker;
  private readonly random: () => number;
  private readonly urls: readonly string[];
  /** Which of the addresses is next. */
  private nth: number;
  /** Where a server that stops has sent us; good for one attempt. */
  private sentTo: string | null = null;
  private current: State = 'idle';
  private connection: Connection | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | null = null;
  private attempt = 0;
  private welcomedMs = 0;
  private jitterMs = JITTER_MS;
  private foreground = true;
  /** The server refused the last token; once is enough. */
  private tokenRefused = false;
  /** Rises with every attempt: what an older one still says does not count. */
  private generation = 0;

  constructor(options: ClientOptions) {
    this.options = options;
    this.random = options.random ?? Math.random;
    this.urls = typeof options.url === 'string' ? [options.url] : [...options.url];
    if (this.urls.length === 0) throw new TypeError('a client needs an address');
    this.nth = Math.floor(this.random() * this.urls.length) % this.urls.length;
    this.inbox = new Inbox(
      options.resume ?? null,
      message => this.deliver(message),
      offset => this.sendFrame({ type: 'ack', offset }),
    );
    this.tracker = new Tracker(options.locationIntervalMs ?? LOCATION_INTERVAL_MS, location =>
      this.sendLocation(location),
    );
  }

  get state(): State {
    return this.current;
  }

  /** Keep it with the app's own state and give it back as `resume`: the next run then gets what it missed. */
  get position(): Resume | null {
    return this.inbox.position;
  }

  /** Listens: to an event by name, to every `event`, to `state`, to `problem`. The result takes the listener away. */
  on<K extends keyof Handlers>(name: K, listener: Handlers[K]): () => void {
    return this.emitter.on(name, listener);
  }

  /** Connects and stays connected. Does nothing when it already does. */
  connect(): void {
    if (this.current === 'connecting' || this.current === 'connected') return;
    this.tokenRefused = false;
    this.attempt = 0;
    void this.open('connect');
  }

  /** Leaves for good; commands that wait fail with 503. `connect` starts anew. */
  close(): void {
    this.finish(CLOSE.normal, 'closed by the app');
  }

  /**
   * Says something and waits for the answer. Never rejects: what went wrong is a value with a code, and `retryable`
   * tells whether the same command may succeed later. Without a connection it waits for one until its time is over.
   */
  command<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    { timeoutMs = COMMAND_MS, idem }: CommandOptions = {},
  ): CommandOutcome<N> {
    if (this.current === 'closed' || this.current === 'idle') {
      return Promise.resolve(refuse(ERROR.unavailable, `the client is ${this.current}`));
    }
    return this.pending.add(name, body, idem, timeoutMs, bytes => {
      if (this.current === 'connected') this.connection?.send(bytes);
    }) as CommandOutcome<N>;
  }

  /** Where the phone is now. Only the newest position counts; it is never queued. */
  location(position: Position): void {
    if (this.current !== 'closed') this.tracker.report(position);
  }

  /** Whether a person looks at the app. Coming to the front also checks the connection. */
  setForeground(foreground: boolean): void {
    const changed = this.foreground !== foreground;
    this.foreground = foreground;
    if (changed) this.sendFrame({ type: 'clientState', foreground });
    if (foreground) this.networkChanged();
  }

  /** The network may have changed under us: find out quickly instead of waiting for a timeout. */
  networkChanged(): void {
    if (this.current === 'connected') this.connection?.probe(PROBE_MS);
    else if (this.current === 'suspended') {
      this.clearRetry();
      void this.open('connect');
    }
  }

  private async open(reason: TokenReason): Promise<void> {
    const generation = ++this.generation;
    this.change('connecting', 0, '', null);
    let token: string;
    try {
      token = await this.options.getToken(reason);
    } catch (error) {
      if (generation !== this.generation) return;
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof Unauthorized) return this.finish(CLOSE.badToken, message);
      return this.retry(0, message, delayMs('backoff', this.attempt++, this.jitterMs, this.random()));
    }
    if (generation !== this.generation) return;
    const Socket = this.options.WebSocket ?? (globalThis.WebSocket as unknown as SocketConstructor);
    const { deviceId, app = 'heyblue-client' } = this.options;
    const url = this.sentTo ?? this.urls[this.nth]!;
    this.sentTo = null;
    const resume = this.inbox.position;
    const hello = { type: 'hello', version: PROTOCOL_VERSION, token, deviceId, app, resume } as const;
    this.connection = new Connection(Socket, url, hello, {
      frame: frame => generation === this.generation && this.heard(frame),
      gone: (code, why) => generation === this.generation && this.gone(code, why),
    });
  }

  private heard(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        return this.welcomed(frame);
      case 'event':
        if (!this.inbox.event(frame)) this.connection?.close(CLOSE.moved, 'an event is missing');
        return;
      case 'volatile':
        return this.inbox.volatile(frame);
      case 'reply':
        return this.pending.replied(frame);
      case 'error':
        if (frame.cid !== 0) return this.pending.refused(frame);
        return this.emitter.emit('problem', {
          ...refuse(frame.code as never, frame.message, frame.retryAfterMs),
          retryable: frame.retryable,
        });
      case 'tokenExpiring':
        void this.renew();
        return;
      case 'goaway':
        return this.leaveSoon(frame);
      default:
        return;
    }
  }

  private welcomed(frame: ServerFrame & { type: 'welcome' }): void {
    this.inbox.welcome(frame);
    this.tokenRefused = false;
    this.jitterMs = frame.config.reconnectJitterMs;
    this.welcomedMs = performance.now();
    this.connection?.established(frame.config.pingS * 1_000);
    this.change('connected', 0, '', null);
    if (!this.foreground) this.sendFrame({ type: 'clientState', foreground: false });
    for (const bytes of this.pending.unanswered()) this.connection?.send(bytes);
    this.tracker.flush();
  }

  /** The socket is gone. */
  private gone(code: number, reason: string): void {
    const stable = this.current === 'connected' && performance.now() - this.welcomedMs >= STABLE_MS;
    if (stable) this.attempt = 0;
    this.connection = null;
    this.inbox.pause();
    const advice = adviceFor(code);
    if (advice === 'stop' || (advice === 'newToken' && this.tokenRefused)) return this.finish(code, reason);
    if (advice === 'newToken') this.tokenRefused = true;
    if (code === CLOSE.resyncNeeded) this.inbox.position = null;
    else if (advice !== 'newToken') this.nth = (this.nth + 1) % this.urls.length;
    // Where there are several addresses, asking each of them once is one attempt.
    const rounds = Math.floor(this.attempt / this.urls.length);
    const waitMs = delayMs(advice, rounds, this.jitterMs, this.random());
    if (advice !== 'newToken') this.attempt++;
    this.retry(code, reason, waitMs);
  }

  private retry(code: number, reason: string, waitMs: number): void {
    this.clearRetry();
    this.retryTimer = setTimeout(() => {
      this.retryTimer = null;
      void this.open(code === CLOSE.badToken || code === CLOSE.tokenExpired ? 'refused' : 'connect');
    }, waitMs);
    this.change('suspended', code, reason, waitMs);
  }

  /** The server is about to stop: come back within the window that it named, before it closes on us. */
  private leaveSoon({ delayMinMs, delayMaxMs, url }: ServerFrame & { type: 'goaway' }): void {
    this.clearRetry();
    this.sentTo = url;
    if (url === null) this.nth = (this.nth + 1) % this.urls.length;
    const waitMs = delayMinMs + this.random() * Math.max(0, delayMaxMs - delayMinMs);
    this.retryTimer = setTimeout(() => {
      this.generation++;
      this.connection?.close(CLOSE.moved, 'asked to move');
      this.connection = null;
      this.inbox.pause();
      this.retry(CLOSE.moved, 'asked to move', 0);
    }, waitMs);
  }

  private async renew(): Promise<void> {
    const { connection } = this;
    try {
      const token = await this.options.getToken('expiring');
      if (connection !== null && connection === this.connection)
        await this.command('auth.refresh', { token });
    } catch (error) {
      if (error instanceof Unauthorized) this.finish(CLOSE.badToken, error.message);
      // Anything else: the server closes with 4101 when it is time, and the next connect asks again.
    }
  }

  private finish(code: number, reason: string): void {
    if (this.current === 'closed') return;
    this.generation++;
    this.clearRetry();
    this.connection?.close(CLOSE.normal, reason);
    this.connection = null;
    this.inbox.pause();
    this.tracker.stop();
    this.change('closed', code, reason, null);
    this.pending.failAll(`the client is closed: ${reason}`);
  }

  private change(state: State, code: number, reason: string, willRetryInMs: number | null): void {
    this.current = state;
    this.emitter.emit('state', { state, code, reason, willRetryInMs });
  }

  private deliver(message: Message): void {
    (this.emitter.emit as (name: string, ...args: unknown[]) => void).call(
      this.emitter,
      message.name,
      message.body,
      message,
    );
    this.emitter.emit('event', message);
  }

  private sendFrame(frame: ClientFrame): void {
    if (this.current === 'connected') this.connection?.send(encodeClientFrame(frame));
  }

  private sendLocation(location: Location): boolean {
    if (this.current !== 'connected') return false;
    let bytes: Uint8Array;
    try {
      bytes = encodeClientFrame({ type: 'location', ...location });
    } catch {
      // Not a place: NaN from a sensor that has no fix. There is nothing to send, and nothing to keep.
      this.emitter.emit('problem', refuse(ERROR.invalid, 'not a position'));
      return true;
    }
    this.connection?.send(bytes);
    return true;
  }

  private clearRetry(): void {
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    this.retryTimer = null;
  }
}
