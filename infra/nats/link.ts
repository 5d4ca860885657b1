/**
 * One connection to NATS that stays: the client of the maintainers with what is missing in it.
 *
 * - It never closes for good. Where the client gives up all the same, a new one takes over the subscriptions.
 * - No callback of ours can throw into its read loop, which would end it silently.
 * - `connected` is true only while a send goes to a server now: what is sent meanwhile would be kept without a bound and
 *   arrive late, after the reconnect.
 * - A connection that swallows everything ends within three seconds, also when its socket is full: the client waits for
 *   the socket to drain before it closes, for as long as TCP tries. So the socket is destroyed here.
 * - Whoever waits for an answer is told at once when the connection breaks; the client lets them run into their timeout.
 */
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type ConnectionOptions,
  connect,
  errors,
  type Msg,
  type NatsConnection,
  type Subscription,
} from 'nats';
import type { Log } from '../../nodes/ports.ts';
import { assert } from '../../protocol/assert.ts';
import { NatsTooOld, NatsUnauthorized, NatsUnreachable } from './failures.ts';
import { NATS_LIMITS } from './limits.ts';
import { isVersionAllowed } from './version.ts';

/** What the client does not tell in its types; `open` checks that it is there. */
interface Insides {
  readonly protocol: {
    readonly connected: boolean;
    readonly transport?: { readonly socket?: Socket };
    readonly subscriptions?: { readonly subs: ReadonlyMap<number, unknown> };
  };
}

interface Listener {
  readonly subject: string;
  readonly heard: (message: Msg) => void;
  current: Subscription;
}

export class NatsLink {
  readonly #options: ConnectionOptions;
  readonly #servers: string;
  readonly #log: Log;
  readonly #listeners = new Set<Listener>();
  readonly #watchers = new Set<(connected: boolean) => void>();
  readonly #waiting = new Set<() => void>();
  #client: NatsConnection;
  #up = true;
  #closing = false;
  #bytesMax = 0;

  /**
   * Connects, with patience for a server that comes up later than we do.
   *
   * @param servers for sentences, without credentials
   * @throws NatsUnreachable, NatsUnauthorized or NatsTooOld
   */
  static async open(
    options: ConnectionOptions,
    servers: string,
    log: Log,
    patienceMs: number = NATS_LIMITS.firstConnectMs,
  ): Promise<NatsLink> {
    const until = performance.now() + patienceMs;
    for (;;) {
      try {
        const client = await connect({ ...options });
        const version = client.info?.version ?? '';
        if (isVersionAllowed(version)) return new NatsLink(client, options, servers, log);
        await client.close();
        throw new NatsTooOld(servers, version || 'unknown');
      } catch (error) {
        if (error instanceof NatsTooOld) throw error;
        if (isRefusal(error)) throw new NatsUnauthorized(servers);
        const reason = error instanceof Error ? error.message : String(error);
        if (performance.now() > until) throw new NatsUnreachable(servers, reason || 'no connection');
        await pause(NATS_LIMITS.redialMs);
      }
    }
  }

  private constructor(client: NatsConnection, options: ConnectionOptions, servers: string, log: Log) {
    this.#options = options;
    this.#servers = servers;
    this.#log = log;
    this.#client = client;
    const { protocol } = client as unknown as Insides;
    assert(protocol?.connected === true, 'the NATS client tells whether it is connected');
    assert(protocol.transport?.socket !== undefined, 'the NATS client has a socket');
    this.#adopt(client);
  }

  /** Sends go out now. */
  get connected(): boolean {
    return this.#up && !this.#closing && (this.#client as unknown as Insides).protocol.connected;
  }

  /** The client underneath; another one after it closed for good. */
  get client(): NatsConnection {
    return this.#client;
  }

