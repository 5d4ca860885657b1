/**
 * The coordination store on a NATS bucket.
 *
 * Every write is one publish with the expected sequence of its subject, sent once and never again by itself: a repeat of
 * a write that was applied would fail and look like a lost race. What became of a write is one of four things, and the
 * one that is not known is called so: a timeout, a broken connection and every answer that we do not know are `unknown`;
 * only the server's "wrong last sequence" is a `conflict`; only what provably went nowhere is `unavailable`.
 * Reads go to the leader (`Kvm.open` leaves direct reads off). Values are bytes; whoever reads them validates them.
 */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  StorageType,
} from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { errors, type NatsConnection } from 'nats';
import { type KvEntry, KvError, type KvStore, type Log, type Metrics } from '../../nodes/ports.ts';
import { NatsBucketRefused, NatsWithoutJetStream } from './failures.ts';
import { NATS_LIMITS } from './limits.ts';
import { type NatsLink, plain } from './link.ts';
import { type BucketOfStream, isRemoval, readAll, Tail } from './tail.ts';

const KEY = /^[-/=\w]+(\.[-/=\w]+)*$/;
/** Answers of JetStream that prove that nothing was written: a wrong sequence, and refusals made before the write. */
const WRONG_SEQUENCE: readonly number[] = [
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
];
const REFUSED: readonly number[] = [
  JetStreamApiCodes.StreamNotFound,
  10_054, // message size exceeds maximum allowed
  10_077, // maximum messages, bytes or store reached
  10_047, // insufficient storage
  10_109, // stream is sealed
];
/** More than one copy is asked of a single server. */
const NOT_CLUSTERED = 10_074;

/** A bucket that somebody made in a way that leases must not rely on. */
class Unfit extends Error {}

export interface KvOptions {
  readonly bucket: string;
  readonly replicas: number;
  /** For sentences, without credentials. */
  readonly servers: string;
  /** How long JetStream may take to be there at the start. */
  readonly patienceMs?: number | undefined;
  /** How long a call may take. Default: `NATS_LIMITS.callMs`. */
  readonly callMs?: number;
}

/** What is open on one client; another one after the client was replaced. */
interface Opened {
  readonly client: NatsConnection;
  readonly kv: KV;
  readonly manager: JetStreamManager;
}

export class NatsKv implements KvStore {
  readonly #link: NatsLink;
  readonly #options: KvOptions;
  readonly #log: Log;
  readonly #metrics: Pick<Metrics, 'count'>;
  readonly #bucket: BucketOfStream;
  readonly #callMs: number;
  readonly #tails = new Set<Tail>();
  #opened: Promise<Opened> | null = null;
  #openedOn: NatsConnection | null = null;
  #making: Promise<void> | null = null;

  /**
   * Makes the bucket when there is none.
   *
   * @throws NatsWithoutJetStream, NatsBucketRefused
   */
  static async open(
    link: NatsLink,
    options: KvOptions,
    log: Log,
    metrics: Pick<Metrics, 'count'> = { count() {} },
  ): Promise<NatsKv> {
    const until = performance.now() + (options.patienceMs ?? NATS_LIMITS.firstConnectMs);
    const store = new NatsKv(link, options, log, metrics);
    for (;;) {
      try {
        await store.#make();
        return store;
      } catch (error) {
        if (isUnheard(error) && link.client.info?.jetstream !== true)
          throw new NatsWithoutJetStream(options.servers);
        // a cluster without a leader finds one; what is against the rules stays so
        const never = codeOf(error) === NOT_CLUSTERED || error instanceof Unfit;
        const final = never || performance.now() > until;
        if (final && isUnheard(error)) throw new NatsWithoutJetStream(options.servers);
        if (final) throw new NatsBucketRefused(options.bucket, reasonOf(error));
        await pause(NATS_LIMITS.redialMs);
      }
    }
  }

  private constructor(link: NatsLink, options: KvOptions, log: Log, metrics: Pick<Metrics, 'count'>) {
    this.#link = link;
    this.#options = options;
    this.#callMs = options.callMs ?? NATS_LIMITS.callMs;
    this.#log = log;
    this.#metrics = metrics;
    this.#bucket = {
      link,
      stream: `KV_${options.bucket}`,
      prefix: `$KV.${options.bucket}.`,
      manager: async () => (await this.#open()).manager,
    };
  }

