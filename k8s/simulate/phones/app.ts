/**
 * One device with the real client and an app that a person would write: a handler that stores what an event means together
 * with the client's record, and no line of recovery. The app may be killed at any moment; its disk stays.
 */
import { HeyBlueClient } from '../../../gateway/client/client.ts';
import type { CommandBody, CommandName, Message, SocketConstructor } from '../../../gateway/client/types.ts';
import type { Dice } from '../../../nodes/simulation/dice.ts';
import type { AccountKind } from '../../../protocol/catalogue.ts';
import { CLOSE } from '../../../protocol/errors.ts';
import type { Invariants } from './invariants.ts';
import type { Line } from './line.ts';

export interface Person {
  readonly id: string;
  readonly kind: AccountKind;
  readonly nick: string;
}

/** Where apps live: on virtual time, or among real processes. */
export interface AppWorld {
  readonly time: {
    nowMs(): number;
    after(ms: number, run: () => void): unknown;
  };
  readonly invariants: Invariants;
  /** Of the nodes. */
  readonly urls: readonly string[];
  /** A connection to one of them. */
  line(owner: string, url: string): Line;
  /** A fresh token, as signing in gives it. */
  token(person: Person, deviceId: string): string | Promise<string>;
  note(what: string, ...words: (string | number)[]): void;
}

/** What the app knows, and the client's record: written together. */
interface Disk {
  record: string | null;
  epoch: string;
  offset: number;
  balance: number;
  version: number;
  encounters: number;
  /** Encounters and transfers that were told as events. */
  readonly told: Set<string>;
  events: number;
  snapshots: number;
}

export interface LastSaid {
  readonly name: CommandName;
  readonly body: object;
  readonly idem: string;
}

/** Signing in again takes a person so long. */
const AGAIN_MS = { min: 600, max: 2_500 };
const REPORT_MS = 7_000;
const TIMEOUT_MS = 20_000;
/** Fewer than may be said at once. */
const AGAIN_MAX = 8;

export class App {
  readonly person: Person;
  readonly deviceId: string;
  readonly #world: AppWorld;
  readonly #dice: Dice;
  readonly #handlerMs: number;
  readonly disk: Disk = {
    record: null,
    epoch: '',
    offset: -1,
    balance: 0,
    version: 0,
    encounters: 0,
    told: new Set(),
    events: 0,
    snapshots: 0,
  };
  #run = 0;
  #client: HeyBlueClient | null = null;
  #seq = 0;
  /** Nobody walks where somebody else walked, to the centimetre. */
  readonly #lng: number;
  lines = new Set<Line>();
  token = '';
  foreground = true;
  /** The person does not want to be connected now. */
  away = false;
  /** Heys that this officer was told of. */
  readonly heys = new Set<string>();
  /** Commands with a key, oldest first. */
  readonly said: LastSaid[] = [];
  pending = 0;
  /** Why it was closed for good, with how often. */
  readonly closes: number[] = [];

  constructor(world: AppWorld, person: Person, deviceId: string, dice: Dice) {
    this.#world = world;
    this.person = person;
    this.deviceId = deviceId;
    this.#dice = dice;
    this.#lng = -73.9866 + Math.floor(dice.between(0, 1_000)) / 1e6;
    this.#handlerMs = dice.chance(0.3) ? Math.floor(dice.between(1, 60)) : 0;
  }

  get nick(): string {
    return `${this.person.nick}/${this.deviceId.slice(-2)}`;
  }

  get state(): string {
    return this.#client?.state ?? 'dead';
  }

  /** A person with a phone; else a till, which stays where it is. */
  get walks(): boolean {
    return this.person.kind === 'officer' || this.person.kind === 'civilian';
  }

  get isAlive(): boolean {
    return this.#client !== null;
  }

  /** The connection at hand, if there is one. */
  get line(): Line | null {
    return [...this.lines].findLast(line => !line.phoneOver) ?? null;
  }

