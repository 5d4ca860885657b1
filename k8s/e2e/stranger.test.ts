/**
 * PROTOCOL.md is enough: the Python client in stranger/, written from that page and from nothing else of this repository,
 * reads the golden vectors and meets people in a real town. It needs python3 (3.9 or newer, no packages) and is skipped
 * where there is none.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { badgesOf } from '../swarm/rest.ts';
import { startTestTown } from './testTown.ts';

const CLIENT = fileURLToPath(new URL('stranger/heyblue.py', import.meta.url));
const MEET = fileURLToPath(new URL('stranger/meet.py', import.meta.url));
const VECTORS = fileURLToPath(new URL('../../protocol/generated/vectors.json', import.meta.url));
/** Every wait of the client is shorter; this is for a machine that stands still. */
const CLIENT_MS_MAX = 60_000;

const hasPython =
  spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).status === 0;
if (!hasPython) {
  console.warn('The stranger is skipped: there is no python3 (3.9 or newer) on this machine.');
}
const testWithPython = test.skipIf(!hasPython);

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

const python = (script: string, args: string[]): Promise<Ended> =>
  new Promise(resolve => {
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    const child = execFile(
      'python3',
      [script, ...args],
      { env, timeout: CLIENT_MS_MAX, killSignal: 'SIGKILL' },
      (_error, out, err) => resolve({ code: child.exitCode, out, err }),
    );
  });

testWithPython('a client in Python reads every golden vector and writes those of a client', async () => {
  const { frames } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { frames: { from: string }[] };
  const ended = await python(CLIENT, ['--vectors', VECTORS]);
  expect(ended).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(ended.out)).toMatchObject({
    ok: true,
    decoded: frames.length,
    encoded: frames.filter(frame => frame.from === 'client').length,
  });
});

testWithPython('a vector that changed is noticed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-vectors-'));
  try {
    const changed = join(folder, 'vectors.json');
    writeFileSync(changed, readFileSync(VECTORS, 'utf8').replace('"hex": "920211"', '"hex": "920212"'));
    const ended = await python(CLIENT, ['--vectors', changed]);
    expect(ended).toMatchObject({ code: 1, err: expect.stringContaining('ACK is read differently') });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

testWithPython(
  'strangers sign up, meet by hey and by QR, and the ledger agrees',
  { timeout: 120_000 },
  async () => {
    const town = await startTestTown();
    try {
      const [badge = ''] = badgesOf(town.dataDir);
      const args = ['--rest', town.node.urls.rest, '--realtime', town.node.urls.realtime, '--badge', badge];
      const ended = await python(MEET, args);
      expect(ended).toMatchObject({ code: 0, err: '' });
      const report = JSON.parse(ended.out);
      expect(report).toMatchObject({ ok: true, civilians: [expect.any(Number), expect.any(Number)] });
      expect(report.hey).not.toBe(report.qr);

      const refused = await python(MEET, args);
      expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('badge') });
    } finally {
      await town.stop();
    }
  },
);
