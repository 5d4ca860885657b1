/**
 * The location service of a town of its own: circles and last positions in memory, the sampled history in the DynamoDB
 * table `tracking`, where it expires after {@link MemoryLocationOptions.historyMs}.
 *
 * It knows nothing of networks, so its second opinion on a claim is the person's own samples: how far the claim lies from
 * where a body could have got to.
 */
import {
  type Circle,
  type Claim,
  type Crossing,
  LocationFailure,
  type LocationPort,
  type PositionSample,
  type SampledPosition,
  type Verification,
} from '../../nodes/locationPort.ts';
import type { Clock, Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { type TrackedItem, TrackingTable, WRITE_MAX } from '../dynamodb/trackingTable.ts';
import type { AwsOptions } from '../outbox/awsClient.ts';
import { BoundedMap } from './bounded.ts';
import { Circles, whyNoCircle } from './circles.ts';
import { Crossings } from './crossings.ts';
import { isPoint, metresBetween } from './earth.ts';
import { failureOf } from './failures.ts';
import {
  BACKOFF_MS_MIN,
  CALL_ATTEMPTS_MAX,
  PRUNE_MS,
  REMEMBERED_MAX,
  SPEED_MPS_MAX,
  VERIFY_WINDOW_MS,
} from './limits.ts';
import type { Pseudonyms } from './pseudonym.ts';
import { SampleQueue, type Written } from './sampleQueue.ts';

export interface MemoryLocationOptions {
  readonly dynamodb: AwsOptions;
  readonly pseudonyms: Pseudonyms;
  /** How long a sample is kept. */
  readonly historyMs: number;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly table?: string;
}

export class MemoryLocation implements LocationPort {
  readonly #options: MemoryLocationOptions;
  readonly #table: TrackingTable;
  readonly #queue: SampleQueue;
  readonly #circles = new Circles();
  readonly #crossings: Crossings;
  readonly #latest = new BoundedMap<string, SampledPosition>(REMEMBERED_MAX);
  readonly #abort = new AbortController();
  #cancelPrune = () => {};

  constructor(options: MemoryLocationOptions) {
    this.#options = options;
    this.#table = new TrackingTable(options.dynamodb, options.table);
    const { scheduler, log, metrics } = options;
    this.#crossings = new Crossings(log);
    this.#queue = new SampleQueue({
      batchMax: WRITE_MAX,
      write: (batch, signal) => this.#write(batch, signal),
      scheduler,
      log,
      metrics,
    });
    this.#pruneLater();
  }

  sample(sample: PositionSample): void {
    if (!isPoint(sample)) return;
    const { userId, ...position } = sample;
    const before = this.#latest.get(userId);
    if (!before || before.takenAtMs < position.takenAtMs) this.#latest.set(userId, position);
    this.#queue.offer(sample);
  }

  async history(userId: string, fromMs: number, untilMs: number): Promise<readonly SampledPosition[]> {
    const nowMs = this.#options.clock.nowMs();
    const oldestMs = Math.max(fromMs, nowMs - this.#options.historyMs);
    // nothing is taken much later than now
    const names = this.#options.pseudonyms.between(userId, oldestMs, Math.min(untilMs, nowMs + PRUNE_MS));
    const parts = await this.#calls('history', signal =>
      Promise.all(names.map(name => this.#table.read(name, oldestMs, untilMs, nowMs, signal))),
    );
    return parts.flat().sort((a, b) => a.takenAtMs - b.takenAtMs);
  }

  async forget(userId: string): Promise<void> {
    this.#latest.delete(userId);
    await this.#queue.forget(userId);
    const nowMs = this.#options.clock.nowMs();
    const { historyMs, pseudonyms } = this.#options;
    const names = pseudonyms.between(userId, nowMs - historyMs, nowMs + PRUNE_MS);
    for (const name of names) this.#circles.forget(name);
    await this.#calls('forget', async signal => {
      const keys = (await Promise.all(names.map(name => this.#table.keysOf(name, signal)))).flat();
      let left: typeof keys = [];
      for (let i = 0; i < keys.length; i += WRITE_MAX)
        left = left.concat(await this.#table.remove(keys.slice(i, i + WRITE_MAX), signal));
      // asked for again, it finds what is left
      if (left.length > 0) throw new LocationFailure('forget', 'unavailable', 'no room for the rest');
    });
  }

  async putCircles(
    circles: readonly Circle[],
  ): Promise<readonly { readonly id: string; readonly why: string }[]> {
    const refused: { id: string; why: string }[] = [];
    for (const circle of circles) {
      const why = whyNoCircle(circle);
      if (why === null) this.#circles.put(circle);
      else refused.push({ id: circle.id, why });
    }
    return refused;
  }

  async deleteCircles(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#circles.delete(id);
  }

  async circles(): Promise<readonly Circle[]> {
    return this.#circles.all();
  }

  async evaluate(positions: readonly PositionSample[]): Promise<void> {
    for (const position of positions) {
      if (!isPoint(position)) continue;
      const { userId, takenAtMs: atMs } = position;
      const moved = this.#circles.move(this.#options.pseudonyms.of(userId, atMs), position);
      for (const circleId of moved.left) this.#crossings.tell({ userId, circleId, what: 'exit', atMs });
      for (const circleId of moved.entered) this.#crossings.tell({ userId, circleId, what: 'enter', atMs });
    }
  }

  onCrossing(heard: (crossing: Crossing) => void): () => void {
    return this.#crossings.hear(heard);
  }

  async verify(claim: Claim): Promise<Verification> {
    if (!isPoint(claim)) throw new LocationFailure('verify', 'invalid', 'no position on Earth');
    const { userId, takenAtMs } = claim;
    const latest = this.#latest.get(userId);
    const known = [
      ...(latest ? [latest] : []),
      ...(await this.history(userId, takenAtMs - VERIFY_WINDOW_MS, takenAtMs + VERIFY_WINDOW_MS)),
    ].filter(one => Math.abs(one.takenAtMs - takenAtMs) <= VERIFY_WINDOW_MS);
    const beyond = known.map(one => {
      const walkedM = (Math.abs(one.takenAtMs - takenAtMs) / 1_000) * SPEED_MPS_MAX;
      return metresBetween(one, claim) - walkedM - (one.accuracyDm + claim.accuracyDm) / 10;
    });
    return {
      proxyDetected: false,
      deviationM: beyond.length === 0 ? null : Math.max(0, ...beyond),
    };
  }

  settled(): Promise<void> {
    return this.#queue.settled();
  }

  async close(budgetMs: number): Promise<void> {
    this.#cancelPrune();
    await this.#queue.close(budgetMs);
    this.#abort.abort();
    this.#table.close();
  }

  async #write(batch: readonly PositionSample[], signal: AbortSignal): Promise<Written> {
    const { pseudonyms, historyMs } = this.#options;
    const items = new Map<string, PositionSample>();
    const tracked = batch.map((sample): TrackedItem => {
      const device = pseudonyms.of(sample.userId, sample.takenAtMs);
      items.set(device, sample);
      const { takenAtMs, latE7, lngE7, accuracyDm } = sample;
      return { device, takenAtMs, latE7, lngE7, accuracyDm, expiresAtMs: takenAtMs + historyMs };
    });
    try {
      const left = await this.#table.write(tracked, signal);
      return { again: left.map(item => items.get(item.device)!), lost: [] };
    } catch (error) {
      throw failureOf('sample', error);
    }
  }

  /** Several attempts, then the port's own failure. */
  async #calls<T>(operation: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (let attempt = 1, backoffMs = BACKOFF_MS_MIN; ; attempt++, backoffMs *= 2) {
      try {
        return await work(this.#abort.signal);
      } catch (error) {
        const failure = failureOf(operation, error);
        if (failure.fault !== 'unavailable' || attempt >= CALL_ATTEMPTS_MAX || this.#abort.signal.aborted)
          throw failure;
        await new Promise<void>(resolve => this.#options.scheduler.after(backoffMs, resolve));
      }
    }
  }

  #pruneLater(): void {
    this.#cancelPrune = this.#options.scheduler.after(PRUNE_MS, () => {
      this.#table
        .prune(this.#options.clock.nowMs(), this.#abort.signal)
        .catch(error => this.#options.log.warn({ reason: failureOf('prune', error).message }, 'not pruned'))
        .finally(() => {
          if (!this.#abort.signal.aborted) this.#pruneLater();
        });
    });
  }
}
