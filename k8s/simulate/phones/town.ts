/**
 * A town of phones on virtual time: two or three machines with the real node and the real gateway, people with the real
 * client, and a script of what happens to them. A run has four parts: everybody connects; the script plays; everything
 * heals, and within a bound everybody is served again and knows what the ledger knows; in some, a node dies together with
 * apps that were connected to it, and presence must find out.
 */

import { areaBehaviour } from '../../../actors/area.ts';
import { budgetBehaviour } from '../../../actors/budget.ts';
import { type DurableOp, MINT_ACCOUNT } from '../../../actors/durable.ts';
import { openAreas } from '../../../actors/geo/areaRules.ts';
import { ACTOR_LIMITS } from '../../../actors/limits.ts';
import { offerBehaviour } from '../../../actors/offer.ts';
import { pairBehaviour } from '../../../actors/pair.ts';
import { regionBehaviour } from '../../../actors/region.ts';
import { DEFAULT_RULES, type MeetRules } from '../../../actors/rules.ts';
import { userBehaviour } from '../../../actors/user.ts';
import type { Behaviours } from '../../../nodes/effects.ts';
import { CLUSTER_LIMITS } from '../../../nodes/limits.ts';
import { MemoryHub } from '../../../nodes/memory/memoryBus.ts';
import { MemoryBucket } from '../../../nodes/memory/memoryKv.ts';
import { MemoryLedger } from '../../../nodes/memory/memoryLedger.ts';
import { MemoryNotes } from '../../../nodes/memory/memoryNotes.ts';
import { MemoryPeople } from '../../../nodes/memory/memoryPeople.ts';
import { MemoryRevocations } from '../../../nodes/memory/memoryRevocations.ts';
import { builtInRules } from '../../../nodes/rules/builtIn.ts';
import { Truth } from '../../../nodes/simulation/checkers/truth.ts';
import { Chronicle } from '../../../nodes/simulation/chronicle.ts';
import { Dice } from '../../../nodes/simulation/dice.ts';
import { FaultCounts } from '../../../nodes/simulation/faults.ts';
import { FINE_WEATHER } from '../../../nodes/simulation/simulatedBus.ts';
import { KvServer } from '../../../nodes/simulation/simulatedKv.ts';
import { SqlServer } from '../../../nodes/simulation/simulatedSql.ts';
import { VirtualTime } from '../../../nodes/simulation/virtualTime.ts';
import type { AccountKind } from '../../../protocol/catalogue.ts';
import { shardOf } from '../../../protocol/shard.ts';
import { App, type Person } from './app.ts';
import { Deeds, type Stage } from './deeds.ts';
import { onVirtualTime } from './globals.ts';
import { type Broken, Invariants } from './invariants.ts';
import { Machine, type MachineRoom, type Running } from './machine.ts';
import type { Script, Step } from './script.ts';
import { judgeBalances, judgeStates, statesOf } from './settled.ts';
import { forgetSessionIds, readToken, TextTokens } from './tokens.ts';
import { Wire, type WireWorld } from './wire.ts';

export interface TownOptions extends Script {
  /** Empties the queue of microtasks, synchronously. */
  readonly settle: () => void;
  /** Default true. Streams are durable: a kill costs no phone its epoch, and movements come in the order of the ledger. */
  readonly strict?: boolean;
}

export interface Told {
  readonly broken: readonly Broken[];
  readonly counts: ReadonlyMap<string, number>;
  readonly digest: string;
  readonly virtualMs: number;
  readonly steps: number;
  /** The last things that happened, one line each. */
  readonly story: readonly string[];
}

const KEYS = { newest: 1, masters: new Map([[1, new Uint8Array(32).fill(7)]]) };
/** Heys stay open for as long as it takes to find out who is gone. */
const RULES: MeetRules = { ...DEFAULT_RULES, area: openAreas(), cooldownS: 4, heyS: 180 };
const FIRST_POINTS = 40;
/** Short, so that tokens are renewed while a script plays. */
const TOKEN_TTL_S = 40;
const CALM_MS = 4_500;
const HEAL_MS = 75_000;
const LOOK_MS = 100;
const PEOPLE: readonly (readonly [AccountKind, number])[] = [
  ['officer', 2],
  ['civilian', 3],
  ['merchant', 1],
];
const TILLS = 2;
/** A person who is lost is noticed when the gateway is (lease and its margin), and let go 30 s later. */
const PRESENCE_MS = CLUSTER_LIMITS.evictMs + CLUSTER_LIMITS.evictJitterMs + 30_000 + 4_000;
/** Whoever is told by nobody that the other is gone asks; the first question may begin the time of grace. */
const ASKED_MS = 2 * ACTOR_LIMITS.peerAskMs;
/** Everybody has said where he is; the answers have come; networks are lost, some look away for longer, all are back. */
const GREETING_MS = { shared: 9_000, said: 2_000, lost: 8_000, background: 15_000, found: 20_000 };
const STORY = 400;

