/**
 * A whole town in one process on virtual time: machines that run the real node code, a simulated NATS and PostgreSQL, and
 * phones. One seed makes one world: its people, clocks, troubles and delays; the same seed makes the same world again.
 *
 * A run has three parts. First there is trouble, while people meet. Then everything heals, and within a bound every phone
 * must be served again (safety first, then liveness). At last all is quiet, and what is left must be right.
 */

import { areaBehaviour } from '../../actors/area.ts';
import { budgetBehaviour } from '../../actors/budget.ts';
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import type { Layouts } from '../../actors/geo/layout.ts';
import { OFFICER_SILENT_MS, SILENT_SWEEP_MS } from '../../actors/geo/limits.ts';
import { offerBehaviour } from '../../actors/offer.ts';
import { pairBehaviour } from '../../actors/pair.ts';
import type { OfferView } from '../../actors/queries.ts';
import { regionBehaviour } from '../../actors/region.ts';
import type { MeetRules } from '../../actors/rules.ts';
import { EXPIRY_TIMER } from '../../actors/user/aging.ts';
import { userBehaviour } from '../../actors/user.ts';
import { shardOf } from '../../protocol/shard.ts';
import type { AnyBehaviour, Behaviours } from '../effects.ts';
import { MemoryHub } from '../memory/memoryBus.ts';
import { MemoryBucket } from '../memory/memoryKv.ts';
import { MemoryLedger } from '../memory/memoryLedger.ts';
import { MemoryNotes } from '../memory/memoryNotes.ts';
import { MemoryPeople } from '../memory/memoryPeople.ts';
import type { Log } from '../ports.ts';
import { builtInRules } from '../rules/builtIn.ts';
import { Acknowledged } from './checkers/acknowledged.ts';
import { AppliedOnce } from './checkers/appliedOnce.ts';
import { Conservation } from './checkers/conservation.ts';
import { Continuity } from './checkers/continuity.ts';
import { Crossings } from './checkers/crossings.ts';
import { Epochs } from './checkers/epochs.ts';
import { EventOrder } from './checkers/eventOrder.ts';
import { Hidden, type Life } from './checkers/hidden.ts';
import { Holds } from './checkers/holds.ts';
import type { CheckerName, Judge } from './checkers/judge.ts';
import { Linearizable } from './checkers/linearizable.ts';
import { Newest } from './checkers/newest.ts';
import { OneWriter } from './checkers/oneWriter.ts';
import { Outputs } from './checkers/outputs.ts';
import { PairScore } from './checkers/pairScore.ts';
import { Scans } from './checkers/scans.ts';
import { Together } from './checkers/together.ts';
import { Trade } from './checkers/trade.ts';
import { Truth } from './checkers/truth.ts';
import { Undivided } from './checkers/undivided.ts';
import { Chronicle } from './chronicle.ts';
import { Dice } from './dice.ts';
import { type Fault, FaultCounts } from './faults.ts';
import { type Heat, heatOf } from './heat.ts';
import { History, type Op } from './history.ts';
import { Machine, type MachineRoom } from './machine.ts';
import { Market } from './market.ts';
import { Nemesis } from './nemesis.ts';
import { Offline } from './offline.ts';
import { Operator } from './operator.ts';
import { type Person, Phone } from './phone.ts';
import { PhoneLine } from './phoneLine.ts';
import { type Plan, type Profile, planOf } from './profiles.ts';
import { SideBySide } from './sideBySide.ts';
import { FINE_WEATHER, type MessageWeather } from './simulatedBus.ts';
import type { Down, SeenEvent, Up } from './simulatedGateway.ts';
import { KvServer } from './simulatedKv.ts';
import { SqlServer } from './simulatedSql.ts';
import { isSquareRegion, type Place, SQUARE_AREAS } from './streets.ts';
import { FENCES, HUB_KEYS, townRules } from './townRules.ts';
import { VirtualTime } from './virtualTime.ts';
import { Workload } from './workload.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly profile: Profile;
  /** Empties the queue of microtasks, synchronously. */
  readonly settle: () => void;
}

