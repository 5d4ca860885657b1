/**
 * Amazon Location as the town's location service: a tracker keeps the sampled positions, a geofence collection the
 * circles, and `VerifyDevicePosition` gives the second opinion.
 *
 * The service takes 10 positions a request and 50 requests a second: a twentieth of our average load, so it is fed with
 * samples and asked about what is held, never while people are matched. An answer of 200 may still name devices that
 * failed. It keeps positions for 30 days whatever we want; we read back no more than the town's own window, and remove
 * everything when a person opts out. Crossings come from it as EventBridge events: whoever gets them (a rule with an API
 * destination, for example) hands them to {@link AmazonLocation.absorb}.
 */
import {
  BatchDeleteDevicePositionHistoryCommand,
  BatchDeleteGeofenceCommand,
  BatchEvaluateGeofencesCommand,
  type BatchItemError,
  BatchPutGeofenceCommand,
  BatchUpdateDevicePositionCommand,
  type DevicePosition,
  GetDevicePositionHistoryCommand,
  ListGeofencesCommand,
  VerifyDevicePositionCommand,
} from '@aws-sdk/client-location';
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
import { AmazonCalls, type AmazonOptions, type Operation } from './amazonCalls.ts';
import { crossingOf } from './amazonEvents.ts';
import { BoundedMap } from './bounded.ts';
import { whyNoCircle } from './circles.ts';
import { Crossings } from './crossings.ts';
import { fromDegrees, isPoint, toDegrees } from './earth.ts';
import {
  AMAZON_BATCH_MAX,
  AMAZON_DELETE_CIRCLES_MAX,
  AMAZON_DELETE_MAX,
  AMAZON_KEEPS_DAYS,
  AMAZON_PAGE_MAX,
  AMAZON_PAGES_MAX,
  BACKOFF_MS_MIN,
  CALL_ATTEMPTS_MAX,
  REMEMBERED_MAX,
} from './limits.ts';
import type { Pseudonyms } from './pseudonym.ts';
import { SampleQueue, type Written } from './sampleQueue.ts';

export interface AmazonLocationOptions extends AmazonOptions {
  readonly pseudonyms: Pseudonyms;
  /** How far back a history goes. */
  readonly historyMs: number;
}

/** An item of a batch that failed by itself. */
interface ItemError {
  readonly key: string | undefined;
  readonly error: BatchItemError | undefined;
}

const DAY_MS = 86_400_000;
const AGAIN = new Set(['ThrottlingError', 'InternalServerError', 'ConflictError']);
const isPassing = (error: BatchItemError | undefined): boolean => AGAIN.has(error?.Code ?? '');
/** States of a geofence that counts, or soon will; one that is going, or could not be indexed, is none. */
const THERE = new Set(['ACTIVE', 'PENDING']);
const IPV4 = /^(\d{1,3}\.){3}\d{1,3}$/;

export class AmazonLocation implements LocationPort {
  readonly #options: AmazonLocationOptions;
  readonly #calls: AmazonCalls;
  readonly #queue: SampleQueue;
  readonly #crossings: Crossings;
  /** Whose pseudonyms were compared with circles here. */
  readonly #people = new BoundedMap<string, string>(REMEMBERED_MAX);

