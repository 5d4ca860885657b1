/**
 * The realtime client: it connects, comes back by itself, gives every event once, and keeps commands until they are
 * answered. It has one source of tokens and no state that the app cannot see.
 *
 * ```ts
 * const client = new HeyBlueClient({ url: 'ws://localhost:8081/v1/ws', deviceId, getToken: () => token });
 * client.on('encounter.completed', ({ points, message }) => console.log(`+${points}`, message));
 * client.connect();
 * client.location({ lat: 40.7128, lng: -74.006, accuracyM: 5 });
 * const hey = await client.command('hey.say', { officerId });
 * if (!hey.ok) console.log(hey.code, hey.message);
 * ```
 */
import { EVENTS } from '../../protocol/catalogue.ts';
import { CLOSE, ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import type { ClientFrame, Location, Resume, ServerFrame } from '../../protocol/frames.ts';
import { Emitter } from './emitter.ts';
import { EventKeys } from './eventKeys.ts';
import { Inbox } from './inbox.ts';
import { Lifecycle } from './lifecycle.ts';
import { Modes } from './modes.ts';
import { Pending } from './pending.ts';
import { after, isLater, type Maybe, messageOf } from './platform.ts';
import { Saver } from './saver.ts';
import { readRecord, writeRecord } from './storage.ts';
import { Tracker } from './tracker.ts';
import type {
  ClientOptions,
  CommandBody,
  CommandName,
  CommandOptions,
  CommandOutcome,
  Delivery,
  Handlers,
  Message,
  Position,
  State,
  StateChange,
} from './types.ts';
import { Vigil } from './vigil.ts';
import { frameBytes } from './writer.ts';

const COMMAND_MS = 5_000;
const LOCATION_INTERVAL_MS = 500;

export class HeyBlueClient {
  private readonly deviceId: string;
  private readonly emitter = new Emitter();
  private readonly saver: Saver;
  private readonly keys: EventKeys;
  private readonly pending: Pending;
  private readonly inbox: Inbox;
  private readonly tracker: Tracker;
  private readonly lifecycle: Lifecycle;
  private readonly vigil: Vigil;
  private foreground = true;
  /** What an earlier run left was read; before that nothing may be written over it. */
  private loaded = false;
  private readonly whenLoaded: (() => void)[] = [];
  private forgotten = false;
  /** What we hold is not to be believed: the next HELLO asks for everything. */
  private anew = false;
  private readonly modes = new Modes();
  /** Where an event was missing; there again, it is not on its way. */
  private gapAt: number | null = null;

  constructor(options: ClientOptions) {
    this.deviceId = options.deviceId;
    this.saver = new Saver(
      options.storage,
      () => (this.forgotten ? null : this.record(this.inbox.position)),
      error => this.problem(refuse(ERROR.internal, `the storage failed: ${messageOf(error)}`)),
    );
    this.keys = new EventKeys(options.deviceId);
    this.pending = new Pending({
      send: bytes => this.send(bytes),
      save: () => void this.save(),
      said: (name, body) => this.modes.said(name, body),
      answered: (name, body, result) => this.modes.answered(name, body, result),
      outcome: outcome => void this.emitter.emit('outcome', outcome),
    });
    this.inbox = new Inbox({
      deliver: (message, behind) => this.deliver(message, behind),
      save: () => {
        this.saver.release();
        this.keys.end();
        return this.saver.save();
      },
      acknowledge: offset => this.say({ type: 'ack', offset }),
    });
    if (options.resume !== undefined) this.inbox.restore(options.resume);
    const quiet = options.locationAnswers === 'changes';
    this.tracker = new Tracker(
      options.locationIntervalMs ?? LOCATION_INTERVAL_MS,
      quiet,
      () => this.modes.isCoarse,
      location => this.sendLocation(location),
    );
    this.lifecycle = new Lifecycle(options, {
      load: () => this.load(),
      resume: () => (this.anew ? null : this.inbox.position),
      welcomed: frame => this.welcomed(frame),
      heard: frame => this.heard(frame),
      lost: () => this.lost(),
      unanswered: () => this.pending.unanswered,
      renewed: () => this.pending.flush(),
      distrust: () => {
        this.anew = true;
      },
      changed: change => this.changed(change),
    });
    this.vigil = new Vigil(() => {
      this.pending.expire();
      this.lifecycle.networkChanged();
    });
  }

  get state(): State {
    return this.lifecycle.state;
  }

  /** How far the app is: what a `storage` keeps, for apps that keep it themselves and give it back as `resume`. */
  get position(): Resume | null {
    return this.inbox.position;
  }

  /** Listens: to an event by name, to every `event`, to `state`, to `problem`. The result takes the listener away. */
  on<K extends keyof Handlers>(name: K, listener: Handlers[K]): () => void {
    return this.emitter.on(name, listener);
  }

  /** Connects and stays connected. Does nothing when it already does. */
  connect(): void {
    this.forgotten = false;
    this.lifecycle.connect();
  }

  /** Leaves for good; commands that wait fail with 503. `connect` starts anew. A page that goes away need not call it. */
  close(): void {
    this.lifecycle.finish(CLOSE.normal, 'closed by the app');
  }

  /** Somebody signs out: leaves, and removes what the storage holds. */
  forget(): void {
    this.close();
    this.forgotten = true;
    this.inbox.forget();
    void this.saver.save();
  }

  /**
   * Says something and waits for the answer. Never rejects: what went wrong is a value with a code, and `retryable`
   * tells whether the same command may succeed later. Without a connection it waits for one until its time is over.
   */
  command<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    { timeoutMs = COMMAND_MS, idem }: CommandOptions = {},
  ): CommandOutcome<N> {
    if (this.state === 'closed' || this.state === 'idle') {
      return Promise.resolve(refuse(ERROR.unavailable, `the client is ${this.state}`));
    }
    this.vigil.look();
    return this.pending.add(name, body, idem ?? this.keys.next(name), timeoutMs, (mutates, say) => {
      // What must survive the process is stored before it is said. In a listener nothing is: there the key survives.
      if (mutates) void after(this.save(), say);
      else say();
    }) as CommandOutcome<N>;
  }

  /** Where the phone is now. Only the newest position counts; it is never queued. */
  location(position: Position): void {
    if (this.state === 'closed') return;
    this.vigil.look();
    this.tracker.report(position);
  }

  /** Whether a person looks at the app. Coming to the front also checks the connection. */
  setForeground(foreground: boolean): void {
    const changed = this.foreground !== foreground;
    this.foreground = foreground;
    if (changed) this.say({ type: 'clientState', foreground });
    if (foreground) this.onNetworkChange();
  }

  /** The network may have changed under us: the connection has 3 s to prove itself, then another one is opened. */
  onNetworkChange(): void {
    this.lifecycle.networkChanged();
  }

  /** The same as {@link onNetworkChange}. */
  networkChanged(): void {
    this.onNetworkChange();
  }

  private welcomed(frame: ServerFrame & { type: 'welcome' }): void {
    this.inbox.welcome(frame);
    this.vigil.start();
    if (!this.foreground) this.say({ type: 'clientState', foreground: false });
    this.pending.again();
    this.tracker.flush();
  }

  private lost(): void {
    this.vigil.stop();
    this.inbox.pause();
  }

  private heard(frame: ServerFrame): void {
    switch (frame.type) {
      case 'event':
        return this.event(frame);
      case 'volatile':
        return this.inbox.volatile(frame);
      case 'reply':
        if (!this.lifecycle.renewing(frame)) this.pending.replied(frame);
        return;
      case 'error':
        return this.refused(frame);
      case 'tokenExpiring':
        return this.lifecycle.tokenExpiring();
      case 'goaway':
        return this.lifecycle.leaveSoon(frame);
      default:
        return;
    }
  }

  private event(frame: ServerFrame & { type: 'event' }): void {
    const isSnapshot = frame.kind === EVENTS.snapshot.code;
    if (isSnapshot) {
      this.anew = false;
      this.modes.snapshot(frame);
    }
    const heard = this.inbox.event(frame);
    if (isSnapshot) this.tracker.flush();
    switch (heard) {
      case 'gap': {
        // Lost between two nodes, or for good: a resume brings it, and if not, only a snapshot helps.
        const at = this.inbox.taken;
        this.anew = this.gapAt === at;
        this.gapAt = at;
        return this.lifecycle.abandon(CLOSE.moved, 'an event is missing');
      }
      case 'unannounced':
        return this.lifecycle.abandon(CLOSE.resyncNeeded, 'an event before the snapshot');
      case 'full':
        return this.lifecycle.abandon(CLOSE.slowConsumer, 'the app is too slow');
    }
  }

  private refused(frame: ServerFrame & { type: 'error' }): void {
    if (this.lifecycle.renewing(frame)) return;
    const { cid, code, message, retryable, retryAfterMs } = frame;
    if (cid === 0) return this.problem({ ...refuse(code as never, message, retryAfterMs), retryable });
    // Said too late for this token: said again with the next one.
    if (code === ERROR.tokenExpired && this.pending.hold(cid)) return this.lifecycle.tokenExpiring();
    this.pending.refused(frame);
  }

  private changed(change: StateChange): void {
    if (change.state === 'closed') {
      this.pending.failAll(change.reason);
      this.inbox.stop();
      this.tracker.stop();
    }
    void this.emitter.emit('state', change);
  }

  /** Gives a message to the app: durable ones alone, while nothing else is stored. */
  private deliver(message: Message, behind: Resume | null): Maybe<unknown> {
    const delivery = {
      record: () => this.record(behind === null ? this.position : this.inbox.latest(behind)),
    };
    if (behind === null) return void this.emit(message, delivery);
    return after(this.saver.hold(), () => {
      if ('eventId' in message) this.keys.begin(message.eventId);
      return this.emit(message, delivery);
    });
  }

  private emit(message: Message, delivery: Delivery): Maybe<unknown> {
    const { name, body } = message;
    const emit = this.emitter.emit.bind(this.emitter) as (name: string, ...args: unknown[]) => Maybe<unknown>;
    const said = [
      name === 'snapshot' ? emit('resync', body, delivery) : undefined,
      name === 'peer.presence' ? emit('presence', body, message) : undefined,
      emit(name, body, message, delivery),
      emit('event', message, delivery),
    ].filter(isLater);
    return said.length === 0 ? undefined : Promise.all(said);
  }

  /** Reads the record once; what the storage throws, the caller tries again. */
  private load(): Maybe<void> {
    if (this.loaded) return;
    return after(this.saver.load(), text => {
      if (this.loaded) return;
      this.loaded = true;
      const kept = readRecord(text, this.deviceId);
      if (kept?.position && this.inbox.position === null) this.inbox.restore(kept.position);
      if (kept !== null) {
        this.modes.restore(kept.coarse === true);
        this.pending.restore(kept.commands);
      }
      for (const waiting of this.whenLoaded.splice(0)) waiting();
    });
  }

  private record(position: Resume | null): string {
    return writeRecord(this.deviceId, {
      position,
      commands: this.pending.kept(),
      coarse: this.modes.isKnownCoarse,
    });
  }

  private save(): Maybe<boolean> {
    if (this.loaded) return this.saver.save();
    return new Promise(resolve => this.whenLoaded.push(() => resolve(this.saver.save())));
  }

  private problem(refusal: Refusal): void {
    void this.emitter.emit('problem', refusal);
  }

  private say(frame: ClientFrame): void {
    this.send(frameBytes(frame));
  }

  private send(bytes: Uint8Array<ArrayBuffer>): boolean {
    const { connection } = this.lifecycle;
    connection?.send(bytes);
    return connection !== null;
  }

  private sendLocation(location: Location): boolean {
    // before the first snapshot nobody knows how sharp it may be
    if (this.lifecycle.connection === null || (this.modes.isOpen && this.inbox.isAwaiting)) return false;
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = frameBytes({ type: 'location', ...location });
    } catch {
      // Not a place: NaN from a sensor that has no fix. There is nothing to send, and nothing to keep.
      this.problem(refuse(ERROR.invalid, 'not a position'));
      return true;
    }
    return this.send(bytes);
  }
}
