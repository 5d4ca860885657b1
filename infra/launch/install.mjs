/**
 * The locked packages, present and complete.
 *
 * `npm ci` removes everything before it installs, so an interrupted one leaves a folder that looks installed and is not.
 * Therefore a stamp is written last, with a fingerprint of the lock file and the platform: no stamp, no trust. Somebody
 * who ran npm by hand has no stamp either, but the list that npm itself writes last; when that equals the lock file we
 * believe it. Two launches in one folder take turns, and an `npm ci` whose launcher was killed is ended before another
 * begins. Plain JavaScript, because nothing is installed yet.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockFolder } from './folder-lock.mjs';
import { processIdentity } from './process-identity.mjs';

const STAMP = 'node_modules/.heyblue-lock';
const NPM_LIST = 'node_modules/.package-lock.json';
/** Not inside node_modules, which `npm ci` removes. */
const WORK = '.data-install';
const WAIT_POLL_MS = 500;
const TERMINAL_TICK_MS = 1_000;
const PIPE_TICK_MS = 15_000;
const KILL_PATIENCE_MS = 5_000;
const STOP_PATIENCE_MS = 1_000;
const ERROR_LINES_MAX = 12;

const INSTALL_ARGS = [
  'ci',
  '--ignore-scripts',
  '--include=dev',
  '--include=optional',
  '--no-audit',
  '--no-fund',
  '--no-update-notifier',
  '--loglevel=error',
];
/** Then the scripts that `allowScripts` names, and no others: only a recent npm would heed that list by itself. */
const SCRIPT_ARGS = ['rebuild', '--ignore-scripts=false', '--loglevel=error'];

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

/** The Node of the lock file, whatever the machine has. */
export function pinnedNode(root) {
  return join(root, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** Says which packages on which platform: what a stamp is compared with. */
export function fingerprint(root) {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return createHash('sha256').update(lock).update(`${process.platform}/${process.arch}`).digest('hex');
}

function json(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/** Does npm's own list of what it installed say the same as the lock file? Optional packages may be missing. */
function sameAsLock(root) {
  const wanted = json(join(root, 'package-lock.json'))?.packages;
  const present = json(join(root, NPM_LIST))?.packages;
  if (!wanted || !present) return false;
  // the lock file of one registry need not say where another one keeps the same bytes
  const sameBytes = (a, b) => !a.integrity || !b.integrity || a.integrity === b.integrity;
  const same = (a, b) => a !== undefined && b !== undefined && a.version === b.version && sameBytes(a, b);
  return (
    Object.entries(wanted).every(
      ([path, one]) => path === '' || same(one, present[path]) || (one.optional && !present[path]),
    ) && Object.keys(present).every(path => path in wanted)
  );
}

/** @returns {string | null} why the packages must be installed, or null when all is there */
export function staleness(root) {
  if (!existsSync(join(root, 'node_modules'))) return 'missing';
  if (!existsSync(pinnedNode(root))) return 'incomplete';
  let stamp = '';
  try {
    stamp = readFileSync(join(root, STAMP), 'utf8').trim();
  } catch {
    // no stamp
  }
  if (stamp === fingerprint(root)) return null;
  if (!sameAsLock(root)) return stamp === '' ? 'incomplete' : 'stale';
  try {
    writeFileSync(join(root, STAMP), fingerprint(root));
  } catch {
    // somebody else's folder: believe the list each time
  }
  return null;
}

/** How to call npm: the one that runs us when there is one, under the machine's Node (the pinned one gets replaced). */
function npmCommand() {
  const script = process.env.npm_execpath ?? '';
  if (!/npm-cli\.c?js$/.test(script)) return ['npm'];
  return [process.env.npm_node_execpath ?? process.execPath, script];
}

function npmEnvironment() {
  const env = { ...process.env, SCARF_ANALYTICS: 'false' };
  delete env.NODE_ENV;
  const home = homedir();
  try {
    accessSync(existsSync(join(home, '.npm')) ? join(home, '.npm') : home, constants.W_OK);
  } catch {
    // a user without a home of their own, as services have it
    env.npm_config_cache ??= join(tmpdir(), `heyblue-npm-${process.getuid?.() ?? 'cache'}`);
  }
  return env;
}

/** Shows that we are alive: a counter in place on a terminal, a line now and then elsewhere. */
function showProgress(say, sentence) {
  const start = Date.now();
  const seconds = () => Math.round((Date.now() - start) / 1000);
  say(process.stderr.isTTY ? sentence : `${sentence}\n`);
  const timer = process.stderr.isTTY
    ? setInterval(() => say(`\r${sentence} ${seconds()} s`), TERMINAL_TICK_MS)
    : setInterval(() => say(`still installing, ${seconds()} s\n`), PIPE_TICK_MS);
  return ok => {
    clearInterval(timer);
    const ending = ok ? `done in ${seconds()} s` : 'failed';
    say(process.stderr.isTTY ? `\r${sentence} ${ending}\n` : `Installing: ${ending}.\n`);
  };
}

/** Ends the `npm ci` of a launcher that was killed. */
async function endLeftover(pidFile) {
  const leftover = json(pidFile);
  if (leftover && processIdentity(leftover.pid) === leftover.identity) {
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      try {
        process.kill(-leftover.pid, signal);
      } catch {
        break; // gone
      }
      for (let waited = 0; waited < KILL_PATIENCE_MS; waited += 50) {
        if (processIdentity(leftover.pid) !== leftover.identity) break;
        await pause(50);
      }
    }
  }
  rmSync(pidFile, { force: true });
}

function endGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // gone
  }
}

