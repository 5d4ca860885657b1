/**
 * Calls to Amazon Location: within the quota, with timeouts, repeated when it was throttled or away. Every operation that
 * we use may be repeated without another effect. What comes out is a result or the port's own failure.
 */
import {
  CreateGeofenceCollectionCommand,
  CreateTrackerCommand,
  DescribeGeofenceCollectionCommand,
  DescribeTrackerCommand,
  LocationClient,
} from '@aws-sdk/client-location';
import { LocationFailure } from '../../nodes/locationPort.ts';
import type { Clock, Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { awsClientConfig, isMissing } from '../outbox/awsClient.ts';
import { failureOf, isThrottling } from './failures.ts';
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, CALL_ATTEMPTS_MAX, TOKEN_WAITERS_MAX } from './limits.ts';
import { TokenBucket } from './tokenBucket.ts';

export interface AmazonOptions {
  /** Empty: the public one of the region. */
  readonly endpoint: string;
  readonly region: string;
  /** Empty texts leave it to the standard chain (roles, profiles). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly tracker: string;
  readonly collection: string;
  /** Of each operation; the account's quota. */
  readonly requestsPerS: number;
  readonly requestMsMax?: number;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
}

export type Operation =
  | 'BatchUpdateDevicePosition'
  | 'GetDevicePositionHistory'
  | 'BatchDeleteDevicePositionHistory'
  | 'BatchPutGeofence'
  | 'BatchDeleteGeofence'
  | 'ListGeofences'
  | 'BatchEvaluateGeofences'
  | 'VerifyDevicePosition';

type Send<T> = (client: LocationClient, sending: { readonly abortSignal: AbortSignal }) => Promise<T>;

/** With an endpoint of our own the names of the services before it (`tracking.`) are not part of the host. */
function clientOf(options: AmazonOptions): LocationClient {
  const { endpoint, ...rest } = awsClientConfig(options);
  return new LocationClient(endpoint === '' ? rest : { ...rest, endpoint, disableHostPrefix: true });
}

export class AmazonCalls {
  readonly #options: AmazonOptions;
  readonly #client: LocationClient;
  readonly #buckets = new Map<Operation, TokenBucket>();
  readonly #abort = new AbortController();
  #ready: Promise<void> | null = null;

  constructor(options: AmazonOptions) {
    this.#options = options;
    this.#client = clientOf(options);
  }

  /** Rejects with {@link LocationFailure} after {@link CALL_ATTEMPTS_MAX} attempts, at once when it is our fault. */
  async call<T>(operation: Operation, send: Send<T>): Promise<T> {
    const bucket = this.#bucketOf(operation);
    for (let attempt = 1, backoffMs = BACKOFF_MS_MIN; ; attempt++) {
      try {
        await this.#prepared();
        if (!(await bucket.take())) throw new LocationFailure(operation, 'unavailable', 'too many wait');
        const answer = await send(this.#client, { abortSignal: this.#abort.signal });
        this.#count(operation, 'ok');
        return answer;
      } catch (error) {
        if (isMissing(error)) this.#ready = null;
        const failure = failureOf(operation, error);
        this.#count(operation, isThrottling(error) ? 'throttled' : failure.fault);
        const final = error instanceof LocationFailure || this.#abort.signal.aborted;
        if (final || failure.fault !== 'unavailable' || attempt >= CALL_ATTEMPTS_MAX) throw failure;
        if (isThrottling(error)) bucket.rest(backoffMs);
        await this.pause(backoffMs);
        backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX);
      }
    }
  }

  /** Some were refused by themselves, within a batch that went through. */
  tellThrottled(operation: Operation, backoffMs: number): void {
    this.#count(operation, 'throttled');
    this.#bucketOf(operation).rest(backoffMs);
  }

  pause(ms: number): Promise<void> {
    return new Promise(resolve => this.#options.scheduler.after(ms, resolve));
  }

  close(): void {
    this.#abort.abort();
    for (const bucket of this.#buckets.values()) bucket.close();
    this.#client.destroy();
  }

  #bucketOf(operation: Operation): TokenBucket {
    const { requestsPerS, clock, scheduler } = this.#options;
    const known = this.#buckets.get(operation);
    if (known) return known;
    const bucket = new TokenBucket(requestsPerS, clock, scheduler, TOKEN_WAITERS_MAX);
    this.#buckets.set(operation, bucket);
    return bucket;
  }

  #count(operation: string, result: string): void {
    this.#options.metrics.count('heyblue_location_requests_total', { operation, result });
  }

  /** Tracker and collection are there, as far as we may see. */
  #prepared(): Promise<void> {
    this.#ready ??= this.#prepare().catch(error => {
      this.#ready = null;
      throw error;
    });
    return this.#ready;
  }

  async #prepare(): Promise<void> {
    const { tracker: TrackerName, collection: CollectionName } = this.#options;
    const sending = { abortSignal: this.#abort.signal };
    await this.#ensure(
      'tracker',
      () => this.#client.send(new DescribeTrackerCommand({ TrackerName }), sending),
      // one update in 30 s is kept at most; ours come once a minute
      () =>
        this.#client.send(new CreateTrackerCommand({ TrackerName, PositionFiltering: 'TimeBased' }), sending),
    );
    await this.#ensure(
      'geofence collection',
      () => this.#client.send(new DescribeGeofenceCollectionCommand({ CollectionName }), sending),
      () => this.#client.send(new CreateGeofenceCollectionCommand({ CollectionName }), sending),
    );
  }

  async #ensure(
    what: string,
    describe: () => Promise<unknown>,
    create: () => Promise<unknown>,
  ): Promise<void> {
    try {
      await describe();
      return;
    } catch (error) {
      if (!isMissing(error)) return this.#ifWeMayNotLook(what, error);
    }
    try {
      await create();
      this.#options.log.info({ what }, 'made at the location service');
    } catch (error) {
      // another node was faster
      if ((error as { name?: string }).name !== 'ConflictException') this.#ifWeMayNotLook(what, error);
    }
  }

  /** A role may be allowed to use what it may neither describe nor create. */
  #ifWeMayNotLook(what: string, error: unknown): void {
    if ((error as { name?: string }).name !== 'AccessDeniedException') throw error;
    this.#options.log.warn({ what }, 'the location service does not let us look; taken to be there');
  }
}
