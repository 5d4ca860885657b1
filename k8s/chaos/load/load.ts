/**
 * The load beside chaos: phones, officers, tills and donors, open loop, through sockets and REST. Every op is said under one
 * key until it is certain, and is written down as acknowledged, refused or unknown; so is everything that phones are told.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { inParallel, NEW_YORK, offset, type Point } from '../../swarm/crowd.ts';
import { withClient } from '../../swarm/postgres.ts';
import type { Random } from '../../swarm/random.ts';
import { RestClient } from '../../swarm/rest.ts';
import type { SeededAccount } from '../../swarm/seed.ts';
import { type History, type LastView, Recorder, type Somebody } from '../history.ts';
import type { ChaosTarget } from '../target.ts';
import { LoadContext } from './context.ts';
import { Gifts } from './gifts.ts';
import { ASK_MS, LAST_ASK_MS, RATES, REPORT_MS, SETTLE_MS, TICK_MS } from './limits.ts';
import { Meets } from './meets.ts';
import { layMintLog } from './mints.ts';
import { type People, seedCrowd } from './people.ts';
import { Sampler } from './sampler.ts';
import { Shopping } from './shopping.ts';
import { WatchedPhone } from './watchedPhone.ts';

export interface LoadOptions {
  readonly random: Random;
  /** Of the whole run, quiet phase included. */
  readonly seconds: number;
  /** `history.jsonl`. */
  readonly file: string;
}

export interface RunningLoad {
  readonly people: People;
  /** Ops so far, for whoever watches. */
  readonly counts: Readonly<{ attempted: number; ok: number; fail: number; unknown: number }>;
  /**
   * Asks for nothing new, waits for what is under way, asks everybody once more, and waits until phones show what PostgreSQL
   * holds. Phones stay connected until `end`.
   */
  stop(): Promise<History>;
  end(): void;
}

const SIDE_M = 600;
const VIEW_POLL_MS = 250;
/** Beat officers who stop sharing in the end: whoever still shows them shows ghosts. */
const LEAVING = 2;

class ChaosLoad implements RunningLoad {
  readonly people: People;
  readonly #context: LoadContext;
  readonly #sampler: Sampler;
  readonly #under = new Set<Promise<unknown>>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #due = { meet: 0, donate: 0, give: 0, buy: 0, ask: 0 };
  readonly #gone = new Set<WatchedPhone>();
  #nextAsk = 0;

  constructor(target: ChaosTarget, people: People, { random, file }: LoadOptions) {
    this.people = people;
    this.#context = new LoadContext(target, people, random, new Recorder(file));
    this.#sampler = new Sampler(target, this.#context.recorder);
    const somewhere = (): Point =>
      offset(NEW_YORK, random.between(-SIDE_M / 2, SIDE_M / 2), random.between(-SIDE_M / 2, SIDE_M / 2));
    // Officers who meet are on codes alone: positions of two who meet here would say that they are streets apart.
    const { officers, beat, givers, charities, civilians, shops } = people;
    for (const one of [...officers, ...givers, ...charities]) this.#add(one, null);
    for (const one of [...beat, ...civilians]) this.#add(one, somewhere());
    for (const shop of shops) this.#add({ ...shop.account, ...shop.tills[0]! }, null);
  }

  get counts() {
    return this.#context.counts;
  }

  get #phones(): WatchedPhone[] {
    return [...this.#context.phones.values()];
  }

