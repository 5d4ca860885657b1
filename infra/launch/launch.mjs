/**
 * The door of the house: every npm script comes through here.
 *
 * Plain JavaScript without a dependency, for whatever Node the machine has (20 or later). It installs the locked packages
 * when they are missing or stale, then runs the command under the pinned Node that came with them, passes signals on
 * once, and ends with the command's own exit code. The scripts say `exec node ...`, so that no shell stands between npm
 * and us: npm then passes SIGTERM on to us, waits for us, and ends with our exit code.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensureInstalled, pinnedNode } from './install.mjs';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What runs for `npm run <name>`; arguments given by people follow. */
const COMMANDS = {
  start: ['infra/launch/start.ts'],
  test: ['infra/launch/test.ts'],
  cluster: ['k8s/cluster.ts'],
  demo: ['k8s/demo.ts'],
  replay: ['k8s/replay.ts'],
  simulate: ['k8s/simulate.ts'],
  attack: ['k8s/attack.ts'],
  audit: ['infra/audit/command.ts'],
  bench: ['k8s/bench.ts'],
  fuzz: ['protocol/fuzz.ts'],
  conformance: ['gateway/conformance/main.ts'],
  browser: ['gateway/testing/chromium.ts'],
  client: ['infra/check/clientPackage.ts'],
  query: ['infra/archive/query/main.ts'],
  keys: ['infra/rotateKeys.ts'],
  'service-account': ['infra/serviceAccounts.ts'],
  chaos: ['k8s/chaos.ts'],
  soak: ['k8s/soak.ts'],
  kubernetes: ['k8s/kubernetes.ts'],
  manifests: ['k8s/manifests.ts'],
  upgrade: ['k8s/upgrade.ts'],
  backup: ['infra/backup/main.ts', 'backup'],
  restore: ['infra/backup/main.ts', 'restore'],
  migrate: ['infra/postgres/migrateMain.ts'],
  sbom: ['infra/check/sbom.ts'],
  generate: ['protocol/generate.ts'],
  check: ['infra/check/check.ts'],
  format: ['node_modules/@biomejs/biome/bin/biome', 'check', '--write'],
};

/** The parent of a running npm script; when it is killed, nobody waits for us any more. */
const PARENT_POLL_MS = 500;
/** A command that was asked to stop and does not is ended by force; longer than any command's own deadline. */
const STOP_MS_MAX = 8_000;
/** What a shell says of a command that was interrupted: tests that did not run have not passed. */
const EXIT_INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const [name = '', ...given] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (!command) {
  console.error(`There is no command "${name}"; there are ${Object.keys(COMMANDS).join(', ')}.`);
  process.exit(2);
}

let child;
let stopping = false;

function stop(signal) {
  if (stopping) return; // npm and the terminal both send it, the command hears it once
  stopping = true;
  if (!child) process.exit(128 + constants.signals[signal]);
  child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
  setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX).unref();
}

for (const signal of SIGNALS) process.on(signal, () => stop(signal));

if (process.env.npm_lifecycle_event) {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) stop('SIGTERM');
  }, PARENT_POLL_MS).unref();
}

const installed = await ensureInstalled(ROOT, text => process.stderr.write(text), {
  onChild: npm => {
    child = npm;
  },
});
if (stopping) {
  console.error('Stopped before the packages were installed; the next launch begins again.');
  process.exit(name === 'start' ? 0 : EXIT_INTERRUPTED); // a town that was asked to stop has stopped
}
if (!installed.ok) {
  console.error(installed.sentence);
  process.exit(1);
}

const [entry, ...words] = command;
if (!existsSync(join(ROOT, entry))) {
  console.error(`npm run ${name} is not built yet: there is no ${entry}.`);
  process.exit(1);
}
const follow = pathToFileURL(join(ROOT, 'infra/launch/follow-parent.mjs')).href;
const flags = ['--disable-warning=ExperimentalWarning', '--import', follow];
// in a session of its own, so that Ctrl-C reaches us alone and the command hears it once, from us
child = spawn(pinnedNode(ROOT), [...flags, join(ROOT, entry), ...words, ...given], {
  cwd: ROOT,
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  detached: true,
});
child.once('error', error => {
  console.error(`The pinned Node does not run (${error.message}): remove node_modules and try again.`);
  process.exit(1);
});
child.once('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)));
