/**
 * All sockets of this gateway: who may come in, which session a push is for, and one timer for every deadline. It is
 * the `PushSink` of the user actors and the listener of the transport.
 */
import type { SessionRef, UserMessage } from '../nodes/gatewayPort.ts';
import type { PushSink } from '../nodes/ports.ts';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { decodeClientFrame, encodeServerFrame } from '../protocol/codec.ts';
import { CLOSE } from '../protocol/errors.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { volatileHead } from '../protocol/pieces.ts';
import { shardOf } from '../protocol/shard.ts';
import { DecodeError } from '../protocol/walker.ts';
import { Admission } from './admission.ts';
import { Again } from './again.ts';
import { AttachQueue } from './attachQueue.ts';
import { Away, lifeMs } from './away.ts';
import { bearerOf, offersApp } from './bearer.ts';
import { countClose, everyOne, tellConnections } from './census.ts';
import { Delivery } from './delivery.ts';
import { Drain } from './drain.ts';
import { handleFrame, type LocationFrame, payForLocation, takeLocation } from './frames.ts';
import { attach, hello, recognise, tokenLeftS } from './hello.ts';
import { Intake } from './intake.ts';
import { LIMITS, returnMs } from './limits.ts';
import { Spending } from './meters.ts';
import { LastCloses } from './operator/closes.ts';
import { OPERATOR } from './operator/limits.ts';
import { RoundTrips } from './operator/roundTrips.ts';
import { Watches } from './operator/watches.ts';
import { isOwn, mayCall } from './origins.ts';
import { Probes } from './probes.ts';
import type { Hub, RealtimeOptions } from './realtime.ts';
import { release, Session, sessionOf } from './session.ts';
import { strike } from './strike.ts';
import { Tally } from './tally.ts';
import type { Knock, Listener, Socket, Turned, Welcome } from './transport.ts';

/** Close codes with which a client says that it does not come back. */
const BYE: ReadonlySet<number> = new Set([CLOSE.normal, CLOSE.goingAway]);

export class Sessions implements PushSink, Listener<Session>, Hub {
  readonly options: RealtimeOptions;
  readonly spending: Spending | null;
  readonly admission: Admission;
  readonly attaches: AttachQueue<Session>;
  readonly tally: Tally;
  readonly delivery: Delivery;
  readonly again = new Again();
  readonly roundTrips: RoundTrips;
  readonly closes = new LastCloses();
  readonly watches: Watches;
  private readonly apps = new Map<string, string>();
  private readonly waiting = new Set<Session>();
  private readonly byId = new Map<string, Session>();
  /** Where the look at their deadlines goes on. */
  private looking = this.byId.values();
  /** Attaches that are asked for again, and when. */
  private readonly putOff = new Map<Session, number>();
  private sockets = 0;
  private connSeq = 0;
  private sampleAtMs = 0;
  private readonly away: Away;
  private drain: Drain | null = null;
  leaving = false;
  private readonly probes: Probes;
  private readonly intake: Intake;

  constructor(options: RealtimeOptions) {
    this.options = options;
    const { rates, connectionsPerAddress, metrics } = options;
    this.admission = new Admission(options);
    this.attaches = new AttachQueue(LIMITS.attachingMax, LIMITS.attachQueue);
    this.spending =
      rates &&
      new Spending(rates, connectionsPerAddress, scope => metrics.count('rt_rate_limited_total', { scope }));
    this.tally = new Tally(options.metrics);
    this.delivery = new Delivery({
      tally: this.tally,
      metrics: options.metrics,
      broken: (session, error) => this.broken(session, error),
    });
    this.away = new Away({ ...options, tally: this.tally });
    this.roundTrips = new RoundTrips(options.clock, metrics, this.tally);
    this.watches = new Watches({
      monotonicMs: () => options.clock.monotonicMs(),
      wallMs: options.wallMs,
      follow: (userId, watch) => {
        for (const session of this.ofUser(userId)) session.watch = watch;
      },
    });
    this.probes = new Probes(options);
    this.intake = new Intake({
      door: options.door,
      tally: this.tally,
      handle: (session, bytes) => this.kept(session, bytes),
    });
  }

