/** What is done to the servers of a town themselves, beside every wire: restarted, or emptied. They come back by themselves. */
import { renameSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { signal } from '../../infra/embedded/processes.ts';
import type { ServerName } from '../swarm/clusterTown.ts';
import type { Hit, Server } from './target.ts';

/** Where they run. */
export interface ServerHost {
  /** Their first process. @throws Error when there is none just now */
  pidOf(server: Server): number;
  /** Folder of what NATS keeps, reached by whoever is not NATS. */
  readonly natsStore: string;
}

export const NAMES: Record<Server, ServerName> = { nats: 'nats-server', postgres: 'PostgreSQL' };
const SERVER_MS_MAX = 60_000;
const POLL_MS = 50;

/** Waits for another process of the server, and until PostgreSQL takes connections. */
const another = async (host: ServerHost, server: Server, pid: number): Promise<void> => {
  const end = performance.now() + SERVER_MS_MAX;
  while (performance.now() < end) {
    try {
      if (host.pidOf(server) !== pid) return;
    } catch {
      // it is on its way
    }
    await pause(POLL_MS);
  }
  throw new Error(`no other ${NAMES[server]} within ${SERVER_MS_MAX / 1_000} s`);
};

export const restartServer = async (host: ServerHost, server: Server): Promise<Hit> => {
  const pid = host.pidOf(server);
  // the immediate shutdown of PostgreSQL: as a crash, but its backends end as well
  signal(pid, server === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
  await another(host, server, pid);
  const name = NAMES[server];
  return { targets: [name], what: `${name} is restarted`, counts: { restarted: 1 } };
};

/** NATS begins again empty. */
export const loseData = async (host: ServerHost): Promise<Hit> => {
  const pid = host.pidOf('nats');
  const lost = `${host.natsStore}.lost`;
  // it does not come back between the end and the removal
  signal(pid, 'SIGSTOP');
  renameSync(host.natsStore, lost);
  signal(pid, 'SIGKILL');
  await another(host, 'nats', pid);
  rmSync(lost, { recursive: true, force: true });
  return { targets: ['nats-server'], what: 'nats-server begins again empty', counts: { restarted: 1 } };
};
