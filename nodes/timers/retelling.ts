/**
 * What a dead owner may have kept to itself.
 *
 * A pair commits an encounter and then tells both people, until they have heard it; a giver does the same with points that
 * it gave. When its node dies between the commit and the telling, the people's own actors, alive on other nodes with
 * their phones attached, would not know: the points are there, the phones are silent. So whoever takes over shards
 * without having got their actors in good order reads what was committed there lately, in one read for all of them, and
 * tells it again. The listeners count each movement once, so that what was heard before changes nothing.
 *
 * "Lately" is longer than it takes to replace a dead node. Whoever was away for longer has no phone attached to an actor
 * that missed something: its actor starts from the store, which knows everything.
 */
import type { UserMessage } from '../../actors/messages/user.ts';
import type { SettledLately } from '../../actors/queries.ts';
import type { Address } from '../../actors/turn.ts';
import { redemptionOf } from '../../actors/user/redemption.ts';
import type { ActorDoor } from '../gatewayPort.ts';
import { RETELL_LIMITS } from '../limits.ts';
import type { Clock, Coordinator, Log, Metrics, QueryStore, Random, Scheduler } from '../ports.ts';

export interface RetellingOptions {
  readonly queries: QueryStore;
  readonly door: Pick<ActorDoor, 'ask'>;
  readonly coordinator: Pick<Coordinator, 'serving'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'count'>;
  readonly limits?: Partial<{ [K in keyof typeof RETELL_LIMITS]: number }>;
}

interface Telling {
  readonly to: Address;
  readonly message: UserMessage;
  attempt: number;
}

/** Who must hear what: both people of an encounter, whoever got points of another movement, and for what they came back. */
function tellingsOf({ id, reason, method, atMs, sides, refunded }: SettledLately): Telling[] {
  return sides.flatMap(({ account, delta, balance, version }): Telling[] => {
    const to = { kind: 'user', id: account } as const;
    if (reason === 'rejected')
      return [{ to, message: { type: 'encounterRejected', encounterId: id }, attempt: 0 }];
    if (method !== null) {
      const otherHandle = sides.find(side => side.account !== account)?.handle ?? '';
      if (reason === 'held') {
        const held = { encounterId: id, method, otherHandle, atMs };
        return [{ to, message: { type: 'encounterHeld', held }, attempt: 0 }];
      }
      const settled = {
        encounterId: id,
        method,
        otherHandle,
        points: delta,
        balance,
        balanceVersion: version,
        atMs,
      };
      return [{ to, message: { type: 'encounterSettled', settled }, attempt: 0 }];
    }
    if (refunded?.redemption.user === account) {
      const { redemption: view, quantity, points } = refunded;
      const ending = { state: 'refunded', quantity, points } as const;
      const movement = { transferId: id, version, delta, balance, reason, method, otherHandle: '', atMs };
      const message = {
        type: 'redemptionSettled',
        redemption: redemptionOf(view),
        ending,
        movement,
      } as const;
      return [{ to, message, attempt: 0 }];
    }
    const credit = { transferId: id, points: delta, balance, balanceVersion: version, reason };
    // who redeemed did not pay himself: the merchant's actor did
    const isNews = delta > 0 || reason === 'redemption';
    return isNews ? [{ to, message: { type: 'credited', credit }, attempt: 0 }] : [];
  });
}

export class Retelling {
  readonly #options: RetellingOptions;
  readonly #limits: { readonly [K in keyof typeof RETELL_LIMITS]: number };
  /** Shards to read, and when each was taken over. */
  #taken = new Map<number, number>();
  #queue: Telling[] = [];
  #reading = false;
  #pumping = false;
  #stopped = false;

  constructor(options: RetellingOptions) {
    this.#options = options;
    this.#limits = { ...RETELL_LIMITS, ...options.limits };
  }

  /** This node took the shard over, and nothing came with it. Shards taken within a moment are read together. */
  opened(shard: number): void {
    this.#taken.set(shard, this.#options.clock.monotonicMs());
    this.#readAfter(this.#limits.gatherMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#taken.clear();
    this.#queue = [];
  }

  #readAfter(delayMs: number): void {
    if (this.#reading || this.#stopped) return;
    this.#reading = true;
    this.#options.scheduler.after(delayMs, () => {
      void this.#read().then(pauseMs => {
        this.#reading = false;
        if (this.#taken.size > 0) this.#readAfter(pauseMs);
      });
    });
  }

  /** Reads what is to be read; the pause before the next read. Never rejects. */
  async #read(): Promise<number> {
    const { queries, coordinator, clock, log } = this.#options;
    const { gatherMs, retryMs, withinMs, limit } = this.#limits;
    if (this.#stopped || !coordinator.serving()) return retryMs;
    // Also of shards that have gone on since: who got them in good order takes it that nothing was left untold.
    const taken = [...this.#taken];
    this.#taken = new Map();
    if (taken.length === 0) return gatherMs;
    const sinceMs = clock.monotonicMs() - Math.min(...taken.map(([, atMs]) => atMs));
    const shards = taken.map(([shard]) => shard);
    try {
      const query = {
        type: 'settledLately',
        shards,
        withinMs: Math.ceil(withinMs + sinceMs),
        limit,
      } as const;
      const found = (await queries.query(query)) as readonly SettledLately[];
      if (found.length === limit) log.warn({ limit }, 'more was settled lately than is told again');
      // the newest came first; people hear them in order
      for (let i = found.length - 1; i >= 0; i--) this.#queue.push(...tellingsOf(found[i]!));
      this.#pump();
      return gatherMs;
    } catch (error) {
      log.warn({ shards: shards.length, error: String(error) }, 'what was settled lately could not be read');
      for (const [shard, atMs] of taken) if (!this.#taken.has(shard)) this.#taken.set(shard, atMs);
      return retryMs;
    }
  }

  /** A few at once: those who sleep are woken by it. */
  #pump(): void {
    if (this.#pumping || this.#queue.length === 0 || this.#stopped) return;
    this.#pumping = true;
    for (const one of this.#queue.splice(0, this.#limits.atOnce)) this.#tell(one);
    this.#options.scheduler.after(this.#limits.pauseMs, () => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #tell(one: Telling): void {
    const { door, scheduler, random, metrics } = this.#options;
    const { attempts, retryMs } = this.#limits;
    one.attempt++;
    door.ask(
      one.to,
      one.message,
      result => {
        const done = result.ok || !result.retryable;
        metrics.count('heyblue_retold_total', { result: done ? 'told' : 'retried' });
        if (done || one.attempt >= attempts || this.#stopped) return;
        const jitter = 0.75 + (random.uint32() / 2 ** 32) * 0.5;
        scheduler.after(retryMs * 2 ** (one.attempt - 1) * jitter, () => {
          if (this.#stopped) return;
          this.#queue.push(one);
          this.#pump();
        });
      },
      { keyed: true },
    );
  }
}
