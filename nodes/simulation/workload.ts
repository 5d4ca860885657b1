/** What the people of a world do: report, share, greet, accept, show and scan codes, give, read, hang up and move. */
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Op } from './history.ts';
import type { Phone } from './phone.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface WorkloadParts {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly phones: readonly Phone[];
  /** Whether user actors take `give` yet. */
  readonly gives: boolean;
}

const THINK_MS = { min: 250, max: 1_500 };
const REPORT_MS = { min: 1_500, max: 3_500 };
const ACCEPT_MS = { min: 20, max: 400 };
const UNDER_WAY_MAX = 3;
/** Three places, kilometres apart; whoever stands in one is close enough for a hey. */
const PLACES = [
  { lat: 40.7306, lng: -73.9866 },
  { lat: 40.7712, lng: -73.9742 },
  { lat: 40.6892, lng: -74.0445 },
];

export class Workload {
  readonly #parts: WorkloadParts;
  readonly #codes = new Map<string, { token: string; atMs: number }>();
  readonly #places = new Map<Phone, number>();
  #on = false;

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#on = true;
    const { phones, dice, time } = this.#parts;
    for (const phone of phones) {
      this.#stand(phone, dice.below(PLACES.length));
      phone.connect();
      time.after(dice.between(200, 900), () => {
        if (phone.person.kind === 'officer') phone.command('location.share');
        if (dice.chance(0.4)) phone.command('instant.set', { on: true });
      });
      this.#again(THINK_MS, () => this.#act(phone));
      this.#again(REPORT_MS, () => phone.report());
    }
  }

  /** Nobody begins anything new. */
  stop(): void {
    this.#on = false;
  }

  heyReceived(phone: Phone, heyId: string): void {
    const { time, dice } = this.#parts;
    time.after(dice.between(ACCEPT_MS.min, ACCEPT_MS.max), () => {
      if (this.#on) phone.command(dice.chance(0.92) ? 'hey.accept' : 'hey.decline', { heyId });
    });
  }

  ended(phone: Phone, op: Op): void {
    if (op.name === 'qr.show' && op.result?.ok) {
      const { token } = op.result.value as { token: string };
      this.#codes.set(phone.person.id, { token, atMs: op.endMs });
    }
    // an officer who moved to a fresh actor, or whose quarter of an hour is over, shares again
    const failed = op.result && !op.result.ok;
    if (failed && phone.person.kind === 'officer' && op.name === 'hey.accept' && this.#on) {
      phone.command('location.share');
    }
  }

  #act(phone: Phone): void {
    const { dice, faults } = this.#parts;
    if (!this.#on || phone.underWay >= UNDER_WAY_MAX) return;
    const what = dice.share();
    const officer = phone.person.kind === 'officer';
    if (what < 0.06) {
      faults.hit('phone disconnected');
      return phone.reconnect(dice.chance(0.5));
    }
    if (what < 0.09) return this.#stand(phone, dice.below(PLACES.length));
    if (what < 0.22) return void phone.command('balance');
    if (what < 0.25) return void phone.command('state.get');
    if (what < 0.4) return void phone.command('qr.show');
    if (what < 0.55) return this.#scan(phone);
    if (what < 0.75) return this.#give(phone);
    if (officer) {
      if (what < 0.85) phone.command('location.share');
      return;
    }
    this.#greet(phone);
  }

  #greet(phone: Phone): void {
    const { dice, phones } = this.#parts;
    const here = phones.filter(
      one => one.person.kind === 'officer' && this.#places.get(one) === this.#places.get(phone),
    );
    if (here.length > 0) phone.command('hey.say', { officerId: dice.pick(here).person.id });
  }

  #scan(phone: Phone): void {
    const { dice, phones, time } = this.#parts;
    const fresh = phones.filter(one => {
      const code = this.#codes.get(one.person.id);
      return one.person.kind !== phone.person.kind && code && time.monotonicMs() - code.atMs < 10_000;
    });
    if (fresh.length === 0) return;
    phone.command('qr.scan', { token: this.#codes.get(dice.pick(fresh).person.id)!.token });
  }

  #give(phone: Phone): void {
    const { dice, phones, gives } = this.#parts;
    const others = phones.filter(one => one !== phone);
    if (!gives) return void phone.command('balance');
    phone.command('give', { to: dice.pick(others).person.id, points: 1 + dice.below(15) });
  }

  #stand(phone: Phone, at: number): void {
    const { dice } = this.#parts;
    const { lat, lng } = PLACES[at]!;
    this.#places.set(phone, at);
    phone.latE7 = Math.round((lat + dice.between(-0.0001, 0.0001)) * 1e7);
    phone.lngE7 = Math.round((lng + dice.between(-0.0001, 0.0001)) * 1e7);
  }

  #again(every: { readonly min: number; readonly max: number }, run: () => void): void {
    const { time, dice } = this.#parts;
    time.after(dice.between(every.min, every.max), () => {
      if (!this.#on) return;
      run();
      this.#again(every, run);
    });
  }
}