  start(): void {
    if (this.#client !== null) return this.connect();
    const run = ++this.#run;
    const alive = (): boolean => this.#run === run;
    const world = this.#world;
    const { disk } = this;
    const app = this;
    /** Called with `new`. */
    function Socket(url: string): Line {
      const line = world.line(app.nick, url);
      app.lines.add(line);
      return line;
    }
    const client = new HeyBlueClient({
      url: world.urls,
      deviceId: this.deviceId,
      app: 'town',
      getToken: reason => {
        if (this.token !== '' && reason === 'connect') return this.token;
        const fresh = world.token(this.person, this.deviceId);
        if (typeof fresh === 'string') return (this.token = fresh);
        return fresh.then(token => (this.token = token));
      },
      random: () => this.#dice.share(),
      WebSocket: Socket as unknown as SocketConstructor,
      storage: {
        get: () => disk.record,
        set: record => {
          if (alive()) disk.record = record;
        },
      },
    });
    this.#client = client;
    client.on('event', (message, delivery) => {
      if (!alive() || !('offset' in message)) return;
      const done = (): void => {
        if (alive()) this.#take(message, delivery.record());
      };
      if (this.#handlerMs === 0) return done();
      return new Promise<void>(resolve =>
        setTimeout(() => {
          done();
          resolve();
        }, this.#handlerMs),
      );
    });
    client.on('state', ({ state, code }) => {
      if (!alive()) return;
      world.note(`${this.nick} is ${state}`, code);
      if (state === 'closed' && !this.away) this.#closed(code);
    });
    this.away = false;
    client.connect();
    this.#reports(run);
  }

  connect(): void {
    this.away = false;
    this.#client?.connect();
  }

  /** The process of the app ends here and now. */
  kill(): void {
    const client = this.#client;
    if (client === null) return;
    this.#run++;
    this.#client = null;
    this.pending = 0;
    for (const line of this.lines) line.appDied();
    this.lines.clear();
    // says nothing to anybody any more: its timers end, as those of a process do
    client.close();
    this.foreground = true;
  }

  /** The person leaves on purpose. */
  leave(): void {
    this.away = true;
    this.#client?.close();
  }

  networkChanged(): void {
    this.#client?.networkChanged();
  }

  setForeground(on: boolean): void {
    this.foreground = on;
    this.#client?.setForeground(on);
  }

  async command<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    keyed = true,
    idem = this.#dice.uuid(this.#world.time.nowMs()),
  ): Promise<unknown> {
    const client = this.#client;
    if (client === null) return null;
    if (keyed && this.said.every(one => one.idem !== idem)) this.said.push({ name, body, idem });
    const run = this.#run;
    this.pending++;
    const result = await client.command(name, body, { idem, timeoutMs: TIMEOUT_MS });
    if (this.#run === run) this.pending--;
    this.#world.invariants.count(`${name}: ${result.ok ? 'ok' : result.code}`);
    return result.ok ? result.value : null;
  }

  get last(): LastSaid | null {
    return this.said.at(-1) ?? null;
  }

  /** What it said lately once more, in the same order under the same keys. */
  again(): void {
    for (const { name, body, idem } of this.said.slice(-AGAIN_MAX))
      void this.command(name, body as CommandBody<CommandName>, true, idem);
  }

  #closed(code: number): void {
    this.closes.push(code);
    this.#world.invariants.count(`closed: ${code}`);
    if (code === CLOSE.revoked) this.token = '';
    const { time } = this.#world;
    const run = this.#run;
    time.after(this.#dice.between(AGAIN_MS.min, AGAIN_MS.max), () => {
      if (this.#run === run && !this.away) this.#client?.connect();
    });
  }

  /** The app's own handler: what the event means, and the record, in one write. */
  #take(message: Message & { readonly offset: number }, record: string): void {
    const { disk } = this;
    const { invariants } = this.#world;
    const { epoch } = (JSON.parse(record) as { position: { epoch: string } }).position;
    const { offset } = message;
    const wrong = (words: string): void =>
      invariants.fail('a: offsets rise without a gap', `${this.nick}: ${words}`);
    if (message.name === 'snapshot') {
      disk.snapshots++;
      if (epoch === disk.epoch && offset < disk.offset) wrong(`a snapshot at ${offset} after ${disk.offset}`);
      const { balance, balanceVersion, encounterCount } = message.body;
      if (balanceVersion < disk.version)
        invariants.fail(
          'e: deltas add up to the balance',
          `${this.nick}: version ${balanceVersion} after ${disk.version}`,
        );
      Object.assign(disk, {
        record,
        epoch,
        offset,
        balance,
        version: balanceVersion,
        encounters: encounterCount,
      });
      return;
    }
    disk.events++;
    if (message.name === 'hey.received') this.heys.add(message.body.heyId);
    if (epoch !== disk.epoch || offset !== disk.offset + 1)
      wrong(
        `${message.name} ${offset} of ${epoch.slice(-4)} after ${disk.offset} of ${disk.epoch.slice(-4)}`,
      );
    disk.record = record;
    disk.epoch = epoch;
    disk.offset = offset;
    if (message.name === 'encounter.completed') {
      disk.encounters++;
      this.#moved(message.body.encounterId, message.body.points, message.body);
    } else if (message.name === 'points.changed')
      this.#moved(message.body.transferId, message.body.delta, message.body);
  }

  #moved(
    id: string,
    delta: number,
    { balance, balanceVersion }: { balance: number; balanceVersion: number },
  ): void {
    const { disk } = this;
    const { invariants } = this.#world;
    const wrong = (words: string): void =>
      invariants.fail('e: deltas add up to the balance', `${this.nick}: ${words}`);
    if (disk.told.has(id)) wrong(`told twice of ${id}`);
    disk.told.add(id);
    if (balanceVersion !== disk.version + 1) {
      const words = `version ${balanceVersion} after ${disk.version}`;
      if (invariants.strict) wrong(words);
      else invariants.count('movements told out of order');
      if (balanceVersion < disk.version) return;
    } else if (balance !== disk.balance + delta) wrong(`${disk.balance} and ${delta} is ${balance}`);
    disk.balance = balance;
    disk.version = balanceVersion;
  }

  #reports(run: number): void {
    const { time } = this.#world;
    time.after(this.#dice.between(REPORT_MS / 2, REPORT_MS), () => {
      if (this.#run !== run) return;
      if (this.walks && this.foreground)
        this.#client?.location({ lat: 40.7306 + (++this.#seq % 7) / 1e5, lng: this.#lng, accuracyM: 5 });
      this.#reports(run);
    });
  }
}
