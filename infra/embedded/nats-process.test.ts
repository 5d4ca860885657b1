/** A nats-server of our own: what it lets in, what it leaves behind, and that nobody has to clean up after a kill. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, inject, onTestFinished, test, vi } from 'vitest';
import { processCommand, processIdentity } from '../launch/process-identity.mjs';
import { openNats } from '../nats/index.ts';
import { memoryLog } from '../nats/testServer.ts';
import { StartFailure, startTown } from './index.ts';
import { startNats } from './nats-process.ts';
import { readPorts, tryPort } from './ports.ts';
import { signal } from './processes.ts';

vi.setConfig({ testTimeout: 60_000 }); // each test starts servers, and the machine may be busy
const PATIENCE = { timeout: 20_000 };
const folder = mkdtempSync(join(tmpdir(), 'heyblue-nats-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
function newFolder(): string {
  const path = join(folder, String(++made));
  mkdirSync(path);
  return path;
}
async function begin(dataDir: string, lines: string[] = [], samePort = false) {
  const server = await startNats(inject('natsServerBin'), dataDir, line => lines.push(line), { samePort });
  onTestFinished(() => server.stop());
  return server;
}
const value = new Uint8Array([42]);
async function remember(url: string): Promise<void> {
  const nats = await openNats({ url }, memoryLog());
  await nats.kv.put('node.a', value, 0);
  await nats.close();
}
async function remembered(url: string): Promise<Uint8Array | undefined> {
  const nats = await openNats({ url }, memoryLog());
  try {
    return (await nats.kv.get('node.a'))?.value;
  } finally {
    await nats.close();
  }
}
/** Guards of this server that still run. */
function guardsOf(pid: number): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter(one => new RegExp(`heyblue-nats-guard ${pid}$`).test(processCommand(one).trim()));
}

test('it listens on loopback only, syncs every write, wants its password, and keeps it to itself', async () => {
  const dataDir = newFolder();
  const server = await begin(dataDir);
  await remember(server.url);
  const elsewhere = Object.values(networkInterfaces())
    .flat()
    .filter(one => one !== undefined && !one.internal && one.family === 'IPv4');
  for (const one of elsewhere) {
    const taken = await new Promise(resolve => {
      const probe = createServer();
      probe.once('error', () => resolve(true));
      probe.listen({ host: one!.address, port: server.port, exclusive: true }, () =>
        probe.close(() => resolve(false)),
      );
    });
    expect(taken, `${one!.address}:${server.port} is taken`).toBe(false);
  }
  expect(await tryPort(server.port)).toBe(null);
  const settings = JSON.parse(readFileSync(join(dataDir, 'nats', 'server.conf'), 'utf8'));
  expect(settings).toMatchObject({
    listen: `127.0.0.1:${server.port}`,
    jetstream: { sync_interval: 'always' },
  });
  const wrong = new URL(server.url);
  wrong.password = 'wrong';
  await expect(openNats({ url: wrong.href, patienceMs: 100 }, memoryLog())).rejects.toThrow(
    /refuses our credentials/,
  );
  for (const name of ['nats/server.conf', 'nats/heyblue-secrets.json', 'logs/nats.log']) {
    expect(statSync(join(dataDir, name)).mode & 0o777, name).toBe(0o600);
  }
});

test('what was acknowledged is there after kill -9, on the same port and with the same password', async () => {
  const dataDir = newFolder();
  const before = await begin(dataDir);
  await remember(before.url);
  signal(before.pid, 'SIGKILL');
  await before.exited;
  const after = await begin(dataDir);
  expect(after.url).toBe(before.url);
  expect(await remembered(after.url)).toEqual(value);
});

test('a server without its parent ends, and nothing else is left', async () => {
  const dataDir = newFolder();
  const script = `
    const { startNats } = await import(${JSON.stringify(new URL('./nats-process.ts', import.meta.url).href)});
    const server = await startNats(${JSON.stringify(inject('natsServerBin'))}, ${JSON.stringify(dataDir)}, () => {});
    console.log(server.pid);
    setInterval(() => {}, 1_000);`;
  const parent = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = await new Promise<number>(resolve =>
    parent.stdout.once('data', chunk => resolve(Number(chunk))),
  );
  expect(processIdentity(pid)).not.toBe(null);
  parent.kill('SIGKILL');
  await expect.poll(() => processIdentity(pid), PATIENCE).toBe(null);
  if (existsSync('/proc/self')) await expect.poll(() => guardsOf(pid), PATIENCE).toEqual([]);
});

test('a guard goes with its server', async () => {
  const server = await begin(newFolder());
  if (existsSync('/proc/self')) expect(guardsOf(server.pid)).toHaveLength(1);
  await server.stop();
  expect(processIdentity(server.pid)).toBe(null);
  if (existsSync('/proc/self')) await expect.poll(() => guardsOf(server.pid), PATIENCE).toEqual([]);
});

