/**
 * Everything that one `npm start` runs, and the order in which it comes and goes.
 *
 * Up: the servers behind, then the nodes in front of them. Down: the nodes first, so that they can finish what they
 * promised, then the servers. Whoever dies in between is started again, while the other nodes serve on. Ctrl-C, SIGTERM and a killed launcher all end in the same
 * `stop`, which has a deadline: after it, what still runs is killed, and the next start recovers.
 */
import { relative } from 'node:path';
import type { Config } from '../config/index.ts';
import { StartFailure, sentenceOf, startTown, type Town } from '../embedded/index.ts';
import { STOP_TOTAL_MS_MAX } from '../embedded/limits.ts';
import { signal, within } from '../embedded/processes.ts';
import { Kept } from '../embedded/restart.ts';
import { type NodeProcess, spawnNode } from '../embedded/town.ts';
import type { NodePlan } from './plan.ts';

/** What people read at most when all is up; the node fills what we leave. */
const SUMMARY_LINES_MAX = 15;
/** Colours of the names of nodes on a terminal: cyan, yellow, magenta, green, blue. */
const PAINTS = [36, 33, 35, 32, 34];

export interface SupervisorOptions {
  config: Config;
  /** Handed to the nodes, with the addresses of the servers and their own settings put in. */
  env: NodeJS.ProcessEnv;
  nodes: readonly NodePlan[];
  /** The nodes share their users over NATS: `NATS_URL`, or a server of our own. */
  cluster: boolean;
  /** A person reads what we say on a terminal. */
  terminal: boolean;
  /** One line for people. */
  say(line: string): void;
  /** Another program in place of nodes/main.ts, for the tests. */
  nodeEntry?: string | undefined;
}

/** A node that is kept alive. */
interface Member {
  readonly plan: NodePlan;
  readonly kept: Kept<NodeProcess>;
}

function summaryOf(town: Town, members: readonly Member[], config: Config, seconds: string): string[] {
  const database = new URL(town.databaseUrl);
  const place = `${database.protocol}//${database.username}@${database.host}${database.pathname}`;
  const mine = [
    `HeyBlue runs (up in ${seconds} s).`,
    `  PostgreSQL  ${place}`,
    `  DynamoDB    ${town.dynamodbEndpoint}`,
    `  Kinesis     ${town.kinesisEndpoint}`,
    ...(town.natsUrl === null ? [] : [`  NATS        nats://${new URL(town.natsUrl).host}`]),
  ];
  const end = `Data is kept in ${relative(process.cwd(), config.dataDir) || '.'}. Ctrl-C stops everything.`;
  const [first] = members;
  const nodes =
    members.length === 1 && first?.plan.id === ''
      ? first.kept.current.summary
      : [
          ...members.map(({ plan, kept: { current } }) => {
            const { rest, realtime, admin } = current.urls;
            return `  ${plan.id}  pid ${current.pid}  ${rest}/docs  ${realtime}  ${admin}/readyz`;
          }),
          'Try next: npm run cluster (who owns what), npm run demo, or kill a node and watch.',
        ];
  return [...mine, ...nodes.slice(0, SUMMARY_LINES_MAX - mine.length - 1), end];
}

export class Supervisor {
  private town: Town | undefined;
  private readonly members: Member[] = [];
  private givenUp = 0;
  private readonly abort = new AbortController();
  private starting: Promise<unknown> = Promise.resolve();
  private stopped: Promise<boolean> | undefined;
  private readonly options: SupervisorOptions;
  /** Resolves with one sentence when something stays down and the town cannot go on. */
  readonly gaveUp: Promise<string>;
  private giveUp: (sentence: string) => void = () => {};

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.gaveUp = new Promise(resolve => {
      this.giveUp = resolve;
    });
  }

  /** Starts everything. @throws StartFailure with one sentence; `stop` cleans up what had started */
  start(): Promise<void> {
    const begun = this.begin();
    this.starting = begun.catch(() => {});
    return begun;
  }

  private async begin(): Promise<void> {
    const { config, env, say, cluster } = this.options;
    const startMs = performance.now();
    const abort = this.abort.signal;
    const folder = relative(process.cwd(), config.dataDir) || '.';
    say(`Starting the servers in ${folder}`);
    this.town = await startTown({
      dataDir: config.dataDir,
      env,
      log: say,
      onGiveUp: sentence => this.giveUp(sentence),
      abort,
      ...(cluster && config.natsUrl === '' && { nats: true }),
    });
    if (abort.aborted) throw new StartFailure('Stopped before it was up.');
    const { nodes } = this.options;
    say(nodes.length === 1 ? 'Starting the node' : `Starting ${nodes.length} nodes`);
    // The first one makes what all of them share: tables, keys, roster.
    for (const some of [nodes.slice(0, 1), nodes.slice(1)]) {
      const begun = await Promise.allSettled(some.map(plan => this.startNode(plan)));
      const failed = begun.find(one => one.status === 'rejected');
      if (failed) throw failed.reason;
    }
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    for (const line of summaryOf(this.town, this.members, config, seconds)) say(line);
  }

  private async startNode(plan: NodePlan): Promise<void> {
    const { env, nodeEntry, say, nodes, terminal } = this.options;
    const many = plan.id !== '';
    const paint = PAINTS[nodes.indexOf(plan) % PAINTS.length];
    const label = terminal ? `\x1b[${paint}m${plan.id}\x1b[0m | ` : `${plan.id} | `;
    const start = () =>
      spawnNode({
        env: {
          ...env,
          ...this.town?.env,
          ...plan.env,
          // through us it does not see the terminal that it speaks to
          ...(many &&
            this.options.config.logFormat === 'auto' &&
            terminal && { HEYBLUE_LOG_FORMAT: 'pretty' }),
        },
        abort: this.abort.signal,
        ...(many && { output: { line: (text: string) => say(label + text) } }),
        ...(nodeEntry !== undefined && { entry: nodeEntry }),
      });
    const kept = new Kept({
      name: plan.name,
      first: await start(),
      start,
      log: say,
      onRestart: ({ pid }) => {
        if (many) say(`${plan.name} serves again (pid ${pid}).`);
      },
      onGiveUp: sentence => {
        this.givenUp++;
        if (this.givenUp >= nodes.length) this.giveUp(sentence);
        else say(`${sentence} The others go on without it.`);
      },
    });
    this.members.push({ plan, kept });
    this.members.sort((a, b) => nodes.indexOf(a.plan) - nodes.indexOf(b.plan));
  }

  /** Pids of everything we started and that may still run. */
  private pids(): number[] {
    const servers = this.town?.processes().map(one => one.pid) ?? [];
    return [...this.members.map(({ kept }) => kept.current.pid), ...servers];
  }

  /** Stops everything, at most once; false when something had to be killed because the deadline had come. */
  stop(): Promise<boolean> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  private async end(): Promise<boolean> {
    this.abort.abort();
    const inOrder = async () => {
      await this.starting;
      await Promise.all(this.members.map(({ kept }) => kept.stop()));
      await this.town?.stop();
    };
    const inTime = await within(
      inOrder().catch(error => this.options.say(sentenceOf(error, 'Stopping'))),
      STOP_TOTAL_MS_MAX - 200,
    );
    if (!inTime) for (const pid of this.pids()) signal(pid, 'SIGKILL');
    return inTime;
  }
}