  /** Open sockets, also those that have not said HELLO. */
  get size(): number {
    return this.sockets;
  }

  // What the transport tells.

  admit({ protocols, origin, host = '', address }: Knock): Turned | null {
    if (this.leaving) {
      this.admission.turned('leaving');
      return { status: 503, message: 'this server is about to stop', retryAfterS: 1 };
    }
    if (!offersApp(protocols)) {
      this.admission.turned('protocol');
      return { status: 400, message: `ask for the WebSocket subprotocol ${SUBPROTOCOL}` };
    }
    const { origins, clock } = this.options;
    if (origin !== '' && !mayCall(origins, origin) && !isOwn(origin, host)) {
      this.admission.turned('origin');
      return { status: 403, message: 'pages of this origin may not connect' };
    }
    return this.admission.admit(address, clock.monotonicMs());
  }

  connected(peer: string): boolean {
    return this.admission.connected(peer);
  }

  spoke(peer: string): void {
    this.admission.spoke(peer);
  }

  silent(peer: string): void {
    this.admission.silent(peer);
  }

  bearer({ protocols, address }: Knock): Promise<Turned | Welcome> | null {
    const token = bearerOf(protocols);
    if (token === null) return null;
    this.admission.verifying(address);
    return this.verified(token).finally(() => this.admission.verified(address));
  }

  private async verified(token: string): Promise<Turned | Welcome> {
    const known = await recognise(this, token);
    if (known.ok) return { bearer: known.value };
    this.admission.turned('token');
    return { status: 401, message: known.message };
  }

  opened(socket: Socket<Session>): void {
    const session = new Session(socket, this.options.clock.monotonicMs());
    socket.data = session;
    this.sockets++;
    this.admission.opened(session, socket.address);
    if (socket.bearer) this.admission.authenticated(session, socket.bearer.userId);
    this.waiting.add(session);
  }

  message(socket: Socket<Session>, bytes: Uint8Array, binary: boolean): void {
    const session = socket.data!;
    this.tally.heard(bytes.length);
    if (!binary) return session.close(CLOSE.textFrame, 'binary frames only');
    if (bytes.length > LIMITS.inboundBytes) return session.close(CLOSE.tooBig, 'message too big');
    if (session.phase === 'open' && session.watch === null && this.intake.mustWait(session, bytes)) {
      // The first that waits costs nothing, as it may have stood in the network because of us. Those that follow do.
      if (session.kept === null) this.tally.position();
      else if (!payForLocation(this, session, this.options.clock.monotonicMs())) return;
      this.intake.keep(session, bytes);
      return;
    }
    if (session.kept !== null) this.intake.takeOf(session);
    const frame = this.decoded(session, bytes);
    if (frame === null) return;
    if (session.watch !== null) session.watch.heard(session, frame, bytes.length);
    if (session.phase === 'open') {
      return handleFrame(this, session, frame, this.options.clock.monotonicMs());
    }
    if (session.phase === 'closed') return;
    if (session.phase !== 'waiting') return session.close(CLOSE.malformed, 'wait for WELCOME');
    if (frame.type !== 'hello') return session.close(CLOSE.malformed, 'HELLO comes first');
    this.tally.frame('hello');
    hello(this, session, frame).catch(error => this.broken(session, error));
  }

