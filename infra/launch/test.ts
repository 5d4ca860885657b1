/**
 * `npm test`: types, lint, arrows, then every test against the real embedded servers. Words after `--` are filters for
 * the tests. The last line is always `N passed, N failed`; each check counts as one test.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChecks } from '../check/checks.ts';
import { countsOf, type VitestReport } from './test-counts.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Well beyond any honest run: a hanging one must end. */
const TESTS_MS_MAX = 20 * 60_000;
/** After this, a test runner that was asked to stop is ended by force. */
const STOP_MS_MAX = 6_000;

let stopping = false;
let runner: ReturnType<typeof spawn> | undefined;

function stop(): void {
  if (stopping) return;
  stopping = true;
  if (!runner) process.exit(1);
  runner.kill('SIGINT');
  setTimeout(() => runner?.kill('SIGKILL'), STOP_MS_MAX).unref();
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);

/** Runs the tests; what they reported, or null when the runner died before it could. */
function vitest(folder: string): Promise<VitestReport | null> {
  const report = join(folder, 'report.json');
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return new Promise(resolve => {
    runner = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '--import',
        new URL('./follow-parent.mjs', import.meta.url).href,
        join(ROOT, 'node_modules/vitest/vitest.mjs'),
        ...args,
        ...process.argv.slice(2),
      ],
      {
        cwd: ROOT,
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        // the tests start hundreds of processes of the same few hundred modules
        env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') },
      },
    );
    const overdue = setTimeout(stop, TESTS_MS_MAX);
    runner.once('close', () => {
      clearTimeout(overdue);
      try {
        resolve(JSON.parse(readFileSync(report, 'utf8')) as VitestReport);
      } catch {
        resolve(null);
      }
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), 'heyblue-report-'));
try {
  const checks = await runChecks(ROOT, line => console.log(line));
  const { passed, failed } = countsOf(checks, await vitest(folder), stopping);
  process.exitCode = failed === 0 ? 0 : 1;
  console.log(`${passed} passed, ${failed} failed`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
