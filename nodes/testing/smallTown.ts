/**
 * A small town for tests of what actors promise: real user, region and pair actors, the ledger, the timers and the people
 * in memory, on virtual time. Its one node can be killed (memory is gone), or moved (everything is packed, sent as bytes
 * and unpacked by the next one). Phones see what phones see.
 */

import { areaBehaviour } from '../../actors/area.ts';
import { budgetBehaviour } from '../../actors/budget.ts';
import { type Committed, MINT_ACCOUNT, type TransferOp } from '../../actors/durable.ts';
import { openAreas } from '../../actors/geo/areaRules.ts';
import type { Attached, CreditView, UserMessage } from '../../actors/messages/user.ts';
import { offerBehaviour } from '../../actors/offer.ts';
import { pairBehaviour } from '../../actors/pair.ts';
import { regionBehaviour } from '../../actors/region.ts';
import { DEFAULT_RULES, type MeetRules } from '../../actors/rules.ts';
import type { QrKeys } from '../../actors/user/qr.ts';
import type { FencesNow } from '../../actors/user/visits.ts';
import { userBehaviour } from '../../actors/user.ts';
import { type CodeBook, proveScan } from '../../protocol/codeBook.ts';
import {
  type AccountKind,
  type CommandBody,
  type CommandName,
  type CommandResult,
  decodeServerFrame,
  openEvent,
  openVolatile,
  type Refusal,
  type Result,
  shardOf,
} from '../../protocol/index.ts';
import { ActorSystem } from '../actorSystem.ts';
import type { Behaviours } from '../effects.ts';
import { eventWriter } from '../events/eventWriter.ts';
import { LedgerWriter } from '../ledgerWriter.ts';
import { LIMITS } from '../limits.ts';
import { MemoryLedger } from '../memory/memoryLedger.ts';
import { MemoryNotes } from '../memory/memoryNotes.ts';
import { MemoryPeople } from '../memory/memoryPeople.ts';
import { soleOwner } from '../memory/soleOwner.ts';
import type { Metrics, Parcel, PushSink, Random } from '../ports.ts';
import { routeOperations } from '../routeOperations.ts';
import { decodeParcels, encodeParcels } from '../routing/body.ts';
import { builtInRules } from '../rules/builtIn.ts';
import type { Award, RulesPort, ScoreQuery } from '../rules/port.ts';
import { seededRandom, VirtualTime } from '../simulation/virtualTime.ts';
import { DurableTimers } from '../timers/durableTimers.ts';

export const HERE = { lat: 40.7306, lng: -73.9866 };
const METRES_PER_DEGREE = 111_195;
const SHARDS = Array.from({ length: LIMITS.shards }, (_, shard) => shard);
const silent = () => {};
const same = (behaviours: Behaviours): Behaviours => behaviours;

export interface SmallTownOptions {
  /** Of all that is drawn. */
  readonly seed?: number;
  /** Other behaviours in place of the real ones: what a test plants to see it found. */
  readonly adapt?: (behaviours: Behaviours) => Behaviours;
  /** The places of the town, and the public keys of the codes on the walls of hubs; none unless given. */
  readonly fences?: FencesNow;
  readonly hubs?: QrKeys['hubs'];
  /** What operators published in place of the rules that are built in, kind by kind. */
  readonly published?: (query: ScoreQuery) => Partial<Award> | null;
}

export interface Seen {
  readonly name: string;
  readonly body: Record<string, unknown> | null;
}

export class TownPhone {
  readonly town: SmallTown;
  readonly id: string;
  readonly deviceId: string;
  readonly seen: Seen[] = [];
  session = { gateway: 'g', id: '' };
  attached: Attached | null = null;
  connSeq = 0;
  closed: number | null = null;
  /** Why the last attach was refused. */
  refused: Refusal | null = null;
  /** Newest event that came; acknowledged like a real phone does, unless it is told not to. */
  offset = 0;
  acknowledges = true;
  #seq = 0;
  /** What is pushed before the answer to HELLO waits, as it does at a gateway. */
  #early: Uint8Array[] | null = null;