  /** Null for what is no frame; its phone is let go. */
  private decoded(session: Session, bytes: Uint8Array): ClientFrame | null {
    try {
      return decodeClientFrame(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.options.metrics.count('rt_decoder_rejects_total', { why: error.why });
      session.close(CLOSE.malformed, `undecodable frame: ${error.why}`);
      return null;
    }
  }

  /** A position that waited at the door. */
  private kept(session: Session, bytes: Uint8Array): void {
    try {
      const frame = this.decoded(session, bytes);
      if (frame !== null && session.phase === 'open') takeLocation(this, session, frame as LocationFrame);
    } catch (error) {
      this.broken(session, error);
    }
  }

  /** A bug of ours costs this session, never the process. */
  broken(session: Session, error: unknown): void {
    this.options.log.error({ err: error }, 'a session broke');
    session.close(CLOSE.internal, 'internal error');
  }

  /** Answered by the transport, and costs something all the same. */
  pinged(socket: Socket<Session>): void {
    const session = socket.data;
    if (session === null || this.spending === null) return;
    const nowMs = this.options.clock.monotonicMs();
    const wait = this.spending.spend(session, 'other', nowMs);
    if (wait > 0) strike(this, session, 0, wait, nowMs);
  }

  drained(socket: Socket<Session>): void {
    if (socket.data !== null && socket.bufferedBytes() === 0) socket.data.drained();
  }

  closed(socket: Socket<Session>, code: number): void {
    const session = socket.data;
    if (session === null || session.phase === 'closed') return;
    const { door, metrics } = this.options;
    const { phase, user, ref, connSeq } = session;
    session.phase = 'closed';
    this.ended(session, code);
    this.delivery.forget(session);
    this.intake.forget(session);
    this.sockets--;
    this.admission.closed(session);
    this.attaches.forget(session);
    this.waiting.delete(session);
    this.putOff.delete(session);
    this.unregister(session);
    if (user !== null && ref !== null && (phase === 'attaching' || phase === 'open')) {
      // the app ended it, or we did for good: nobody is waited for
      const bye = session.closeCode === 0 ? BYE.has(code) : session.closeCode === CLOSE.revoked;
      const message: UserMessage = { type: 'detach', session: ref, connSeq, bye };
      door.tell(user, message);
    }
    countClose(metrics, session.closeCode, code);
  }

  /** For whoever asks how this device was lost. */
  private ended(session: Session, code: number): void {
    this.roundTrips.forget(session);
    const { identity, closeCode } = session;
    if (identity === null) return;
    this.saw(session);
    const by = closeCode === 0 ? 'peer' : 'server';
    const last = by === 'peer' ? code : closeCode;
    const atMs = this.options.clock.monotonicMs();
    this.closes.add(identity.userId, { deviceId: identity.deviceId, code: last, by, atMs });
    if (session.watch !== null) session.watch.ended(session, last);
    session.watch = null;
  }

  // What hello and frames need.

  appOf(name: string): string {
    const known = this.apps.get(name);
    if (known !== undefined || this.apps.size >= OPERATOR.apps) return known ?? name;
    this.apps.set(name, name);
    return name;
  }

  saw({ identity, app }: Session): void {
    if (identity !== null) this.options.devices?.saw(identity.userId, identity.deviceId, app || null);
  }

  nextConnSeq(): number {
    // Also above what an earlier process of this gateway gave out.
    this.connSeq = Math.max(this.connSeq + 1, this.options.wallMs() * 1_000);
    return this.connSeq;
  }

  register(session: Session): void {
    this.waiting.delete(session);
    this.byId.set(session.ref!.id, session);
    session.endMs = session.openedMs + lifeMs(session.ref!.id);
    session.watch = this.watches.of(session.identity!.userId);
    if (session.watch !== null) session.watch.attached(session);
  }

  unregister(session: Session): void {
    if (session.ref === null) return;
    this.byId.delete(session.ref.id);
    release(session.ref);
  }

  attachAt(session: Session, atMs: number): void {
    this.putOff.set(session, atMs);
  }

  // What user actors say.

  push(sessions: readonly SessionRef[], bytes: Uint8Array, kind: 'durable' | 'volatile'): void {
    const volatile = kind === 'volatile';
    const head = volatile ? volatileHead(bytes) : null;
    for (const ref of sessions) {
      const session = sessionOf(ref) ?? this.byId.get(ref.id);
      if (session === undefined) continue;
      if (volatile) this.delivery.volatile(session, head, bytes);
      else this.delivery.event(session, bytes);
    }
  }

  hold(): void {
    this.delivery.hold();
  }

  release(): void {
    this.delivery.release();
    this.intake.feed();
  }

  close(sessions: readonly SessionRef[], code: number, reason: string): void {
    this.delivery.flush();
    for (const ref of sessions) this.byId.get(ref.id)?.close(code, reason);
  }

  /** The verified sockets of a person. Goes through all sockets: for people who ask. */
  ofUser(userId: string): Session[] {
    return [...this.byId.values()].filter(session => session.identity?.userId === userId);
  }

  knows(ref: SessionRef): boolean {
    return this.byId.has(ref.id);
  }

  // What happens by itself and from outside.

  /** Looks at every deadline. Called each `LIMITS.sweepMs`. */
  sweep(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const session of this.waiting) {
      if (session.deadlineMs > nowMs || session.phase !== 'waiting') continue;
      session.close(CLOSE.helloTimeout, 'no HELLO');
    }
    this.lookAtOpen(nowMs);
    if (nowMs >= this.sampleAtMs) {
      this.sampleAtMs = nowMs + LIMITS.sampleMs;
      this.delivery.sample(this.byId.values());
      this.tellHeld();
    }
    this.watches.sweep();
    this.intake.feed();
    this.options.metrics.gauge('rt_attach_inflight', this.attaches.asked);
    this.probes.sweep(nowMs);
    this.tally.flush();
  }

