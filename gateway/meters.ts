/**
 * What a phone may say, counted three times: per socket, per user over all sockets here, and per network address. A
 * socket's buckets begin full with it; the other two are remembered until they are full again, or hanging up and calling
 * anew would refill them. A meter is a handful of numbers, shared by the sockets that it counts.
 */
import { ADDRESS_SHARE, LIMITS, type Rate, type SessionRates, USER_SHARE } from './limits.ts';
import { type Bucket, bucket, taken, waitMs } from './rate.ts';

/** Arrival times of the buckets (rate.ts), one for each class of the catalogue; a session has these fields too. */
export interface Arrivals {
  locationMs: number;
  commandMs: number;
  authMs: number;
  qrMs: number;
  otherMs: number;
}

export type RateClass = keyof SessionRates;

/** Buckets that several sockets share. */
export class Meter implements Arrivals {
  readonly name: string;
  /** Whoever counts on it now. */
  holders = 0;
  locationMs = 0;
  commandMs = 0;
  authMs = 0;
  qrMs = 0;
  otherMs = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Every bucket is full: forgetting it changes nothing. */
  full(nowMs: number): boolean {
    const { locationMs, commandMs, authMs, qrMs, otherMs } = this;
    return Math.max(locationMs, commandMs, authMs, qrMs, otherMs) <= nowMs;
  }
}

/** Meters by name, kept while somebody holds them or they are not full; so many of the latter at most. */
export class Meters<M extends Meter> {
  readonly #byName = new Map<string, M>();
  /** Nobody holds these; oldest first. */
  readonly #left = new Set<M>();
  readonly #make: (name: string) => M;

  constructor(make: (name: string) => M) {
    this.#make = make;
  }

  /** The meter of this name, held once more. */
  hold(name: string): M {
    const meter = this.at(name);
    meter.holders++;
    this.#left.delete(meter);
    return meter;
  }

  /** The meter of this name without holding it. */
  at(name: string): M {
    let meter = this.#byName.get(name);
    if (meter === undefined) {
      meter = this.#make(name);
      this.#byName.set(name, meter);
      this.#leave(meter);
    }
    return meter;
  }

  release(meter: M): void {
    if (--meter.holders === 0) this.#leave(meter);
  }

  /** Forgets the full ones. */
  sweep(nowMs: number): void {
    for (const meter of this.#left) if (meter.full(nowMs)) this.#forget(meter);
  }

  get size(): number {
    return this.#byName.size;
  }

  #leave(meter: M): void {
    this.#left.add(meter);
    if (this.#left.size <= LIMITS.metersMax) return;
    for (const oldest of this.#left) return this.#forget(oldest);
  }

  #forget(meter: M): void {
    this.#left.delete(meter);
    this.#byName.delete(meter.name);
  }
}

/** Who has said too much. */
export type Scope = 'session' | 'user' | 'address';

/** Whoever is counted. */
export interface Counted extends Arrivals {
  readonly userMeter: Meter | null;
  readonly addressMeter: Meter | null;
}

const FIELD = {
  location: 'locationMs',
  command: 'commandMs',
  auth: 'authMs',
  qr: 'qrMs',
  other: 'otherMs',
} as const satisfies { [K in RateClass]: keyof Arrivals };

type Three = readonly [session: Bucket, user: Bucket, address: Bucket];

const times = ({ perS, burst }: Rate, by: number): Rate => ({
  perS: perS * Math.max(1, by),
  burst: Math.ceil(burst * Math.max(1, by)),
});

/** The rates of one gateway, and how they are spent. */
export class Spending {
  readonly #buckets: { [K in RateClass]: Three };
  #rates: SessionRates;
  readonly #perAddress: number;
  readonly #over: (scope: Scope) => void;

  /**
   * @param perAddress sockets that one address may hold
   * @param over told of each refusal
   */
  constructor(rates: SessionRates, perAddress: number, over: (scope: Scope) => void) {
    this.#rates = rates;
    this.#perAddress = perAddress;
    const three = (of: RateClass): Three => this.#three(of, rates[of]);
    this.#buckets = {
      location: three('location'),
      command: three('command'),
      auth: three('auth'),
      qr: three('qr'),
      other: three('other'),
    };
    this.#over = over;
  }

  /** What one socket may say now. */
  get rates(): SessionRates {
    return this.#rates;
  }

  /** From now on: what was said already counts as before, so nobody gets a second burst by it. */
  change(of: RateClass, rate: Rate): void {
    this.#rates = { ...this.#rates, [of]: rate };
    this.#buckets[of] = this.#three(of, rate);
  }

  #three(of: RateClass, rate: Rate): Three {
    return [
      bucket(rate),
      bucket(times(rate, USER_SHARE)),
      bucket(times(rate, ADDRESS_SHARE[of] * this.#perAddress)),
    ];
  }

  /** Takes one from each of the three; when one of them is empty, from none: milliseconds to wait then, else 0. */
  spend(who: Counted, what: RateClass, nowMs: number): number {
    const field = FIELD[what];
    const [session, user, address] = this.#buckets[what];
    const { userMeter, addressMeter } = who;
    let wait = waitMs(session, who[field], nowMs);
    if (wait > 0) return this.#refuse('session', wait);
    if (userMeter !== null) {
      wait = waitMs(user, userMeter[field], nowMs);
      if (wait > 0) return this.#refuse('user', wait);
    }
    if (addressMeter !== null) {
      wait = waitMs(address, addressMeter[field], nowMs);
      if (wait > 0) return this.#refuse('address', wait);
      addressMeter[field] = taken(address, addressMeter[field], nowMs);
    }
    if (userMeter !== null) userMeter[field] = taken(user, userMeter[field], nowMs);
    who[field] = taken(session, who[field], nowMs);
    return 0;
  }

  /** `spend` of a position, which nearly all are: fields by their names, as one that is chosen at run time is searched for. */
  spendLocation(who: Counted, nowMs: number): number {
    const [session, user, address] = this.#buckets.location;
    const { userMeter, addressMeter } = who;
    let wait = waitMs(session, who.locationMs, nowMs);
    if (wait > 0) return this.#refuse('session', wait);
    if (userMeter !== null) {
      wait = waitMs(user, userMeter.locationMs, nowMs);
      if (wait > 0) return this.#refuse('user', wait);
    }
    if (addressMeter !== null) {
      wait = waitMs(address, addressMeter.locationMs, nowMs);
      if (wait > 0) return this.#refuse('address', wait);
      addressMeter.locationMs = taken(address, addressMeter.locationMs, nowMs);
    }
    if (userMeter !== null) userMeter.locationMs = taken(user, userMeter.locationMs, nowMs);
    who.locationMs = taken(session, who.locationMs, nowMs);
    return 0;
  }

  #refuse(scope: Scope, wait: number): number {
    this.#over(scope);
    return wait;
  }
}
