/**
 * Durable load for a town whose nodes fail: pairs meet by code at a steady rate, open loop, each scan under one key until
 * it is certain, some of them said twice on purpose, positions beside them. Everything that was asked and answered is
 * written down, in the form that `judge.ts` reads.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Op } from '../../nodes/simulation/history.ts';
import { ERROR, type OpenedDurable, ok } from '../../protocol/index.ts';
import { clock } from './clock.ts';
import { inParallel, offset, type Point } from './crowd.ts';
import type { Random } from './random.ts';
import { Roaming, type Settled } from './roaming.ts';
import type { SeededPerson } from './seed.ts';

/** One meeting that was asked for, as the two phones saw it. */
export interface MeetOp {
  readonly officerId: string;
  readonly civilianId: string;
  /** Every key that it was asked under; a new one only when the code was over. */
  readonly keys: string[];
  outcome: 'ok' | 'failed' | 'unknown';
  /** Encounters that answers named; more than one only if something is wrong. */
  readonly acknowledged: string[];
  /** What the civilian earned by the answer, and the balance after it. */
  points: number | null;
  balance: number | null;
  /** Why it did not come about; null when it did. */
  why: string | null;
  tries: number;
  /** When it was due, milliseconds of Unix time. */
  readonly dueAtMs: number;
  tookMs: number;
}

/** A question to one's own actor, asked to see whether it is served. */
export interface ProbeOp {
  readonly userId: string;
  outcome: 'ok' | 'failed' | 'unknown';
  why: string | null;
  readonly askedAtMs: number;
  tookMs: number;
}

export interface LoadPlan {
  readonly urls: readonly string[];
  readonly officers: readonly SeededPerson[];
  readonly civilians: readonly SeededPerson[];
  /** Meetings per second. */
  readonly perS: number;
  /** Questions per second to actors of people in turn. */
  readonly probesPerS?: number;
  readonly random: Random;
  /** People stand around here; without it nobody sends positions. */
  readonly centre?: Point;
  /** Side of the square that they stand in, metres. */
  readonly sideM?: number;
  /** Told apart from other loads of the same people: pairs begin here in their order. */
  readonly firstPair?: number;
}

/** A meeting is certain within this, whatever happens to the nodes, or counts as unknown. */
const CERTAIN_MS = 45_000;
const PROBE_MS = 30_000;
/** A code lives 45 s; after this a phone shows a new one. */
const CODE_MS = 12_000;
const CODES_MAX = 4;
/** One answer in so many is asked for again under the same key. */
const REPEAT_ONE_IN = 8;
const TICK_MS = 20;
const REPORT_MS = 250;

interface Code {
  readonly token: string;
  readonly shownAt: number;
}