  /** The next ones: all of ten thousands at once would be a millisecond of cold memory for deadlines of minutes. */
  private lookAtOpen(nowMs: number): void {
    const { size } = this.byId;
    // an iterator that nobody moves keeps everybody who was there when it last moved
    if (size === 0) this.looking = this.byId.values();
    let left = Math.min(size, Math.max(LIMITS.sweepAtLeast, Math.ceil(size * LIMITS.sweepShare)));
    for (; left > 0; left--) {
      let next = this.looking.next();
      if (next.done) {
        this.looking = this.byId.values();
        next = this.looking.next();
        if (next.done) return;
      }
      const session = next.value;
      if (session.phase !== 'open') continue;
      if (session.endMs <= nowMs) this.away.due(session);
      if (session.deadlineMs <= nowMs) this.tokenDue(session, nowMs);
    }
  }

  /** Brings up to date what somebody is about to read. */
  beforeExposure(): void {
    this.tally.flush();
    const { metrics, secure } = this.options;
    tellConnections(metrics, secure ? 'wss' : 'ws', this.all());
  }

  /** Every socket. */
  all(): Iterable<Session> {
    return everyOne(this.waiting, this.byId.values());
  }

  /** Nothing may stay that belongs to no socket. */
  private tellHeld(): void {
    const { admission, attaches } = this;
    const held = {
      sessions: this.byId.size,
      waiting: this.waiting.size,
      attaching: attaches.asked + attaches.waiting,
      put_off: this.putOff.size,
      users: admission.users,
      addresses: admission.size - admission.users,
      volatiles: this.delivery.waiting,
      again: this.again.size,
      positions: this.intake.size,
      probes: this.probes.size,
    };
    for (const [table, n] of Object.entries(held)) this.options.metrics.gauge('rt_held', n, { table });
  }

  /** Asks a few phones how far away they are. Called each `LIMITS.sampleMs`. */
  measure(): void {
    this.roundTrips.sample(() => this.byId.values());
  }

  /** What must not wait for a sweep. Called each `LIMITS.flushMs`. */
  tick(): void {
    this.delivery.tick();
    this.again.tick(this.options.clock.monotonicMs());
  }

