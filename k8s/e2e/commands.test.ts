/** The commands that people type to try the town, run as they are typed: their output, their exit codes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'heyblue-commands-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a file of the project under this Node. Nobody listens on the admin port given, so it starts its own town. */
const run = (file: string, ...args: string[]): Promise<Ran> =>
  new Promise(resolve => {
    const env = { PATH: process.env.PATH, HEYBLUE_ADMIN_PORT: '1' };
    const child = spawn(process.execPath, ['--no-warnings', join(ROOT, file), ...args], { cwd: ROOT, env });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.once('close', code => resolve({ code, output }));
  });

/** Three who walk: 1 and 2 together for 20 s, 3 some 18 m beside them. Columns: track, lon, lat, speed, time. */
const trackFile = (): string => {
  const lines = ['track_id,lon,lat,speed,time'];
  for (let s = 0; s <= 20; s++) {
    const at = `1970-01-01 00:00:${String(s).padStart(2, '0')}.000`;
    const lat = 40.73 + s * 0.00001;
    lines.push(`1,-73.99,${lat.toFixed(6)},4,${at}`, `2,-73.99001,${lat.toFixed(6)},4,${at}`);
    lines.push(`3,-73.99022,${lat.toFixed(6)},4,${at}`);
  }
  const file = join(folder, 'three.csv');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
};

describe('npm run replay', () => {
  const file = trackFile();
  const options = ['--dwell', '5', '--officers', '34%', '--speed', '10'];

  it('plays a track, names the meetings, and agrees with brute force', { timeout: 60_000 }, async () => {
    const { code, output } = await run('k8s/replay.ts', file, ...options);
    expect(output).toMatch(/officer \d met civilian \d/);
    expect(output).toContain('2 pairs met; brute force over the same positions finds 2.');
    expect(output).toContain('They are the same pairs.');
    expect(code).toBe(0);
  });

  it('exits 1 and names the pairs when the server uses another radius', { timeout: 60_000 }, async () => {
    const { code, output } = await run(
      'k8s/replay.ts',
      file,
      ...options,
      '--server-enter',
      '5',
      '--exit',
      '30',
    );
    expect(output).toMatch(/Missing here: \d and \d/);
    expect(code).toBe(1);
  });

  it('says in one sentence what it cannot play', async () => {
    const notes = join(folder, 'notes.txt');
    writeFileSync(notes, 'milk, bread\n');
    for (const args of [
      [notes],
      [join(folder, 'missing.csv')],
      [],
      [file, '--dwell', 'long'],
      [file, '--fly'],
    ]) {
      const { code, output } = await run('k8s/replay.ts', ...args);
      expect(code, args.join(' ')).toBe(2);
      expect(output.trim().split('\n')).toHaveLength(1);
    }
    const help = await run('k8s/replay.ts', '--help');
    expect(help).toMatchObject({ code: 0, output: expect.stringContaining('--officers') });
  });
});

describe('npm run demo', () => {
  it('starts a town, lives in it, and its sums are right', { timeout: 120_000 }, async () => {
    const { code, output } = await run('k8s/demo.ts', '--people', '8', '--seconds', '6', '--seed', '8');
    expect(output).toContain('The sums are right');
    expect(code).toBe(0);
  });

  it('refuses what it cannot do', async () => {
    expect(await run('k8s/demo.ts', '--people', '2')).toMatchObject({ code: 2 });
    expect(await run('k8s/demo.ts', '--help')).toMatchObject({ code: 0 });
  });
});

describe('npm run cluster', () => {
  it('says in one sentence that nobody is there, or what it does not know', async () => {
    expect(await run('k8s/cluster.ts')).toMatchObject({
      code: 1,
      output: 'No node answers at http://127.0.0.1:1 or the ports of the next nodes: is npm start running?\n',
    });
    expect(await run('k8s/cluster.ts', '--url', 'http://127.0.0.1:1')).toMatchObject({ code: 1 });
    for (const args of [['--url', 'nowhere'], ['--fly'], ['everything']]) {
      const { code, output } = await run('k8s/cluster.ts', ...args);
      expect(code, args.join(' ')).toBe(2);
      expect(output.trim().split('\n')).toHaveLength(1);
    }
    expect(await run('k8s/cluster.ts', '--help')).toMatchObject({
      code: 0,
      output: expect.stringContaining('--json'),
    });
  });
});

describe('npm run bench', () => {
  it('lists every benchmark with a line, and refuses unknown ones', async () => {
    const list = await run('k8s/bench.ts');
    expect(list.code).toBe(0);
    for (const name of ['ledger', 'location', 'encounter', 'idle', 'match']) {
      expect(list.output).toMatch(new RegExp(`^ {2}${name} +\\w.+`, 'm'));
    }
    expect(list.output).not.toContain('not part of this version');
    expect(await run('k8s/bench.ts', 'speed')).toMatchObject({ code: 2 });
  });

  it('ends with one JSON object that has the promised fields', { timeout: 90_000 }, async () => {
    const lastLine = ({ code, output }: Ran): object => {
      expect(code, output).toBe(0);
      return JSON.parse(output.trim().split('\n').at(-1)!) as object;
    };
    const small = ['--phones', '60', '--seconds', '1'];
    expect(lastLine(await run('k8s/bench.ts', 'location', ...small))).toMatchObject({
      bench: 'location',
      positions_per_s: expect.any(Number),
      echo_per_s: expect.any(Number),
      generator_saturated: expect.any(Boolean),
      closed: 0,
      refused: 0,
    });
    const encounter = await run('k8s/bench.ts', 'encounter', '--rate', '20', '--seconds', '2');
    expect(lastLine(encounter)).toMatchObject({
      bench: 'encounter',
      encounters_per_s: expect.any(Number),
      p50_ms: expect.any(Number),
      p99_ms: expect.any(Number),
      lost: 0,
      doubled: 0,
      problems: [],
    });
  });
});