export class Town implements Stage, WireWorld {
  readonly #options: TownOptions;
  readonly time = new VirtualTime();
  readonly dice: Dice;
  readonly invariants: Invariants;
  readonly urls: readonly string[];
  readonly #chronicle: Chronicle;
  readonly #faults = new FaultCounts();
  readonly #truth = new Truth();
  readonly #ledger: MemoryLedger;
  readonly #people: MemoryPeople;
  readonly #machines: Machine[] = [];
  /** It comes and goes in good order, and shards move to it and back. */
  readonly #spare: Machine;
  readonly #weather = { ...FINE_WEATHER };
  readonly apps: App[] = [];
  readonly #persons: Person[] = [];
  readonly #sql: SqlServer;
  readonly #tokens: TextTokens;
  readonly #deeds = new Deeds(this);
  #healing = false;

  constructor(options: TownOptions) {
    this.#options = options;
    const { seed, nodes } = options;
    forgetSessionIds();
    this.dice = new Dice(seed, 1);
    const { time } = this;
    this.#chronicle = new Chronicle(time);
    this.invariants = new Invariants(() => time.monotonicMs(), options.strict ?? true);
    this.invariants.personOf = owner => this.apps.find(({ nick }) => nick === owner)?.person.id ?? null;
    this.invariants.placeOf = owner => this.apps.some(({ nick, disk }) => nick === owner && disk.offset >= 0);
    this.#ledger = new MemoryLedger(() => time.nowMs());
    const nowMs = (): number => time.nowMs();
    const notes = new MemoryNotes(shard => this.#ledger.epochOf(shard), nowMs, this.#ledger);
    this.#people = new MemoryPeople(this.#ledger, new Dice(seed, 4), nowMs, notes);
    const tables = { ledger: this.#ledger, notes, people: this.#people };
    this.#sql = new SqlServer(tables, {
      committed: (by, entry, outcome) => {
        this.#chronicle.note('committed', by, entry.shard, entry.epoch, entry.op.type, outcome.code);
        this.#truth.committed(by, entry, outcome, time.monotonicMs());
        if (outcome.code === 'created') this.#stored(entry.op);
      },
      minted: () => {},
    });
    this.#tokens = new TextTokens(
      TOKEN_TTL_S,
      () => time.nowMs(),
      (userId, deviceId) =>
        Math.max(0, ...this.#up().map(one => one.revocations.issuedUntilMs(userId, deviceId))),
    );
    const room: MachineRoom = {
      ...{ seed, time, faults: this.#faults, chronicle: this.#chronicle, tokenTtlS: TOKEN_TTL_S },
      hub: new MemoryHub(
        time,
        quiet(words => this.#threw(words)),
      ),
      weather: this.#weather,
      kv: new KvServer(new MemoryBucket(time), time, false),
      sql: this.#sql,
      revocations: new MemoryRevocations(() => time.nowMs()),
      counts: this.invariants.counts,
      rules: builtInRules(RULES),
      behaviours: () =>
        ({
          user: userBehaviour(RULES, KEYS),
          region: regionBehaviour(RULES.proximity),
          area: areaBehaviour(RULES.area),
          pair: pairBehaviour(RULES),
          offer: offerBehaviour(),
          budget: budgetBehaviour(),
        }) as Behaviours,
      threw: words => this.#threw(words),
    };
    for (let i = 0; i < nodes; i++) this.#machines.push(new Machine(room, i));
    this.#spare = new Machine(room, nodes);
    this.urls = this.#machines.map(machine => machine.url);
  }

  /** Lives the whole script in one call; must be called from a macrotask. */
  live(): Told {
    return onVirtualTime(
      this.time,
      () => this.dice.share(),
      () => this.#live(),
    );
  }

  // What wires and apps need.

  host(url: string): Running | null {
    const running = this.#all().find(machine => machine.url === url)?.running ?? null;
    return running?.open ? running : null;
  }

  arrived(wire: Wire, bytes: Uint8Array): void {
    this.invariants.arrived(wire, bytes);
  }

  said(wire: Wire, bytes: Uint8Array): void {
    this.invariants.said(wire, bytes);
  }

  says(wire: Wire, bytes: Uint8Array): void {
    this.invariants.says(wire, wire.end?.data?.identity ?? null, bytes);
  }

  opened(wire: Wire, host: Running): void {
    this.invariants.opened(wire, host);
  }

  buffers(wire: Wire, bytes: number): void {
    this.invariants.buffers(wire, bytes);
  }

  line(owner: string, url: string): Wire {
    return new Wire(this, owner, url);
  }

  token({ id, kind }: Person, deviceId: string): string {
    return this.#tokens.issue({ userId: id, kind, deviceId });
  }

  note(what: string, ...words: (string | number)[]): void {
    this.#chronicle.note(what, ...words);
  }

  // A life.

  #live(): Told {
    this.#settlers();
    for (const machine of this.#machines) machine.boot();
    for (const app of this.apps) this.time.after(this.dice.between(500, 2_500), () => app.start());
    this.#lookAtSockets();
    this.#until(CALM_MS);
    let atMs = CALM_MS;
    for (const step of this.#options.steps) {
      atMs += step.gapMs;
      this.time.after(atMs - CALM_MS, () => {
        this.#bring(step);
      });
    }
    this.#until(atMs + 500);
    this.#heal();
    if (!this.#broken) this.#compare();
    if (!this.#broken && this.#options.endsWithKill) this.#greet();
    if (!this.#broken && this.#options.endsWithKill) this.#loseSome();
    const { digest, story } = { digest: this.#chronicle.digest(), story: this.#chronicle.tell(STORY) };
    const { broken, counts } = this.invariants;
    return { broken, counts, digest, story, virtualMs: this.time.monotonicMs(), steps: this.time.steps };
  }

  get #broken(): boolean {
    return this.invariants.broken.length > 0;
  }

  #until(ms: number, enough: () => boolean = () => false): void {
    this.time.run(ms, this.#options.settle, () => this.#broken || enough());
  }

  #settlers(): void {
    const { settle } = this.#options;
    const sign = (kind: AccountKind, n: number): void => {
      const nick = `${kind[0]}${n}`;
      const deviceId = `d-${nick}-1`;
      const badge = kind === 'officer' ? `B-${n}` : null;
      const user = { kind, handle: `${kind} ${n}`, deviceId, passwordHash: '', zip: null, badge };
      void this.#people.createUser(user).then(made => {
        if (!made.ok) return;
        const person = { id: made.value.userId, kind, nick };
        this.#persons.push(person);
        this.#device(person, deviceId);
        if (kind !== 'merchant') return;
        for (let till = 2; till <= TILLS; till++) {
          const other = `d-${nick}-${till}`;
          void this.#people.linkDevice(person.id, other, 5);
          this.#device(person, other);
        }
      });
      settle();
    };
    for (const [kind, count] of PEOPLE) for (let n = 1; n <= count; n++) sign(kind, n);
    this.#endow();
  }

  #device(person: Person, deviceId: string): void {
    this.apps.push(new App(this, person, deviceId, new Dice(this.#options.seed, 500 + this.apps.length)));
  }

  /** Everybody begins with some points, so that there is something to give. */
  #endow(): void {
    const by = 'the beginning';
    void this.#ledger.mint([0], by).then(([epoch]) => {
      const entries = this.#persons.map(({ id }) => ({
        shard: 0,
        epoch: epoch!,
        op: {
          type: 'transfer' as const,
          id: this.dice.uuid(this.time.nowMs()),
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
        for (const [at, outcome] of outcomes.entries())
          this.#sql.witness.committed(by, entries[at]!, outcome);
      });
    });
    this.#options.settle();
  }

