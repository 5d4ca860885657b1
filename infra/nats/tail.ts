/**
 * Following a bucket: a push consumer of our own, because the client's ordered one is told of a heartbeat every 30
 * seconds only, and after a bucket was rolled back or made anew it waits in silence for revisions that do not come.
 *
 * Here the server speaks every second. Silence, a gap in the numbering, a lost connection or a consumer that went away:
 * the tail begins anew and then tells the newest record of every key first, so whatever was missed is made up for.
 */
import { AckPolicy, DeliverPolicy, type JetStreamManager, ReplayPolicy } from '@nats-io/jetstream';
import { createInbox, type Msg, nanos } from 'nats';
import type { KvEntry, Log } from '../../nodes/ports.ts';
import { NATS_LIMITS } from './limits.ts';
import { type NatsLink, plain } from './link.ts';

const OPERATION = 'KV-Operation';
const MARKER = 'Nats-Marker-Reason';
/** An ephemeral consumer that nobody listens to is removed by the server after so long. */
const INACTIVE_MS = 10_000;

/** A record as the stream has it; `removed` for the mark that a removal leaves. */
export interface Change extends KvEntry {
  readonly removed: boolean;
}

interface Consumer {
  readonly name: string;
  /** Records that it will deliver before it waits for new ones. */
  readonly waiting: number;
  stop(): void;
}

export interface BucketOfStream {
  readonly link: NatsLink;
  readonly stream: string;
  /** `$KV.<bucket>.` */
  readonly prefix: string;
  manager(): Promise<JetStreamManager>;
}

/** Starts a consumer; `heard` gets each change with its place in the numbering and what is still to come. */
async function consume(
  bucket: BucketOfStream,
  from: 'now' | 'newest of all',
  heard: (change: Change, place: number, pending: number) => void,
  beat: (lastPlace: number | null) => void,
): Promise<Consumer> {
  const inbox = createInbox();
  const manager = await bucket.manager();
  const unsubscribe = bucket.link.subscribe(inbox, message => {
    if (message.headers?.code) {
      const last = message.headers.get('Nats-Last-Consumer');
      beat(message.headers.code === 100 && last !== '' ? Number(last) : null);
      return;
    }
    const [revision, place, pending] = numbersOf(message.reply ?? '');
    heard(changeOf(bucket.prefix, message, revision), place, pending);
  });
  try {
    const info = await bucket.link.answered(
      manager.consumers.add(bucket.stream, {
        deliver_subject: inbox,
        deliver_policy: from === 'now' ? DeliverPolicy.New : DeliverPolicy.LastPerSubject,
        filter_subject: `${bucket.prefix}>`,
        ack_policy: AckPolicy.None,
        replay_policy: ReplayPolicy.Instant,
        idle_heartbeat: nanos(NATS_LIMITS.watchBeatMs),
        inactive_threshold: nanos(INACTIVE_MS),
        mem_storage: true,
        num_replicas: 1,
      }),
      () => new Error('the connection to NATS broke'),
    );
    return {
      name: info.name,
      waiting: info.num_pending + (info.delivered?.consumer_seq ?? 0),
      stop: () => {
        unsubscribe();
        // without a listener it goes by itself; this is only tidier
        if (bucket.link.connected) manager.consumers.delete(bucket.stream, info.name).catch(() => {});
      },
    };
  } catch (error) {
    unsubscribe();
    throw error;
  }
}

/**
 * Revision, place in the numbering of the consumer, and how many are still to come: the reply subject tells,
 * `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<revision>.<place>.<time>.<pending>[.<token>]`.
 */
function numbersOf(reply: string): [revision: number, place: number, pending: number] {
  const words = reply.split('.');
  const first = words.length > 9 ? 7 : 5;
  return [Number(words[first]), Number(words[first + 1]), Number(words[first + 3])];
}

function changeOf(prefix: string, message: Msg, revision: number): Change {
  const { headers } = message;
  const removed = isRemoval(headers?.get(MARKER) === 'MaxAge' ? 'PURGE' : (headers?.get(OPERATION) ?? ''));
  return {
    key: message.subject.slice(prefix.length),
    value: removed ? new Uint8Array() : plain(message.data),
    revision,
    removed,
  };
}