  /** Largest message the server takes, bytes. */
  get bytesMax(): number {
    return (this.#bytesMax = this.#client.info?.max_payload ?? this.#bytesMax);
  }

  /** Subjects that are heard here, by the client's own count. */
  get subscriptions(): number {
    return (this.#client as unknown as Insides).protocol.subscriptions?.subs.size ?? this.#listeners.size;
  }

  /** Bytes that wait in our socket because the other side does not take them. */
  get backlogBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  get #socket(): Socket | undefined {
    return (this.#client as unknown as Insides).protocol.transport?.socket;
  }

  /** Called with each change of `connected`, until the returned function is called. */
  watch(changed: (connected: boolean) => void): () => void {
    const watcher = (connected: boolean): void => changed(connected);
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Hears a subject, across reconnects, until the returned function is called. */
  subscribe(subject: string, heard: (message: Msg) => void): () => void {
    const listener: Listener = { subject, heard, current: this.#listen(this.#client, subject, heard) };
    this.#listeners.add(listener);
    return () => {
      if (!this.#listeners.delete(listener)) return;
      this.#guard(() => listener.current.unsubscribe());
    };
  }

  /** An answer, or the rejection `broken()` as soon as the connection that was asked breaks. */
  answered<T>(asked: Promise<T>, broken: () => Error): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const fail = (): void => reject(broken());
      this.#waiting.add(fail);
      asked.then(resolve, reject).finally(() => this.#waiting.delete(fail));
    });
  }

  /** Ends the connection and makes a new one: the hook for whoever knows better that this one is no good. */
  reconnect(): void {
    this.#socket?.destroy();
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#change(false);
    // what was published goes out, but nobody waits for a server that is away
    const flushed = this.#client.isClosed() ? Promise.resolve() : this.#client.flush();
    await Promise.race([flushed.catch(() => {}), pause(NATS_LIMITS.callMs)]);
    await Promise.race([this.#client.close(), pause(NATS_LIMITS.callMs)]);
    this.#socket?.destroy();
  }

  #adopt(client: NatsConnection): void {
    this.#client = client;
    this.#follow(client).catch(error =>
      this.#log.error({ err: error }, 'the states of NATS are not told any more'),
    );
    client.closed().then(reason => {
      if (!this.#closing) this.#replace(reason ?? null);
    });
  }

  async #follow(client: NatsConnection): Promise<void> {
    for await (const status of client.status()) {
      switch (status.type) {
        case 'disconnect':
          this.#change(false);
          break;
        case 'reconnect': {
          const version = client.info?.version ?? '';
          if (!isVersionAllowed(version)) {
            this.#log.error({ version }, 'this NATS server is too old: it may lose acknowledged writes');
          }
          this.#change(true);
          break;
        }
        case 'staleConnection':
          this.#socket?.destroy();
          break;
        case 'error':
          this.#log.warn({ reason: status.error.message }, 'NATS complains');
          break;
        case 'ldm':
          this.#log.info({}, 'the NATS server is about to stop');
          break;
      }
    }
  }

  #change(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    if (!this.#closing) {
      if (up) this.#log.info({ server: this.#client.getServer() }, 'NATS is back');
      else this.#log.warn({ servers: this.#servers }, 'the connection to NATS is lost');
    }
    if (!up) {
      const waiting = [...this.#waiting];
      this.#waiting.clear();
      for (const fail of waiting) fail();
    }
    for (const watcher of this.#watchers) this.#guard(() => watcher(up));
  }

  /** The client closed for good. */
  async #replace(reason: Error | null): Promise<void> {
    this.#log.error({ reason: reason?.message }, 'the NATS client closed itself; connecting anew');
    this.#change(false);
    while (!this.#closing) {
      try {
        const client = await connect({ ...this.#options });
        if (this.#closing) return await client.close();
        for (const listener of this.#listeners) {
          listener.current = this.#listen(client, listener.subject, listener.heard);
        }
        this.#adopt(client);
        this.#change(true);
        return;
      } catch {
        await pause(NATS_LIMITS.redialMs);
      }
    }
  }

  #listen(client: NatsConnection, subject: string, heard: (message: Msg) => void): Subscription {
    return client.subscribe(subject, {
      callback: (error, message) => {
        if (error) this.#log.error({ reason: error.message, subject }, 'NATS refuses a subscription');
        else this.#guard(() => heard(message));
      },
    });
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#log.error({ err: error }, 'a listener of NATS threw');
    }
  }
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const all = [error, error.cause];
  return all.some(
    one => one instanceof errors.AuthorizationError || one instanceof errors.UserAuthenticationExpiredError,
  );
}

/** The client hands out Node's Buffer, whose `slice` shares memory where everybody else's copies. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