export interface Violation {
  readonly checker: CheckerName;
  readonly words: string;
  readonly atMs: number;
}

export interface Report {
  readonly seed: number;
  readonly nodes: number;
  readonly profile: Profile;
  readonly troubles: readonly string[];
  readonly violations: readonly Violation[];
  readonly faults: Partial<Record<Fault, number>>;
  readonly digest: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly ops: { readonly ok: number; readonly failed: number; readonly unknown: number };
  readonly effects: number;
  readonly overlapMsMax: number;
  readonly healMs: number;
  readonly turns: number;
  readonly judged: number;
  readonly gaps: number;
  readonly counts: ReadonlyMap<string, number>;
}

const CIVILIANS = 8;
const OFFICERS = 5;
const MERCHANTS = 2;
const FIRST_POINTS = 15;
/** Nodes are up and phones attached before there is trouble. */
const CALM_BEFORE_MS = 3_500;
/**
 * After the last fault: an eviction (7 s), a shard stuck half-way (10 s), an attach that waits (9.5 s) and a command that
 * is said again (4 s), one after the other in the worst case.
 */
const HEAL_MS_MAX = 35_000;
/** Tells under way are told, late commits are applied. */
const QUIET_MS = 4_000;
/** An officer who went is forgotten whatever was lost: silent, found by the next sweep, with clocks that differ. */
const FORGOTTEN_MS = OFFICER_SILENT_MS + SILENT_SWEEP_MS + 15_000;
/** One world in so many waits for it: four minutes more are a quarter of what a world costs. */
const PATIENT_ONE_IN = 4;
/** Whether points still get old is looked at so often. */
const AGED_LOOK_MS = 500;
const VIOLATIONS_KEPT = 20;

const KEYS = { newest: 1, masters: new Map([[1, new Uint8Array(32).fill(7)]]), hubs: HUB_KEYS };

const LOSSES: readonly Fault[] = [
  'message dropped',
  'message reordered',
  'message delayed',
  'message lost with its connection',
  'disconnected',
  'link stopped by swizzling',
  'partition both ways',
  'partition outwards',
  'partition inwards',
  'node crashed',
  'bus server restarted',
  'node paused beyond the lease',
  'node paused below the lease',
  'machine suspended, clock and all',
];

export class World implements Judge {
  readonly #options: WorldOptions;
  readonly #time = new VirtualTime();
  readonly #plan: Plan;
  readonly chronicle: Chronicle;
  readonly #faults = new FaultCounts();
  readonly #history = new History();
  readonly #truth = new Truth();
  readonly #violations: Violation[] = [];
  readonly #counts = new Map<string, number>();
  readonly #dice: Dice;
  readonly #lineDice: Dice;
  readonly #ledger: MemoryLedger;
  readonly #machines: Machine[] = [];
  readonly #phones: Phone[] = [];
  /** Of merchants. */
  readonly #tills: Phone[] = [];
  readonly #kv: KvServer;
  readonly #sql: SqlServer;
  readonly #weather: MessageWeather = { ...FINE_WEATHER };
  readonly #people: MemoryPeople;
  #nemesis!: Nemesis;
  #workload!: Workload;
  #operator!: Operator;
  #market!: Market;
  readonly #rules: MeetRules;
  readonly #heat: Heat | null;
  #over = false;
  // the checkers
  readonly #oneWriter: OneWriter;
  readonly #epochs = new Epochs(this);
  readonly #outputs: Outputs;
  readonly #events: EventOrder;
  readonly #continuity: Continuity;
  readonly #once: AppliedOnce;
  readonly #linear = new Linearizable(this);
  readonly #crossings: Crossings;
  readonly #newest = new Newest(this);
  /** In worlds in which nothing is lost. */
  readonly #undivided: Undivided | null = null;
  readonly #together: Together;
  readonly #scans: Scans;
  readonly #holds: Holds;
  readonly #trade: Trade;
  readonly #hidden = new Hidden(this);