/** Of the operations of a bucket, those that leave a mark in place of a record; whatever else stands there is a record. */
export function isRemoval(operation: string): boolean {
  return operation === 'DEL' || operation === 'PURGE';
}

/** Every record as it is now. Rejects when it does not come within `NATS_LIMITS.listMs`. */
export async function readAll(bucket: BucketOfStream): Promise<KvEntry[]> {
  const found = new Map<string, Change>();
  let timer: NodeJS.Timeout | undefined;
  let consumer: Consumer | undefined;
  let over = false;
  let expected = 1;
  try {
    await bucket.link.answered(
      new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error('the records did not come in time')), NATS_LIMITS.listMs);
        consume(
          bucket,
          'newest of all',
          (change, place, pending) => {
            if (place !== expected++) return reject(new Error('a record was lost on the way'));
            found.set(change.key, change);
            if (pending === 0) resolve();
          },
          () => {},
        ).then(started => {
          // it came after we had given up: nobody else would ever stop it
          if (over) return started.stop();
          consumer = started;
          if (started.waiting === 0) resolve();
        }, reject);
      }),
      () => new Error('the connection to NATS broke'),
    );
  } finally {
    over = true;
    clearTimeout(timer);
    consumer?.stop();
  }
  return [...found.values()]
    .filter(change => !change.removed)
    .map(({ key, value, revision }) => ({ key, value, revision }));
}

/** Follows the bucket until `stop`; see the top of this file. */
export class Tail {
  readonly #bucket: BucketOfStream;
  readonly #log: Log;
  readonly #heard: (change: Change) => void;
  /** Called when it cannot begin, with the reason; it tries again by itself. */
  readonly #failed: (error: unknown) => void;
  #consumer: Consumer | null = null;
  /** Rises with each beginning: what an earlier consumer still says does not count. */
  #round = 0;
  #place = 0;
  #heardAtMs = 0;
  #started = false;
  #stopped = false;
  readonly #timer: NodeJS.Timeout;
  readonly #unwatch: () => void;

  constructor(
    bucket: BucketOfStream,
    log: Log,
    heard: (change: Change) => void,
    failed: (error: unknown) => void,
  ) {
    this.#bucket = bucket;
    this.#log = log;
    this.#heard = heard;
    this.#failed = failed;
    this.#timer = setInterval(() => this.#look(), NATS_LIMITS.watchRetryMs).unref();
    this.#unwatch = bucket.link.watch(connected => {
      if (!connected) this.#end();
      else this.#begin();
    });
    this.#begin();
  }

  /** Begins anew: something was missed, or the consumer is no more. */
  again(): void {
    this.#end();
    this.#begin();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#unwatch();
    this.#end();
  }

  #look(): void {
    if (this.#consumer === null && this.#heardAtMs === 0) return this.#begin();
    if (performance.now() - this.#heardAtMs < NATS_LIMITS.watchSilenceMs) return;
    this.#log.warn(
      { stream: this.#bucket.stream },
      'the watch of the coordination store fell silent; beginning anew',
    );
    this.#end();
    this.#begin();
  }

  #end(): void {
    this.#round++;
    this.#heardAtMs = 0;
    this.#consumer?.stop();
    this.#consumer = null;
  }

  #begin(): void {
    if (this.#stopped || this.#heardAtMs !== 0 || !this.#bucket.link.connected) return;
    const round = ++this.#round;
    this.#place = 0;
    this.#heardAtMs = performance.now();
    const renewed = (): boolean => round !== this.#round;
    consume(
      this.#bucket,
      this.#started ? 'newest of all' : 'now',
      (change, place) => {
        if (renewed()) return;
        if (place !== this.#place + 1) return this.again();
        this.#place = place;
        this.#heardAtMs = performance.now();
        this.#heard(change);
      },
      lastPlace => {
        if (renewed()) return;
        if (lastPlace === null || lastPlace > this.#place) return this.again();
        this.#heardAtMs = performance.now();
      },
    ).then(
      consumer => {
        if (renewed()) return consumer.stop();
        this.#started = true;
        this.#consumer = consumer;
      },
      error => {
        if (renewed()) return;
        this.#end(); // the next look begins again
        if (this.#bucket.link.connected) this.#failed(error);
      },
    );
  }
}
