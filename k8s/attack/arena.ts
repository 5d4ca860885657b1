/**
 * One hunt: a town with real actors on virtual time, officers who walk their beats and share now and then, and the
 * accounts of an attacker who follows one strategy and believes what the estimator tells him. The referee compares.
 */

import { type AreaRules, areaRules } from '../../actors/geo/areaRules.ts';
import { seededRandom } from '../../nodes/simulation/virtualTime.ts';
import { SmallTown } from '../../nodes/testing/smallTown.ts';
import { Estimator } from './estimator.ts';
import { Block, type Point } from './ground.ts';
import { Knowledge, type Noted } from './knowledge.ts';
import { type Leak, leaking } from './leaks.ts';
import { AttackPhone } from './phones.ts';
import type { Place } from './sighting.ts';
import type { Strategy } from './strategies.ts';
import { BEATS_M, begin, drawNormal, STRIDE, step as walkOn, X, Y } from './walk.ts';

const TICK_MS = 5_000;
const STEP_TICKS = 3;
export const STEP_S = (TICK_MS * STEP_TICKS) / 1_000;
/** What is told late is told 75 s late in the mean; the attacker believes what was so many steps ago. */
const LATE_STEPS = 5;
const LAGS = [0, LATE_STEPS];
/** The same word again says nothing new for so many steps. */
const AGAIN_STEPS = 8;
/** How fast accounts of the attacker claim to move: below what is not believed; but for jumps. */
const MOVE_M_MAX = 60 * STEP_S;
const NOISE_M = 3;
const SHARE_S = 15 * 60;
/** Pause between two share times. */
const PAUSE_S = [120, 600] as const;

export interface HuntOptions {
  readonly strategy: Strategy;
  readonly leak: Leak;
  readonly seed: number;
  readonly officers: number;
  readonly hypotheses: number;
  readonly minutes?: number;
  /** Null: a town of the attacker's own, in which he learns. */
  readonly knowledge: Knowledge | null;
  /** Of the town; absent: as it is without a rule of an operator. */
  readonly area?: AreaRules;
}

interface Officer {
  readonly phone: AttackPhone;
  readonly handle: string;
  readonly places: Place[];
  /** Of each step: the position was shared, and had been for a while. */
  readonly shared: boolean[];
  sharingS: number;
  pauseS: number;
  token: string | null;
}

/** What the attacker believed of one officer at one step, and by how much he was wrong. */
export interface Guess {
  readonly officer: number;
  readonly step: number;
  readonly errorM: number;
  readonly spreadM: number;
  /** The officer was seen to change areas before. */
  readonly crossed: boolean;
}

export interface Hunt {
  readonly guesses: readonly Guess[];
  readonly knowledge: Knowledge | null;
  readonly sightings: number;
  readonly met: number;
}

export async function hunt(options: HuntOptions): Promise<Hunt> {
  const chase = new Chase(options);
  await chase.begin();
  const minutes = options.minutes ?? options.strategy.hours * 60;
  const steps = Math.round((minutes * 60) / STEP_S);
  for (let step = 0; step < steps; step++) await chase.step(step);
  return chase.end();
}

class Chase {
  readonly #options: HuntOptions;
  readonly #block = new Block();
  readonly #town: SmallTown;
  readonly #draw: () => number;
  readonly #walks: Float64Array;
  readonly #officers: Officer[] = [];
  readonly #accounts: AttackPhone[] = [];
  readonly #estimators: Estimator[] = [];
  readonly #believed: Point[] = [];
  /** By the step at whose state they speak. */
  readonly #waiting = new Map<number, Noted[]>();
  readonly #all: Noted[] = [];
  readonly #last = new Map<string, { outcome: string; step: number }>();
  readonly #guesses: Guess[] = [];
  readonly #crossed: number[];
  #sightings = 0;
  #met = 0;

  constructor(options: HuntOptions) {
    this.#options = options;
    const { seed, leak, officers, area = areaRules() } = options;
    this.#town = new SmallTown({ area }, { seed: seed * 7_919 + 13, adapt: leaking(leak) });
    const random = seededRandom(seed * 104_729 + 1);
    this.#draw = () => random.uint32() / 2 ** 32;
    this.#walks = new Float64Array(officers * STRIDE);
    this.#crossed = new Array<number>(officers).fill(Number.POSITIVE_INFINITY);
  }

