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
import { shardOf } from '../protocol/shard.ts';
import { DecodeError } from '../protocol/walker.ts';
import { handleFrame } from './frames.ts';
import { attach, hello, tokenLeftS } from './hello.ts';
import { LIMITS, returnMs } from './limits.ts';
import { Probes } from './probes.ts';
import { type Buckets, type Hub, prepare, type RealtimeOptions } from './realtime.ts';
import { Session } from './session.ts';
import { Tally } from './tally.ts';
import type { Knock, Listener, Socket, Turned } from './transport.ts';

export class Sessions implements PushSink, Listener<Session>, Hub {
  readonly options: RealtimeOptions;
  readonly buckets: Buckets | null;
  readonly tally: Tally;
  attaching = 0;
  private readonly waiting = new Set<Session>();
  private readonly byId = new Map<string, Session>();
  /** Attaches that are asked for again, and when. */
  private readonly putOff = new Map<Session, number>();
  private readonly perAddress = new Map<string, number>();
  private sockets = 0;
  private connSeq = 0;
  leaving = false;
  private readonly probes: Probes;

  constructor(options: RealtimeOptions) {
    this.options = options;
    this.buckets = prepare(options.rates);
    this.tally = new Tally(options.metrics);
    this.probes = new Probes(options);
  }

  /** Open sockets, also those that have not said HELLO. */
  get size(): number {
    return this.sockets;
  }

  // What the transport tells.

  admit({ protocols, origin, address }: Knock): Turned | null {
    if (this.leaving) return { status: 503, message: 'this server is about to stop', retryAfterS: 1 };
    if (!protocols.split(',').some(one => one.trim() === SUBPROTOCOL)) {
      return { status: 400, message: `ask for the WebSocket subprotocol ${SUBPROTOCOL}` };
    }
    const { origins, connectionsPerAddress } = this.options;
    if (origin !== '' && !origins.includes('*') && !origins.includes(origin)) {
      return { status: 403, message: 'pages of this origin may not connect' };
    }
    if (this.sockets >= LIMITS.socketsMax) return { status: 503, message: 'full', retryAfterS: 5 };
    if ((this.perAddress.get(address) ?? 0) >= connectionsPerAddress) {
      return { status: 429, message: 'too many connections from this address', retryAfterS: 5 };
    }
    return null;
  }

  opened(socket: Socket<Session>): void {
    const session = new Session(socket, this.options.clock.monotonicMs());
    socket.data = session;
    this.sockets++;
    this.perAddress.set(socket.address, (this.perAddress.get(socket.address) ?? 0) + 1);
    this.waiting.add(session);
  }