  // What happens.

  #bring(step: Step): void {
    const { what, who, n } = step;
    const app = this.apps[who % this.apps.length]!;
    const machine = this.#machines[who % this.#machines.length]!;
    const { time, invariants } = this;
    this.note(what, app.nick, machine.id, n);
    invariants.count(`step: ${what}`);
    if (this.#deeds.bring(step)) return;
    switch (what) {
      case 'kill node': {
        if (this.#up().length < 2 || !machine.running) return;
        invariants.lost();
        machine.kill();
        time.after(500 + n * 6, () => machine.boot());
        return;
      }
      case 'drain node': {
        if (this.#serving().length < 2 || !machine.running) return;
        machine.drain();
        const back = (): void => {
          if (machine.running) time.after(500, back);
          else machine.boot();
        };
        time.after(2_000 + n * 2, back);
        return;
      }
      case 'cut node': {
        if (machine.busLink.cut) return;
        invariants.lost();
        machine.busLink.stop(true, true);
        time.after(200 + n * 9, () => {
          invariants.lost();
          machine.busLink.heal();
        });
        return;
      }
      case 'bad weather': {
        const ms = 500 + n * 4;
        invariants.lost(time.monotonicMs() + ms);
        const dice = new Dice(this.#options.seed, 60_000 + n);
        const some = (): number => (dice.chance(0.6) ? dice.between(0.02, 0.3) : 0);
        Object.assign(this.#weather, {
          ...{ dropped: some(), doubled: some(), delayed: some(), reordered: some() },
          delayMsMax: dice.between(2, 600),
        });
        time.after(ms, () => Object.assign(this.#weather, FINE_WEATHER));
        return;
      }
      case 'move shards':
        if (this.#spare.running) this.#spare.drain();
        else this.#spare.boot();
        return;
      case 'revoke user':
      case 'revoke token':
        return this.#revoke(app, what === 'revoke user', machine);
    }
  }

  #revoke(app: App, all: boolean, machine: Machine): void {
    if (!machine.running?.open || app.token === '') return;
    const { tokenId } = readToken(app.token);
    const { id } = app.person;
    const [atMs, untilMs] = [this.time.monotonicMs(), this.time.nowMs()];
    this.invariants.revoke({ userId: id, tokenId: all ? null : tokenId, untilMs, atMs });
    const { revocations } = machine.running;
    void (all ? revocations.user(id) : revocations.token(tokenId));
  }

  /** Somebody gives this person points, as a till or an operator does: inside the nodes. */
  give(to: Person, n: number): void {
    const from = this.#persons.filter(one => one !== to)[n % (this.#persons.length - 1)]!;
    const running = this.#serving()[0];
    if (!running) return;
    const key = this.dice.uuid(this.time.nowMs());
    const ask = (times: number): void => {
      const message = {
        type: 'give',
        to: to.id,
        points: 1 + (n % 3),
        key,
        requestHash: `give ${key}`,
      } as const;
      running.node.door.ask({ kind: 'user', id: from.id }, message, result => {
        this.invariants.count(`give: ${result.ok ? 'ok' : result.code}`);
        // said twice now and then although it was done
        if ((result.ok ? n % 5 === 0 && times === 0 : result.retryable) && times < 3) ask(times + 1);
      });
    };
    ask(0);
  }

  #lookAtSockets(): void {
    const sockets = new Map<string, number>();
    for (const { wires } of this.#up()) {
      for (const { end } of wires) {
        const session = end?.isOpen ? end.data : null;
        if (session?.phase !== 'open' || session.identity === null) continue;
        const device = `${session.identity.userId} ${session.identity.deviceId}`;
        this.invariants.peers.held(session.identity.userId);
        sockets.set(device, (sockets.get(device) ?? 0) + 1);
      }
    }
    this.invariants.live(sockets);
    this.time.after(LOOK_MS, () => this.#lookAtSockets());
  }

  // How it ends.

  #heal(): void {
    this.#healing = true;
    this.note('everything heals');
    this.#deeds.heal();
    Object.assign(this.#weather, FINE_WEATHER);
    const again = (): void => {
      for (const machine of this.#machines) {
        machine.busLink.heal();
        if (!machine.running) machine.boot();
      }
      const spare = this.#spare.running;
      if (spare?.node.coordinator.serving()) this.#spare.drain();
      for (const app of this.apps) {
        for (const line of app.lines) line.read(true);
        if (!app.isAlive || app.away) app.start();
      }
      if (!this.#broken && this.#healing) this.time.after(1_000, again);
    };
    again();
    for (const app of this.apps) {
      app.setForeground(true);
      app.networkChanged();
    }
    const healedMs = this.time.monotonicMs();
    const served = (): boolean => this.#whyNot() === null;
    this.#until(healedMs + HEAL_MS, served);
    const why = this.#whyNot();
    if (!this.#broken && why !== null) this.invariants.fail('everybody is served again', why);
    this.#healing = false;
    // whatever happened since, each repeat is one
    for (const app of this.apps) app.again();
    // what is under way arrives
    if (!this.#broken) this.#until(this.time.monotonicMs() + 6_000);
  }

  #whyNot(): string | null {
    for (const machine of this.#machines) {
      if (!machine.running || machine.running.leaving) return `${machine.id} does not run`;
      if (!machine.running.node.coordinator.serving()) return `${machine.id} does not serve`;
    }
    if (this.#spare.running) return `${this.#spare.id} has not gone`;
    for (const app of this.apps) {
      if (app.state !== 'connected' || app.line === null) return `${app.nick} is ${app.state}`;
      if (app.pending > 0) return `${app.nick} waits for ${app.pending} answers`;
    }
    return null;
  }

  #compare(): void {
    judgeBalances(this.apps, this.#truth, this.invariants);
    const before = statesOf(this.apps);
    for (const app of this.apps) void app.command('state.get', {}, false);
    this.#until(this.time.monotonicMs() + 3_000);
    judgeStates(this.apps, before, this.invariants);
  }

  /** (h): people greet each other, some look away, and all lose their network for a moment: nobody is called gone. */
  #greet(): void {
    const of = (kind: AccountKind): App[] => this.apps.filter(app => app.person.kind === kind);
    const [officers, civilians] = [of('officer'), of('civilian')];
    const until = (ms: number): void => this.#until(this.time.monotonicMs() + ms);
    for (const app of [...officers, ...civilians]) void app.command('location.share', {}, false);
    until(GREETING_MS.shared);
    const heys = new Map<string, readonly [string, string]>();
    for (const [at, civilian] of civilians.entries()) {
      const officerId = officers[at % officers.length]!.person.id;
      void civilian.command('hey.say', { officerId }, false).then(said => {
        if (said !== null)
          heys.set((said as { readonly heyId: string }).heyId, [civilian.person.id, officerId]);
      });
    }
    until(GREETING_MS.said);
    for (const [heyId, [civilianId, officerId]] of heys) {
      this.invariants.peers.greeted(heyId, civilianId, officerId);
      if (officers.some(({ heys: told }) => told.has(heyId)))
        this.invariants.peers.greeted(heyId, officerId, civilianId);
    }
    for (const app of [...officers, ...civilians]) {
      if (this.dice.chance(0.3)) {
        app.setForeground(false);
        this.time.after(GREETING_MS.background, () => app.setForeground(true));
      }
      this.time.after(this.dice.between(0, GREETING_MS.lost), () =>
        app.line?.cut(this.dice.chance(0.5) ? 'clean' : 'reset'),
      );
    }
    until(GREETING_MS.found);
  }

  /** (h): a node dies, and with it the apps that were connected to it; presence must find out by itself. */
  #loseSome(): void {
    const machine = this.#machines[this.#options.seed % this.#machines.length]!;
    const { running } = machine;
    if (!running) return;
    this.note('a node dies with its phones', machine.id);
    this.invariants.lost();
    for (const app of this.apps) if (app.line?.url === machine.url) app.kill();
    const there = new Set(this.apps.filter(app => app.isAlive).map(app => app.person.id));
    const gone = new Set(this.#persons.map(({ id }) => id).filter(id => !there.has(id)));
    // what an actor knew of a hey dies with it
    const isKept = (id: string): boolean => running.node.coordinator.epochOf(shardOf('user', id)) === null;
    const observers = new Set([...there].filter(isKept));
    machine.kill();
    this.#until(this.time.monotonicMs() + PRESENCE_MS + ASKED_MS);
    if (this.#broken) return;
    this.invariants.peers.judgeGone(observers, gone);
    const standing = new Map<string, number>();
    for (const { node } of this.#up()) {
      for (const [state, count] of node.system.countByStanding('user'))
        standing.set(state, (standing.get(state) ?? 0) + count);
    }
    this.note('standing', JSON.stringify([...standing]), there.size);
    const shown = (standing.get('online') ?? 0) + (standing.get('away') ?? 0);
    if (shown !== there.size || (standing.get('grace') ?? 0) > 0) {
      const words = `${there.size} people are there, known are ${JSON.stringify([...standing])}`;
      this.invariants.fail('h: presence converges', words);
    }
    this.invariants.count(`presence judged`);
  }

  #all(): readonly Machine[] {
    return [...this.#machines, this.#spare];
  }

  #stored(op: DurableOp): void {
    if (op.type === 'answer') this.invariants.stored(op.user, op.key, op.id);
    else if ('idempotency' in op && op.idempotency !== null)
      this.invariants.stored(op.idempotency.userId, op.idempotency.key, op.id);
  }

  #up(): Running[] {
    return this.#all().flatMap(({ running }) => (running ? [running] : []));
  }

  #serving(): Running[] {
    return this.#up().filter(one => one.open && !one.leaving && one.node.coordinator.serving());
  }

  #threw(words: string): void {
    this.invariants.fail('nothing throws', words);
  }
}

const quiet = (threw: (words: string) => void) => ({
  debug() {},
  info() {},
  warn() {},
  error: (fields: object, message: string) => threw(`${message} ${JSON.stringify(fields)}`),
});
