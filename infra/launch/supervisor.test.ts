import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, test, vi } from 'vitest';
import { signal } from '../embedded/processes.ts';
import { processIdentity } from './process-identity.mjs';

vi.setConfig({ testTimeout: 120_000 }); // each test starts whole towns, and the machine may be busy
const folder = mkdtempSync(join(tmpdir(), 'heyblue-start-'));
const HERE = import.meta.dirname;

/** A town started as people start it, from its launcher on, in front of a tiny node. */
class Start {
  readonly dataDir: string;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = '';

  constructor(name: string, env: Record<string, string> = {}, args: string[] = []) {
    this.dataDir = join(folder, name);
    this.child = spawn(process.execPath, [join(HERE, 'launch.mjs'), 'start', ...args], {
      env: {
        PATH: process.env.PATH,
        HEYBLUE_DATA_DIR: this.dataDir,
        HEYBLUE_NODE_ENTRY: join(HERE, 'supervisor.fixture.ts'),
        ...env,
      },
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.ended = new Promise(resolve => this.child.once('close', resolve));
    starts.push(this);
  }

  /** Waits until the output shows this. */
  async shows(pattern: RegExp): Promise<RegExpMatchArray> {
    await expect.poll(() => this.output, { timeout: 60_000, interval: 20 }).toMatch(pattern);
    return this.output.match(pattern)!;
  }

  up(): Promise<RegExpMatchArray> {
    return this.shows(/Ctrl-C stops everything/);
  }

  /** Pids of the launcher and everything below it. */
  tree(): number[] {
    const rows = spawnSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n');
    const parents = rows.map(row => row.trim().split(/\s+/).map(Number));
    const found = [this.child.pid!];
    for (const one of found)
      found.push(...parents.filter(([, parent]) => parent === one).map(([pid]) => pid!));
    return found;
  }

  postgresPid(): number {
    return Number.parseInt(readFileSync(join(this.dataDir, 'postgres/postmaster.pid'), 'utf8'), 10);
  }

  databaseUrl(): string {
    return this.output.match(/ database (\S+)/)![1]!;
  }
}

const starts: Start[] = [];

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function nothingLeft(pids: number[]): Promise<void> {
  await expect.poll(() => pids.filter(pid => processIdentity(pid) !== null), { timeout: 15_000 }).toEqual([]);
}

afterAll(async () => {
  for (const start of starts) start.child.kill('SIGTERM');
  await Promise.all(starts.map(start => start.ended));
  rmSync(folder, { recursive: true, force: true });
});

test('a town comes up, refuses a second one in its folder, survives a dead node, and leaves nothing behind', async () => {
  const town = new Start('life');
  await town.up();
  const shown = town.output.slice(town.output.indexOf('HeyBlue runs'));
  expect(shown.trim().split('\n').length).toBeLessThanOrEqual(15);
  expect(shown).toMatch(/PostgreSQL\s+postgres:\/\/heyblue@127\.0\.0\.1:\d+\/heyblue/);
  // workers of PostgreSQL come and go
  await expect.poll(() => town.tree().length - postgresWorkers(town)).toBe(5);

  const second = new Start('life');
  expect(await second.ended).toBe(1);
  expect(second.output).toMatch(/Another town \(pid \d+\) already runs in .*life\.\n$/);

  const [, before] = await town.shows(/ node (\d+)/);
  signal(Number(before), 'SIGKILL');
  await town.shows(/The node ended by SIGKILL; starting it again/);
  await expect.poll(() => town.tree().length - postgresWorkers(town)).toBe(5);
  expect(await query(town.databaseUrl(), 'select 1 as alive')).toEqual([{ alive: 1 }]);

  const pids = town.tree();
  town.child.kill('SIGINT');
  town.child.kill('SIGTERM'); // npm and the terminal may both send one
  expect(await town.ended).toBe(0);
  expect(town.output).toMatch(/Stopped\.\n$/);
  await nothingLeft(pids);
});

/** PostgreSQL's own children come and go; the others are launcher, supervisor, PostgreSQL, AWS and node. */
function postgresWorkers(town: Start): number {
  const answer = spawnSync('ps', ['-o', 'pid=', '--ppid', String(town.postgresPid())], { encoding: 'utf8' });
  return answer.stdout.trim().split('\n').filter(Boolean).length;
}

test('after kill -9 of the whole tree but PostgreSQL, the next start ends the orphan and finds everything', async () => {
  const first = new Start('killed');
  await first.up();
  await query(first.databaseUrl(), 'create table remembered as select 42 as answer');
  const orphan = first.postgresPid();
  const [launcher, supervisor, ...servers] = first.tree().slice(0, 5);
  // parents first, each stopped beforehand, so that none of them can clean up
  const victims = [launcher!, supervisor!, ...servers].filter(pid => pid !== orphan);
  for (const pid of victims) signal(pid, 'SIGSTOP');
  for (const pid of victims) signal(pid, 'SIGKILL');
  await nothingLeft(victims);
  expect(processIdentity(orphan)).not.toBe(null);

  const next = new Start('killed');
  await next.up();
  expect(next.output).toContain(`Stopping the PostgreSQL (pid ${orphan}) that an earlier start left behind`);
  expect(next.databaseUrl()).toBe(first.databaseUrl());
  expect(await query(next.databaseUrl(), 'select answer from remembered')).toEqual([{ answer: 42 }]);

  // and when only the launcher is killed, everything below it ends in good order
  const pids = next.tree();
  next.child.kill('SIGKILL');
  await nothingLeft(pids);
});

test('when only the supervisor is killed, its servers and its node end by themselves', async () => {
  const town = new Start('beheaded');
  await town.up();
  const pids = town.tree();
  signal(pids[1]!, 'SIGKILL');
  expect(await town.ended).toBe(128 + 9);
  await nothingLeft(pids);
});

test('a node that cannot start says why in one sentence, and everything stops', async () => {
  const town = new Start('failing', { TINY_NODE: 'fail' });
  expect(await town.ended).toBe(1);
  expect(town.output).toMatch(/\nPort 8080 is taken: set HEYBLUE_REST_PORT to another one\.\n$/);
});

test('a node that dies again and again is given up', async () => {
  const town = new Start('dying', { TINY_NODE: 'die' });
  expect(await town.ended).toBe(1);
  expect(town.output).toMatch(/\nThe node died 5 times within 30 s \(last: ended with code 7\)\.\n$/);
});

/** Servers that are not asked: tiny nodes need no NATS. */
const NO_NATS = { NATS_URL: 'nats://127.0.0.1:1' };

test('of three nodes each line says which one spoke; a killed one is started again while the others go on', async () => {
  const town = new Start('three', NO_NATS, ['--nodes', '3']);
  await town.up();
  const pid = async (id: string, nth = 0): Promise<number> => {
    const said = () => [...town.output.matchAll(new RegExp(`^${id} \\| tiny node (\\d+) at`, 'gm'))];
    await expect.poll(() => said().length, { timeout: 25_000 }).toBeGreaterThan(nth);
    return Number(said()[nth]![1]);
  };
  const shown = town.output.slice(town.output.indexOf('HeyBlue runs'));
  expect(shown.trim().split('\n').length).toBeLessThanOrEqual(15);
  expect(shown).toContain('http://127.0.0.1:8080/docs');
  expect(shown).toMatch(new RegExp(`n3 {2}pid ${await pid('n3')} .*:8100/docs .*:8101/v1/ws .*:9110/readyz`));

  const others = [await pid('n1'), await pid('n3')].map(processIdentity);
  signal(await pid('n2'), 'SIGKILL');
  await town.shows(/^Node n2 ended by SIGKILL; starting it again$/m);
  const again = await pid('n2', 1);
  await town.shows(new RegExp(`^Node n2 serves again \\(pid ${again}\\)\\.$`, 'm'));
  expect([await pid('n1'), await pid('n3')].map(processIdentity)).toEqual(others);

  const pids = town.tree();
  expect(pids).toContain(again);
  town.child.kill('SIGTERM');
  expect(await town.ended).toBe(0);
  expect(town.output).toMatch(/Stopped\.\n$/);
  await nothingLeft(pids);
});

test('one of three that dies again and again is given up, and the others go on without it', async () => {
  const town = new Start('one-dying', { ...NO_NATS, TINY_NODE: 'die n2' }, ['--nodes', '3']);
  await town.shows(
    /^Node n2 died 5 times within 30 s \(last: ended with code 7\)\. The others go on without it\.$/m,
  );
  const others = [...town.output.matchAll(/^n[13] \| tiny node (\d+) at/gm)].map(([, pid]) => Number(pid));
  expect(others.map(pid => processIdentity(pid) !== null)).toEqual([true, true]);
  town.child.kill('SIGTERM');
  expect(await town.ended).toBe(0);
  await nothingLeft(others);
});

test('when one of three cannot start, it says why and everything stops', async () => {
  const town = new Start('one-failing', { ...NO_NATS, TINY_NODE: 'fail' }, ['--nodes=3']);
  expect(await town.ended).toBe(1);
  expect(town.output).toMatch(/\nPort 8080 is taken: set HEYBLUE_REST_PORT to another one\.\n$/);
});

test('a node that does not listen to SIGTERM is killed in time', async () => {
  const town = new Start('deaf', { TINY_NODE: 'deaf' });
  await town.up();
  const pids = town.tree();
  town.child.kill('SIGTERM');
  expect(await town.ended).toBe(0);
  await nothingLeft(pids);
});

test('what cannot be done is said in one sentence', async () => {
  writeFileSync(join(folder, 'file'), '');
  const cases: [Start, number, RegExp][] = [
    [
      new Start('a', {}, ['--nodes', 'many']),
      2,
      /^--nodes takes a whole number from 1 to 8, not "many"\.\n$/,
    ],
    [
      new Start('a', { HEYBLUE_NODE_ID: 'mine' }, ['--nodes', '2']),
      2,
      /^HEYBLUE_NODE_ID names one node; .*\n$/,
    ],
    [new Start('a', {}, ['--port', '1']), 2, /^npm start does not know "--port": .* --help lists them\.\n$/],
    [
      new Start('a', { HEYBLUE_REST_PROT: '1' }),
      2,
      /^There is no setting HEYBLUE_REST_PROT: did you mean HEYBLUE_REST_PORT\?\n$/,
    ],
    [
      new Start('a', { HEYBLUE_DWELL_S: 'long' }),
      2,
      /^HEYBLUE_DWELL_S "long" is not right: it takes a number from 0 to 3600\.\n$/,
    ],
    [
      new Start('file/data'),
      1,
      /\nThe data folder .*file\/data cannot be written \(ENOTDIR\): set HEYBLUE_DATA_DIR to another one\.\n$/,
    ],
  ];
  for (const [start, code, sentence] of cases) {
    expect(await start.ended, start.output).toBe(code);
    expect(start.output).toMatch(sentence);
  }
  const help = new Start('a', {}, ['--help']);
  expect(await help.ended).toBe(0);
  expect(help.output).toContain('HEYBLUE_COOLDOWN_H');
  expect(help.output).toContain('--nodes N');
});
