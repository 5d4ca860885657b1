/**
 * A town of one's own for a benchmark, a demo or a replay: real servers, a real node process, a temporary folder that
 * is gone afterwards, and ports that stay the same when the node is killed and started again.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTown, type Town } from '../../infra/embedded/index.ts';
import { freePorts } from '../../infra/embedded/ports.ts';
import { type NodeOutput, type StartedNode, startNode } from '../../infra/embedded/town.ts';
import { stopOnSignal } from './cleanup.ts';
import { OPEN_AREAS } from './openAreas.ts';

export interface LoadTownOptions {
  /** Settings of the node on top of the defaults. */
  readonly env?: Record<string, string>;
  /** Where the node's log goes; default: a file in the folder of the town, shown when the start fails. */
  readonly output?: NodeOutput;
  readonly log?: (line: string) => void;
}

export interface LoadTown {
  readonly town: Town;
  readonly node: StartedNode;
  readonly dataDir: string;
  stop(): Promise<void>;
}

/** What every run that makes load needs: all its phones come from one address. */
const FOR_LOAD: Record<string, string> = {
  HEYBLUE_HOST: '127.0.0.1',
  HEYBLUE_LOG_LEVEL: 'warn',
  HEYBLUE_LOG_FORMAT: 'json',
  HEYBLUE_CONNECTIONS_PER_ADDRESS: '1000000',
  HEYBLUE_HANDSHAKE_RATE: '1000000',
  // A few officers meet everybody here: that is looked at elsewhere, and nothing of it would be paid.
  HEYBLUE_HISTORY_REVIEW: 'off',
  // Lists of officers at once and for whoever is there: who waits for them here is a program.
  ...OPEN_AREAS,
};

/** Where the node of a load town writes its log. */
const logFileOf = (dataDir: string): string => join(dataDir, 'node.log');

/**
 * Starts servers and node.
 *
 * @throws StartFailure with one sentence
 */
export const startLoadTown = async (options: LoadTownOptions = {}): Promise<LoadTown> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'heyblue-load-'));
  let town: Town | undefined;
  let node: StartedNode | undefined;
  const stop = stopOnSignal(async () => {
    await node?.stop();
    await town?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  try {
    const running = await startTown({ dataDir, log: options.log });
    town = running;
    const [restPort, realtimePort, adminPort] = await freePorts(3);
    const env = {
      ...running.env,
      HEYBLUE_DATA_DIR: dataDir,
      HEYBLUE_ARCHIVE: 'off',
      HEYBLUE_REST_PORT: String(restPort),
      HEYBLUE_REALTIME_PORT: String(realtimePort),
      HEYBLUE_ADMIN_PORT: String(adminPort),
      ...FOR_LOAD,
      ...options.env,
    };
    node = await startNode({ env, output: options.output ?? { file: logFileOf(dataDir) } });
    return { town: running, node, dataDir, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
