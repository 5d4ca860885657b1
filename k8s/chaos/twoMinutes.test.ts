/**
 * A short chaos with everything real: three nodes under load, two minutes of faults in the order of one seed, and every
 * checker. Each run breaks the same things in the same order; what the machine makes of it differs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { runCommand } from '../testing/command.ts';
import type { RunVerdict } from './run.ts';

const SEED = 2;
const MS_MAX = 480_000;
/** How fast phones are back is for `npm run chaos` to judge, on a machine that has nothing else to do. */
const OF_SPEED = /were back only after/;
/** Checkers of how long things take. They say nothing when the machine kept this very process from working for seconds. */
const OF_TIMES: readonly string[] = ['promptResumes', 'handover', 'failStop', 'isolation', 'liveness'];

test(
  `two minutes of chaos, seed ${SEED}: nothing is lost, doubled or told in two ways, and everybody is served again`,
  async () => {
    const out = mkdtempSync(join(tmpdir(), 'heyblue-chaos-'));
    const words = ['--minutes', '2', '--seed', String(SEED), '--out', out];
    const { status, told, json } = await runCommand('k8s/chaos.ts', words, {
      env: { NATS_SERVER_BIN: inject('natsServerBin') },
    });
    const verdict: RunVerdict | null = json;
    if (verdict === null) expect.fail(`no verdict (exit code ${status}): ${told}`);
    const { found, problems, faults, failed, starved, ops } = verdict;
    const because = JSON.stringify({ found, problems, kept: out, verdict }, null, 2);
    const { lost, doubled, stale_accepted, disagree, illegal } = verdict;
    expect({ lost, doubled, stale_accepted, disagree, illegal }, because).toEqual({
      ...{ lost: 0, doubled: 0, stale_accepted: 0, disagree: 0, illegal: 0 },
    });
    const wrong = starved
      ? failed.filter(name => !OF_TIMES.includes(name))
      : problems.filter(words => !OF_SPEED.test(words));
    expect(wrong, because).toEqual([]);
    if (failed.length > 0) console.warn(`not judged here: ${problems.join('; ')}`);
    // it was a chaos, and people got something done in it
    expect(Object.keys(faults).length, because).toBeGreaterThan(5);
    expect(ops.acked, because).toBeGreaterThan(500);
    rmSync(out, { recursive: true, force: true });
  },
  MS_MAX,
);
