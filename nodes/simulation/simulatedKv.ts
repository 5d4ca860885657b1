/**
 * The coordination store in bad weather: the bucket in memory behind the node's link. A call may hang for ever, be
 * refused, or lose its answer: with the write applied, not applied, or applied after the caller gave up. Reads that are no
 * read-back may be stale, a watch may stall, and the bucket itself may be put back to an older copy, emptied or soiled.
 */
import type { BucketCopy, MemoryBucket } from '../memory/memoryKv.ts';
import { type KvEntry, KvError, type KvStore } from '../ports.ts';
import type { Chronicle } from './chronicle.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Link } from './link.ts';
import type { SimulatedProcess } from './process.ts';
import type { SimulatedBus } from './simulatedBus.ts';
import type { VirtualTime } from './virtualTime.ts';

/** Shares of calls with which something happens; the nemesis moves them. */
export interface KvWeather {
  lostAfter: number;
  lostBefore: number;
  late: number;
  refused: number;
  hung: number;
  stale: number;
  /** Of whole lists, which are then as old as is remembered. */
  staleLists: number;
}

export const FINE_KV: Readonly<KvWeather> = {
  lostAfter: 0,
  lostBefore: 0,
  late: 0,
  refused: 0,
  hung: 0,
  stale: 0,
  staleLists: 0,
};

const COPY_MS = 500;
const COPIES = 16;
const LATE_MS = { min: 50, max: 2_500 };
const UNKNOWN_MS = { min: 1, max: 700 };

/** The bucket on its server, with what it was a while ago. */
export class KvServer {
  readonly bucket: MemoryBucket;
  readonly weather: KvWeather = { ...FINE_KV };
  readonly copies: BucketCopy[] = [];
  /** Until when the watch of a node (by name of its process) tells nothing; world milliseconds. */
  readonly stalledUntilMs = new Map<string, number>();
  /** Until when no call of a node is answered. */
  readonly hungUntilMs = new Map<string, number>();

  /** @param remembers whether older states are kept, for stale reads and restores */
  constructor(bucket: MemoryBucket, time: VirtualTime, remembers: boolean) {
    this.bucket = bucket;
    if (!remembers) return;
    const copy = (): void => {
      this.copies.push(bucket.copy());
      if (this.copies.length > COPIES) this.copies.shift();
      time.after(COPY_MS, copy);
    };
    time.after(COPY_MS, copy);
  }
}

export interface KvParts {
  readonly time: VirtualTime;
  readonly process: SimulatedProcess;
  readonly link: Link;
  readonly bus: SimulatedBus;
  readonly server: KvServer;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
}

const unknown = (): KvError => new KvError('unknown', 'the answer was lost');
const unavailable = (message: string): KvError => new KvError('unavailable', message);

export class SimulatedKv implements KvStore {
  readonly #parts: KvParts;
  /** Keys with a write of ours whose outcome is not known: reads of those go to the leader and are never stale. */
  readonly #doubtful = new Set<string>();
  /** Who watches in this process: all hear of the same, over one watch. */
  readonly #watchers = new Set<(entry: KvEntry) => void>();
  #stopWatch: (() => void) | null = null;

  constructor(parts: KvParts) {
    this.#parts = parts;
  }