test.skipIf(!existsSync('/proc/self'))('an orphan is stopped, also after its folder was moved', async () => {
  const dataDir = newFolder();
  const orphan = await begin(dataDir);
  const lines: string[] = [];
  const next = await begin(dataDir, lines);
  expect(lines).toEqual([`Stopping the nats-server (pid ${orphan.pid}) that an earlier start left behind`]);
  expect(processIdentity(orphan.pid)).toBe(null);
  expect(next.port).toBe(orphan.port);
  renameSync(dataDir, `${dataDir}-moved`);
  await begin(`${dataDir}-moved`);
  expect(processIdentity(next.pid)).toBe(null);
});

test('half-written files of an earlier start are no hindrance', async () => {
  const dataDir = newFolder();
  const first = await begin(dataDir);
  await remember(first.url);
  await first.stop();
  for (const torn of ['', '\0garbage', '{"pass']) {
    for (const name of ['nats/heyblue-secrets.json', 'nats/server.conf', 'ports.json']) {
      writeFileSync(join(dataDir, name), torn);
    }
    const next = await begin(dataDir);
    expect(await remembered(next.url)).toEqual(value);
    await next.stop();
  }
  // leases may be lost: epochs keep writers apart, and nodes join anew
  const files = readdirSync(join(dataDir, 'nats', 'store'), { recursive: true, withFileTypes: true });
  for (const file of files) if (file.isFile()) writeFileSync(join(file.parentPath, file.name), '\0garbage');
  const last = await begin(dataDir);
  await openNats({ url: last.url }, memoryLog()).then(nats => nats.close());
});

test('a taken port is left to whoever has it; where others know ours, that is one sentence', async () => {
  const dataDir = newFolder();
  const stranger = createServer();
  onTestFinished(() => void stranger.close());
  await new Promise<void>(done => stranger.listen(0, '127.0.0.1', done));
  const { port } = stranger.address() as { port: number };
  writeFileSync(join(dataDir, 'ports.json'), JSON.stringify({ nats: port }));
  const refused = begin(dataDir, [], true);
  await expect(refused).rejects.toThrow(
    /^nats-server did not start: .*address already in use.* \(see .*nats\.log\)\.$/,
  );
  await expect(refused).rejects.toBeInstanceOf(StartFailure);
  const other = await begin(dataDir);
  expect(other.port).not.toBe(port);
  expect(readPorts(dataDir).nats).toBe(other.port);
});

test('a store that cannot be used and a program that is none are one sentence', async () => {
  const dataDir = newFolder();
  mkdirSync(join(dataDir, 'nats'));
  writeFileSync(join(dataDir, 'nats', 'store'), '');
  await expect(begin(dataDir)).rejects.toThrow(/^nats-server did not start: .*nats\.log\)\.$/);
  await expect(startNats('/nowhere/nats-server', newFolder(), () => {})).rejects.toThrow(
    /^nats-server did not start: spawn .*ENOENT/,
  );
});

test('a town with several nodes has one, which is started again when it dies; a town with NATS_URL has none', async () => {
  const env = {
    DATABASE_URL: inject('databaseUrl'),
    DYNAMODB_ENDPOINT: inject('dynamodbEndpoint'),
    KINESIS_ENDPOINT: inject('kinesisEndpoint'),
    NATS_SERVER_BIN: inject('natsServerBin'),
  };
  const lines: string[] = [];
  const town = await startTown({ dataDir: newFolder(), env, nats: true, log: line => lines.push(line) });
  onTestFinished(() => town.stop());
  // nodes come in as what they may be
  expect(new URL(town.env.NATS_URL!)).toMatchObject({ username: 'node', host: new URL(town.natsUrl!).host });
  await remember(town.natsUrl!);
  const [{ name, pid }] = town.processes() as [{ name: string; pid: number }];
  expect(name).toBe('nats-server');
  signal(pid, 'SIGKILL');
  await expect.poll(() => town.processes()[0]?.pid, PATIENCE).not.toBe(pid);
  expect(await remembered(town.natsUrl!)).toEqual(value);
  expect(lines).toContain('nats-server ended by SIGKILL; starting it again');
  await town.stop();
  expect(processIdentity(town.processes()[0]!.pid)).toBe(null);

  const given = await startTown({
    dataDir: newFolder(),
    env: { ...env, NATS_URL: 'nats://elsewhere:4222' },
    nats: true,
  });
  onTestFinished(() => given.stop());
  expect(given.processes()).toEqual([]);
  expect(given.env.NATS_URL).toBe('nats://elsewhere:4222');
  const alone = await startTown({ dataDir: newFolder(), env });
  onTestFinished(() => alone.stop());
  expect([alone.natsUrl, alone.env.NATS_URL]).toEqual([null, undefined]);
});