/** Runs npm to its end; its last words when it failed, null when all went well. */
function npm(root, args, pidFile, onChild) {
  const [command, ...words] = npmCommand();
  return new Promise(resolve => {
    const child = spawn(command, [...words, ...args], {
      cwd: root,
      env: npmEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      shell: process.platform === 'win32',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', text => {
        output += text;
      });
    }
    if (child.pid)
      writeFileSync(pidFile, JSON.stringify({ pid: child.pid, identity: processIdentity(child.pid) }));
    onChild({
      // npm may go on after a SIGINT; what it leaves has no stamp, so it may as well be killed
      kill: () => {
        endGroup(child.pid, 'SIGTERM');
        setTimeout(() => endGroup(child.pid, 'SIGKILL'), STOP_PATIENCE_MS).unref();
      },
    });
    child.once('error', error => resolve(error.message));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(null);
      else
        resolve(
          `${output.trim().split('\n').slice(0, ERROR_LINES_MAX).join('\n')}\nnpm ended with ${signal ?? code}`,
        );
    });
  });
}

/** Does the pinned Node run at all? Its download may have been cut short. */
function runs(root) {
  return existsSync(pinnedNode(root)) && spawnSync(pinnedNode(root), ['--version']).status === 0;
}

/** The packages whose install scripts may run: those that must succeed, and those that something can do without. */
function scripted(root) {
  const locked = json(join(root, 'package-lock.json'))?.packages ?? {};
  const allowed = json(join(root, 'package.json'))?.allowScripts ?? {};
  const names = Object.keys(allowed).filter(name => allowed[name] === true);
  const optional = name => locked[`node_modules/${name}`]?.optional === true;
  return { needed: names.filter(name => !optional(name)), optional: names.filter(optional) };
}

/** Every step of an installation; npm's last words when one failed, null when all went well. */
async function npmSteps(root, pidFile, onChild) {
  const run = args => npm(root, args, pidFile, onChild);
  const { needed, optional } = scripted(root);
  const failure = (await run(INSTALL_ARGS)) ?? (await run([...SCRIPT_ARGS, ...needed]));
  if (failure !== null) return failure;
  // as `npm ci` has it: what is optional may fail
  if (optional.length > 0) await run([...SCRIPT_ARGS, ...optional]);
  return runs(root) ? null : 'the pinned Node does not run on this machine';
}

async function install(root, say, onChild, why) {
  const pidFile = join(root, WORK, 'npm.json');
  await endLeftover(pidFile);
  const done = showProgress(say, `Installing the locked packages (${why}), about a minute the first time...`);
  const failure = await npmSteps(root, pidFile, onChild);
  done(failure === null);
  rmSync(pidFile, { force: true });
  if (failure !== null)
    return { ok: false, sentence: `${failure}\nThe packages could not be installed (npm's words above).` };
  writeFileSync(join(root, STAMP), fingerprint(root));
  return { ok: true };
}

/**
 * Installs what the lock file names unless it is there already.
 *
 * @param {string} root the repository
 * @param {(text: string) => void} say progress for people, pieces of lines
 * @param {{onChild?: (child: {kill(signal: string): void}) => void}} options hears of the running npm, to stop it
 * @returns {Promise<{ok: true} | {ok: false, sentence: string}>}
 */
export async function ensureInstalled(root, say, { onChild = () => {} } = {}) {
  if (staleness(root) === null) return { ok: true };
  const work = join(root, WORK);
  let told = false;
  try {
    mkdirSync(work, { recursive: true });
    for (;;) {
      const lock = await lockFolder(join(work, 'lock'));
      if (!lock.ok) {
        if (!told) say(`Waiting for another launch (pid ${lock.pid}) that installs the packages...\n`);
        told = true;
        await pause(WAIT_POLL_MS);
        continue;
      }
      try {
        const why = staleness(root); // it may have been done while we waited
        return why === null ? { ok: true } : await install(root, say, onChild, why);
      } finally {
        lock.release();
      }
    }
  } catch (error) {
    return { ok: false, sentence: `The packages could not be installed in ${root}: ${error.message}.` };
  }
}