  get(key: string): Promise<KvEntry | null> {
    return this.#read(async ({ kv }) => {
      const found = await kv.get(key);
      if (found === null || isRemoval(found.operation)) return null;
      return { key, value: plain(found.value), revision: found.revision };
    });
  }

  async put(key: string, value: Uint8Array, revision: number): Promise<number> {
    if (!KEY.test(key)) throw new KvError('unavailable', `'${key}' is no key`);
    if (value.length > NATS_LIMITS.recordBytes) {
      throw new KvError('unavailable', `a record of ${value.length} bytes is too large`);
    }
    const bytes = value.slice(); // the client keeps them until the end of the turn of the event loop
    const write = (expected: number): Promise<number> =>
      this.#write(({ kv }) => kv.put(key, bytes, { previousSeq: expected, timeout: this.#callMs }));
    if (revision !== 0) return write(revision);
    try {
      return await write(0);
    } catch (error) {
      if (!(error instanceof KvError) || error.fault !== 'conflict') throw error;
      // a removal leaves a mark, and the mark has a revision
      const mark = await this.#read(({ kv }) => kv.get(key));
      if (mark === null || !isRemoval(mark.operation)) throw error;
      return write(mark.revision);
    }
  }

  async remove(key: string, revision: number): Promise<void> {
    if (revision === 0) {
      // the client would take 0 for "whatever is there"
      if ((await this.get(key)) !== null) throw new KvError('conflict', `${key} exists`);
      return;
    }
    await this.#write(({ kv }) => kv.delete(key, { previousSeq: revision }));
  }

  list(): Promise<KvEntry[]> {
    return this.#read(() => readAll(this.#bucket));
  }

  lastRevision(): Promise<number> {
    return this.#read(
      async ({ manager }) => (await manager.streams.info(this.#bucket.stream)).state.last_seq,
    );
  }

  /** Tells of changes; a removed key with an empty value. After a gap the newest record of every key is told again. */
  watch(changed: (entry: KvEntry) => void): () => void {
    const tail = new Tail(
      this.#bucket,
      this.#log,
      ({ key, value, revision }) => changed({ key, value, revision }),
      error => {
        if (isMissing(error)) this.#makeAgain();
        else
          this.#log.warn(
            { reason: reasonOf(error) },
            'the coordination store cannot be watched; trying again',
          );
      },
    );
    this.#tails.add(tail);
    return () => {
      this.#tails.delete(tail);
      tail.stop();
    };
  }

  async #read<T>(run: (opened: Opened) => Promise<T>): Promise<T> {
    if (!this.#link.connected) throw await away();
    try {
      return await this.#link.answered(
        this.#open().then(run),
        () => new Error('the connection to NATS broke'),
      );
    } catch (error) {
      if (isMissing(error)) this.#makeAgain();
      throw new KvError('unavailable', reasonOf(error));
    }
  }

  async #write<T>(run: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = await this.#open().catch(error => {
      throw new KvError('unavailable', reasonOf(error));
    });
    if (!this.#link.connected) throw await away();
    try {
      return await this.#link.answered(
        run(opened),
        () => new KvError('unknown', 'the connection to NATS broke before the answer'),
      );
    } catch (error) {
      if (error instanceof KvError) throw error;
      if (isMissing(error)) this.#makeAgain();
      throw new KvError(faultOf(error), reasonOf(error));
    }
  }

  #open(): Promise<Opened> {
    const { client } = this.#link;
    if (this.#opened === null || this.#openedOn !== client) {
      this.#openedOn = client;
      this.#opened = this.#openOn(client);
      this.#opened.catch(() => {
        this.#opened = null;
      });
    }
    return this.#opened;
  }

  async #openOn(client: NatsConnection): Promise<Opened> {
    const options = { timeout: this.#callMs };
    const manager = await jetstreamManager(client, { ...options, checkAPI: false });
    const kv = await new Kvm(jetstream(client, options)).open(this.#options.bucket);
    return { client, kv, manager };
  }

  /** Makes the bucket when there is none. */
  async #make(): Promise<'made' | 'there'> {
    const { bucket, replicas } = this.#options;
    const { manager } = await this.#open();
    try {
      const { config } = await manager.streams.info(this.#bucket.stream);
      if (config.max_age > 0) throw new Unfit('its records expire');
      if (config.num_replicas < replicas) {
        const has = config.num_replicas;
        this.#log.warn({ bucket, has, wanted: replicas }, 'the bucket has fewer copies than wanted');
      }
      return 'there';
    } catch (error) {
      if (codeOf(error) !== JetStreamApiCodes.StreamNotFound) throw error;
    }
    await new Kvm(jetstream(this.#link.client, { timeout: NATS_LIMITS.listMs })).create(bucket, {
      replicas,
      history: 1,
      storage: StorageType.File,
      maxValueSize: NATS_LIMITS.valueBytes,
      allow_direct: false,
      description: 'Leases and shards of HeyBlue nodes',
    });
    return 'made';
  }

  /** Perhaps the bucket went away under us. One attempt at a time; the next call finds it, or finds out again. */
  #makeAgain(): void {
    if (this.#making || !this.#link.connected) return;
    const { bucket } = this.#options;
    this.#making = this.#make()
      .then(
        outcome => {
          if (outcome === 'there') return; // its leader was away for a moment
          this.#metrics.count('heyblue_nats_bucket_made_total');
          this.#log.error(
            { bucket },
            'the coordination bucket was gone with every lease in it; it is made anew',
          );
        },
        error => this.#log.warn({ bucket, reason: reasonOf(error) }, 'the coordination bucket is not there'),
      )
      .finally(() => {
        this.#making = null;
      });
  }
}

/** After a turn of the event loop: a caller that tries again at once must not keep the connection from coming back. */
async function away(): Promise<KvError> {
  await turn();
  return new KvError('unavailable', 'not connected to NATS');
}

function codeOf(error: unknown): number {
  return error instanceof JetStreamApiError ? error.code : 0;
}

/** There is no such bucket: the API says so, or nobody listens to its keys. */
function isMissing(error: unknown): boolean {
  return codeOf(error) === JetStreamApiCodes.StreamNotFound || isUnheard(error);
}

/** The client calls every 503 "JetStream is not enabled". */
function isUnheard(error: unknown): boolean {
  return (
    error instanceof errors.NoRespondersError ||
    (error instanceof errors.RequestError && error.isNoResponders()) ||
    (error instanceof Error && error.name === 'JetStreamNotEnabled') // not among its exports
  );
}

function faultOf(error: unknown): KvError['fault'] {
  if (WRONG_SEQUENCE.includes(codeOf(error))) return 'conflict';
  const nowhere =
    error instanceof errors.InvalidArgumentError || error instanceof errors.ClosedConnectionError;
  return nowhere || isUnheard(error) || REFUSED.includes(codeOf(error)) ? 'unavailable' : 'unknown';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
