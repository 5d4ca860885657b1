/**
 * Ports of the embedded servers: any free one at the first start, the same one afterwards while it is free, so that a
 * bookmarked `psql` line keeps working. Loopback only.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
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

export type Ports = Partial<Record<'postgres' | 'dynamodb' | 'kinesis', number>>;

/** The ports of the last start; empty when there was none or the file is unreadable. */
export function readPorts(dataDir: string): Ports {
  try {
    return JSON.parse(readFileSync(join(dataDir, 'ports.json'), 'utf8')) as Ports;
  } catch {
    return {};
  }
}

export function keepPorts(dataDir: string, ports: Ports): void {
  const path = join(dataDir, 'ports.json');
  writeFileSync(`${path}.tmp`, JSON.stringify({ ...readPorts(dataDir), ...ports }));
  renameSync(`${path}.tmp`, path);
}
