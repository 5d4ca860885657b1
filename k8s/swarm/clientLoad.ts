/**
 * Durable load from phones that use the real client: pairs meet by code at a steady rate, open loop, and people ask their
 * own actors. A refusal that says "try again" is tried again under the same key inside the command's deadline, as an app
 * does; what is still not done then has failed. Written down in the form that `judge.ts` reads.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { CommandBody, CommandName, CommandResult } from '../../gateway/client/types.ts';
import type { Op } from '../../nodes/simulation/history.ts';
import { ERROR, ok, type Refusal, type Result } from '../../protocol/index.ts';
import { ClientPhone } from './clientPhone.ts';
import { clock } from './clock.ts';
import { inParallel } from './crowd.ts';
import { CONNECT_MS_MAX } from './limits.ts';
import { beginScan, type MeetOp, type ProbeOp } from './meetings.ts';
import type { Random } from './random.ts';
import type { SeededPerson } from './seed.ts';

export interface ClientLoadPlan {
  readonly urls: readonly string[];
  readonly officers: readonly SeededPerson[];
  readonly civilians: readonly SeededPerson[];
  /** Meetings per second, and questions of people to their own actors. */
  readonly perS: number;
  readonly probesPerS: number;
  /** An app gives up a command after so long. */
  readonly deadlineMs: number;
  readonly random: Random;
  /** Source address of this process's phones. */
  readonly localAddress: string;
  /** Seconds of load that are due after so many seconds; without it the load is even. */
  readonly loadedS?: (elapsedS: number) => number;
  /** A fresh token of somebody, for runs that are longer than a token lives; without it the one that they came with. */
  readonly token?: (person: SeededPerson) => Promise<string>;
}

/** A question, and whether its phone had to ask again. */
export interface AskedOp extends ProbeOp {
  tries: number;
}

interface Answer<T> {
  readonly result: Result<T>;
  readonly tries: number;
  /** A try of it had no answer: refused in the end, it may have happened. */
  readonly maybe: boolean;
}

interface Code {
  readonly token: string;
  readonly shownAt: number;
}

/** A code lives 45 s; after this a phone shows a new one. */
const CODE_MS = 12_000;
const CODES_MAX = 4;
const TICK_MS = 20;
/** Before a refusal that may be tried again is tried again. */
const AGAIN_MIN_MS = 50;
/** A handshake and its backoff; a phone that is not there by then does not come up. */
const OPEN_MS_MAX = 6 * CONNECT_MS_MAX;

const even = (elapsedS: number): number => elapsedS;

export class ClientLoad {
  readonly phones: readonly ClientPhone[];
  readonly history: MeetOp[] = [];
  readonly ops: Op[] = [];
  readonly asked: AskedOp[] = [];
  readonly #plan: ClientLoadPlan;
  readonly #officers: readonly ClientPhone[];
  readonly #civilians: readonly ClientPhone[];
  readonly #codes = new Map<ClientPhone, Promise<Code | null>>();
  readonly #under = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | null = null;
  #startedAt = 0;
  #due = 0;
  #probesDue = 0;
  #nextPair = 0;
  #nextProbe = 0;

