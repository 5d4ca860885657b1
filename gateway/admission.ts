/**
 * Who may come in, decided before a socket exists: a crowd costs a few numbers here, and an HTTP answer that says when to
 * try again. What is counted per network address is taken from nobody else: one address that knocks a thousand times a
 * second does not use up the places that the gateway has for the others.
 *
 * The life of a connection: `connected`, then `spoke` or `silent`; `admit` and, with a token in the handshake,
 * `verifying` and `verified`; `opened`, `authenticated`, `closed`.
 */
import type { Metrics } from '../nodes/ports.ts';
import { type AddressLimits, addressLimits, LIMITS } from './limits.ts';
import { Meter, Meters } from './meters.ts';
import { countedAs } from './peer.ts';
import { type Bucket, bucket, taken, waitMs } from './rate.ts';
import type { Turned } from './transport.ts';

/** One network address. */
class Place extends Meter {
  sockets = 0;
  unauthenticated = 0;
  handshaking = 0;
  handshakeMs = 0;

  override full(nowMs: number): boolean {
    return this.handshakeMs <= nowMs && super.full(nowMs);
  }
}

export interface AdmissionOptions {
  /** Sockets that one address may hold; the other bounds of an address follow from it. */
  readonly connectionsPerAddress: number;
  /** Handshakes a second that this gateway takes, from everybody together. */
  readonly handshakesPerS?: number;
  /** Proxies in front: the peer of a connection is one of them then, and not counted as an address. */
  readonly trustedProxyHops?: number;
  readonly metrics: Metrics;
}

/** What holds a place. */
export interface Holder {
  addressMeter: Meter | null;
  userMeter: Meter | null;
}

export class Admission {
  readonly #limits: AddressLimits;
  readonly #perAddress: Bucket;
  readonly #all: Bucket;
  readonly #direct: boolean;
  readonly #metrics: Metrics;
  /** Phones that a node like this one can welcome a second. */
  readonly welcomePerS: number;
  readonly #places = new Meters<Place>(name => new Place(name));
  readonly #users = new Meters<Meter>(name => new Meter(name));
  #allMs = 0;
  #halfOpen = 0;
  #sockets = 0;

  constructor(options: AdmissionOptions) {
    const perS = options.handshakesPerS ?? LIMITS.attachPerS;
    this.welcomePerS = Math.min(perS, LIMITS.attachPerS);
    this.#limits = addressLimits(options.connectionsPerAddress);
    this.#perAddress = bucket(this.#limits.handshakes);
    this.#all = bucket({ perS, burst: perS });
    this.#direct = (options.trustedProxyHops ?? 0) === 0;
    this.#metrics = options.metrics;
  }

  /** Addresses and users that are remembered. */
  get size(): number {
    return this.#places.size + this.#users.size;
  }

  get users(): number {
    return this.#users.size;
  }

  /** Connections that have not sent a request yet. */
  get halfOpen(): number {
    return this.#halfOpen;
  }

  // Connections that have said nothing.

  /** False: too many from there say nothing, or too many at all. */
  connected(peer: string): boolean {
    if (this.#sockets + this.#halfOpen >= LIMITS.socketsMax) return this.#refuse('full');
    if (this.#direct) {
      const place = this.#places.hold(countedAs(peer) ?? peer);
      if (place.handshaking >= this.#limits.handshaking) {
        this.#places.release(place);
        return this.#refuse('half_open');
      }
      place.handshaking++;
    }
    this.#halfOpen++;
    return true;
  }

  /** It sent its request. */
  spoke(peer: string): void {
    this.#over(peer);
  }

  /** It went without one. */
  silent(peer: string): void {
    this.#over(peer);
    this.#metrics.count('rt_accept_rejected_total', { reason: 'silent' });
  }

  // Those that ask for a socket.

  /** Takes a handshake from the buckets, or says why not. */
  admit(address: string, nowMs: number): Turned | null {
    const place = this.#places.at(address);
    const { sockets, unauthenticated, handshaking } = this.#limits;
    if (place.sockets >= sockets) return this.#turn('connections', 5);
    if (place.unauthenticated >= unauthenticated) return this.#turn('unauthenticated', 5);
    if (place.handshaking >= handshaking) return this.#turn('handshakes', 1);
    const own = waitMs(this.#perAddress, place.handshakeMs, nowMs);
    if (own > 0) return this.#turn('address_rate', own / 1_000);
    if (this.#sockets >= LIMITS.socketsMax) return this.#full('full', 5);
    const all = waitMs(this.#all, this.#allMs, nowMs);
    if (all > 0) return this.#full('rate', all / 1_000);
    place.handshakeMs = taken(this.#perAddress, place.handshakeMs, nowMs);
    this.#allMs = taken(this.#all, this.#allMs, nowMs);
    return null;
  }

  /** A token that came with the handshake is being verified. */
  verifying(address: string): void {
    this.#places.hold(address).handshaking++;
  }

  verified(address: string): void {
    const place = this.#places.at(address);
    place.handshaking--;
    this.#places.release(place);
  }

  /** Counts somebody whom others turned away. */
  turned(reason: 'leaving' | 'protocol' | 'origin' | 'token'): void {
    this.#metrics.count('rt_accept_rejected_total', { reason });
  }

  // Sockets.

  opened(holder: Holder, address: string): void {
    const place = this.#places.hold(address);
    place.sockets++;
    place.unauthenticated++;
    this.#sockets++;
    holder.addressMeter = place;
  }

  authenticated(holder: Holder, userId: string): void {
    if (holder.userMeter !== null) return;
    (holder.addressMeter as Place).unauthenticated--;
    holder.userMeter = this.#users.hold(userId);
  }

  closed(holder: Holder): void {
    const place = holder.addressMeter as Place | null;
    if (place === null) return;
    this.#sockets--;
    place.sockets--;
    if (holder.userMeter === null) place.unauthenticated--;
    else this.#users.release(holder.userMeter);
    this.#places.release(place);
    holder.addressMeter = null;
    holder.userMeter = null;
  }

  /** Forgets those whose buckets are full again. */
  sweep(nowMs: number): void {
    this.#places.sweep(nowMs);
    this.#users.sweep(nowMs);
    this.#metrics.gauge('rt_half_open', this.#halfOpen);
  }

  #over(peer: string): void {
    this.#halfOpen = Math.max(0, this.#halfOpen - 1);
    if (!this.#direct) return;
    const place = this.#places.at(countedAs(peer) ?? peer);
    if (place.handshaking === 0) return;
    place.handshaking--;
    this.#places.release(place);
  }

  #refuse(reason: string): false {
    this.#metrics.count('rt_accept_rejected_total', { reason });
    return false;
  }

  #turn(reason: string, afterS: number): Turned {
    this.#refuse(reason);
    return { status: 429, message: 'too many connections from this address', retryAfterS: Math.ceil(afterS) };
  }

  #full(reason: string, afterS: number): Turned {
    this.#refuse(reason);
    return { status: 503, message: 'not now: too many at once', retryAfterS: Math.ceil(afterS) };
  }
}
