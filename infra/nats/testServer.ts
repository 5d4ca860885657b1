/** A nats-server of its own for one test, which may be killed, started again and configured; in a folder that goes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { CLUSTER_LIMITS } from '../../nodes/limits.ts';
import type { Log } from '../../nodes/ports.ts';
import { type Nats as Server, startNats } from '../embedded/nats-process.ts';
import { signal } from '../embedded/processes.ts';

export interface TestServer {
  readonly url: string;
  readonly dataDir: string;
  /** As a power cut: no goodbye, the files stay. */
  kill(): Promise<void>;
  /** On the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function testServer(): Promise<TestServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'heyblue-nats-'));
  const begin = (samePort: boolean): Promise<Server> =>
    startNats(inject('natsServerBin'), dataDir, () => {}, { samePort });
  let server = await begin(false);
  return {
    url: server.url,
    dataDir,
    kill: async () => {
      signal(server.pid, 'SIGKILL');
      await server.exited;
    },
    start: async () => {
      server = await begin(true);
    },
    close: async () => {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** A log that remembers what was said, level and message. */
export function memoryLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const at = (level: string) => (_fields: object, message: string) => void lines.push(`${level}: ${message}`);
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array): string => new TextDecoder().decode(value);
/** A busy machine may take its time; nobody waits longer than needed. */
export const PATIENCE = { timeout: 20_000 };
export const RECORD_BYTES = CLUSTER_LIMITS.recordBytes;