  constructor(plan: ClientLoadPlan) {
    this.#plan = plan;
    const { urls, localAddress, random, token } = plan;
    const phone = (person: SeededPerson): ClientPhone =>
      new ClientPhone({
        urls,
        person,
        localAddress,
        random: random.fork(person.userId),
        ...(token && { token: () => token(person) }),
      });
    this.#officers = random.shuffled(plan.officers).map(phone);
    this.#civilians = random.shuffled(plan.civilians).map(phone);
    this.phones = [...this.#officers, ...this.#civilians];
  }

  async connect(): Promise<void> {
    const { failed, first } = await inParallel(this.phones, async phone => {
      const late = pause(OPEN_MS_MAX, 'late', { ref: false });
      if ((await Promise.race([phone.open(), late])) === 'late')
        throw new Error(`no WELCOME within ${OPEN_MS_MAX} ms`);
    });
    if (failed > 0) throw new Error(`${failed} phones did not come up: ${first}`);
  }

  /** Begins to ask; each meeting has its moment, however late we or the nodes are. */
  start(): void {
    this.#startedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    const { perS, probesPerS, loadedS = even } = this.#plan;
    const elapsedS = loadedS((performance.now() - this.#startedAt) / 1_000);
    for (; this.#due < elapsedS * perS; this.#due++) this.#begin();
    for (; this.#probesDue < elapsedS * probesPerS; this.#probesDue++) {
      this.#track(this.ask(this.phones[this.#nextProbe++ % this.phones.length]!));
    }
  }

  #begin(): void {
    // Diagonals of the table: neighbours in time share nobody.
    const index = this.#nextPair++ % (this.#officers.length * this.#civilians.length);
    const row = Math.floor(index / this.#civilians.length);
    const column = index % this.#civilians.length;
    const officer = this.#officers[(column + row) % this.#officers.length]!;
    this.#track(this.#meet(officer, this.#civilians[column]!));
  }

  #track(work: Promise<unknown>): void {
    const done = work.then(() => {
      this.#under.delete(done);
    });
    this.#under.add(done);
  }

  async #say<N extends CommandName>(
    phone: ClientPhone,
    name: N,
    body: CommandBody<N>,
    deadlineMs: number,
    idem: string | null,
  ): Promise<Answer<CommandResult<N>>> {
    const end = performance.now() + deadlineMs;
    let maybe = false;
    for (let tries = 1; ; tries++) {
      const timeoutMs = Math.max(1, end - performance.now());
      const result = await phone.client.command(name, body, {
        timeoutMs,
        ...(idem === null ? {} : { idem }),
      });
      if (result.ok) return { result, tries, maybe };
      // Nobody knows what became of this one: the same key makes it harmless to say it again.
      const unknown = result.code === ERROR.timeout;
      maybe ||= unknown;
      const waitMs = Math.max(AGAIN_MIN_MS, result.retryAfterMs);
      if ((!unknown && !result.retryable) || performance.now() + waitMs >= end)
        return { result, tries, maybe };
      await pause(waitMs);
    }
  }

  /** Somebody asks their own actor how things are. */
  async ask(phone: ClientPhone, deadlineMs = this.#plan.deadlineMs): Promise<AskedOp> {
    const began = performance.now();
    const askedAtMs = clock();
    const { result, tries } = await this.#say(phone, 'state.get', {}, deadlineMs, null);
    const op: AskedOp = {
      userId: phone.person.userId,
      outcome: outcomeOf(result),
      why: result.ok ? null : wordsOf(result),
      askedAtMs,
      tookMs: performance.now() - began,
      tries,
    };
    this.asked.push(op);
    return op;
  }

  /** The code on the officer's phone; civilians may read the same one. */
  async #code(officer: ClientPhone): Promise<string | null> {
    const known = await this.#codes.get(officer);
    if (known && performance.now() - known.shownAt < CODE_MS) return known.token;
    if ((await this.#codes.get(officer)) === known) {
      const shown = this.#say(officer, 'qr.show', {}, this.#plan.deadlineMs, null).then(({ result }) =>
        result.ok ? { token: result.value.token, shownAt: performance.now() } : null,
      );
      this.#codes.set(officer, shown);
    }
    return (await this.#codes.get(officer))?.token ?? null;
  }

  async #meet(officer: ClientPhone, civilian: ClientPhone): Promise<void> {
    const began = performance.now();
    const { deadlineMs } = this.#plan;
    const meet: MeetOp = {
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
    this.history.push(meet);
    for (let i = 0; i < CODES_MAX; i++) {
      const token = await this.#code(officer);
      if (token === null) {
        meet.outcome = 'failed';
        meet.why = 'no code';
        break;
      }
      const key = crypto.randomUUID();
      meet.keys.push(key);
      const scan = beginScan(this.ops, civilian.person.userId, key, token);
      const said = await this.#say(civilian, 'qr.scan', { token }, deadlineMs, key);
      const { result, tries } = said;
      scan.endMs = clock();
      scan.tries = tries;
      scan.outcome = said.maybe && !result.ok ? 'unknown' : outcomeOf(result);
      scan.result = result.ok ? ok(result.value) : result;
      meet.tries += tries;
      meet.outcome = scan.outcome;
      meet.why = result.ok ? null : wordsOf(result);
      if (result.ok) {
        meet.acknowledged.push(result.value.encounterId);
        meet.points = result.value.points;
        meet.balance = result.value.balance;
        break;
      }
      // Only a code that is over is worth another one.
      if (result.code !== ERROR.gone && result.code !== ERROR.invalid) break;
      this.#codes.delete(officer);
    }
    meet.tookMs = performance.now() - began;
  }

  /** Asks for nothing new, and waits for what is under way. */
  async settle(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    while (this.#under.size > 0) await Promise.all(this.#under);
  }

  /** What phones noticed that no server may do. */
  get problems(): string[] {
    return this.phones.flatMap(phone => phone.problems);
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const phone of this.phones) phone.end();
  }
}

const outcomeOf = (result: Result<unknown>): 'ok' | 'failed' | 'unknown' =>
  result.ok ? 'ok' : result.code === ERROR.timeout ? 'unknown' : 'failed';

const wordsOf = ({ code, message }: Refusal): string => `${code} ${message}`;
