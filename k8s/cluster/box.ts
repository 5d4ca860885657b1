/**
 * The box in which the cluster lives: processes, mounts and network of their own, so that a run changes nothing outside
 * and leaves nothing behind, however it ends. What remains to be taken away is a folder and empty cgroups.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { exitOf, signal, within } from '../../infra/embedded/processes.ts';
import { stopOnSignal } from '../swarm/cleanup.ts';
import type { Ordered } from './bringUp.ts';

const BOX = fileURLToPath(new URL('./box.sh', import.meta.url));
const CGROUPS = '/sys/fs/cgroup';
/** Inside it has this long to hear that nobody wants it any more; then the box is closed. */
const STOP_MS_MAX = 4_000;
const RMDIR_TRIES = 50;

export interface BoxOptions {
  /** Keep the logs of all programs. */
  readonly keep?: boolean;
  /** It stays: say how to enter. */
  readonly hold?: boolean;
}

/**
 * Runs a program in a box and takes everything away after it.
 *
 * @param program path of a module that begins with `inBox`; it hears the order
 * @returns its exit code
 */
export const runInBox = async <O extends Ordered>(
  program: string,
  order: Omit<O, 'folder' | 'cgroup'>,
  { keep = false, hold = false }: BoxOptions = {},
): Promise<number> => {
  const { work } = order;
  mkdirSync(join(work, 'runs'), { recursive: true });
  await removeLeftOvers(join(work, 'runs'));
  const folder = mkdtempSync(join(work, 'runs', 'run-'));
  const cgroup = cgroupOf(folder);
  writeFileSync(join(folder, 'pid'), String(process.pid));
  const file = join(folder, 'order.json');
  writeFileSync(file, JSON.stringify({ ...order, folder, cgroup }));
  const child = spawn(
    'unshare',
    [
      ...[
        '--mount',
        '--net',
        '--pid',
        '--ipc',
        '--fork',
        '--kill-child=SIGKILL',
        '--propagation',
        'private',
        '--',
      ],
      ...['bash', BOX, folder, process.execPath, '--no-warnings', program, file],
    ],
    // inside notices by its stdin that nobody wants it any more; a session of its own, so that Ctrl-C reaches us alone
    { stdio: ['pipe', 'inherit', 'inherit'], detached: true },
  );
  const exited = exitOf(child);
  const stop = stopOnSignal(async () => {
    child.stdin.end();
    if (!(await within(exited, STOP_MS_MAX))) signal(child.pid!, 'SIGKILL');
    await exited;
    await removeCgroups(cgroup);
    if (keep) console.error(`Logs of the run: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  });
  if (hold) sayHowToEnter(child.pid!, folder, work);
  const words = await exited;
  await stop();
  return words === 'ended with code 0' ? 0 : 1;
};

/** The first process of the box is the child of the one that we started. */
const sayHowToEnter = (pid: number, folder: string, work: string): void => {
  const first =
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim() ||
    '$(pgrep -P PID)'.replace('PID', `${pid}`);
  const kubectl = `${join(work, 'bin/kubectl')} --kubeconfig=${join(folder, 'control/admin.kubeconfig')}`;
  console.error(`kubernetes: nsenter --target ${first} --mount --net --pid -- ${kubectl} get pods -A`);
};

const cgroupOf = (folder: string): string => `/heyblue-${folder.slice(-6)}`;

/** What runs left that were killed before they could clean up. Kept ones are kept until the next run, too. */
const removeLeftOvers = async (runs: string): Promise<void> => {
  for (const name of readdirSync(runs)) {
    const folder = join(runs, name);
    const pid = existsSync(join(folder, 'pid')) ? readFileSync(join(folder, 'pid'), 'utf8') : '';
    if (pid !== '' && existsSync(`/proc/${pid}`)) continue;
    await removeCgroups(cgroupOf(folder));
    rmSync(folder, { recursive: true, force: true });
  }
};

const removeCgroups = async (cgroup: string): Promise<void> => {
  for (const controller of readdirSync(CGROUPS)) {
    const root = join(CGROUPS, controller, cgroup);
    for (let i = 0; existsSync(root) && i < RMDIR_TRIES; i++) {
      removeTree(root);
      if (existsSync(root)) await pause(100);
    }
  }
};

/** Folders of cgroups cannot be emptied, only removed from the leaves on. */
const removeTree = (folder: string): void => {
  for (const name of readdirSync(folder))
    if (statSync(join(folder, name)).isDirectory()) removeTree(join(folder, name));
  try {
    rmdirSync(folder);
  } catch {
    // a process of it is not buried yet
  }
};
