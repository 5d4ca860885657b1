/**
 * What the people of a world do: walk, come near and stay, share, greet, accept, show and scan codes with and without
 * network, give, read, hang up and move. One or two phones call their positions simulated.
 */
import { FIX_FLAG } from '../../protocol/frames.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Op } from './history.ts';
import type { Offline } from './offline.ts';
import type { Phone } from './phone.ts';
import { apartM, beside, type Place, somewhere, Walk } from './streets.ts';
import { HUB_TOKEN } from './townRules.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface WorkloadParts {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly phones: readonly Phone[];
  readonly offline: Offline;
}

const THINK_MS = { min: 250, max: 1_500 };
const REPORT_MS = { min: 900, max: 2_500 };
const ACCEPT_MS = { min: 20, max: 400 };
const UNDER_WAY_MAX = 3;
const HIDDEN_MS = { min: 3_000, max: 8_000 };
const STROLL_MPS = { min: 0.8, max: 2.2 };
/** Fast enough to be no walker, slow enough to be on the ground. */
const CAR_MPS = 14;
/** Two so close talk to each other. */
const TALK_M = 80;
/** A place that nobody gets to in a moment. */
const FAR_M = 9_000;

export class Workload {
  readonly #parts: WorkloadParts;
  readonly #codes = new Map<string, { token: string; atMs: number }>();
  /** They stay hidden while there is trouble. */
  readonly #hiding = new Set<Phone>();
  #on = false;

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#on = true;
    const { phones, dice, time, faults } = this.#parts;
    for (const phone of phones) {
      phone.walk = new Walk(somewhere(dice));
      phone.dates = dice.chance(0.85);
      phone.connect();
      time.after(dice.between(200, 900), () => {
        if (phone.person.kind === 'officer') phone.command('location.share');
        if (dice.chance(0.7)) phone.command('instant.set', { on: true });
      });
      this.#again(THINK_MS, () => this.#act(phone));
      this.#again(REPORT_MS, () => phone.report());
    }
    if (!dice.chance(0.5)) return;
    const liar = dice.pick(phones);
    time.after(dice.between(1_000, 8_000), () => {
      faults.hit('position called simulated');
      liar.flags = FIX_FLAG.simulated;
    });
  }

  /** Nobody begins anything new. */
  stop(): void {
    this.#on = false;
    this.#parts.offline.stop();
  }

  heyReceived(phone: Phone, heyId: string): void {
    const { time, dice } = this.#parts;
    time.after(dice.between(ACCEPT_MS.min, ACCEPT_MS.max), () => {
      if (this.#on) phone.command(dice.chance(0.92) ? 'hey.accept' : 'hey.decline', { heyId });
    });
  }

  ended(phone: Phone, op: Op): void {
    this.#parts.offline.ended(op);
    if (op.name === 'qr.show' && op.result?.ok) {
      const { token } = op.result.value as { token: string };
      this.#codes.set(phone.person.id, { token, atMs: op.endMs });
    }
    // an officer who moved to a fresh actor, or whose quarter of an hour is over, shares again
    const failed = op.result && !op.result.ok;
    if (failed && phone.person.kind === 'officer' && op.name === 'hey.accept' && this.#on) {
      this.#share(phone);
    }
  }

  #act(phone: Phone): void {
    const { dice, faults } = this.#parts;
    if (!this.#on || phone.away || phone.underWay >= UNDER_WAY_MAX) return;
    const what = dice.share();
    const officer = phone.person.kind === 'officer';
    if (what < 0.05) {
      faults.hit('phone disconnected');
      return phone.reconnect(dice.chance(0.5));
    }
    if (what < 0.15) return this.#walk(phone);
    if (what < 0.25) return void phone.command('balance');
    if (what < 0.27) return void phone.command('state.get');
    if (what < 0.38) return void phone.command('qr.show');
    if (what < 0.49) return this.#scan(phone);
    if (what < 0.57) return this.#offline(phone);
    if (what < 0.75) return this.#give(phone);
    if (what < 0.77) return this.#hide(phone);
    if (officer) {
      if (what < 0.86) this.#share(phone);
      else if (what < 0.88) phone.command('location.stop');
      else if (what < 0.91) {
        faults.hit('checked in at a hub');
        phone.command('hub.checkIn', { token: HUB_TOKEN });
      }
      return;
    }
    this.#greet(phone);
  }

  /** A mode in which no position counts, for some time or to the end; the phone goes on saying where it is. */
  #hide(phone: Phone): void {
    const { dice, faults, time } = this.#parts;
    faults.hit('mode changed');
    phone.command('location.mode', { mode: dice.pick(['off', 'qr', 'coarse']) });
    if (dice.chance(0.3)) return void this.#hiding.add(phone);
    time.after(dice.between(HIDDEN_MS.min, HIDDEN_MS.max), () => {
      if (this.#on) this.#share(phone);
    });
  }

  #share(phone: Phone): void {
    if (!this.#hiding.has(phone)) phone.command('location.share');
  }

  /** To somebody, to the other side of the square, by car, or away by means that nobody believes. */
  #walk(phone: Phone): void {
    const { dice, time } = this.#parts;
    const nowMs = time.monotonicMs();
    const mps = dice.between(STROLL_MPS.min, STROLL_MPS.max);
    const how = dice.share();
    if (how < 0.6) {
      const others = this.#others(phone);
      return phone.walk.go(beside(dice.pick(others).walk.at(nowMs), 8, dice), mps, nowMs);
    }
    if (how < 0.85) return phone.walk.go(somewhere(dice), mps, nowMs);
    if (how < 0.97) return phone.walk.go(somewhere(dice), CAR_MPS, nowMs);
    const here = phone.walk.at(nowMs);
    phone.walk = new Walk(this.#isFar(here) ? somewhere(dice) : { ...here, northM: FAR_M });
  }

  #greet(phone: Phone): void {
    const { dice } = this.#parts;
    const here = this.#beside(phone);
    if (here.length > 0) phone.command('hey.say', { officerId: dice.pick(here).person.id });
  }

  #scan(phone: Phone): void {
    const { dice, time } = this.#parts;
    const fresh = this.#others(phone).filter(one => {
      const code = this.#codes.get(one.person.id);
      return code && time.monotonicMs() - code.atMs < 10_000;
    });
    if (fresh.length === 0) return;
    phone.command('qr.scan', { token: this.#codes.get(dice.pick(fresh).person.id)!.token });
  }

  #offline(phone: Phone): void {
    const { dice, offline } = this.#parts;
    const others = this.#beside(phone).filter(one => !one.away);
    if (others.length === 0) return;
    if (others.length > 1 && dice.chance(0.15)) {
      const [one, two] = dice.shuffled(others);
      return offline.crowd(one!, two!, phone);
    }
    offline.meet(phone, dice.pick(others));
  }

  #give(phone: Phone): void {
    const { dice, phones } = this.#parts;
    const others = phones.filter(one => one !== phone);
    phone.command('give', { to: dice.pick(others).person.id, points: 1 + dice.below(15) });
  }

  /** Everybody of the other role. */
  #others({ person }: Phone): readonly Phone[] {
    return this.#parts.phones.filter(one => one.person.kind !== person.kind);
  }

  #beside(phone: Phone): readonly Phone[] {
    const nowMs = this.#parts.time.monotonicMs();
    const here = phone.walk.at(nowMs);
    return this.#others(phone).filter(one => apartM(one.walk.at(nowMs), here) < TALK_M);
  }

  #isFar({ northM }: Place): boolean {
    return northM > FAR_M / 2;
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