  message(socket: Socket<Session>, bytes: Uint8Array, binary: boolean): void {
    const session = socket.data!;
    if (!binary) return session.close(CLOSE.textFrame, 'binary frames only');
    if (bytes.length > LIMITS.inboundBytes) return session.close(CLOSE.tooBig, 'message too big');
    let frame: ClientFrame;
    try {
      frame = decodeClientFrame(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.options.metrics.count('rt_decoder_rejects_total', { why: error.why });
      return session.close(CLOSE.malformed, `undecodable frame: ${error.why}`);
    }
    if (session.phase === 'open') {
      return handleFrame(this, session, frame, this.options.clock.monotonicMs());
    }
    if (session.phase === 'closed') return;
    if (session.phase !== 'waiting') return session.close(CLOSE.malformed, 'wait for WELCOME');
    if (frame.type !== 'hello') return session.close(CLOSE.malformed, 'HELLO comes first');
    this.tally.frame('hello');
    hello(this, session, frame).catch(error => this.broken(session, error));
  }

  /** A bug of ours costs this session, never the process. */
  broken(session: Session, error: unknown): void {
    this.options.log.error({ err: error }, 'a session broke');
    session.close(CLOSE.internal, 'internal error');
  }

  drained(socket: Socket<Session>): void {
    if (socket.data !== null && socket.bufferedBytes() === 0) socket.data.choked = false;
  }

  closed(socket: Socket<Session>): void {
    const session = socket.data;
    if (session === null || session.phase === 'closed') return;
    const { door, metrics } = this.options;
    const { phase, user, ref, connSeq } = session;
    session.phase = 'closed';
    session.queue = null;
    this.sockets--;
    const rest = (this.perAddress.get(socket.address) ?? 1) - 1;
    if (rest === 0) this.perAddress.delete(socket.address);
    else this.perAddress.set(socket.address, rest);
    this.waiting.delete(session);
    this.putOff.delete(session);
    if (ref !== null) this.byId.delete(ref.id);
    if (user !== null && ref !== null && (phase === 'attaching' || phase === 'open')) {
      const message: UserMessage = { type: 'detach', session: ref, connSeq };
      door.tell(user, message);
    }
    metrics.count('rt_close_total', { code: session.closeCode === 0 ? 'peer' : String(session.closeCode) });
  }

  // What hello and frames need.

  nextConnSeq(): number {
    // Also above what an earlier process of this gateway gave out.
    this.connSeq = Math.max(this.connSeq + 1, this.options.wallMs() * 1_000);
    return this.connSeq;
  }

  register(session: Session): void {
    this.waiting.delete(session);
    this.byId.set(session.ref!.id, session);
  }

  unregister(session: Session): void {
    if (session.ref !== null) this.byId.delete(session.ref.id);
  }

  attachAt(session: Session, atMs: number): void {
    this.putOff.set(session, atMs);
  }

  // What user actors say.

  push(sessions: readonly SessionRef[], bytes: Uint8Array, kind: 'durable' | 'volatile'): void {
    const volatile = kind === 'volatile';
    for (const ref of sessions) {
      const session = this.byId.get(ref.id);
      if (session === undefined) continue;
      if (session.deliver(bytes, volatile) === 'skipped') this.tally.skipped();
      else this.tally.pushed(volatile);
    }
  }

  close(sessions: readonly SessionRef[], code: number, reason: string): void {
    for (const ref of sessions) this.byId.get(ref.id)?.close(code, reason);
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
    for (const session of this.byId.values()) {
      if (session.deadlineMs > nowMs || session.phase !== 'open') continue;
      this.tokenDue(session, nowMs);
    }
    this.probes.sweep(nowMs);
    this.tally.flush(this.sockets);
  }

  /** Asks again for the attaches that were put off. Called each `LIMITS.attachRetryMs`. */
  attachAgain(): void {
    const nowMs = this.options.clock.monotonicMs();
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
      if (shards === null || shards.has(shardOf('user', session.user!.id))) this.probes.add(session);
    }
  }

  private tokenDue(session: Session, nowMs: number): void {
    if (session.warned) return session.close(CLOSE.tokenExpired, 'the access token has expired');
    const { expiresAtMs } = session.identity!;
    session.warned = true;
    session.deadlineMs = nowMs + Math.max(0, expiresAtMs - this.options.wallMs()) + LIMITS.tokenGraceMs;
    session.send(encodeServerFrame({ type: 'tokenExpiring', ttlS: tokenLeftS(this, session.identity!) }));
  }

  /** Ends the sessions of a person on other devices than this one. */
  endOthers(userId: string, deviceId: string): void {
    for (const session of this.byId.values()) {
      const who = session.identity;
      if (who?.userId !== userId || who.deviceId === deviceId) continue;
      session.close(CLOSE.revoked, 'the account moved to another device');
    }
  }

  /** Tells everybody to come back a little later, elsewhere if there is such a place, and lets nobody in any more. */
  sayGoodbye(deadlineMs: number): void {
    this.leaving = true;
    const urls: readonly (string | null)[] = this.options.elsewhere?.() ?? [];
    const bytes = (urls.length > 0 ? urls : [null]).map(url =>
      encodeServerFrame({
        type: 'goaway',
        reason: 'restart',
        deadlineMs,
        delayMinMs: 0,
        // elsewhere somebody is there now; here nobody is before we have come back
        delayMaxMs: url === null ? LIMITS.reconnectJitterMs : Math.min(returnMs(this.sockets), deadlineMs),
        url,
      }),
    );
    let nth = 0;
    for (const session of this.byId.values()) {
      if (session.phase === 'open') session.send(bytes[nth++ % bytes.length]!);
    }
  }

  /** Closes what is still open. */
  closeAll(): void {
    this.leaving = true;
    for (const session of [...this.waiting, ...this.byId.values()]) session.close(CLOSE.restart, 'restart');
  }
}
