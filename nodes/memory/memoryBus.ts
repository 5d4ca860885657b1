/**
 * The way between nodes in memory: the twin of NATS for simulations and tests. A hub knows who listens to which subject;
 * each node has a client that may be cut off and come back. Whoever wants loss, delay or reordering wraps the client.
 */
import type { Bus, Log, Scheduler } from '../ports.ts';

/** As NATS has it by default. */
const BYTES_MAX = 1_048_576;

interface Subscription {
  readonly client: MemoryBus;
  readonly subject: string;
  readonly heard: (bytes: Uint8Array) => void;
}

/** The server in the middle. Messages are delivered by the scheduler, in the order in which they were published. */
export class MemoryHub {
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  readonly #scheduler: Pick<Scheduler, 'immediate'>;
  readonly #log: Log;

  constructor(scheduler: Pick<Scheduler, 'immediate'>, log: Log) {
    this.#scheduler = scheduler;
    this.#log = log;
  }

  /** A new client, connected. */
  connect(): MemoryBus {
    return new MemoryBus(this);
  }

  add(subscription: Subscription): () => void {
    const { subject } = subscription;
    const all = this.#subscriptions.get(subject) ?? new Set();
    this.#subscriptions.set(subject, all.add(subscription));
    return () => {
      all.delete(subscription);
      if (all.size === 0 && this.#subscriptions.get(subject) === all) this.#subscriptions.delete(subject);
    };
  }

  publish(from: MemoryBus, subject: string, bytes: Uint8Array, unheard?: () => void): void {
    const all = this.#subscriptions.get(subject) ?? [];
    const listeners = [...all].filter(one => one.client.connected);
    const copy = bytes.slice();
    const connection = from.connection;
    if (listeners.length === 0 && unheard) {
      // the answer of the server is lost with the connection that asked
      this.#later(() => from.connected && from.connection === connection && unheard());
    }
    for (const one of listeners) {
      const to = one.client.connection;
      this.#later(() => {
        const there = one.client.connected && one.client.connection === to;
        if (there && this.#subscriptions.get(subject)?.has(one)) one.heard(copy);
      });
    }
  }

  guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#log.error({ error }, 'a listener of the bus threw');
    }
  }

  #later(run: () => void): void {
    this.#scheduler.immediate(() => this.guard(run));
  }
}

/** One node's client. */
export class MemoryBus implements Bus {
  readonly bytesMax = BYTES_MAX;
  readonly #hub: MemoryHub;
  readonly #watchers: ((connected: boolean) => void)[] = [];
  #connected = true;
  /** Rises with each connection: what was under way on an earlier one is lost. */
  connection = 1;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  get connected(): boolean {
    return this.#connected;
  }

  publish(subject: string, bytes: Uint8Array, unheard?: () => void): boolean {
    if (!this.#connected || bytes.length > this.bytesMax) return false;
    this.#hub.publish(this, subject, bytes, unheard);
    return true;
  }

  subscribe(subject: string, heard: (bytes: Uint8Array) => void): () => void {
    return this.#hub.add({ client: this, subject, heard });
  }

  watchConnection(changed: (connected: boolean) => void): void {
    this.#watchers.push(changed);
  }

  /** Cuts the client off, or lets it come back; its subscriptions stay. */
  setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    if (connected) this.connection++;
    for (const watcher of this.#watchers) this.#hub.guard(() => watcher(connected));
  }
}
