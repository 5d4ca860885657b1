/** The town that a demo is in: the one that runs on this machine, or one of its own. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readConfig } from '../../infra/config/index.ts';
import { startLoadTown } from '../swarm/loadTown.ts';

/** Something the caller can put right: a sentence, and exit code 2. */
export class DemoProblem extends Error {}

export interface DemoTown {
  readonly rest: string;
  readonly realtime: string;
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

/** The running town when its admin port says that it is ready, else a fresh one. */
export const findTown = async (): Promise<DemoTown> => {
  const read = readConfig(process.env);
  if (!read.ok) throw new DemoProblem(read.sentence);
  const { adminPort, restPort, realtimePort, dataDir, databaseUrl, cooldownH } = read.config;
  const ready = await fetch(`http://127.0.0.1:${adminPort}/readyz`, {
    signal: AbortSignal.timeout(2_000),
  }).then(
    response => response.ok,
    () => false,
  );
  if (ready) {
    return {
      rest: `http://127.0.0.1:${restPort}`,
      realtime: `ws://127.0.0.1:${realtimePort}/v1/ws`,
      dataDir: resolve(dataDir),
      databaseUrl: databaseUrl || runningDatabase(resolve(dataDir)),
      cooldownH,
      stop: async () => {},
    };
  }
  console.log('No town runs here, so this demo starts its own.');
  const town = await startLoadTown({ log: line => console.log(`  ${line}`) });
  return {
    rest: town.node.urls.rest,
    realtime: town.node.urls.realtime,
    dataDir: town.dataDir,
    databaseUrl: town.town.databaseUrl,
    cooldownH: COOLDOWN_H,
    stop: () => town.stop(),
  };
};
