/** What the steps of a script do to real nodes, and how that ends. */
import type { App } from '../../simulate/phones/app.ts';
import type { Stage } from '../../simulate/phones/deeds.ts';
import type { Step } from '../../simulate/phones/script.ts';
import { BUSY } from './patience.ts';
import type { Ground } from './realTown.ts';
import type { Station } from './station.ts';
import { readToken } from './tcpLine.ts';

const SLOWED_MS_MAX = 250;
/** After a revocation, when nobody may be told anything any more. */
const ASKED_MS = 1_100 * BUSY;

export class Breakage {
  readonly #ground: Ground;
  readonly #stage: Stage;
  /** What was begun and is not over. */
  readonly #works = new Set<Promise<void>>();
  readonly #revoked = new Map<string, number>();

  constructor(ground: Ground, stage: Stage) {
    this.#ground = ground;
    this.#stage = stage;
  }

  get underWay(): number {
    return this.#works.size;
  }

  /** Until when tokens of this user are revoked, Unix milliseconds. */
  revokedUntilMs(userId: string): number {
    return this.#revoked.get(userId) ?? 0;
  }

  bring({ what, who, n }: Step, app: App): void {
    const { stations, spare } = this.#ground;
    const { invariants, time, dice } = this.#stage;
    const station = stations[who % stations.length]!;
    // one of the others goes on
    const mayFail = station.isWell && stations.filter(one => one.isWell).length > 1;
    switch (what) {
      case 'kill node':
        if (!mayFail) return;
        invariants.lost();
        return this.#begin(what, station.killFor(500 + n * 6));
      case 'drain node':
        if (mayFail) this.#begin(what, station.drainFor(n * 2));
        return;
      case 'cut node':
        if (!mayFail) return;
        invariants.lost();
        station.cut();
        time.after(200 + n * 9, () => this.#heal(station));
        return;
      case 'bad weather':
        this.#slow(dice.between(2, SLOWED_MS_MAX));
        time.after(500 + n * 4, () => this.#slow(0));
        return;
      case 'move shards':
        if (!spare.isBusy) this.#begin(what, spare.node.isRunning ? spare.drain() : spare.start());
        return;
      case 'revoke user':
      case 'revoke token':
        return this.#begin(what, this.#revoke(app, what === 'revoke user', station));
    }
  }

  /** To be called until nothing is under way: who is gone comes back by himself. */
  heal(): void {
    const { stations, spare } = this.#ground;
    this.#slow(0);
    for (const station of stations) this.#heal(station);
    if (!spare.isBusy && spare.node.isRunning) this.#begin('the spare goes', spare.drain());
  }

  /** Everything is as before. */
  async end(): Promise<void> {
    this.heal();
    await Promise.all(this.#works);
    for (const station of this.#ground.stations) if (!station.node.isRunning) await station.start();
  }

  #heal(station: Station): void {
    if (!station.isCut) return;
    this.#stage.invariants.lost();
    station.heal();
  }

  #slow(ms: number): void {
    for (const { node, isCut } of this.#ground.stations) if (!isCut) node.wires.nats.delay(ms);
  }

  async #revoke(app: App, all: boolean, station: Station): Promise<void> {
    const { person, token } = app;
    if (token === '' || !station.isWell) return;
    const { tokenId } = readToken(token);
    const untilMs = Date.now();
    const { urls } = station.node;
    const { operator } = this.#ground;
    const holds = await (all
      ? operator.revoke(urls, 'users', person.id)
      : operator.revoke(urls, 'tokens', tokenId));
    // also when nobody says that it holds
    if (all) this.#revoked.set(person.id, Date.now());
    const { invariants, time } = this.#stage;
    invariants.count(`revoked: ${holds}`);
    if (!holds) return;
    const atMs = performance.now();
    invariants.revoke({ userId: person.id, tokenId: all ? null : tokenId, untilMs, atMs });
    // a socket that ought to be gone would answer
    time.after(ASKED_MS, () => void app.command('state.get', {}, false));
  }

  #begin(what: string, work: Promise<void>): void {
    const stage = this.#stage;
    const doing = work
      .then(
        () => stage.note(`${what}: done`),
        error => stage.invariants.fail('nothing throws', `${what}: ${error}`),
      )
      .finally(() => this.#works.delete(doing));
    this.#works.add(doing);
  }
}