  constructor(town: SmallTown, id: string, deviceId: string) {
    this.town = town;
    this.id = id;
    this.deviceId = deviceId;
  }

  async connect(): Promise<void> {
    const former = this.session.id;
    this.session = { gateway: 'g', id: this.town.key() };
    this.closed = null;
    this.#seq = 0;
    this.town.phones.set(this.session.id, this);
    const resume = this.attached && { sessionId: former, epoch: this.attached.epoch, offset: this.offset };
    const { session, deviceId } = this;
    const connSeq = this.town.next();
    this.connSeq = connSeq;
    this.#early = [];
    const result = await this.ask({ type: 'attach', session, deviceId, connSeq, resume });
    this.refused = result.ok ? null : result;
    if (!result.ok) throw new Error(result.message);
    this.attached = result.value as Attached;
    const frames = [...this.attached.frames, ...this.#early];
    this.#early = null;
    for (const frame of frames) this.receive(frame);
    await this.town.time.advance(10);
  }

  /** `bye`: the app ended it; otherwise the socket was lost. */
  disconnect(bye = false): void {
    this.town.tell(this.id, { type: 'detach', session: this.session, connSeq: this.connSeq, bye });
    this.town.phones.delete(this.session.id);
  }

  receive(bytes: Uint8Array): void {
    if (this.#early) {
      this.#early.push(bytes);
      return;
    }
    const frame = decodeServerFrame(bytes);
    if (frame.type === 'event') {
      const seen = openEvent(frame) as unknown as Seen;
      if (seen.name !== 'snapshot') this.#stands(frame.offset, bytes);
      this.seen.push(seen);
      this.offset = frame.offset;
      if (this.acknowledges) this.acknowledge();
    } else if (frame.type === 'volatile') this.seen.push(openVolatile(frame) as unknown as Seen);
  }

  /** Says `qr.upload`, signed as this phone signs its scans. */
  async upload(scan: { token: string; scannedAtS: number }, key = this.town.key()) {
    const book = await this.ask({ type: 'qrBook', deviceId: this.deviceId });
    const proof = book.ok ? proveScan(book.value as CodeBook, scan.token, scan.scannedAtS) : '';
    return this.command('qr.upload', { ...scan, proof }, key);
  }

  /** What the actor says of itself now. */
  async snapshot(): Promise<Record<string, unknown>> {
    await this.ask({
      type: 'command',
      session: this.session,
      name: 'state.get',
      body: {},
      key: null,
      requestHash: null,
    });
    return this.events('snapshot').at(-1)!;
  }

  /** Under one epoch a place is one event, byte for byte, and each follows the one before. */
  #stands(offset: number, bytes: Uint8Array): void {
    const { epoch } = this.attached!;
    const place = `${this.id} ${epoch} ${offset}`;
    const before = this.town.told.get(place);
    const hex = Buffer.from(bytes).toString('hex');
    if (before !== undefined && before !== hex) throw new Error(`another event at ${offset} of ${epoch}`);
    this.town.told.set(place, hex);
    if (offset !== this.offset + 1) throw new Error(`event ${offset} after ${this.offset}`);
  }

  acknowledge(): void {
    const { session, offset } = this;
    this.town.time.after(1, () => this.town.tell(this.id, { type: 'ack', session, offset }));
  }

  events(name: string): Record<string, unknown>[] {
    return this.seen.filter(seen => seen.name === name).map(seen => seen.body as Record<string, unknown>);
  }

  ask(message: UserMessage): Promise<Result<unknown>> {
    return this.town.ask(this.id, message);
  }

  command<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    key = this.town.key(),
  ): Promise<Result<CommandResult<N>>> {
    const requestHash = JSON.stringify(body);
    const message = { type: 'command', session: this.session, name, body, key, requestHash } as const;
    return this.ask(message) as Promise<Result<CommandResult<N>>>;
  }

  /** Where it reports from. Nobody stands where somebody else stood, to the centimetre. */
  placeAt(northM: number): { readonly latE7: number; readonly lngE7: number } {
    return {
      latE7: Math.round((HERE.lat + northM / METRES_PER_DEGREE) * 1e7),
      lngE7: Math.round(HERE.lng * 1e7) + (shardOf('user', this.id) % 97),
    };
  }

  async report(northM: number, accuracyDm = 50, flags = 0): Promise<void> {
    const location = {
      seq: ++this.#seq,
      ...this.placeAt(northM),
      accuracyDm,
      headingDeg: null,
      speedDms: null,
      takenAtMs: null,
      ...(flags > 0 && { flags }),
    };
    this.town.tell(this.id, { type: 'location', session: this.session, location });
    await this.town.time.advance(10);
  }
}