  /** Asks again for the attaches that were put off. Called each `LIMITS.attachRetryMs`. */
  attachAgain(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const session of this.attaches.late(one => nowMs - one.openedMs >= LIMITS.attachTotalMs)) {
      session.close(CLOSE.overloaded, 'try again later');
    }
    for (const [session, atMs] of this.putOff) {
      if (atMs > nowMs) continue;
      this.putOff.delete(session);
      if (session.phase === 'attaching') attach(this, session);
    }
  }

  /** Asks whether the users in these shards (null: all) still know their sessions here. */
  probe(shards: ReadonlySet<number> | null): void {
    for (const session of this.byId.values()) {
      if (session.phase !== 'open') continue;
      // asked for each look at the map while shards move, of every session
      if (session.shard < 0) session.shard = shardOf('user', session.user!.id);
      if (shards === null || shards.has(session.shard)) this.probes.add(session);
    }
  }

  private tokenDue(session: Session, nowMs: number): void {
    if (session.warned) return session.close(CLOSE.tokenExpired, 'the access token has expired');
    const { expiresAtMs } = session.identity!;
    session.warned = true;
    session.deadlineMs = nowMs + Math.max(0, expiresAtMs - this.options.wallMs()) + LIMITS.tokenGraceMs;
    this.tally.told('tokenExpiring');
    session.send(encodeServerFrame({ type: 'tokenExpiring', ttlS: tokenLeftS(this, session.identity!) }));
  }

  /** Ends the sockets whose token was revoked, also of those who stand in line or have said it in the handshake alone. */
  endRevoked(): void {
    const { revocations } = this.options;
    for (const session of this.all()) {
      const identity = session.identity ?? session.socket.bearer ?? null;
      if (identity !== null && revocations.covers(identity)) {
        session.close(CLOSE.revoked, 'the token was revoked');
      }
    }
  }

  /** Nobody comes in any more: who is not welcome yet finds another node. Those who are stay. */
  leave(): void {
    this.leaving = true;
    for (const session of this.attaches.late(() => true)) session.close(CLOSE.restart, 'restart');
    for (const session of this.waiting)
      if (session.phase === 'waiting') session.close(CLOSE.restart, 'restart');
  }

  /** Begins to send everybody to so many other nodes, within so long; slowly while shards are handed over. */
  beginDrain(graceMs: number, others: number, handingOver: () => boolean = () => false): void {
    this.leave();
    const { metrics, clock } = this.options;
    const sessions = (): Iterable<Session> => this.byId.values();
    const eachPerS = this.admission.welcomePerS;
    const parts = { away: this.away, metrics, sessions, size: () => this.sockets, eachPerS, handingOver };
    this.drain = new Drain(parts, clock.monotonicMs(), graceMs, others);
  }

  /** Goes on with it; how many sockets are still here. */
  drainOn(): number {
    return this.drain?.step(this.options.clock.monotonicMs()) ?? this.sockets;
  }

  /** Tells everybody to come back, no faster than they can be welcomed: there is no time, or nobody else to go to. */
  sayGoodbye(deadlineMs: number): void {
    this.leave();
    // elsewhere somebody is there now; here nobody is before we have come back
    const others = (this.options.elsewhere?.() ?? []).length > 0;
    const wellMs = returnMs(this.sockets, this.admission.welcomePerS);
    const spreadMs = others ? wellMs : Math.max(wellMs, LIMITS.backAgainMs);
    for (const session of this.byId.values()) {
      if (session.phase === 'open' && session.awayCode === 0) {
        this.away.tell(session, { reason: 'restart', deadlineMs, spreadMs });
      }
    }
  }

  /** Closes some of what is still open; how many are left. */
  closeSome(): number {
    this.leaving = true;
    let room = Math.max(LIMITS.closing, this.sockets * LIMITS.closingShare);
    for (const session of this.all()) {
      if (room-- <= 0) break;
      session.close(CLOSE.restart, 'restart');
    }
    return this.sockets;
  }
}