  get(key: string): Promise<KvEntry | null> {
    const { server, dice, faults } = this.#parts;
    const stale = !this.#doubtful.has(key) && dice.chance(server.weather.stale);
    return this.#call(null, () => {
      const found = server.bucket.get(key);
      const old = stale ? dice.pick(server.copies)?.entries.find(entry => entry.key === key) : undefined;
      if (!old || old.revision === found?.revision) return found;
      faults.hit('kv stale read');
      return { ...old, value: old.value.slice() };
    });
  }

  put(key: string, value: Uint8Array, revision: number): Promise<number> {
    const copy = value.slice();
    return this.#call(key, () => this.#parts.server.bucket.put(key, copy, revision));
  }

  remove(key: string, revision: number): Promise<void> {
    return this.#call(key, () => this.#parts.server.bucket.remove(key, revision));
  }

  list(): Promise<KvEntry[]> {
    const { server, dice, faults } = this.#parts;
    const oldest = dice.chance(server.weather.staleLists);
    const stale = dice.chance(server.weather.stale);
    return this.#call(null, () => {
      const old = oldest ? server.copies[0] : stale ? dice.pick(server.copies) : undefined;
      if (!old || old.revision === server.bucket.revision) return server.bucket.list();
      faults.hit('kv stale read');
      return old.entries.map(entry => ({ ...entry, value: entry.value.slice() }));
    });
  }

  lastRevision(): Promise<number> {
    return this.#call(null, () => this.#parts.server.bucket.revision);
  }

  watch(changed: (entry: KvEntry) => void): () => void {
    this.#watchers.add(changed);
    this.#stopWatch ??= this.#watch();
    return () => this.#watchers.delete(changed);
  }

  #watch(): () => void {
    const { server, process: host, link, bus, time, dice, faults } = this.#parts;
    let stopped = false;
    let waiting: KvEntry[] = [];
    let flushing = false;
    const deliver = (entry: KvEntry): void =>
      link.in(() => {
        if (!stopped) host.arrive(() => this.#tell(entry));
      });
    const flush = (): void => {
      flushing = false;
      if (blocked()) return later();
      const entries = waiting;
      waiting = [];
      // a watch that is made anew may have missed what came between
      if (!dice.chance(0.3)) for (const entry of entries) deliver(entry);
    };
    const blocked = (): boolean =>
      !bus.connected || time.monotonicMs() < (server.stalledUntilMs.get(host.name) ?? 0);
    const later = (): void => {
      if (flushing || stopped || !host.alive) return;
      flushing = true;
      time.after(250, flush);
    };
    const stop = server.bucket.watch(entry => {
      if (waiting.length === 0 && !blocked()) return deliver(entry);
      if (bus.connected) faults.hit('kv watch stalled');
      waiting.push(entry);
      later();
    });
    return () => {
      stopped = true;
      stop();
    };
  }

  #tell(entry: KvEntry): void {
    for (const changed of this.#watchers) changed(entry);
  }

  /** The process is gone. */
  gone(): void {
    this.#stopWatch?.();
  }

  /** One call: there, done, and back. `written` names the key of a write. */
  #call<T>(written: string | null, done: () => T): Promise<T> {
    const { process: host, link, bus, server, dice, faults, chronicle, time } = this.#parts;
    const { weather } = server;
    return new Promise<T>((resolve, reject) => {
      if (!bus.connected) {
        host.immediate(() => reject(unavailable('not connected')));
        return;
      }
      const connection = bus.connection;
      const lost = (afterMs: number): void => {
        if (written === null) return; // a read that is not answered hangs
        this.#doubtful.add(written);
        time.after(afterMs, () => host.arrive(() => reject(unknown())));
      };
      const soonMs = (): number => dice.between(UNKNOWN_MS.min, UNKNOWN_MS.max);
      const attempt = (): { ok: true; value: T } | { ok: false; error: unknown } => {
        try {
          return { ok: true, value: done() };
        } catch (error) {
          return { ok: false, error };
        }
      };
      if (dice.chance(weather.hung) || time.monotonicMs() < (server.hungUntilMs.get(host.name) ?? 0)) {
        faults.hit('kv hung');
        if (dice.chance(0.5)) link.out(() => void attempt());
        if (written !== null) this.#doubtful.add(written);
        return;
      }
      if (dice.chance(weather.refused)) {
        faults.hit('kv refused');
        time.after(soonMs(), () => host.arrive(() => reject(unavailable('refused'))));
        return;
      }
      link.out(() => {
        if (connection !== bus.connection) return lost(1);
        if (written !== null) {
          if (dice.chance(weather.lostBefore)) {
            faults.hit('kv write not applied, answer lost');
            return lost(soonMs());
          }
          if (dice.chance(weather.late)) {
            chronicle.note('a write will be applied late', host.name, written);
            time.after(dice.between(LATE_MS.min, LATE_MS.max), () => {
              if (attempt().ok) faults.hit('kv write applied late, answer lost');
            });
            return lost(soonMs());
          }
        }
        const outcome = attempt();
        if (written !== null && outcome.ok && dice.chance(weather.lostAfter)) {
          faults.hit('kv write applied, answer lost');
          chronicle.note('a write was applied, its answer lost', host.name, written);
          return lost(soonMs());
        }
        link.in(() =>
          host.arrive(() => {
            if (connection !== bus.connection) {
              if (written !== null) reject(unknown());
              return;
            }
            if (written !== null) this.#doubtful.delete(written);
            if (outcome.ok) resolve(outcome.value);
            else reject(outcome.error);
          }),
        );
      });
    });
  }
}
