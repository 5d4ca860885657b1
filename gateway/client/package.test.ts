/** The package as a stranger meets it: packed, installed without a network, imported, checked by a compiler, and run by an engine that has next to nothing. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  buildClient,
  bundleClient,
  CLIENT_BYTES_MAX,
  measureClient,
} from '../../infra/check/clientPackage.ts';
import { decodeClientFrame } from '../../protocol/codec.ts';
import { encodeEvent } from '../../protocol/messages.ts';
import { EPOCH_A, ID, Line } from './testing/phone.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');

describe('packed and installed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-client-'));
  const project = join(folder, 'app');
  beforeAll(async () => {
    await buildClient(join(folder, 'package'));
    const options = { cwd: folder, env: { ...process.env, npm_config_cache: join(folder, 'cache') } };
    const { stdout } = await run('npm', ['pack', './package', '--json', '--offline'], options);
    const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    expect(packed.files.map(file => file.path)).toContain('README.md');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }');
    const install = ['install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename)];
    await run('npm', install, { ...options, cwd: project });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('Node imports it', async () => {
    const script = `
      import * as all from '@heyblue/client';
      const client = new all.HeyBlueClient({ url: 'ws://127.0.0.1:9', getToken: () => 'x', deviceId: 'd' });
      console.log(JSON.stringify([client.state, Object.keys(all).sort()]));`;
    writeFileSync(join(project, 'app.js'), script);
    const { stdout } = await run(process.execPath, ['app.js'], { cwd: project });
    const [state, names] = JSON.parse(stdout);
    expect(state).toBe('idle');
    expect(names).toEqual([
      ...['CLOSE', 'ERROR', 'HeyBlueClient', 'Till', 'Unauthorized', 'browserStorage', 'keyedStorage'],
      ...['memoryStorage', 'mintFrom', 'proveScan', 'readRedeemText', 'redeemText', 'restClient'],
      ...['tokenSource', 'typedCode', 'watchBrowser'],
    ]);
  });

  test('its types are whole, and tell an app what it got wrong', async () => {
    const check = async (code: string): Promise<string> => {
      writeFileSync(join(project, 'app.ts'), code);
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      const flags = ['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022'];
      const args = [tsc, ...flags, '--lib', 'es2022,dom', '--types', '', 'app.ts'];
      return run(process.execPath, args, { cwd: project }).then(
        ({ stdout }) => stdout,
        error => error.stdout,
      );
    };
    const app = (field: string, name: string): string => `
      import { HeyBlueClient, memoryStorage, restClient, type Storage } from '@heyblue/client';
      const storage: Storage = memoryStorage();
      const client = new HeyBlueClient({ url: 'ws://h/v1/ws', getToken: async () => 't', deviceId: 'd', storage });
      client.on('encounter.completed', async ({ ${field} }, { offset }, delivery) => [delivery.record(), offset]);
      const hey = await client.command('${name}', { officerId: 'x' });
      if (hey.ok) hey.value.expiresS.toFixed();
      void restClient('http://h').me('t').then(me => me.ok && me.value.handle);
      export {};`;
    expect(await check(app('points', 'hey.say'))).toBe('');
    expect(await check(app('pints', 'hey.say'))).toContain("Property 'pints' does not exist");
    expect(await check(app('points', 'hey.yell'))).toContain('hey.yell');
  });
});

test('an app pays less for it than the bound', async () => {
  const realtime = await measureClient();
  const all = await measureClient(['HeyBlueClient', 'restClient', 'browserStorage', 'watchBrowser']);
  for (const { gzipBytes, brotliBytes } of [realtime, all]) {
    expect(gzipBytes).toBeLessThan(CLIENT_BYTES_MAX);
    expect(brotliBytes).toBeLessThan(CLIENT_BYTES_MAX);
  }
  expect((await measureClient(['restClient'])).gzipBytes).toBeLessThan(realtime.gzipBytes / 4);
});

test('it makes no code at run time and names nothing of one platform', async () => {
  const code = await bundleClient({ minify: true });
  expect(code).not.toMatch(/\beval\b|new Function|\bBuffer\b|\bprocess\b|\brequire\(|import\(/);
});

test('an engine with timers and WebSocket and little else runs it', async () => {
  const lines: Line[] = [];
  const bare: Record<string, unknown> = {
    setTimeout,
    clearTimeout,
    WebSocket: class extends Line {
      constructor() {
        super();
        lines.push(this);
      }
    },
  };
  createContext(bare);
  // What V8 brings by itself and other engines do not.
  runInContext(
    `for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'Intl'])
       delete globalThis[name];
     delete String.prototype.isWellFormed;
     delete String.prototype.toWellFormed;`,
    bare,
  );
  const seen: unknown[] = [];
  bare.seen = (value: unknown) => seen.push(value);
  const entry = `
    import { HeyBlueClient, memoryStorage } from 'client';
    const client = new HeyBlueClient({ url: 'ws://h', deviceId: 'd', app: 'Ä\\ud800', getToken: () => 't', storage: memoryStorage() });
    client.on('snapshot', ({ handle }) => seen(handle));
    client.on('state', ({ state }) => seen(state));
    client.connect();
    globalThis.client = client;`;
  runInContext(await bundleClient({ entry, minify: true }), bare);
  await expect.poll(() => lines.length).toBe(1);
  const [line] = lines;
  // Bytes of the other world, as frames of an iframe are.
  line!.send = data => void line!.heard.push(decodeClientFrame(new Uint8Array(Array.from(data))));
  line!.open();
  expect(line!.of('hello')[0]).toMatchObject({ app: 'Ä\ufffd', deviceId: 'd' });
  line!.greet(EPOCH_A, 0);
  line!.say(
    encodeEvent('snapshot', 0, ID, {
      ...{
        userId: ID,
        kind: 'officer',
        handle: 'Ünal 🚓 mit einem langen Namen',
        sharing: false,
        sharingUntilS: 0,
      },
      ...{
        instant: false,
        balance: -5_000_000_000,
        balanceVersion: 2,
        encounterCount: 0,
        encounters: [],
        mode: 'qr',
        hub: null,
        reserved: 0,
        redemptions: [],
      },
    }),
  );
  const client = bare.client as {
    command(name: string, body: object): unknown;
    location(p: object): void;
    close(): void;
  };
  client.command('location.share', {});
  client.location({ lat: -40.5, lng: 74.25, accuracyM: 3 });
  expect(line!.of('command')[0]!.idem).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  expect(line!.of('location')[0]).toMatchObject({ latE7: -405_000_000, lngE7: 742_500_000 });
  client.close();
  expect(seen).toEqual(['connecting', 'connected', 'Ünal 🚓 mit einem langen Namen', 'closed']);
});
