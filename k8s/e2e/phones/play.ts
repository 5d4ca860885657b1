/**
 * One script among real processes. Everybody connects; the steps happen at their times; everything heals, and within a bound
 * everybody is served again and knows what the ledger knows; in some, a node dies together with apps that were connected to
 * it, and presence must find out. Nothing waits for a time but the steps themselves.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Tokens } from '../../../gateway/auth/tokens.ts';
import { Dice } from '../../../nodes/simulation/dice.ts';
import { App, type Person } from '../../simulate/phones/app.ts';
import { Deeds, type Stage } from '../../simulate/phones/deeds.ts';
import { type Broken, Invariants } from '../../simulate/phones/invariants.ts';
import { ENDINGS } from '../../simulate/phones/line.ts';
import type { Script, Step } from '../../simulate/phones/script.ts';
import { Breakage } from './breakage.ts';
import type { Device } from './folk.ts';
import { Judge } from './judge.ts';
import { BUSY, type Why, waitFor } from './patience.ts';
import type { Ground } from './realTown.ts';
import type { Station } from './station.ts';
import { type LineWorld, Road, TcpLine } from './tcpLine.ts';

export interface Played {
  readonly broken: readonly Broken[];
  readonly counts: ReadonlyMap<string, number>;
  readonly seconds: number;
  /** What happened, one line each. */
  readonly story: readonly string[];
}

const HEAL_MS = 75_000;
const GONE_MS = 10_000;
const LOOK_MS = 100;

