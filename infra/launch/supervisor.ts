/**
 * Everything that one `npm start` runs, and the order in which it comes and goes.
 *
 * Up: the servers behind, then the node in front of them. Down: the node first, so that it can finish what it promised,
 * then the servers. Whoever dies in between is started again. Ctrl-C, SIGTERM and a killed launcher all end in the same
 * `stop`, which has a deadline: after it, what still runs is killed, and the next start recovers.
 */
import { relative } from 'node:path';
import type { Config } from '../config/index.ts';
import { StartFailure, sentenceOf, startTown, type Town } from '../embedded/index.ts';
import { STOP_TOTAL_MS_MAX } from '../embedded/limits.ts';
import { signal, within } from '../embedded/processes.ts';
import { Kept } from '../embedded/restart.ts';
import { type NodeProcess, spawnNode } from '../embedded/town.ts';

/** What people read at most when all is up; the node fills what we leave. */
const SUMMARY_LINES_MAX = 15;

export interface SupervisorOptions {
  config: Config;
  /** Handed to the node, with the addresses of the servers put in. */
  env: NodeJS.ProcessEnv;
  /** One line for people. */
  say(line: string): void;
  /** Another program in place of nodes/main.ts, for the tests. */
  nodeEntry?: string | undefined;
}

function summaryOf(town: Town, node: NodeProcess, config: Config, seconds: string): string[] {
  const database = new URL(town.databaseUrl);
  const place = `${database.protocol}//${database.username}@${database.host}${database.pathname}`;
  const mine = [
    `HeyBlue runs (up in ${seconds} s).`,
    `  PostgreSQL  ${place}`,
    `  DynamoDB    ${town.dynamodbEndpoint}`,
    `  Kinesis     ${town.kinesisEndpoint}`,
  ];
  const end = `Data is kept in ${relative(process.cwd(), config.dataDir) || '.'}. Ctrl-C stops everything.`;
  return [...mine, ...node.summary.slice(0, SUMMARY_LINES_MAX - mine.length - 1), end];
}

export class Supervisor {
  private town: Town | undefined;
  private node: Kept<NodeProcess> | undefined;
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
    const { config, env, say } = this.options;
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
    });
    if (abort.aborted) throw new StartFailure('Stopped before it was up.');
    say('Starting the node');
    const start = () =>
      spawnNode({
        env: { ...env, ...this.town?.env },
        abort,
        ...(this.options.nodeEntry !== undefined && { entry: this.options.nodeEntry }),
      });
    this.node = new Kept({
      name: 'The node',
      first: await start(),
      start,
      log: say,
      onGiveUp: sentence => this.giveUp(sentence),
    });
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    for (const line of summaryOf(this.town, this.node.current, config, seconds)) say(line);
  }

  /** Pids of everything we started and that may still run. */
  private pids(): number[] {
    const servers = this.town?.processes().map(one => one.pid) ?? [];
    return this.node ? [this.node.current.pid, ...servers] : servers;
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
      await this.node?.stop();
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