  constructor(options: WorldOptions) {
    this.#options = options;
    const { seed, profile } = options;
    this.#dice = new Dice(seed, 1);
    this.#lineDice = new Dice(seed, 2);
    this.#plan = planOf(profile, new Dice(seed, 3));
    this.#rules = townRules(new Dice(seed, 7), new Dice(seed, 11));
    this.#heat = heatOf(new Dice(seed, 12));
    this.chronicle = new Chronicle(this.#time);
    this.#crossings = new Crossings(this, this.chronicle, id => this.#hidden.livesOf(id));
    if (profile === 'calm') {
      const held = () => this.#crossings.held();
      this.#undivided = new Undivided(this, this.#time, this.#rules.proximity, held);
    }
    this.#together = new Together(this, this.#truth, this.#rules, profile !== 'calm');
    this.#scans = new Scans(this, this.#truth, this.#time.nowMs());
    this.#holds = new Holds(this, this.#truth);
    this.#oneWriter = new OneWriter(this.#time, this, () => this.#nemesis.excused);
    this.#outputs = new Outputs(this, this.#truth);
    this.#events = new EventOrder(this, () => LOSSES.some(fault => this.#faults.of(fault) > 0));
    this.#continuity = new Continuity(this, this.#truth, () => this.#nemesis.excused);
    this.#once = new AppliedOnce(this, this.#truth);
    this.#ledger = new MemoryLedger(() => this.#time.nowMs());
    this.#trade = new Trade(this, this.#ledger);
    const nowMs = (): number => this.#time.nowMs();
    const notes = new MemoryNotes(shard => this.#ledger.epochOf(shard), nowMs, this.#ledger);
    this.#people = new MemoryPeople(this.#ledger, new Dice(seed, 4), nowMs, notes);
    const remembers = this.#plan.troubles.some(
      trouble => trouble === 'kvStale' || trouble === 'kvRewind' || trouble === 'blind',
    );
    this.#kv = new KvServer(new MemoryBucket(this.#time), this.#time, remembers);
    const tables = { ledger: this.#ledger, notes, people: this.#people };
    this.#sql = new SqlServer(tables, {
      committed: (by, entry, outcome) => {
        const { op, shard, epoch } = entry;
        const what =
          op.type === 'timer'
            ? `${op.name} of ${op.actor}`
            : op.type === 'event'
              ? `${op.n} of ${op.user}`
              : op.type === 'answer'
                ? `${op.key} of ${op.user}`
                : op.id;
        this.chronicle.note('committed', by, shard, epoch, op.type, what, outcome.code);
        this.#epochs.committed(by, entry, outcome);
        this.#trade.committed(entry, outcome);
        this.#truth.committed(by, entry, outcome, this.#time.monotonicMs());
      },
      minted: (by, shard, epoch) => {
        this.chronicle.note('minted', by, shard, epoch);
        this.#epochs.minted(by, shard, epoch);
      },
    });
  }

  get violations(): readonly Violation[] {
    return this.#violations;
  }

