/** What is done to the servers of a cluster themselves, beside every wire: restarted, or emptied. */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { signal } from '../../../infra/embedded/processes.ts';
import type { Cluster, ServerName } from '../../swarm/clusterTown.ts';
import type { Hit, Server } from '../target.ts';

const NAMES: Record<Server, ServerName> = { nats: 'nats-server', postgres: 'PostgreSQL' };
const SERVER_MS_MAX = 60_000;
const POLL_MS = 50;

/** Waits for another process of the server, and until PostgreSQL takes connections. */
const another = async (cluster: Cluster, server: Server, pid: number): Promise<void> => {
  const end = performance.now() + SERVER_MS_MAX;
  while (performance.now() < end) {
    if (cluster.pidOf(NAMES[server]) !== pid) return;
    await pause(POLL_MS);
  }
  throw new Error(`no other ${NAMES[server]} within ${SERVER_MS_MAX / 1_000} s`);
};

export const restartServer = async (cluster: Cluster, server: Server): Promise<Hit> => {
  const name = NAMES[server];
  const pid = cluster.pidOf(name);
  // the immediate shutdown of PostgreSQL: as a crash, but its backends end as well
  cluster.signalServer(name, server === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
  await another(cluster, server, pid);
  return { targets: [name], what: `${name} is restarted`, counts: { restarted: 1 } };
};

/** NATS begins again empty. */
export const loseData = async (cluster: Cluster): Promise<Hit> => {
  const pid = cluster.pidOf('nats-server');
  const store = join(cluster.dataDir, 'nats', 'store');
  // it does not come back between the end and the removal
  signal(pid, 'SIGSTOP');
  renameSync(store, `${store}.lost`);
  signal(pid, 'SIGKILL');
  await another(cluster, 'nats', pid);
  rmSync(`${store}.lost`, { recursive: true, force: true });
  return { targets: ['nats-server'], what: 'nats-server begins again empty', counts: { restarted: 1 } };
};