export class MeetingLoad {
  readonly history: MeetOp[] = [];
  /** The same, command by command, in the form that the checkers of the simulation read. */
  readonly ops: Op[] = [];
  readonly probes: ProbeOp[] = [];
  /** Encounters that each phone was told of, by event or snapshot. */
  readonly told = new Map<string, Set<string>>();
  readonly phones: readonly Roaming[];
  /** The same command answered in two ways. */
  readonly contradictions: string[] = [];
  repeats = 0;
  readonly #plan: LoadPlan;
  readonly #officers: readonly Roaming[];
  readonly #civilians: readonly Roaming[];
  readonly #codes = new Map<Roaming, Promise<Code | null>>();
  readonly #under = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[] = [];
  #nextPair: number;
  #nextProbe = 0;
  #startedAt = 0;
  #due = 0;
  #probesDue = 0;
  #paused = false;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#nextPair = plan.firstPair ?? 0;
    const phone = (person: SeededPerson, point: Point | null): Roaming => {
      const told = new Set<string>();
      this.told.set(person.userId, told);
      return new Roaming({
        urls: plan.urls,
        person,
        random: plan.random.fork(person.userId),
        onEvent: event => remember(told, event),
        ...(point && { point }),
      });
    };
    const { centre, sideM = 100 } = plan;
    // Officers are on codes alone: positions of two who meet here would say that they are streets apart.
    this.#officers = plan.random.shuffled(plan.officers).map(person => phone(person, null));
    this.#civilians = plan.random
      .shuffled(plan.civilians)
      .map(person => phone(person, centre === undefined ? null : this.#somewhere(centre, sideM)));
    this.phones = [...this.#officers, ...this.#civilians];
  }

  #somewhere(centre: Point, sideM: number): Point {
    const { random } = this.#plan;
    return offset(centre, random.between(-sideM / 2, sideM / 2), random.between(-sideM / 2, sideM / 2));
  }

  /** Meetings that this crowd can have: every civilian with every officer once; then they begin again. */
  get pairs(): number {
    return this.#officers.length * this.#civilians.length;
  }

  /** Number of the pair that is next; a load that goes on where this one ended begins there. */
  get nextPair(): number {
    return this.#nextPair;
  }

  async connect(): Promise<void> {
    const { failed, first } = await inParallel(this.phones, phone => phone.open());
    if (failed > 0) throw new Error(`${failed} phones did not come up: ${first}`);
    if (this.#plan.centre === undefined) return;
    const reporter = setInterval(() => {
      const nowMs = performance.now();
      for (const phone of this.phones) phone.report(nowMs);
    }, REPORT_MS);
    this.#timers.push(reporter);
  }

  /** Begins to ask; each meeting has its moment, however late we or the nodes are. */
  start(): void {
    this.#startedAt = performance.now();
    this.#due = 0;
    this.#probesDue = 0;
    this.#paused = false;
    const tick = setInterval(() => this.#tick(), TICK_MS);
    this.#timers.push(tick);
  }

  #tick(): void {
    if (this.#paused) return;
    const { perS, probesPerS = 0 } = this.#plan;
    const elapsedS = (performance.now() - this.#startedAt) / 1_000;
    for (; this.#due < elapsedS * perS; this.#due++) this.#begin();
    for (; this.#probesDue < elapsedS * probesPerS; this.#probesDue++) {
      const phone = this.phones[this.#nextProbe++ % this.phones.length]!;
      this.#track(this.probe(phone).then(() => {}));
    }
  }

  #begin(): void {
    // Diagonals of the table: neighbours in time share nobody.
    const index = this.#nextPair++ % this.pairs;
    const row = Math.floor(index / this.#civilians.length);
    const column = index % this.#civilians.length;
    const civilian = this.#civilians[column]!;
    const officer = this.#officers[(column + row) % this.#officers.length]!;
    this.#track(this.#meet(officer, civilian));
  }

  #track(work: Promise<void>): void {
    this.#under.add(work);
    work.finally(() => this.#under.delete(work));
  }

  /** The code on the officer's phone; civilians may read the same one. */
  async #code(officer: Roaming, endMs: number): Promise<string | null> {
    const known = await this.#codes.get(officer);
    if (known && performance.now() - known.shownAt < CODE_MS) return known.token;
    if ((await this.#codes.get(officer)) === known) {
      const shown = officer
        .surely('qr.show', {}, null, Math.max(1, endMs - performance.now()))
        .then(settled =>
          settled.outcome === 'ok' ? { token: settled.value.token, shownAt: performance.now() } : null,
        );
      this.#codes.set(officer, shown);
    }
    return (await this.#codes.get(officer))?.token ?? null;
  }

  async #meet(officer: Roaming, civilian: Roaming): Promise<void> {
    const began = performance.now();
    const end = began + CERTAIN_MS;
    const op: MeetOp = {
      officerId: officer.person.userId,
      civilianId: civilian.person.userId,
      keys: [],
      outcome: 'unknown',
      acknowledged: [],
      points: null,
      balance: null,
      why: null,
      tries: 0,
      dueAtMs: clock(),
      tookMs: 0,
    };
    this.history.push(op);
    /** An earlier key may have done it. */
    let maybe = false;
    for (let i = 0; i < CODES_MAX; i++) {
      const token = await this.#code(officer, end);
      if (token === null) {
        op.why = `no code: ${officer.doing}`;
        break;
      }
      const key = crypto.randomUUID();
      op.keys.push(key);
      const left = Math.max(1, end - performance.now());
      const scan = beginScan(this.ops, civilian.person.userId, key, token);
      const settled = await civilian.surely('qr.scan', { token }, key, left);
      record(scan, settled);
      op.tries += settled.tries;
      if (settled.outcome === 'ok') {
        op.outcome = 'ok';
        op.why = null;
        op.acknowledged.push(settled.value.encounterId);
        op.points = settled.value.points;
        op.balance = settled.value.balance;
        op.tookMs = performance.now() - began;
        if (this.#plan.random.below(REPEAT_ONE_IN) === 0) await this.#again(op, civilian, token, key);
        return;
      }
      maybe ||= settled.outcome === 'unknown' || settled.maybe;
      op.outcome = maybe ? 'unknown' : 'failed';
      const { refusal } = settled;
      op.why = refusal === null ? `no answer: ${civilian.doing}` : `${refusal.code} ${refusal.message}`;
      // Only a code that is over is worth another one.
      if (settled.outcome !== 'failed' || (refusal?.code !== ERROR.gone && refusal?.code !== ERROR.invalid))
        break;
      this.#codes.delete(officer);
    }
    op.tookMs = performance.now() - began;
  }

  /** The same command once more: the same answer, and nothing happens twice. */
  async #again(op: MeetOp, civilian: Roaming, token: string, key: string): Promise<void> {
    const settled = await civilian.surely('qr.scan', { token }, key, CERTAIN_MS);
    if (settled.outcome === 'unknown') return;
    this.repeats++;
    if (settled.outcome === 'failed') {
      this.contradictions.push(
        `command ${key} of ${op.civilianId} was answered with ${op.acknowledged}, and again with ` +
          `${settled.refusal.code} ${settled.refusal.message}`,
      );
      return;
    }
    const { encounterId, points, balance } = settled.value;
    if (encounterId !== op.acknowledged[0]) op.acknowledged.push(encounterId);
    if (points !== op.points || balance !== op.balance) {
      this.contradictions.push(
        `command ${key} of ${op.civilianId} earned ${op.points} of ${op.balance}, and again ${points} of ${balance}`,
      );
    }
  }

  /** Asks somebody's own actor something; what became of it. */
  async probe(phone: Roaming, deadlineMs = PROBE_MS): Promise<ProbeOp> {
    const began = performance.now();
    const op: ProbeOp = {
      userId: phone.person.userId,
      outcome: 'unknown',
      why: null,
      askedAtMs: clock(),
      tookMs: 0,
    };
    const settled: Settled<unknown> = await phone.surely('state.get', {}, null, deadlineMs);
    op.outcome = settled.outcome;
    if (settled.outcome !== 'ok') {
      op.why = settled.refusal === null ? phone.doing : `${settled.refusal.code} ${settled.refusal.message}`;
    }
    op.tookMs = performance.now() - began;
    this.probes.push(op);
    return op;
  }

  /** Asks every phone's actor at once; who is not served in time, with the reason. */
  async notServed(deadlineMs: number): Promise<string[]> {
    const all = await Promise.all(this.phones.map(phone => this.probe(phone, deadlineMs)));
    return all.filter(op => op.outcome !== 'ok').map(op => `${op.userId}: ${op.why}`);
  }

  /** Asks for nothing new, and waits for what is under way. */
  async settle(): Promise<void> {
    this.#paused = true;
    while (this.#under.size > 0) await Promise.race([Promise.all(this.#under), pause(200)]);
  }

  /** What phones noticed that no server may do. */
  get problems(): string[] {
    return [...this.contradictions, ...this.phones.flatMap(phone => phone.problems)];
  }

  end(): void {
    this.#paused = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const phone of this.phones) phone.end();
  }
}

/** A scan in the history that the judge reads, asked now. */
export const beginScan = (ops: Op[], user: string, key: string, token: string): Op => {
  const askedMs = clock();
  const op: Op = {
    id: ops.length + 1,
    name: 'qr.scan',
    user,
    key,
    body: { token },
    askedMs,
    startMs: askedMs,
    endMs: Number.MAX_SAFE_INTEGER,
    tries: 0,
    outcome: null,
    result: null,
  };
  ops.push(op);
  return op;
};

const record = (op: Op, settled: Settled<unknown>): void => {
  op.endMs = clock();
  op.tries = settled.tries;
  // Refused in the end, but an earlier try had no answer: that one may have happened.
  op.outcome = settled.outcome === 'failed' && settled.maybe ? 'unknown' : settled.outcome;
  op.result = settled.outcome === 'ok' ? ok(settled.value) : settled.refusal;
};

const remember = (told: Set<string>, event: OpenedDurable): void => {
  if (event.name === 'encounter.completed') told.add(event.body.encounterId);
  else if (event.name === 'snapshot') for (const one of event.body.encounters) told.add(one.encounterId);
};