  async begin(): Promise<void> {
    const { officers, strategy, knowledge, hypotheses, seed } = this.#options;
    const { halfM } = this.#block;
    for (let i = 0; i < officers; i++) {
      // evenly over the block (a Halton sequence begun anywhere): few officers then stand for many
      const x = ((halton(i + 1, 2) + 0.618 * seed) % 1) * 2 - 1;
      const y = ((halton(i + 1, 3) + 0.755 * seed) % 1) * 2 - 1;
      begin(this.#walks, i * STRIDE, x * halfM, y * halfM, BEATS_M[i % BEATS_M.length]!, this.#draw);
      const phone = await AttackPhone.signUp(this.#town, 'officer', this.#block);
      const handle = String(phone.events('snapshot').at(-1)?.handle);
      if (strategy.instant) phone.say('instant.set', { on: true });
      const pauseS = this.#draw() * 120;
      this.#officers.push({ phone, handle, places: [], shared: [], sharingS: 0, pauseS, token: null });
      this.#believed.push({ x: 0, y: 0 });
      if (knowledge) this.#estimators.push(new Estimator(this.#block, knowledge, hypotheses, this.#draw));
    }
    for (let i = 0; i < strategy.accounts; i++) {
      const phone = await AttackPhone.signUp(this.#town, 'civilian', this.#block);
      if (strategy.instant) phone.say('instant.set', { on: true });
      this.#accounts.push(phone);
    }
  }

  async step(step: number): Promise<void> {
    for (let tick = 0; tick < STEP_TICKS; tick++) {
      this.#walk(step * STEP_TICKS + tick);
      if (tick === 0) this.#move(step);
      await this.#town.time.advance(TICK_MS);
    }
    this.#remember(step);
    this.#look(step);
    if (this.#options.knowledge) this.#believe(step - LATE_STEPS);
  }

  end(): Hunt {
    this.#town.stop();
    const { knowledge } = this.#options;
    const learned = knowledge
      ? null
      : Knowledge.learn(this.#all, (officer, step) => this.#placeOf(officer, step), LAGS);
    return { guesses: this.#guesses, knowledge: learned, sightings: this.#sightings, met: this.#met };
  }

  #placeOf(officer: number, step: number): Place | null {
    return this.#officers[officer]!.places[step] ?? null;
  }

  /** Officers go on, and report each 10 s while they share. */
  #walk(tick: number): void {
    const seconds = TICK_MS / 1_000;
    for (const [i, officer] of this.#officers.entries()) {
      walkOn(this.#walks, i * STRIDE, seconds, this.#draw);
      if (officer.sharingS > 0) {
        officer.sharingS -= seconds;
        if (officer.sharingS <= 0) officer.pauseS = PAUSE_S[0] + this.#draw() * (PAUSE_S[1] - PAUSE_S[0]);
      } else {
        officer.pauseS -= seconds;
        if (officer.pauseS > 0) continue;
        officer.sharingS = SHARE_S;
        officer.phone.say('location.share', {});
        if (this.#options.strategy.photographs)
          officer.phone.say('qr.show', {}, (_, value) => {
            officer.token = (value as { token: string } | null)?.token ?? null;
          });
      }
      if (officer.sharingS > 0 && (tick + i) % 2 === 0) officer.phone.claim(this.#noisy(this.#trueOf(i)));
    }
  }

  #trueOf(officer: number): Point {
    return { x: this.#walks[officer * STRIDE + X]!, y: this.#walks[officer * STRIDE + Y]! };
  }

  #noisy({ x, y }: Point): Point {
    return { x: x + NOISE_M * drawNormal(this.#draw), y: y + NOISE_M * drawNormal(this.#draw) };
  }

  /** Accounts of the attacker go where the strategy wants them, as fast as is believed, and say what it says. */
  #move(step: number): void {
    const { strategy } = this.#options;
    for (const [index, phone] of this.#accounts.entries()) {
      const number = index % this.#officers.length;
      const targets = this.#officers.map(one => ({ id: one.phone.id, token: one.token }));
      const note = (of: number, channel: string, outcome: string): void => {
        if (this.#officers[of]!.sharingS > 0) this.#note(step, of, phone, channel, outcome, null);
      };
      const believed = this.#believed[number]!;
      const hand = {
        index,
        accounts: this.#accounts.length,
        step,
        phone,
        target: number,
        targets,
        believed,
        note,
      };
      const to = strategy.place(hand);
      const from = step === 0 ? to : phone.at;
      const far = Math.hypot(to.x - from.x, to.y - from.y);
      const jumps = strategy.jumps === true && far > MOVE_M_MAX;
      if (jumps) {
        phone.say('location.stop', {});
        phone.say('location.share', {});
      }
      const share = jumps || far <= MOVE_M_MAX ? 1 : MOVE_M_MAX / far;
      phone.claim(this.#noisy({ x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share }));
      strategy.act?.(hand);
    }
  }

  #remember(step: number): void {
    for (const [i, officer] of this.#officers.entries()) {
      const { x, y } = this.#trueOf(i);
      officer.places[step] = { x, y, coarse: this.#block.coarseOf(x, y), area: this.#block.areaOf(x, y) };
      officer.shared[step] = officer.sharingS > 0 && officer.sharingS < SHARE_S - 300;
    }
  }

  /** Everything that any account shows or was sent in this step. */
  #look(step: number): void {
    for (const phone of this.#accounts) {
      for (const { handle, channel } of phone.met.splice(0)) {
        const number = this.#officers.findIndex(one => one.handle === handle);
        this.#met++;
        if (number >= 0) this.#note(step, number, phone, channel, channel, null);
      }
      const notices = phone.notices.splice(0).join(' ');
      const near = new Set(phone.near.splice(0));
      const { bytes, periodS } = phone;
      phone.bytes = 0;
      for (const [number, officer] of this.#officers.entries()) {
        if (officer.sharingS <= 0 && !this.#isListed(phone, officer)) continue;
        for (const kind of ['area', 'leak']) {
          const entries = [...phone.lists].filter(([cell]) => cell.startsWith('leak') === (kind === 'leak'));
          if (entries.length === 0) continue;
          const named = entries.flatMap(([, list]) => list.filter(one => one.officerId === officer.phone.id));
          const words = named[0]?.handle.slice(officer.handle.length) ?? '';
          const told = /\d+(\.\d+)?/.exec(words)?.[0];
          this.#note(
            step,
            number,
            phone,
            kind,
            named.length > 0 ? 'shown' : 'not',
            told ? Number(told) : null,
          );
        }
        this.#note(step, number, phone, 'near', near.has(officer.phone.id) ? 'told' : 'not', null);
        this.#note(step, number, phone, 'period', String(periodS), null);
        this.#note(step, number, phone, 'bytes', String(Math.min(8, Math.ceil(bytes / 64))), null);
        if (notices !== '') this.#note(step, number, phone, 'notices', notices, null);
      }
    }
  }

  #isListed(phone: AttackPhone, officer: Officer): boolean {
    return [...phone.lists.values()].some(list => list.some(one => one.officerId === officer.phone.id));
  }

  /** A word that an account hears again and again is written down when it changes, and now and then. */
  #note(
    step: number,
    officer: number,
    phone: AttackPhone,
    channel: string,
    outcome: string,
    number: number | null,
  ): void {
    const key = `${officer} ${phone.id} ${channel}`;
    const last = this.#last.get(key);
    const isChange = last !== undefined && last.outcome !== outcome;
    const isCall = channel === 'hey' || channel === 'scan' || channel === 'met' || channel === 'held';
    if (!isCall && number === null && last && !isChange && step - last.step < AGAIN_STEPS) return;
    this.#last.set(key, { outcome, step });
    this.#sightings++;
    const from = phone.vantage;
    const word = isChange && !isCall ? `${last.outcome} > ${outcome}` : outcome;
    const noted: Noted = {
      atMs: this.#town.time.nowMs(),
      officer,
      x: from.x,
      y: from.y,
      channel,
      outcome: word,
      number,
      step,
      from,
    };
    if (channel === 'area' && isChange && outcome === 'shown' && this.#seenElsewhere(officer, from.area))
      this.#crossed[officer] = Math.min(this.#crossed[officer]!, step);
    const { knowledge } = this.#options;
    if (!knowledge) {
      this.#all.push(noted);
      return;
    }
    const speaksOf = step - knowledge.lagOf(channel, number !== null);
    const waiting = this.#waiting.get(speaksOf) ?? [];
    this.#waiting.set(speaksOf, waiting);
    waiting.push(noted);
  }

  readonly #areas = new Map<number, Set<number>>();

  #seenElsewhere(officer: number, area: number): boolean {
    const areas = this.#areas.get(officer) ?? new Set();
    this.#areas.set(officer, areas);
    areas.add(area);
    return areas.size > 1;
  }

  #believe(step: number): void {
    if (step < 0) return;
    const seen = this.#waiting.get(step) ?? [];
    this.#waiting.delete(step);
    for (const [i, estimator] of this.#estimators.entries()) {
      estimator.walk(STEP_S);
      estimator.weigh(seen.filter(one => one.officer === i));
      if (step % 4 !== 0) continue;
      const { x, y, spreadM } = estimator.belief();
      this.#believed[i] = { x, y };
      const officer = this.#officers[i]!;
      const place = officer.places[step]!;
      if (!officer.shared[step]) continue;
      const errorM = Math.hypot(x - place.x, y - place.y);
      this.#guesses.push({
        officer: i,
        step,
        errorM,
        spreadM,
        crossed: this.#crossed[i]! - LATE_STEPS <= step,
      });
    }
  }
}

function halton(index: number, base: number): number {
  let result = 0;
  let part = 1 / base;
  for (let i = index; i > 0; i = Math.floor(i / base)) {
    result += part * (i % base);
    part /= base;
  }
  return result;
}
