/** When it is quiet: (b), (c) and (e) by what PostgreSQL has, (g) and (h) by the pages of metrics. */
import { LIMITS } from '../../../gateway/limits.ts';
import { CLUSTER_LIMITS } from '../../../nodes/limits.ts';
import type { Truth } from '../../../nodes/simulation/checkers/truth.ts';
import type { App } from '../../simulate/phones/app.ts';
import type { Invariants } from '../../simulate/phones/invariants.ts';
import { judgeBalances, judgeStates, statesOf } from '../../simulate/phones/settled.ts';
import { judgeByLedger } from '../../swarm/ledgerTruth.ts';
import { highestBucket, metricBy } from '../../swarm/metricsPage.ts';
import { type Why, waitFor } from './patience.ts';
import type { Ground } from './realTown.ts';
import { storedKeys } from './records.ts';

const KNOWN_MS = 20_000;
/** A person who is lost is noticed when the gateway is (lease and its margin), and let go 30 s later. */
const PRESENCE_MS = CLUSTER_LIMITS.evictMs + CLUSTER_LIMITS.evictJitterMs + 30_000 + 4_000;

export class Judge {
  readonly #ground: Ground;
  readonly #apps: readonly App[];
  readonly #gifts: ReadonlyMap<string, number>;
  readonly #invariants: Invariants;

  /** @param gifts by user: gave 1, 2, 3 and so on, up to so many points, each number once */
  constructor(
    ground: Ground,
    apps: readonly App[],
    gifts: ReadonlyMap<string, number>,
    invariants: Invariants,
  ) {
    this.#ground = ground;
    this.#apps = apps;
    this.#gifts = gifts;
    this.#invariants = invariants;
  }

  async settled(): Promise<void> {
    const apps = this.#apps;
    const invariants = this.#invariants;
    let truth = await this.#truth();
    await this.#waitFor(KNOWN_MS, async () => {
      if (apps.some(app => app.pending > 0)) return 'answers are under way';
      truth = await this.#truth();
      const behind = apps.find(app => app.disk.version < truth.balanceOf(app.person.id).version);
      return behind ? `${behind.nick} is behind` : null;
    });
    await this.#judgeKeys(truth);
    judgeBalances(apps, truth, invariants);
    if (invariants.broken.length > 0) return;
    const before = statesOf(apps);
    const snapshots = apps.map(app => app.disk.snapshots);
    for (const app of apps) void app.command('state.get', {}, false);
    const why = await this.#waitFor(KNOWN_MS, () => {
      const without = apps.find((app, at) => app.disk.snapshots === snapshots[at]);
      return without ? `${without.nick} asked for its state and heard nothing` : null;
    });
    if (why !== null) invariants.fail('b: state of every device is that of the actor', why);
    judgeStates(apps, before, invariants);
    await this.presence();
    for (const page of await this.#pages()) {
      const bytes = highestBucket(page, 'rt_buffered_bytes');
      if (bytes > LIMITS.hardBufferBytes)
        invariants.fail('g: what is buffered is bounded', `${bytes} bytes waited for one phone`);
    }
  }

  /** (h): whose apps run is there, and nobody is in between. */
  async presence(): Promise<void> {
    const there = new Set(this.#apps.filter(app => app.isAlive).map(app => app.person.id)).size;
    const why = await this.#waitFor(PRESENCE_MS, async () => {
      const known = { online: 0, away: 0, grace: 0 };
      for (const page of await this.#pages()) {
        const by = metricBy(page, 'rt_sessions_by_presence', 'presence');
        for (const state of ['online', 'away', 'grace'] as const) known[state] += by[state] ?? 0;
      }
      if (known.online + known.away === there && known.grace === 0) return null;
      return `${there} people are there, known are ${JSON.stringify(known)}`;
    });
    if (why !== null) this.#invariants.fail('h: presence converges', why);
    else this.#invariants.count('presence judged');
  }

  async #truth(): Promise<Truth> {
    const { cluster, cooldownH } = this.#ground;
    const { truth, problems } = await judgeByLedger(cluster.town.databaseUrl, [], cooldownH);
    for (const { checker, words } of problems) this.#twice(`${checker}: ${words}`);
    return truth;
  }

  async #judgeKeys(truth: Truth): Promise<void> {
    const { databaseUrl } = this.#ground.cluster.town;
    const people = [...new Set(this.#apps.map(app => app.person.id))];
    const beganMs = Date.now() - performance.now();
    for (const { userId, key, op, atMs } of await storedKeys(databaseUrl, people))
      this.#invariants.stored(userId, key, op, atMs - beganMs);
    for (const id of people) {
      const spent = (truth.postings.get(id) ?? []).flatMap(({ delta }) => (delta < 0 ? -delta : []));
      const asked = this.#gifts.get(id) ?? 0;
      if (new Set(spent).size < spent.length) this.#twice(`a gift of ${id} is there twice: ${spent}`);
      if (spent.some(points => points > asked)) this.#twice(`${id} gave ${spent}, asked for up to ${asked}`);
    }
  }

  #twice(words: string): void {
    this.#invariants.fail('c: a key takes effect once', words);
  }

  async #pages(): Promise<string[]> {
    const { stations, spare } = this.#ground;
    const running = [...stations, spare].filter(({ node }) => node.isRunning);
    const pages = await Promise.all(running.map(({ node }) => node.metrics()));
    return pages.filter(page => page !== null);
  }

  #waitFor(ms: number, why: Why): Promise<string | null> {
    return waitFor(ms, () => this.#invariants.broken.length > 0, why);
  }
}
