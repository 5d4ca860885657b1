/**
 * NATS as a node sees it when the network is bad: the bus in memory behind a link that delays, loses, doubles, reorders
 * and cuts. A client notices a cut only when its pings stay unanswered; the server may not notice at all.
 */
import type { MemoryBus, MemoryHub } from '../memory/memoryBus.ts';
import type { Bus } from '../ports.ts';
import type { Chronicle } from './chronicle.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Link } from './link.ts';
import type { SimulatedProcess } from './process.ts';
import type { VirtualTime } from './virtualTime.ts';

/** Shares of messages with which something happens on their last way; the nemesis moves them. */
export interface MessageWeather {
  dropped: number;
  doubled: number;
  delayed: number;
  reordered: number;
  delayMsMax: number;
}

export const FINE_WEATHER: Readonly<MessageWeather> = {
  dropped: 0,
  doubled: 0,
  delayed: 0,
  reordered: 0,
  delayMsMax: 0,
};

export interface BusParts {
  readonly time: VirtualTime;
  readonly process: SimulatedProcess;
  readonly link: Link;
  readonly hub: MemoryHub;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
  readonly weather: MessageWeather;
}

/** Two pings of a second each and the wait for the third. */
const PING_MS = { min: 2_000, max: 3_000 };
const RECONNECT_MS = { min: 250, max: 500 };

export class SimulatedBus implements Bus {
  readonly bytesMax: number;
  readonly #parts: BusParts;
  readonly #inner: MemoryBus;
  readonly #watchers: ((connected: boolean) => void)[] = [];
  readonly #unwatch: () => void;
  #connected = true;
  #connection = 1;

  constructor(parts: BusParts) {
    this.#parts = parts;
    this.#inner = parts.hub.connect();
    this.bytesMax = this.#inner.bytesMax;
    this.#unwatch = parts.link.watch(() => this.#linkChanged());
    if (parts.link.cut) this.#linkChanged();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Rises with every connection: what was under way on an earlier one is lost. */
  get connection(): number {
    return this.#connection;
  }

  publish(subject: string, bytes: Uint8Array, unheard?: () => void): boolean {
    if (!this.#connected || bytes.length > this.bytesMax) return false;
    const { link, process: host, faults } = this.#parts;
    const connection = this.#connection;
    const copy = bytes.slice();
    const nobody =
      unheard &&
      (() =>
        link.in(() =>
          host.arrive(() => {
            if (connection !== this.#connection || !this.#connected) return;
            faults.hit('message to nobody, told');
            this.#parts.hub.guard(unheard);
          }),
        ));
    link.out(() => {
      if (connection !== this.#connection) return faults.hit('message lost with its connection');
      this.#inner.publish(subject, copy, nobody);
    });
    return true;
  }

  subscribe(subject: string, heard: (bytes: Uint8Array) => void): () => void {
    let stopped = false;
    const stop = this.#inner.subscribe(subject, bytes => {
      const connection = this.#connection;
      this.#weathered(subject, () =>
        this.#parts.process.arrive(() => {
          if (stopped || connection !== this.#connection || !this.#connected) return;
          this.#parts.hub.guard(() => heard(bytes.slice()));
        }),
      );
    });
    return () => {
      stopped = true;
      stop();
    };
  }

  watchConnection(changed: (connected: boolean) => void): void {
    this.#watchers.push(changed);
  }

  /** The connection breaks, and the client knows. It comes back by itself when the link is whole. */
  disconnect(): void {
    if (!this.#connected || !this.#parts.process.alive) return;
    this.#parts.faults.hit('disconnected');
    this.#lost(true);
  }

  /** The process is gone: the server hears it from the kernel, or not for a while when the machine is gone too. */
  gone(afterMs: number): void {
    this.#unwatch();
    this.#parts.time.after(afterMs, () => this.#inner.setConnected(false));
  }

  #weathered(subject: string, arrives: () => void): void {
    const { link, dice, faults, weather, chronicle } = this.#parts;
    if (dice.chance(weather.dropped)) {
      faults.hit('message dropped');
      chronicle.note('message dropped', subject);
      return;
    }
    const far = dice.chance(weather.delayed);
    if (far) faults.hit('message delayed');
    const overtakes = dice.chance(weather.reordered);
    if (overtakes) {
      faults.hit('message reordered');
      chronicle.note('message reordered', subject);
    }
    const delayMs = far || overtakes ? dice.between(0, weather.delayMsMax) : 0;
    link.in(arrives, delayMs, overtakes);
    if (!dice.chance(weather.doubled)) return;
    faults.hit('message doubled');
    chronicle.note('message doubled', subject);
    const laterMs = dice.between(0, weather.delayMsMax);
    // the second copy comes before what was said before it: that is late then, and lost
    const overtakesToo = dice.chance(0.5);
    if (overtakesToo) faults.hit('message reordered');
    link.in(arrives, laterMs, overtakesToo);
  }

  #linkChanged(): void {
    const { link, time, dice } = this.#parts;
    if (!link.cut) return this.#connected ? undefined : this.#comeBack();
    const connection = this.#connection;
    time.after(dice.between(PING_MS.min, PING_MS.max), () => {
      if (link.cut && this.#connected && connection === this.#connection) this.#lost(dice.chance(0.5));
    });
  }

  #lost(serverKnows: boolean): void {
    const { link, process: host, chronicle } = this.#parts;
    link.forget();
    if (serverKnows) this.#inner.setConnected(false);
    host.arrive(() => {
      if (!this.#connected) return;
      this.#connected = false;
      this.#connection++;
      chronicle.note('lost the bus', host.name);
      this.#tell();
      // a process that stood still learns of the loss when the link is whole again
      if (!link.cut) this.#comeBack();
    });
  }

  #comeBack(): void {
    const { time, link, dice, process: host, chronicle } = this.#parts;
    time.after(dice.between(RECONNECT_MS.min, RECONNECT_MS.max), () => {
      if (link.cut) return;
      host.arrive(() => {
        if (this.#connected || link.cut) return;
        this.#inner.setConnected(false);
        this.#inner.setConnected(true);
        this.#connected = true;
        chronicle.note('has the bus again', host.name);
        this.#tell();
      });
    });
  }

  #tell(): void {
    for (const watcher of this.#watchers) this.#parts.hub.guard(() => watcher(this.#connected));
  }
}