export class Play implements Stage, LineWorld {
  readonly #ground: Ground;
  readonly #script: Script;
  readonly #devices: readonly Device[];
  readonly dice: Dice;
  readonly invariants: Invariants;
  readonly urls: readonly string[];
  readonly apps: App[] = [];
  readonly time = {
    nowMs: () => Date.now(),
    after: (ms: number, run: () => void) =>
      void setTimeout(() => {
        if (!this.#over) run();
      }, ms),
  };
  readonly #deeds = new Deeds(this);
  readonly #breakage: Breakage;
  readonly #judge: Judge;
  readonly #tokens: Tokens;
  /** From a phone to a node. */
  readonly #roads = new Map<string, Road>();
  readonly #lines = new Set<TcpLine>();
  /** Nobody gives the same number of points twice, so that each movement tells by itself which gift it was. */
  readonly #gifts = new Map<string, number>();
  readonly #story: string[] = [];
  readonly #beganMs = performance.now();
  #over = false;

  constructor(ground: Ground, script: Script, devices: readonly Device[]) {
    this.#ground = ground;
    this.#script = script;
    this.#devices = devices;
    this.dice = new Dice(script.seed, 1);
    this.invariants = new Invariants(() => performance.now(), true, BUSY);
    this.invariants.placeOf = owner => this.apps.some(({ nick, disk }) => nick === owner && disk.offset >= 0);
    this.urls = ground.stations.map(station => station.url);
    this.#judge = new Judge(ground, this.apps, this.#gifts, this.invariants);
    this.#breakage = new Breakage(ground, this);
    this.#tokens = ground.tokens(userId => this.#breakage.revokedUntilMs(userId));
  }

  /** @param bugs what nodes said meanwhile that none may say */
  async live(bugs: () => readonly string[]): Promise<Played> {
    await this.#ground.operator.signIn();
    await this.#settle();
    try {
      for (const app of this.apps) app.start();
      this.#look();
      await this.#everybodyServed();
      if (!this.#broken) await this.#play();
      if (!this.#broken) await this.#heal();
      if (!this.#broken) await this.#judge.settled();
      if (!this.#broken && this.#script.endsWithKill) await this.#loseSome();
    } finally {
      await this.#leave();
    }
    for (const words of bugs()) this.invariants.fail('nothing throws', words);
    const { broken, counts } = this.invariants;
    const seconds = Number(((performance.now() - this.#beganMs) / 1_000).toFixed(1));
    return { broken, counts, seconds, story: this.#story };
  }

  // What lines and apps need.

  line(owner: string, url: string): TcpLine {
    const app = this.apps.find(one => one.nick === owner || `${one.nick}'` === owner)!;
    const device = `${app.person.id} ${app.deviceId}`;
    const line = new TcpLine(this, owner, device, url, this.#roads.get(`${owner} ${url}`) ?? null);
    this.#lines.add(line);
    return line;
  }

  token({ id, kind, nick }: Person, deviceId: string): Promise<string> {
    return this.#tokens.mint({ userId: id, kind, handle: nick, deviceId });
  }

  note(what: string, ...words: (string | number)[]): void {
    const atS = ((performance.now() - this.#beganMs) / 1_000).toFixed(3);
    this.#story.push(`${atS} ${[what, ...words].join(' ')}`);
  }

  said(line: TcpLine, bytes: Uint8Array): void {
    this.invariants.said(line, bytes);
  }

  arrived(line: TcpLine, bytes: Uint8Array): void {
    if (!line.isLate) this.invariants.says(line, line.identity, bytes);
    this.invariants.arrived(line, bytes);
  }

  opened(line: TcpLine): void {
    const station = this.#all().find(one => one.url === line.url)!;
    const leaving = station.leavingMs !== null && line.startedMs > station.leavingMs;
    this.invariants.opened(line, { gatewayId: station.node.id, leaving });
  }

  /** An officer gives to an officer, anybody to the charity, a civilian is met or gives himself. */
  give(to: Person, n: number): void {
    const officers = this.apps.filter(({ person }) => person.kind === 'officer');
    const civilians = this.apps.filter(({ person }) => person.kind === 'civilian');
    const charity = this.apps.find(({ person }) => person.kind === 'charity')!.person;
    if (to.kind === 'officer') {
      const giver = officers.find(({ person }) => person !== to)!;
      const points = this.#amountOf(giver);
      return void giver.command('points.give', { userId: to.id, points });
    }
    const own = civilians.find(({ person }) => person === to);
    const giver = own ?? civilians[n % civilians.length]!;
    const points = this.#amountOf(giver);
    void giver.command('points.donate', { to: [{ userId: charity.id, points }] });
  }

  #amountOf({ person }: App): number {
    const amount = (this.#gifts.get(person.id) ?? 0) + 1;
    this.#gifts.set(person.id, amount);
    return amount;
  }

  // A life.

  get #broken(): boolean {
    return this.invariants.broken.length > 0;
  }

  async #settle(): Promise<void> {
    const persons = new Map<string, Person>();
    for (const [at, { account, nick, deviceId }] of this.#devices.entries()) {
      const person = persons.get(nick) ?? { id: account.userId, kind: account.kind, nick };
      persons.set(nick, person);
      const app = new App(this, person, deviceId, new Dice(this.#script.seed, 500 + at));
      this.apps.push(app);
      for (const { url } of this.#all()) {
        const road = await Road.to(url, new Dice(this.#script.seed, 900 + this.#roads.size));
        this.#roads.set(`${app.nick} ${url}`, road);
      }
    }
  }

  async #play(): Promise<void> {
    for (const step of this.#script.steps) {
      await pause(step.gapMs);
      if (this.#broken) return;
      this.#bring(step);
    }
  }

  #bring(step: Step): void {
    const { what, who, n } = step;
    const app = this.apps[who % this.apps.length]!;
    const station = this.#ground.stations[who % this.#ground.stations.length]!;
    this.note(what, app.nick, station.node.id, n, what === 'lose' ? ENDINGS[n % ENDINGS.length]! : '');
    this.invariants.count(`step: ${what}`);
    if (this.#deeds.bring(step)) return;
    this.#breakage.bring(step, app);
  }

  /** (d), every now and then. */
  #look(): void {
    const sockets = new Map<string, number>();
    for (const { isWelcome, phoneOver, isLate, device } of this.#lines)
      if (isWelcome && !phoneOver && !isLate) sockets.set(device, (sockets.get(device) ?? 0) + 1);
    this.invariants.live(sockets);
    this.time.after(LOOK_MS, () => this.#look());
  }

  // How it ends.

  async #heal(): Promise<void> {
    this.note('everything heals');
    this.#deeds.heal();
    for (const road of this.#roads.values()) road.heal();
    for (const app of this.apps) {
      app.setForeground(true);
      app.networkChanged();
    }
    await this.#everybodyServed();
    // whatever happened since, each repeat is one
    for (const app of this.apps) app.again();
  }

  async #everybodyServed(): Promise<void> {
    const why = await this.#waitFor(HEAL_MS, async () => {
      this.#breakage.heal();
      for (const road of this.#roads.values()) road.heal();
      for (const app of this.apps) {
        for (const line of app.lines) line.read(true);
        if (!app.isAlive || app.away) app.start();
      }
      return this.#whyNot();
    });
    if (why !== null) this.invariants.fail('everybody is served again', why);
  }

  async #whyNot(): Promise<string | null> {
    if (this.#breakage.underWay > 0) return `${this.#breakage.underWay} nodes come or go`;
    for (const app of this.apps) {
      if (app.state !== 'connected' || app.line === null) return `${app.nick} is ${app.state}`;
      if (app.pending > 0) return `${app.nick} waits for ${app.pending} answers`;
    }
    for (const { node } of this.#ground.stations)
      if (!(await node.view())?.serving) return `${node.id} does not serve`;
    return null;
  }

  #waitFor(ms: number, why: Why): Promise<string | null> {
    return waitFor(ms, () => this.#broken, why);
  }

  /** (h): a node dies, and with it the apps that were connected to it; presence must find out by itself. */
  async #loseSome(): Promise<void> {
    const { stations } = this.#ground;
    const station = stations[this.#script.seed % stations.length]!;
    this.note('a node dies with its phones', station.node.id);
    this.invariants.lost();
    for (const app of this.apps) if (app.line?.url === station.url) app.kill();
    await station.node.kill();
    await this.#judge.presence();
    await station.start();
  }

  async #leave(): Promise<void> {
    for (const app of this.apps) app.leave();
    await this.#breakage.end();
    await this.#waitFor(GONE_MS, () =>
      [...this.#lines].every(line => line.phoneOver) ? null : 'lines are open',
    );
    this.#over = true;
    for (const app of this.apps) app.kill();
    for (const road of this.#roads.values()) await road.close();
  }

  #all(): readonly Station[] {
    return [...this.#ground.stations, this.#ground.spare];
  }
}
