/** A nats-server of its own for one test, which may be killed, started again and configured; in a folder that goes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFinished } from 'vitest';
import type { Log } from '../../nodes/ports.ts';
import { type Nats as Server, startNats } from '../embedded/nats-process.ts';
import { quietPort } from '../embedded/ports.ts';
import { signal } from '../embedded/processes.ts';
import { NATS_LIMITS } from './limits.ts';

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
export const RECORD_BYTES = NATS_LIMITS.recordBytes;

/** A nats-server with a configuration of its own, as JSON; ended with the test. */
export async function runServer(configuration: object): Promise<{ readonly url: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-nats-'));
  const port = await quietPort();
  const path = join(folder, 'server.json');
  writeFileSync(path, JSON.stringify({ listen: `127.0.0.1:${port}`, ...configuration }));
  const child = spawn(inject('natsServerBin'), ['-c', path], { stdio: 'ignore' });
  const exited = new Promise<void>(done => child.once('exit', () => done()));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });
  await expect
    .poll(
      () =>
        new Promise(resolve => {
          const socket = connect(port, '127.0.0.1');
          socket.once('error', () => resolve(false));
          socket.once('data', () => {
            socket.destroy();
            resolve(true);
          });
        }),
      PATIENCE,
    )
    .toBe(true);
  return { url: `nats://127.0.0.1:${port}` };
}