export class SmallTown {
  readonly time = new VirtualTime();
  readonly ledger = new MemoryLedger(() => this.time.nowMs());
  readonly notes = new MemoryNotes(
    shard => this.ledger.epochOf(shard),
    () => this.time.nowMs(),
    this.ledger,
  );
  /** The tables of them that tests look at. */
  readonly stored = this.notes.timers;
  readonly events = this.notes.events;
  readonly people: MemoryPeople;
  readonly phones = new Map<string, TownPhone>();
  readonly rules: MeetRules;
  readonly problems: object[] = [];
  /** Every durable event that any phone heard, by user, epoch and offset. */
  readonly told = new Map<string, string>();
  /** Edges of presence, by where they lead. */
  readonly counted: Record<string, number> = {};
  /** What actors measured, by the name of the metric. */
  readonly observed: Record<string, number[]> = {};
  /** Bytes of the last move, and what they say. */
  moved = 0;
  travelled: unknown = null;
  system!: ActorSystem;
  timers!: DurableTimers;
  readonly #random: Random;
  #numbers = 0;
  #nodes = 0;

  readonly #options: SmallTownOptions;

  constructor(rules: Partial<MeetRules> = {}, options: SmallTownOptions = {}) {
    this.rules = { ...DEFAULT_RULES, area: openAreas(), ...rules };
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 5);
    this.people = new MemoryPeople(this.ledger, this.#random, () => this.time.nowMs(), this.notes);
    this.#start([]);
  }

  next(): number {
    return ++this.#numbers;
  }

  key(): string {
    return this.#random.uuid(this.time.nowMs());
  }

  /** Points from the mint for an account; nobody tells its actor. */
  async granted({ id: account }: TownPhone, points: number): Promise<CreditView> {
    const op: TransferOp = {
      type: 'transfer',
      id: this.key(),
      reason: 'grant',
      legs: [
        { account: MINT_ACCOUNT, delta: -points },
        { account, delta: points },
      ],
      rule: { id: 'grant', version: 1 },
      idempotency: null,
    };
    const [outcome] = await this.ledger.commit([{ shard: 0, epoch: this.ledger.epochOf(0), op }]);
    const { delta, balance, version } = (outcome as Committed).postings.find(one => one.account === account)!;
    return { transferId: op.id, points: delta, balance, balanceVersion: version, reason: 'grant' };
  }

  /** Points from the mint, of which the actor hears. */
  async grant(phone: TownPhone, points: number): Promise<void> {
    await phone.ask({ type: 'credited', credit: await this.granted(phone, points) });
  }

  async phone(kind: AccountKind): Promise<TownPhone> {
    const n = this.next();
    const deviceId = `device-${n}`;
    const user = { kind, handle: `${kind} ${n}`, passwordHash: '', deviceId, zip: null, badge: null };
    const made = await this.people.createUser(user);
    if (!made.ok) throw new Error(made.message);
    const phone = new TownPhone(this, made.value.userId, deviceId);
    await phone.connect();
    return phone;
  }

  /** Another device of the same account. */
  device(of: TownPhone, deviceId: string): TownPhone {
    return new TownPhone(this, of.id, deviceId);
  }

  async ask(userId: string, message: UserMessage): Promise<Result<unknown>> {
    let answer: Result<unknown> | null = null;
    this.system.ask({ kind: 'user', id: userId }, message, result => {
      answer = result;
    });
    for (let waited = 0; answer === null && waited < 200; waited++) await this.time.advance(50);
    if (answer === null) throw new Error(`no answer to ${message.type}`);
    return answer;
  }

