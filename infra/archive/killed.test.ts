import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FolderStore } from './folderStore.ts';
import { idOf, rowsIn } from './testArchive.ts';

const COUNT = 120;

/** Runs it until it says `flush` for the so manieth time, and kills it there; true when it was done before. */
function run(folder: string, portion: number, killAt: number): Promise<boolean> {
  const entry = new URL('./archiving.fixture.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--no-warnings', entry, folder, String(COUNT), String(portion)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.split('flush').length > killAt) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(said.includes('done')));
  });
}

it('an archiver that is killed in its flushes, and goes on in other portions, archives each event once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-killed-'));
  try {
    for (const [portion, killAt] of [
      [30, 1],
      [7, 3],
      [50, 2],
    ] as const) {
      await run(folder, portion, killAt);
    }
    expect(await run(folder, 40, 1_000)).toBe(true);
    const ids = (await rowsIn(new FolderStore(folder))).map(row => row.event_id);
    expect(ids.sort()).toEqual(Array.from({ length: COUNT }, (_, i) => idOf(i)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