  constructor(options: AmazonLocationOptions) {
    this.#options = options;
    this.#calls = new AmazonCalls(options);
    const { scheduler, log, metrics } = options;
    this.#crossings = new Crossings(log);
    this.#queue = new SampleQueue({
      batchMax: AMAZON_BATCH_MAX,
      write: batch => this.#write(batch),
      scheduler,
      log,
      metrics,
    });
  }

  sample(sample: PositionSample): void {
    if (isPoint(sample)) this.#queue.offer(sample);
  }

  async history(userId: string, fromMs: number, untilMs: number): Promise<readonly SampledPosition[]> {
    const nowMs = this.#options.clock.nowMs();
    const oldestMs = Math.max(fromMs, nowMs - this.#options.historyMs);
    if (oldestMs >= untilMs) return [];
    const names = this.#options.pseudonyms.between(userId, oldestMs, Math.min(untilMs, nowMs + DAY_MS));
    const parts = await Promise.all(names.map(name => this.#historyOf(name, oldestMs, untilMs)));
    return parts.flat().sort((a, b) => a.takenAtMs - b.takenAtMs);
  }

  async forget(userId: string): Promise<void> {
    await this.#queue.forget(userId);
    const nowMs = this.#options.clock.nowMs();
    const names = this.#options.pseudonyms.between(
      userId,
      nowMs - AMAZON_KEEPS_DAYS * DAY_MS,
      nowMs + DAY_MS,
    );
    const { tracker: TrackerName } = this.#options;
    const operation = 'BatchDeleteDevicePositionHistory';
    const refused = await this.#inBatches(
      operation,
      names,
      AMAZON_DELETE_MAX,
      name => name,
      async some => {
        const answer = await this.#calls.call(operation, (client, sending) =>
          client.send(new BatchDeleteDevicePositionHistoryCommand({ TrackerName, DeviceIds: some }), sending),
        );
        return (answer.Errors ?? []).map(({ DeviceId: key, Error: error }) => ({ key, error }));
      },
    );
    mustBeGone(operation, refused);
  }

  async putCircles(
    circles: readonly Circle[],
  ): Promise<readonly { readonly id: string; readonly why: string }[]> {
    const refused: { id: string; why: string }[] = [];
    const good = circles.filter(circle => {
      const why = whyNoCircle(circle);
      if (why !== null) refused.push({ id: circle.id, why });
      return why === null;
    });
    const { collection: CollectionName } = this.#options;
    const operation = 'BatchPutGeofence';
    const failed = await this.#inBatches(
      operation,
      good,
      AMAZON_BATCH_MAX,
      one => one.id,
      async some => {
        const Entries = some.map(circle => ({
          GeofenceId: circle.id,
          Geometry: { Circle: { Center: toDegrees(circle), Radius: circle.radiusM } },
        }));
        const answer = await this.#calls.call(operation, (client, sending) =>
          client.send(new BatchPutGeofenceCommand({ CollectionName, Entries }), sending),
        );
        return (answer.Errors ?? []).map(({ GeofenceId: key, Error: error }) => ({ key, error }));
      },
    );
    for (const [id, why] of failed) refused.push({ id, why });
    return refused;
  }

  async deleteCircles(ids: readonly string[]): Promise<void> {
    const { collection: CollectionName } = this.#options;
    const operation = 'BatchDeleteGeofence';
    const refused = await this.#inBatches(
      operation,
      ids,
      AMAZON_DELETE_CIRCLES_MAX,
      id => id,
      async some => {
        const answer = await this.#calls.call(operation, (client, sending) =>
          client.send(new BatchDeleteGeofenceCommand({ CollectionName, GeofenceIds: some }), sending),
        );
        return (answer.Errors ?? []).map(({ GeofenceId: key, Error: error }) => ({ key, error }));
      },
    );
    mustBeGone(operation, refused);
  }

  async circles(): Promise<readonly Circle[]> {
    const { collection: CollectionName } = this.#options;
    const found: Circle[] = [];
    let NextToken: string | undefined;
    do {
      const page = {
        CollectionName,
        MaxResults: AMAZON_PAGE_MAX,
        ...(NextToken !== undefined && { NextToken }),
      };
      const answer = await this.#calls.call('ListGeofences', (client, sending) =>
        client.send(new ListGeofencesCommand(page), sending),
      );
      for (const { GeofenceId: id, Geometry, Status = '' } of answer.Entries ?? []) {
        const centre = fromDegrees(Geometry?.Circle?.Center);
        const radiusM = Geometry?.Circle?.Radius;
        if (id === undefined || centre === null || radiusM === undefined || !THERE.has(Status)) continue;
        found.push({ id, ...centre, radiusM });
      }
      NextToken = answer.NextToken;
    } while (NextToken !== undefined);
    return found;
  }

  async evaluate(positions: readonly PositionSample[]): Promise<void> {
    const { collection: CollectionName, pseudonyms } = this.#options;
    const updates = positions.filter(isPoint).map(position => {
      const name = pseudonyms.of(position.userId, position.takenAtMs);
      this.#people.set(name, position.userId);
      return updateOf(name, position);
    });
    const operation = 'BatchEvaluateGeofences';
    const keyOf = (one: { DeviceId?: string | undefined; SampleTime?: Date | undefined }) =>
      `${one.DeviceId} ${one.SampleTime?.getTime()}`;
    await this.#inBatches(operation, updates, AMAZON_BATCH_MAX, keyOf, async some => {
      const answer = await this.#calls.call(operation, (client, sending) =>
        client.send(
          new BatchEvaluateGeofencesCommand({ CollectionName, DevicePositionUpdates: some }),
          sending,
        ),
      );
      return (answer.Errors ?? []).map(one => ({ key: keyOf(one), error: one.Error }));
    });
  }

  onCrossing(heard: (crossing: Crossing) => void): () => void {
    return this.#crossings.hear(heard);
  }

  /**
   * An event of EventBridge as it came in, perhaps again, perhaps forged: false when it is no crossing of ours, or of a
   * person whose position was not compared on this node.
   */
  absorb(event: unknown): boolean {
    const crossing = crossingOf(event);
    const userId = crossing === null ? undefined : this.#people.get(crossing.device);
    if (crossing === null || userId === undefined) return false;
    const { circleId, what, atMs } = crossing;
    this.#crossings.tell({ userId, circleId, what, atMs });
    return true;
  }

  async verify(claim: Claim): Promise<Verification> {
    if (!isPoint(claim)) throw new LocationFailure('VerifyDevicePosition', 'invalid', 'no position on Earth');
    const { userId, takenAtMs, ipv4 } = claim;
    // of a device alone the service has nothing to infer from
    if (ipv4 === null || !IPV4.test(ipv4)) return { proxyDetected: false, deviationM: null };
    const name = this.#options.pseudonyms.of(userId, takenAtMs);
    const { InferredState: inferred } = await this.#calls.call('VerifyDevicePosition', (client, sending) =>
      client.send(
        new VerifyDevicePositionCommand({
          TrackerName: this.#options.tracker,
          DeviceState: { ...updateOf(name, claim), Ipv4Address: ipv4 },
          DistanceUnit: 'Kilometers',
        }),
        sending,
      ),
    );
    const km = inferred?.DeviationDistance;
    return {
      proxyDetected: inferred?.ProxyDetected === true,
      deviationM: km === undefined ? null : Math.round(km * 1_000),
    };
  }

  settled(): Promise<void> {
    return this.#queue.settled();
  }

  async close(budgetMs: number): Promise<void> {
    await this.#queue.close(budgetMs);
    this.#calls.close();
  }

  async #write(batch: readonly PositionSample[]): Promise<Written> {
    const { pseudonyms, tracker: TrackerName } = this.#options;
    const byName = new Map(batch.map(one => [pseudonyms.of(one.userId, one.takenAtMs), one]));
    const Updates = [...byName].map(([name, one]) => updateOf(name, one));
    const operation = 'BatchUpdateDevicePosition';
    const { Errors = [] } = await this.#calls.call(operation, (client, sending) =>
      client.send(new BatchUpdateDevicePositionCommand({ TrackerName, Updates }), sending),
    );
    const again: PositionSample[] = [];
    const lost: PositionSample[] = [];
    for (const { DeviceId = '', Error: error } of Errors) {
      const sample = byName.get(DeviceId);
      if (sample) (isPassing(error) ? again : lost).push(sample);
    }
    if (Errors.some(one => one.Error?.Code === 'ThrottlingError'))
      this.#calls.tellThrottled(operation, BACKOFF_MS_MIN);
    return { again, lost };
  }

  async #historyOf(DeviceId: string, fromMs: number, untilMs: number): Promise<SampledPosition[]> {
    const found: DevicePosition[] = [];
    let NextToken: string | undefined;
    for (let page = 0; page < AMAZON_PAGES_MAX; page++) {
      const answer = await this.#calls.call('GetDevicePositionHistory', (client, sending) =>
        client.send(
          new GetDevicePositionHistoryCommand({
            TrackerName: this.#options.tracker,
            DeviceId,
            StartTimeInclusive: new Date(fromMs),
            EndTimeExclusive: new Date(untilMs),
            MaxResults: AMAZON_PAGE_MAX,
            ...(NextToken !== undefined && { NextToken }),
          }),
          sending,
        ),
      );
      found.push(...(answer.DevicePositions ?? []));
      NextToken = answer.NextToken;
      if (NextToken === undefined) break;
    }
    return found.flatMap(one => {
      const point = fromDegrees(one.Position);
      if (point === null || one.SampleTime === undefined) return [];
      const accuracyDm = Math.round((one.Accuracy?.Horizontal ?? 0) * 10);
      return [{ takenAtMs: one.SampleTime.getTime(), ...point, accuracyDm }];
    });
  }

  /**
   * Sends items in batches of at most `max`, again those that failed for a passing reason. The codes of those that the
   * service will not have, by key. Rejects when the passing reasons do not pass.
   */
  async #inBatches<I>(
    operation: Operation,
    items: readonly I[],
    max: number,
    keyOf: (item: I) => string,
    send: (some: I[]) => Promise<readonly ItemError[]>,
  ): Promise<Map<string, string>> {
    const refused = new Map<string, string>();
    for (let i = 0; i < items.length; i += max) {
      let some = items.slice(i, i + max);
      for (let attempt = 1; some.length > 0; attempt++) {
        const errors = new Map((await send(some)).map(one => [one.key ?? '', one.error]));
        const failed = some.filter(item => errors.has(keyOf(item)));
        some = failed.filter(item => isPassing(errors.get(keyOf(item))));
        for (const item of failed)
          if (!some.includes(item)) refused.set(keyOf(item), errors.get(keyOf(item))?.Code ?? 'Error');
        if (some.length === 0) break;
        if (attempt >= CALL_ATTEMPTS_MAX)
          throw new LocationFailure(operation, 'unavailable', `${some.length} items failed each time`);
        await this.#calls.pause(BACKOFF_MS_MIN * 2 ** attempt);
      }
    }
    return refused;
  }
}

/** Whoever never was there is gone, too. */
function mustBeGone(operation: Operation, refused: ReadonlyMap<string, string>): void {
  const left = [...refused.values()].find(code => code !== 'ResourceNotFoundError');
  if (left !== undefined) throw new LocationFailure(operation, 'refused', left);
}

const updateOf = (name: string, { takenAtMs, accuracyDm, ...point }: SampledPosition) => ({
  DeviceId: name,
  SampleTime: new Date(takenAtMs),
  Position: toDegrees(point),
  Accuracy: { Horizontal: accuracyDm / 10 },
});