  tell(userId: string, message: UserMessage): void {
    this.system.tell({ kind: 'user', id: userId }, message);
  }

  balance(id: string): number {
    return this.ledger.accounts.get(id)!.balance;
  }

  /** The node is gone with all its memory; another one serves at once. Sockets stay, as in a cluster. */
  kill(): void {
    this.stop();
    this.#start([]);
  }

  stop(): void {
    this.timers.stop();
    this.system.stop();
  }

  /** Every shard is handed over in good order; parcels travel as bytes. */
  async move(): Promise<void> {
    for (const shard of SHARDS) this.timers.closed(shard);
    const closing = SHARDS.map(async shard => [shard, await this.system.close(shard)] as const);
    let parcels: (readonly [number, Parcel[]])[] | null = null;
    void Promise.all(closing).then(all => {
      parcels = all;
    });
    while (parcels === null) await this.time.advance(5);
    const bytes = encodeParcels(parcels);
    this.moved = bytes.length;
    this.travelled = decodeParcels(bytes);
    this.stop();
    this.#start(decodeParcels(bytes) as (readonly [number, Parcel[]])[]);
    await this.time.advance(20);
  }

  #start(parcels: readonly (readonly [number, Parcel[]])[]): void {
    const epoch = ++this.#nodes;
    const { seed = 0, hubs = new Map(), fences } = this.#options;
    void this.ledger.mint(SHARDS, '');
    const coordinator = soleOwner(`n${epoch}.0`, () => epoch);
    const warn = (fields: object) => this.problems.push(fields);
    const log = { debug: silent, info: silent, warn, error: warn };
    const metrics: Metrics = {
      count: (name, { to = '' } = {}) => {
        if (name === 'rt_presence_edges_total') this.counted[to] = (this.counted[to] ?? 0) + 1;
      },
      observe: (name, value) => {
        (this.observed[name] ??= []).push(value);
      },
      gauge: silent,
    };
    const world = { clock: this.time, scheduler: this.time, log, metrics, coordinator };
    const keys = { newest: 1, masters: new Map([[1, new Uint8Array(32).fill(7)]]), hubs };
    const notes = new LedgerWriter({ ...world, store: this.notes });
    const timers: DurableTimers = new DurableTimers({
      ...world,
      store: this.stored,
      writer: notes,
      door: { ask: (...args) => system.ask(...args) },
      random: seededRandom(seed + 100 + epoch),
    });
    const system = new ActorSystem({
      ...world,
      behaviours: (this.#options.adapt ?? same)({
        user: userBehaviour(this.rules, keys, fences),
        region: regionBehaviour(this.rules.proximity),
        area: areaBehaviour(this.rules.area),
        pair: pairBehaviour(this.rules),
        offer: offerBehaviour(),
        budget: budgetBehaviour(),
      }),
      writer: routeOperations({
        ledger: new LedgerWriter({ ...world, store: this.ledger }),
        timers,
        events: eventWriter(notes),
      }),
      queries: this.people,
      rules: this.#published(builtInRules(this.rules)),
      sink: this.#sink(),
      random: seededRandom(seed + 200 + epoch),
      encodeLocal: true,
    });
    this.system = system;
    this.timers = timers;
    for (const [shard, packed] of parcels) system.opened(shard, epoch, packed);
    for (const shard of SHARDS) timers.opened(shard, epoch);
  }

  #published(builtIn: RulesPort): RulesPort {
    const { published = () => null } = this.#options;
    return { score: async query => ({ ...(await builtIn.score(query)), ...published(query) }) };
  }

  #sink(): PushSink {
    const each = (sessions: readonly { id: string }[], act: (phone: TownPhone) => void): void => {
      for (const { id } of sessions) {
        const phone = this.phones.get(id);
        if (phone) act(phone);
      }
    };
    return {
      push: (sessions, bytes) => each(sessions, phone => phone.receive(bytes)),
      close: (sessions, code) => {
        for (const { id } of sessions) {
          const phone = this.phones.get(id);
          this.phones.delete(id);
          // an older connection of the phone does not concern it
          if (phone?.session.id === id) phone.closed = code;
        }
      },
    };
  }
}
