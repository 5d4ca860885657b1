/** The town that a demo is in: the one that runs on this machine, or one of its own. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Config, readConfig } from '../../infra/config/index.ts';
import { NODES_MAX } from '../../infra/launch/arguments.ts';
import { PORT_STEP } from '../../infra/launch/plan.ts';
import type { ClusterView } from '../../nodes/ports.ts';
import { startLoadTown } from '../swarm/loadTown.ts';

/** Something the caller can put right: a sentence, and exit code 2. */
export class DemoProblem extends Error {}

/** Where one node of the town is reached. */
export interface Doors {
  readonly rest: string;
  readonly realtime: string;
}

export interface DemoTown {
  /** At least one. */
  readonly nodes: readonly Doors[];
  readonly dataDir: string;
  /** For the audit of the ledger; null when it cannot be reached from here. */
  readonly databaseUrl: string | null;
  /** Hours before the same two can meet for points again. */
  readonly cooldownH: number;
  stop(): Promise<void>;
}

/** Of a town with default settings (DOMAIN rule 1). */
const COOLDOWN_H = 24;

/** How to reach the embedded PostgreSQL of a running town, from what stands in its folder; null when it does not. */
const runningDatabase = (dataDir: string): string | null => {
  try {
    const { postgres } = JSON.parse(readFileSync(join(dataDir, 'ports.json'), 'utf8')) as {
      postgres: number;
    };
    const file = join(dataDir, 'postgres', 'heyblue-secrets.json');
    const { password } = JSON.parse(readFileSync(file, 'utf8')) as { password: string };
    return `postgres://heyblue:${encodeURIComponent(password)}@127.0.0.1:${postgres}/heyblue`;
  } catch {
    return null;
  }
};

const ANSWER_MS_MAX = 2_000;

/** What the node behind this admin port says of its cluster; null when none is there or it is not ready. */
const viewAt = async (adminPort: number): Promise<ClusterView | null> => {
  const ask = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${adminPort}${path}`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  try {
    if (!(await ask('/readyz')).ok) return null;
    const view = (await (await ask('/admin/cluster')).json()) as ClusterView;
    return Array.isArray(view.nodes) ? view : null;
  } catch {
    return null;
  }
};

/** The nodes of the town on this machine: those on the ports of `npm start -- --nodes N` that know each other. */
const runningNodes = async (config: Config): Promise<Doors[]> => {
  const steps = Array.from({ length: NODES_MAX }, (_, i) => i * PORT_STEP);
  const views = await Promise.all(steps.map(step => viewAt(config.adminPort + step)));
  const first = views.find(view => view !== null);
  const known = new Set(first?.nodes.map(one => one.node));
  return steps
    .filter((_, i) => known.has(views[i]?.node ?? ''))
    .map(step => ({
      rest: `http://127.0.0.1:${config.restPort + step}`,
      realtime: `ws://127.0.0.1:${config.realtimePort + step}/v1/ws`,
    }));
};

/** The running town when its admin port says that it is ready, else a fresh one. */
export const findTown = async (): Promise<DemoTown> => {
  const read = readConfig(process.env);
  if (!read.ok) throw new DemoProblem(read.sentence);
  const { dataDir, databaseUrl, cooldownH } = read.config;
  const nodes = await runningNodes(read.config);
  if (nodes.length > 0) {
    return {
      nodes,
      dataDir: resolve(dataDir),
      databaseUrl: databaseUrl || runningDatabase(resolve(dataDir)),
      cooldownH,
      stop: async () => {},
    };
  }
  console.log('No town runs here, so this demo starts its own.');
  const town = await startLoadTown({ log: line => console.log(`  ${line}`) });
  const { rest, realtime } = town.node.urls;
  return {
    nodes: [{ rest, realtime }],
    dataDir: town.dataDir,
    databaseUrl: town.town.databaseUrl,
    cooldownH: COOLDOWN_H,
    stop: () => town.stop(),
  };
};