  fail(checker: CheckerName, words: string): void {
    if (this.#violations.length >= VIOLATIONS_KEPT) return;
    this.chronicle.note('BROKEN', checker, words);
    this.#violations.push({ checker, words, atMs: this.#time.monotonicMs() });
  }

  /** Lives the whole life of this world in one call. */
  run(): Report {
    const { settle } = this.#options;
    const people = this.#settlers(settle);
    this.#build(people);
    for (const machine of this.#machines) machine.boot();
    this.#workload.start();
    this.#operator.start();
    this.#market.start();
    this.#undivided?.start();
    this.#sql.weather.slow = this.#plan.slowSql;
    this.#until(CALM_BEFORE_MS);
    this.#nemesis.start();
    this.#until(CALM_BEFORE_MS + this.#plan.troubleMs);
    this.#nemesis.heal();
    const healMs = this.#served();
    this.#lastScene();
    if (this.#violations.length === 0) this.#final();
    this.#over = true;
    return this.#report(healMs);
  }

  #until(ms: number, enough: () => boolean = () => false): void {
    // a world that is broken needs no further life
    this.#time.run(ms, this.#options.settle, () => this.#violations.length > 0 || enough());
  }

  #settlers(settle: () => void): Person[] {
    const people: Person[] = [];
    const sign = (kind: Person['kind'], n: number): void => {
      const nick = `${kind[0]}${n}`;
      const deviceId = `d-${nick}`;
      const handle = `${kind} ${n}`;
      const badge = kind === 'officer' ? `B-${n}` : null;
      void this.#people
        .createUser({ kind, handle, deviceId, passwordHash: '', zip: null, badge })
        .then(made => {
          if (made.ok)
            people.push({ id: made.value.userId, kind, handle, deviceId, nick, number: people.length + 1 });
        });
      settle();
    };
    for (let n = 1; n <= CIVILIANS; n++) sign('civilian', n);
    for (let n = 1; n <= OFFICERS; n++) sign('officer', n);
    for (let n = 1; n <= MERCHANTS; n++) sign('merchant', n);
    this.#endow(people, settle);
    return people;
  }

  /** Everybody begins with some points, so that there is something to give. */
  #endow(people: readonly Person[], settle: () => void): void {
    const { server } = { server: this.#sql };
    void this.#ledger.mint([0], 'the beginning').then(([epoch]) => {
      server.witness.minted('the beginning', 0, epoch!);
      const entries = people.map(({ id }) => ({
        shard: 0,
        epoch: epoch!,
        op: {
          type: 'transfer' as const,
          id: this.#dice.uuid(this.#time.nowMs()),
          reason: 'welcome',
          legs: [
            { account: MINT_ACCOUNT, delta: -FIRST_POINTS },
            { account: id, delta: FIRST_POINTS },
          ],
          rule: { id: 'welcome', version: 1 },
          idempotency: null,
        },
      }));
      void this.#ledger.commit(entries).then(outcomes => {
        for (const [at, outcome] of outcomes.entries()) {
          server.witness.committed('the beginning', entries[at]!, outcome);
        }
      });
    });
    settle();
  }

  #build(people: readonly Person[]): void {
    const { seed, nodes } = this.#options;
    const { time, faults, chronicle } = { time: this.#time, faults: this.#faults, chronicle: this.chronicle };
    const quiet: Log = {
      debug() {},
      info() {},
      warn() {},
      error: (fields, message) => {
        const { error } = fields as { error?: unknown };
        this.fail('nothing throws', `${message}: ${error instanceof Error ? error.stack : String(error)}`);
      },
    };
    const room: MachineRoom = {
      seed,
      time,
      dice: this.#dice,
      faults,
      chronicle,
      judge: this,
      hub: new MemoryHub(time, quiet),
      kv: this.#kv,
      sql: this.#sql,
      weather: this.#weather,
      gateways: {
        eventLeaves: (user, seen) => {
          this.#outputs.event(user, seen);
          this.#continuity.stands(user, seen);
        },
        outOfOrder: (user, offset, after) =>
          this.fail('events gap-free and in order', `${user}: live event ${offset} after ${after}`),
        replyLeaves: (user, message, result) => this.#outputs.reply(user, message, result),
      },
      encodeLocal: this.#plan.encodeLocal,
      counts: this.#counts,
      behaviours: (process, layoutsNow) =>
        this.#oneWriter.watch(process, this.#behaviours(process, layoutsNow)),
      rules: builtInRules(this.#rules),
      proximity: this.#rules.proximity,
      heat: this.#heat,
    };
    const { rate, offsetMs } = this.#plan;
    for (let i = 0; i < nodes; i++) {
      const clock = {
        rate: 1 + this.#dice.between(-rate, rate),
        offsetMs: Math.round(this.#dice.between(-offsetMs, offsetMs)),
      };
      faults.hit(clock.rate > 1 ? 'clock ran fast' : 'clock ran slow');
      faults.hit('town clock off');
      this.#machines.push(new Machine(room, i, clock));
    }
    for (const [at, person] of people.entries()) {
      chronicle.note('a person', person.nick, person.id, shardOf('user', person.id));
      const line = person.kind === 'merchant' ? this.#tills : this.#phones;
      line.push(new Phone(this.#phoneWorld(), person, new Dice(seed, 500 + at)));
    }
    const dice = new Dice(seed, 5);
    const offline = new Offline({
      time,
      faults,
      dice,
      phones: this.#phones,
      keys: KEYS,
      uploadMs: this.#rules.uploadS * 1_000,
      made: scan => this.#scans.made(scan),
      uploaded: (scan, op) => this.#scans.ended(scan, op),
    });
    this.#workload = new Workload({ time, faults, dice, phones: this.#phones, offline });
    this.#operator = new Operator({
      time,
      faults,
      chronicle,
      dice: new Dice(seed, 8),
      people: this.#people,
      machines: this.#machines,
      answered: (id, verdict, result) => this.#holds.answered(id, verdict, result),
    });
    this.#market = new Market({
      time,
      faults,
      chronicle,
      dice: new Dice(seed, 10),
      phones: this.#phones,
      tills: this.#tills,
      machines: this.#machines,
      ended: op => this.#trade.ended(op),
    });
    this.#nemesis = new Nemesis(
      {
        time,
        faults,
        chronicle,
        judge: this,
        dice: new Dice(seed, 6),
        machines: this.#machines,
        kv: this.#kv,
        sql: this.#sql,
        weather: this.#weather,
        users: people.map(person => person.id),
      },
      this.#plan,
    );
  }

  #behaviours(process: string, layoutsNow: () => Layouts): Behaviours {
    const rules = this.#rules;
    const user = userBehaviour(rules, KEYS, () => FENCES, layoutsNow) as AnyBehaviour;
    return {
      user: this.#hidden.watchUsers(this.#undivided?.watchUsers(user) ?? user),
      region: this.#hidden.watch(
        process,
        this.#newest.watch(
          process,
          this.#crossings.watch(
            process,
            watch => regionBehaviour(rules.proximity, rules.fraud, watch, layoutsNow) as AnyBehaviour,
          ),
        ),
      ),
      area: this.#hidden.watch(process, areaBehaviour(rules.area)),
      pair: pairBehaviour(rules),
      offer: offerBehaviour(),
      budget: budgetBehaviour(),
    } as Behaviours;
  }

  #phoneWorld() {
    return {
      time: this.#time,
      history: this.#history,
      faults: this.#faults,
      chronicle: this.chronicle,
      call: (not: string | null) => this.#call(not),
      welcomed: (
        phone: Phone,
        welcome: Down & { k: 'welcome' },
        resume: Parameters<EventOrder['welcomed']>[2],
      ) => {
        this.chronicle.note('welcomed', phone.person.nick, welcome.epoch, welcome.offset, welcome.resumed);
        this.#events.welcomed(phone.person.id, welcome, resume);
        this.#continuity.welcomed(phone.person.id, welcome, resume);
        this.#market.welcomed(phone);
      },
      saw: (phone: Phone, seen: SeenEvent) => this.#saw(phone, seen),
      heyReceived: (phone: Phone, heyId: string) => this.#workload.heyReceived(phone, heyId),
      reported: (phone: Phone, at: Place) =>
        this.#together.reported(
          phone.person.id,
          this.#time.monotonicMs(),
          at,
          phone.dates,
          this.#hidden.isHidden(phone.person.id),
        ),
      asked: (phone: Phone, op: Op) => {
        const nowMs = this.#time.monotonicMs();
        if (this.#hidden.asked(op, nowMs)) this.#together.shown(phone.person.id, nowMs);
      },
      ended: (phone: Phone, op: Op) => this.#ended(phone, op),
    };
  }

  #call(not: string | null) {
    const there = this.#machines.filter(machine => machine.running && !machine.running.gateway.leaving);
    const others = there.filter(machine => machine.running!.gateway.id !== not);
    if (there.length === 0) return null;
    const { running } = this.#lineDice.pick(others.length > 0 ? others : there);
    const line = new PhoneLine<Up, Down>(this.#time, this.#lineDice, running!.process);
    running!.gateway.take(line);
    return { line, gateway: running!.gateway.id };
  }

  #saw(phone: Phone, seen: SeenEvent): 'fine' | 'gap' | 'again' {
    const { id, nick } = phone.person;
    const verdict = this.#events.saw(id, seen);
    this.chronicle.note('event', nick, seen.offset, seen.event?.name, verdict);
    if (verdict !== 'fine') return verdict;
    this.#once.saw(id, seen);
    this.#market.saw(phone, seen);
    const { event } = seen;
    if (event?.name === 'snapshot') {
      const { reserved, redemptions } = event.body;
      this.#trade.snapshot(id, reserved ?? 0, redemptions?.length ?? 0);
    }
    if (
      event &&
      (event.name === 'snapshot' || event.name === 'encounter.completed' || event.name === 'points.changed')
    ) {
      const { balance, balanceVersion } = event.body;
      const startMs = this.#truth.postingOf(id, balanceVersion)?.atMs ?? 0;
      const words = `${event.name} says ${balance} (v${balanceVersion})`;
      this.#linear.add(id, { kind: 'read', value: balance, startMs, endMs: this.#time.monotonicMs(), words });
    }
    return verdict;
  }

  #ended(phone: Phone, op: Op): void {
    this.#hidden.ended(op, this.#time.monotonicMs());
    if (op.name === 'balance' && op.outcome === 'ok' && op.result?.ok) {
      const { balance, version } = op.result.value as { balance: number; version: number };
      const { startMs, endMs } = op;
      const words = `read ${balance} (v${version})`;
      this.#linear.add(op.user, { kind: 'read', value: balance, startMs, endMs, words });
    }
    this.#workload.ended(phone, op);
    this.#market.ended(phone, op);
  }

  get #everybody(): readonly Phone[] {
    return [...this.#phones, ...this.#tills];
  }

  /** Everything is healed: how long until each phone was served. */
  #served(): number {
    this.#workload.stop();
    this.#operator.stop();
    this.#market.stop();
    const healedMs = this.#time.monotonicMs();
    const served = new Map<Phone, Op>();
    const ask = (): void => {
      for (const phone of this.#everybody) {
        const op = served.get(phone);
        if (!op || (op.outcome !== null && op.outcome !== 'ok')) served.set(phone, phone.command('balance'));
      }
    };
    const all = (): boolean =>
      this.#everybody.every(phone => served.get(phone)?.outcome === 'ok' && phone.idle);
    const again = (): void => {
      if (this.#over) return;
      ask();
      this.#time.after(500, again);
    };
    again();
    this.#until(healedMs + HEAL_MS_MAX, all);
    if (this.#violations.length > 0) return Number.NaN;
    const healMs = this.#time.monotonicMs() - healedMs;
    for (const phone of this.#everybody) {
      const op = served.get(phone);
      if (op?.outcome === 'ok' && phone.idle) continue;
      const { nick } = phone.person;
      const why = op?.result && !op.result.ok ? op.result.message : (op?.outcome ?? 'no answer');
      this.fail(
        'everybody is served again',
        `${nick} at ${phone.gateway} (${phone.connected ? 'connected' : 'not connected'}) after ${healMs.toFixed(0)} ms: ${why}; ${this.#whereIs(phone.person.id)}`,
      );
    }
    return healMs;
  }

  /** Which nodes say that they own a user's shard, and whom the others believe to own it. */
  #whereIs(userId: string): string {
    const shard = shardOf('user', userId);
    const views = this.#machines.map(({ id, running }) => {
      if (!running) return `${id} is down`;
      const { coordinator } = running.node;
      const epoch = coordinator.epochOf(shard);
      const owner = coordinator.ownerOf(shard);
      const mine = epoch === null ? '' : ` owns it with epoch ${epoch},`;
      return `${id}${coordinator.serving() ? '' : ' (suspended)'}${mine} sees ${owner ? `${owner.node} ${owner.epoch}` : 'nobody'}`;
    });
    return `shard ${shard}: ${views.join('; ')}`;
  }

  /** People stand together while a node goes, and go home; what waits is settled. */
  #lastScene(): void {
    if (this.#violations.length > 0) return;
    const sharingMs = new SideBySide({
      time: this.#time,
      dice: new Dice(this.#options.seed, 9),
      chronicle: this.chronicle,
      phones: this.#phones,
      machines: this.#machines,
      together: this.#together,
      cooldownMs: this.#rules.cooldownS * 1_000,
      drains: this.#plan.profile === 'calm',
      until: (ms, enough) => this.#until(ms, enough),
    }).play();
    this.#until(this.#time.monotonicMs() + QUIET_MS);
    if (this.#violations.length > 0) return;
    const owns = (process: string, kind: 'region' | 'area', id: string): boolean => {
      const running = this.#machines.find(one => one.running?.process.name === process)?.running;
      return running?.node.coordinator.epochOf(shardOf(kind, id)) != null;
    };
    const isRegion = (process: string, id: string): boolean =>
      isSquareRegion(id) && owns(process, 'region', id);
    this.#crossings.judge(isRegion, false);
    if (this.#plan.profile === 'calm') this.#crossings.judgeWay();
    const sinceMs = this.#time.nowMs() - this.#time.monotonicMs() + sharingMs;
    const isOfSquare = ({ process, kind, id }: Life): boolean =>
      (isSquareRegion(id) || SQUARE_AREAS.has(id)) && owns(process, kind, id);
    this.#hidden.judge(isOfSquare, {
      sinceMs,
      isDated: userId => this.#together.isDated(userId),
      isLossy: this.#plan.profile !== 'calm',
    });
    if (this.#options.seed % PATIENT_ONE_IN === 0) {
      for (const { running } of this.#machines) running?.divisions?.rest();
      this.#until(this.#time.monotonicMs() + FORGOTTEN_MS);
      // a world that is broken has not waited
      if (this.#violations.length > 0) return;
      this.#crossings.judge(isRegion, true);
      const officers = new Set(
        this.#phones.filter(({ person }) => person.kind === 'officer').map(({ person }) => person.id),
      );
      this.#hidden.judgeLater(isOfSquare, userId => officers.has(userId));
    }
    const tradeMs = this.#time.monotonicMs() + this.#rules.redeemS * 1_000 + HEAL_MS_MAX;
    this.#until(tradeMs, () => this.#trade.open === 0);
    const settled = (): boolean => this.#scans.openUntilS === 0;
    if (!settled()) {
      const waitMs = this.#scans.openUntilS * 1_000 - this.#time.nowMs() + HEAL_MS_MAX;
      this.#until(this.#time.monotonicMs() + waitMs, settled);
    }
  }

  /** Points that get old in the middle of the last reading would be read by some and not by others: they all are first. */
  #untilAged(): void {
    if (this.#rules.life.expireMs === 0) return;
    const endMs = this.#time.monotonicMs() + HEAL_MS_MAX;
    const ages = ({ person }: Phone): boolean =>
      this.#sql.notes.timers.of('user', person.id).some(({ name }) => name === EXPIRY_TIMER);
    while (this.#time.monotonicMs() < endMs && this.#violations.length === 0 && this.#everybody.some(ages))
      this.#until(this.#time.monotonicMs() + AGED_LOOK_MS);
  }

  /** All is quiet: every phone resumes once more and reads, and everything is compared. */
  #final(): void {
    this.#untilAged();
    const quietMs = this.#time.monotonicMs() + QUIET_MS;
    this.#until(quietMs);
    const reads = new Map<Phone, Op>();
    const asked: Op[] = [];
    this.#trade.askAgain();
    for (const phone of this.#everybody) {
      phone.reconnect();
      reads.set(phone, phone.command('balance'));
      asked.push(phone.command('state.get'));
    }
    let looking = this.#market.offers.length;
    for (const { id } of this.#market.offers)
      this.#market.look(id, result => {
        looking--;
        if (result.ok) this.#trade.looked(id, result.value as OfferView);
      });
    const isHeard = (op: Op | undefined): boolean => op?.outcome === 'ok';
    const untold = (): readonly Phone[] =>
      this.#everybody.filter(({ person }) => !this.#trade.isTold(person.id));
    this.#until(
      quietMs + HEAL_MS_MAX,
      () =>
        looking === 0 && asked.every(isHeard) && [...reads.values()].every(isHeard) && untold().length === 0,
    );
    if (this.#violations.length > 0) return;
    for (const { person } of untold())
      this.fail('everybody is served again', `${person.nick} gets no snapshot at the end`);
    const acknowledged = new Acknowledged(this, this.#truth);
    for (const [phone, { outcome, result }] of reads) {
      if (outcome === 'ok' && result?.ok) {
        acknowledged.finally(phone.person.id, result.value as { balance: number; version: number });
      } else this.fail('everybody is served again', `${phone.person.nick} cannot read at the end`);
    }
    for (const { person, position } of this.#everybody) this.#continuity.finally(person.id, position!.offset);
    acknowledged.judge(this.#history);
    this.#once.judge();
    new Conservation(this).judge(this.#ledger);
    this.#trade.judge();
    const epochMs = this.#time.nowMs() - Math.floor(this.#time.monotonicMs());
    new PairScore(this, this.#rules.cooldownS * 1_000, id => {
      const metMs = this.#scans.metAtMs(id);
      return metMs === null ? null : metMs - epochMs;
    }).judge(this.#truth);
    this.#together.judge();
    this.#scans.judge(this.#sql.notes.timers);
    this.#holds.judge();
    for (const [account, postings] of this.#truth.postings) {
      for (const { delta, atMs, version } of postings) {
        const words = `posted ${delta} (v${version})`;
        this.#linear.add(account, {
          kind: 'post',
          value: delta,
          startMs: atMs,
          endMs: Number.POSITIVE_INFINITY,
          words,
        });
      }
    }
    this.#linear.judge();
  }

  #report(healMs: number): Report {
    const { seed, nodes, profile } = this.#options;
    const history = this.#history;
    const { timedOut, refused } = this.#scans.counts;
    const { carried, moved, divided, united } = this.#crossings.counts;
    const { hidden } = this.#together;
    for (const [fault, by] of [
      ['scan settled when its time was over', timedOut],
      ['scan came to nothing', refused],
      ['border crossed with a dwell', carried],
      ['region moved with a dwell', moved],
      ['region divided with a dwell', divided],
      ['regions made one again with a dwell', united],
      ['position said while hidden', hidden],
      ['redemption over by its time', this.#trade.expired],
    ] as const)
      if (by > 0) this.#faults.hit(fault, by);
    return {
      seed,
      nodes,
      profile,
      troubles: [...new Set(this.#plan.troubles)],
      violations: this.#violations,
      faults: this.#faults.all(),
      digest: this.chronicle.digest(),
      steps: this.#time.steps,
      virtualMs: this.#time.monotonicMs(),
      ops: { ok: history.count('ok'), failed: history.count('failed'), unknown: history.count('unknown') },
      effects: this.#truth.effects.size,
      overlapMsMax: this.#oneWriter.overlapMsMax,
      healMs,
      turns: this.#oneWriter.turns,
      judged: this.#linear.judged,
      gaps: this.#events.gaps,
      counts: this.#counts,
    };
  }
}
