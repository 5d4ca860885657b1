/**
 * `npm start -- --nodes 3` as people run it: a demo goes through all three nodes, one of them is ended by kill -9 in the
 * middle of it, the others serve on, the sums are right in the end, and the killed one is back.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, inject, it } from 'vitest';
import { quietPort, tryPort } from '../../infra/embedded/ports.ts';
import { signal } from '../../infra/embedded/processes.ts';
import { processIdentity } from '../../infra/launch/process-identity.mjs';
import type { ClusterView } from '../../nodes/ports.ts';
import { OPEN_AREAS } from '../swarm/openAreas.ts';
import { until } from './testTown.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'heyblue-three-'));
const NODES = [0, 1, 2];
const PATIENCE_MS = 120_000;

/** What runs, and everything that it said. */
class Running {
  output = '';
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(args: readonly string[], env: Record<string, string>) {
    this.child = spawn(process.execPath, ['--no-warnings', ...args], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, ...env },
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.ended = new Promise(resolve => this.child.once('close', resolve));
  }

  shows(pattern: RegExp): Promise<RegExpMatchArray> {
    return until(
      `${pattern} in\n${this.output.slice(-2_000)}`,
      () => this.output.match(pattern),
      PATIENCE_MS,
    );
  }
}

/** A port that is free, and so are those 10 and 20 above it. */
const freeBase = async (): Promise<number> => {
  for (;;) {
    const base = await quietPort();
    const above = await Promise.all(NODES.map(i => tryPort(base + 10 * i)));
    if (base < 65_000 && above.every(port => port !== null)) return base;
  }
};

let town: Running | undefined;
afterAll(async () => {
  town?.child.kill('SIGTERM');
  await town?.ended;
  rmSync(folder, { recursive: true, force: true });
});

it('a demo through three nodes survives kill -9 of one of them, and the sums are right', {
  timeout: 240_000,
}, async () => {
  const ports = [await freeBase(), await freeBase(), await freeBase()].map(String);
  const [rest = '', realtime = '', admin = ''] = ports;
  const env = {
    HEYBLUE_DATA_DIR: folder,
    HEYBLUE_ARCHIVE: 'off',
    HEYBLUE_HOST: '127.0.0.1',
    HEYBLUE_LOG_LEVEL: 'warn',
    HEYBLUE_REST_PORT: rest,
    HEYBLUE_REALTIME_PORT: realtime,
    HEYBLUE_ADMIN_PORT: admin,
    ...OPEN_AREAS,
    NATS_SERVER_BIN: inject('natsServerBin'),
  };
  const launch = (name: string, ...args: string[]): Running =>
    new Running([join(ROOT, 'infra/launch/launch.mjs'), name, ...args], env);
  town = launch('start', '--nodes', '3');
  await town.shows(/Ctrl-C stops everything/);
  const isReady = (i: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${Number(admin) + 10 * i}/readyz`).then(
      answer => answer.ok,
      () => false,
    );
  expect(await Promise.all(NODES.map(isReady))).toEqual([true, true, true]);

  const demo = launch('demo', '--people', '10', '--seconds', '20');
  await demo.shows(/^ {2}5 s {2}meetings/m);
  const victim = NODES[Math.floor(Math.random() * NODES.length)]!;
  console.log(`kill -9 of n${victim + 1}`);
  const [, pid] = town.output.match(new RegExp(`^ {2}n${victim + 1} {2}pid (\\d+) `, 'm'))!;
  signal(Number(pid), 'SIGKILL');
  await town.shows(new RegExp(`^Node n${victim + 1} ended by SIGKILL; starting it again$`, 'm'));
  expect(await Promise.all(NODES.filter(i => i !== victim).map(isReady))).toEqual([true, true]);
  expect(await demo.ended, demo.output).toBe(0);
  expect(demo.output).toContain('at the doors of 3 nodes');
  expect(demo.output).toMatch(/The sums are right: .*, and the ledger adds up\./);

  await town.shows(new RegExp(`^Node n${victim + 1} serves again`, 'm'));
  expect(await isReady(victim)).toBe(true);
  const shown = launch('cluster', '--json');
  expect(await shown.ended).toBe(0);
  const view = JSON.parse(shown.output) as ClusterView;
  expect(view.nodes.map(one => [one.node, one.state])).toEqual([
    ['n1', 'up'],
    ['n2', 'up'],
    ['n3', 'up'],
  ]);
  const table = launch('cluster');
  expect(await table.ended).toBe(0);
  expect(table.output).toMatch(/^\d +n2 +[0-9a-z]{16} +up /m);

  // Drained, a node has no users and is not ready, but is still there; SIGTERM then ends it, and it is started again.
  const drained = await fetch(`http://127.0.0.1:${admin}/admin/drain`, {
    method: 'POST',
    headers: { 'heyblue-why': 'its disk is to be replaced' },
  });
  expect(await drained.json()).toMatchObject({ ok: true, shardsLeft: 0, socketsLeft: 0 });
  expect(await isReady(0)).toBe(false);
  const others = launch('cluster', '--json', '--url', `http://127.0.0.1:${Number(admin) + 10}`);
  expect(await others.ended).toBe(0);
  const seen = (JSON.parse(others.output) as ClusterView).nodes.find(one => one.node === 'n1')!;
  expect(seen).toMatchObject({ state: 'draining', shards: 0 });
  const served = (): string[] =>
    [...town!.output.matchAll(/^(?: {2}n1 {2}|Node n1 serves again \()pid (\d+)/gm)].map(([, one]) => one!);
  const before = served().length;
  signal(Number(served().at(-1)), 'SIGTERM');
  await town.shows(/^Node n1 ended with code 0; starting it again$/m);
  await until('n1 to serve again', () => served().length > before, PATIENCE_MS);
  expect(await isReady(0)).toBe(true);

  town.child.kill('SIGTERM');
  expect(await town.ended).toBe(0);
  expect(town.output).toMatch(/Stopped\.\n$/);
  const nodes = [...town.output.matchAll(/pid (\d+)/g)].map(([, one]) => Number(one));
  expect(nodes.filter(one => processIdentity(one) !== null)).toEqual([]);
  const nobody = launch('cluster');
  expect(await nobody.ended).toBe(1);
  expect(nobody.output).toMatch(/^No node answers at .*: is npm start running\?\n$/);
});
