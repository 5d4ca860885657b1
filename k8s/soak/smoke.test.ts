/**
 * The shortest soak with everything real: a kill, a pause and a partition, and all of its rules. `npm run soak -- --profile smoke`
 * takes 500 phones and three minutes; here it is 300 and one, so that the suite ends in time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { runCommand } from '../testing/command.ts';

const SEED = 1;
const MS_MAX = 600_000;

test(
  `a smoke soak, seed ${SEED}: nothing is lost or doubled, and what was held is let go`,
  async () => {
    const out = mkdtempSync(join(tmpdir(), 'heyblue-soak-'));
    const size = ['--minutes', '1', '--phones', '300'];
    const words = ['--profile', 'smoke', ...size, '--seed', String(SEED), '--out', out];
    const { status, told, json } = await runCommand('k8s/soak.ts', words, {
      env: { NATS_SERVER_BIN: inject('natsServerBin') },
    });
    if (json === null) expect.fail(`no verdict (exit code ${status}): ${told}`);
    const because = JSON.stringify({ ...json, kept: out }, null, 2);
    expect(json, because).toMatchObject({ verdict: 'pass', lost: 0, doubled: 0 });
    expect(json.ops.ok, because).toBeGreaterThan(300);
    expect(Object.keys(json.faults).length, because).toBeGreaterThan(0);
    rmSync(out, { recursive: true, force: true });
  },
  MS_MAX,
);
