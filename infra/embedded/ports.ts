/**
 * Ports of the embedded servers: any free one at the first start, the same one afterwards while it is free, so that a
 * bookmarked `psql` line keeps working. Loopback only.
 */
import { randomInt } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';

export const LOOPBACK = '127.0.0.1';

/** Asks the system for `port` (0 = any); the number it gave, or null when the port is taken. */
export function tryPort(port: number): Promise<number | null> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      const address = server.address();
      const given = typeof address === 'object' && address ? address.port : null;
      server.close(() => resolve(given));
    });
  });
}

/** The wanted port when it is free, else any free one. */
export async function freePort(wanted = 0): Promise<number> {
  const port = (await tryPort(wanted)) ?? (await tryPort(0));
  if (port === null) throw new Error('the system has no free port on 127.0.0.1');
  return port;
}

/**
 * Ports that no system gives to outgoing connections by itself (Linux begins at 32,768, others at 49,152): what is free now
 * is still free some seconds later, when the process that it is for listens, however many connections are made meanwhile.
 */
const QUIET_FIRST = 15_000;
const QUIET_COUNT = 17_000;
const TRIES = 50;

/**
 * Tests that run beside each other take them from parts of their own: what one has found free and not taken yet, no other
 * finds. Each goes through its part in order, so that it does not give the same one again soon.
 */
const PARTS = 16;
const PART_COUNT = Math.floor(QUIET_COUNT / PARTS);
const worker = Number(process.env.VITEST_POOL_ID ?? 0);
const partFirst = QUIET_FIRST + (worker % PARTS) * PART_COUNT;
let turn = randomInt(PART_COUNT);

/** Listens on a quiet port; after many that are taken, on any. */
async function listenQuietly(): Promise<Server> {
  for (let i = 0; ; i++) {
    const server = createServer();
    const port = i < TRIES ? partFirst + (turn++ % PART_COUNT) : 0;
    const listens = await new Promise<boolean>((resolve, reject) => {
      server.once('error', error => (port === 0 ? reject(error) : resolve(false)));
      server.listen({ host: LOOPBACK, port, exclusive: true }, () => resolve(true));
    });
    if (listens) return server;
  }
}

/** So many free ports, no two of them the same: one that is closed may be given again at once. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  try {
    for (let i = 0; i < count; i++) servers.push(await listenQuietly());
    return servers.map(server => (server.address() as AddressInfo).port);
  } finally {
    await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  }
}

/** One of them. */
export async function quietPort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}

export type Ports = Partial<Record<'postgres' | 'dynamodb' | 'kinesis' | 'nats', number>>;

/** Below it are ports that the system never gives by itself and that ordinary users may not open. */
const PORT_MIN = 1_024;
const PORT_MAX = 65_535;

/** The ports of the last start; empty when there was none, and without those that cannot be ports. */
export function readPorts(dataDir: string): Ports {
  let kept: unknown;
  try {
    kept = JSON.parse(readFileSync(join(dataDir, 'ports.json'), 'utf8'));
  } catch {
    return {};
  }
  const right = Object.entries(kept ?? {}).filter(
    ([, port]) => Number.isInteger(port) && port >= PORT_MIN && port <= PORT_MAX,
  );
  return Object.fromEntries(right) as Ports;
}

export function keepPorts(dataDir: string, ports: Ports): void {
  const path = join(dataDir, 'ports.json');
  writeFileSync(`${path}.tmp`, JSON.stringify({ ...readPorts(dataDir), ...ports }));
  renameSync(`${path}.tmp`, path);
}