  #add(person: SeededAccount, point: Point | null): void {
    const { target, random, recorder, nowMs, phones } = this.#context;
    const phone = new WatchedPhone({
      nodes: target.nodes,
      person,
      kind: person.kind,
      random: random.fork(person.userId),
      recorder,
      nowMs,
      ...(point && { point }),
    });
    phones.set(person.userId, phone);
  }

  async start(): Promise<void> {
    const late = new AbortController();
    const { failed, first } = await inParallel(this.#phones, async phone => {
      const open = phone.roaming.open();
      const isLate = await Promise.race([
        open.then(() => false),
        pause(60_000, true, { signal: late.signal, ref: false }).catch(() => false),
      ]);
      if (isLate) throw new Error(phone.roaming.doing);
    });
    late.abort();
    if (failed > 0) throw new Error(`${failed} phones did not come up: ${first}`);
    const { recorder, nowMs } = this.#context;
    for (const one of this.people.beat)
      recorder.add({ type: 'share', t_ms: nowMs(), who: one.userId, on: true });
    this.#sampler.start();
    const began = performance.now();
    const works = this.#works();
    this.#every(TICK_MS, () => {
      const elapsedS = (performance.now() - began) / 1_000;
      for (const [name, begin] of works) {
        for (; this.#due[name] < elapsedS * RATES[name]; this.#due[name]++) {
          const work = begin();
          if (work !== null) this.#track(work);
        }
      }
    });
    this.#every(REPORT_MS, () => {
      const now = performance.now();
      for (const phone of this.#phones) if (!this.#gone.has(phone)) phone.roaming.report(now);
    });
  }

  #works(): readonly [keyof typeof RATES, () => Promise<unknown> | null][] {
    const meets = new Meets(this.#context);
    const gifts = new Gifts(this.#context);
    const shopping = new Shopping(this.#context);
    const phones = this.#context.random.shuffled(this.#phones);
    return [
      ['meet', () => meets.begin()],
      ['donate', () => gifts.donate()],
      ['give', () => gifts.give()],
      ['buy', () => shopping.buy()],
      ['ask', () => this.#ask(phones[this.#nextAsk++ % phones.length]!, ASK_MS)],
    ];
  }

  #every(ms: number, work: () => void): void {
    this.#timers.push(setInterval(work, ms));
  }

  #track(work: Promise<unknown>): void {
    const done = work
      .catch(error => {
        this.#context.contradictions.push(`the load itself failed: ${(error as Error).stack}`);
      })
      .then(() => {
        this.#under.delete(done);
      });
    this.#under.add(done);
  }

  #ask(phone: WatchedPhone, deadlineMs: number) {
    const asked = { op: 'ask', other: null, points: null, deadlineMs } as const;
    return this.#context.command(phone, 'state.get', {}, asked, () => ({ named: null, balance: null }));
  }

  async stop(): Promise<History> {
    const timers = this.#timers.splice(0);
    clearInterval(timers[0]);
    while (this.#under.size > 0) await Promise.all(this.#under);
    await this.#leave();
    const asked = await Promise.all(
      this.#phones.map(async phone => {
        const { outcome, why } = await this.#ask(phone, LAST_ASK_MS);
        return outcome === 'ok' ? [] : [`${phone.kind} ${phone.person.userId}: ${why}`];
      }),
    );
    await this.#settled();
    await this.#sampler.stop();
    for (const timer of timers) clearInterval(timer);
    const { recorder, contradictions, nowMs } = this.#context;
    await recorder.close();
    return {
      people: this.#phones.map((phone): Somebody => ({ userId: phone.person.userId, kind: phone.kind })),
      records: recorder.records,
      views: this.#views(),
      actors: await this.#actors(),
      notServed: asked.flat(),
      contradictions: [...contradictions, ...this.#phones.flatMap(phone => phone.roaming.problems)],
      endMs: nowMs(),
    };
  }

  /** Some officers stop sharing: soon nobody may show them any more. */
  async #leave(): Promise<void> {
    const { recorder, nowMs } = this.#context;
    const leaving = this.people.beat.slice(0, LEAVING).map(async one => {
      const phone = this.#context.phone(one.userId);
      this.#gone.add(phone);
      const settled = await phone.roaming.surely('location.stop', {}, crypto.randomUUID(), LAST_ASK_MS);
      if (settled.outcome === 'ok')
        recorder.add({ type: 'share', t_ms: nowMs(), who: one.userId, on: false });
    });
    await Promise.all(leaving);
  }

  #views(): Map<string, LastView> {
    const views = new Map<string, LastView>();
    for (const phone of this.#phones) if (phone.view !== null) views.set(phone.person.userId, phone.view);
    return views;
  }

  /** What REST says of everybody, asked until there is an answer. */
  async #actors(): Promise<Map<string, LastView>> {
    const { nodes } = this.#context.target;
    const actors = new Map<string, LastView>();
    const end = performance.now() + SETTLE_MS;
    await inParallel(this.#phones, async ({ person: { userId, token } }, i) => {
      for (let at = i; performance.now() < end; at++) {
        const rest = new RestClient(nodes[at % nodes.length]!.urls.rest);
        const said = await rest.balance(token).catch(() => null);
        if (said !== null) return void actors.set(userId, { balance: said.balance, version: said.version });
        await pause(VIEW_POLL_MS);
      }
    });
    return actors;
  }

  /** Until phones show what is stored and who shares, or the patience is over: the checkers say what does not agree. */
  async #settled(): Promise<void> {
    const end = performance.now() + SETTLE_MS;
    await withClient(this.#context.target.stores.databaseUrl, async client => {
      while (performance.now() < end) {
        const { rows } = await client.query<{ id: string; version: string }>(
          'select account_id as id, sum(version) as version from ledger.account group by 1',
        );
        const stored = new Map(rows.map(row => [row.id, Number(row.version)]));
        const late = this.#phones.filter(phone => phone.view?.version !== stored.get(phone.person.userId));
        if (late.length === 0 && this.#isPresenceTrue()) return;
        await pause(VIEW_POLL_MS);
      }
    });
  }

  #isPresenceTrue(): boolean {
    const truth = this.people.beat
      .slice(LEAVING)
      .map(one => one.userId)
      .sort()
      .join();
    return this.people.civilians.every(
      one => [...this.#context.phone(one.userId).shown.values()].flat().sort().join() === truth,
    );
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const phone of this.#phones) phone.roaming.end();
  }
}

/** Seeds everybody, connects them, and begins to ask. The target is steady and nothing is broken yet. */
export const startLoad = async (target: ChaosTarget, options: LoadOptions): Promise<RunningLoad> => {
  const people = await seedCrowd(target, options.seconds);
  await layMintLog(target.stores.databaseUrl);
  const load = new ChaosLoad(target, people, options);
  try {
    await load.start();
  } catch (error) {
    load.end();
    throw error;
  }
  return load;
};
