/**
 * Fetching `nats-server` with the system's own package client, beside the system: as any user, without installing, and
 * without touching the system's package lists.
 *
 * apt-get works on a state of its own (lists, cache, sources) in a draft folder; the package is unpacked there, tried,
 * and moved to its place in one step, so a torn download is never taken for a server. The machine's mirror, proxies and
 * keys are used as they are: apt verifies the signature of the lists and the checksum of the package as always.
 */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { NATS_FETCH_MS_MAX } from './limits.ts';
import { exitOf } from './processes.ts';

/** Where the distributions have a server that is new enough, and who signs for it. */
const DISTRIBUTIONS: Record<string, Distribution> = {
  debian: {
    suite: 'trixie',
    component: 'main',
    keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
    mirrors: () => 'http://deb.debian.org/debian',
  },
  ubuntu: {
    suite: 'resolute',
    component: 'universe',
    keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
    mirrors: architecture =>
      architecture === 'amd64' || architecture === 'i386'
        ? 'http://archive.ubuntu.com/ubuntu'
        : 'http://ports.ubuntu.com/ubuntu-ports',
  },
};

interface Distribution {
  readonly suite: string;
  readonly component: string;
  readonly keyring: string;
  /** The public mirror, when the machine names none of its own or that one lacks the suite. */
  readonly mirrors: (architecture: string) => string;
}

export interface FetchOptions {
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  readonly abort?: AbortSignal | undefined;
  /** Why the fetched program cannot be used; null when it can. */
  readonly check: (path: string) => Promise<string | null>;
}

const DRAFT = 'nats-server.new-';

/**
 * Puts the program at `<dataDir>/nats-server/nats-server`. The caller holds the lock of that folder.
 *
 * @returns null when it is there, else why not, in words that fit into a sentence
 */
export async function fetchNatsServer(options: FetchOptions): Promise<string | null> {
  const distribution = DISTRIBUTIONS[distributionOf()];
  if (!distribution) return 'none on PATH, and only Debian and Ubuntu have a package that can be fetched';
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb')) {
    return 'none on PATH, and this machine has no apt-get to fetch one';
  }
  const dataDir = resolve(options.dataDir);
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith(DRAFT)) rmSync(join(dataDir, name), { recursive: true, force: true });
  }
  options.log(`Fetching nats-server from the packages of ${distribution.suite} (about 15 MB, once)`);
  const draft = mkdtempSync(join(dataDir, DRAFT));
  try {
    const architecture = (await run('dpkg', ['--print-architecture'], options)).output.trim();
    const open = distribution.mirrors(architecture);
    const own = await ownMirror(options);
    let failure = '';
    for (const mirror of new Set([own ?? open, open])) {
      failure = (await fetchFrom(mirror, distribution, architecture, draft, options)) ?? '';
      if (failure === '') break;
      if (options.abort?.aborted) return 'it was asked to stop';
    }
    if (failure !== '') return failure;
    const program = join(draft, 'unpacked', 'usr', 'sbin', 'nats-server');
    if (!existsSync(program)) return 'the fetched package has no nats-server in it';
    chmodSync(program, 0o755);
    const unusable = await options.check(program);
    if (unusable) return `one was fetched, but ${unusable}`;
    const place = join(dataDir, 'nats-server');
    mkdirSync(place, { recursive: true });
    renameSync(program, join(place, 'nats-server'));
    return null;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** `debian`, `ubuntu` or whatever /etc/os-release says. */
function distributionOf(): string {
  return osRelease('ID') ?? '';
}

function osRelease(name: string): string | null {
  try {
    const text = readFileSync('/etc/os-release', 'utf8');
    return new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}

/** The archive that the machine's own sources name for its own release; null when they name none over the network. */
async function ownMirror(options: FetchOptions): Promise<string | null> {
  const codename = osRelease('VERSION_CODENAME');
  const fields = ['indextargets', '--format', '$(RELEASE) $(REPO_URI)', 'Created-By: Packages'];
  const { output } = await run('apt-get', fields, options);
  for (const line of output.split('\n')) {
    const [release, uri = ''] = line.split(' ');
    // a vendor's own archive may use the same suite name; the distribution's mirrors end in its name
    if (release === codename && /^https?:\/\/\S+\/(debian|ubuntu|ubuntu-ports)\/?$/.test(uri)) {
      return uri.replace(/\/$/, '');
    }
  }
  return null;
}

/** Null when the package lies unpacked in `draft/unpacked`. */
async function fetchFrom(
  mirror: string,
  distribution: Distribution,
  architecture: string,
  draft: string,
  options: FetchOptions,
): Promise<string | null> {
  const { suite, component, keyring } = distribution;
  const configuration = prepare(draft, mirror, suite, component, keyring, architecture);
  for (const order of [['update'], ['download', 'nats-server']]) {
    const { words, output, errors } = await run(
      'apt-get',
      ['-q', '-c', configuration, ...order],
      options,
      draft,
    );
    // an update that reached nobody only warns
    const reason = /^(?:E|W|Err):?\s*(.*(?:fail|NO_PUBKEY|not signed|Unable|404|Could not).*)$/im.exec(
      `${errors}\n${output}`,
    );
    if (words !== 'ended with code 0' || (order[0] === 'update' && reason)) {
      return `the package client could not fetch one from ${mirror}: ${reason?.[1] ?? words}`;
    }
  }
  const file = readdirSync(draft).find(name => /^nats-server_.*\.deb$/.test(name));
  if (!file) return 'the package client brought no package';
  const unpacked = join(draft, 'unpacked');
  const { words } = await run('dpkg-deb', ['-x', join(draft, file), unpacked], options);
  return words === 'ended with code 0' ? null : 'the fetched package cannot be unpacked';
}

/** A state of its own for apt: nothing of the system is read but its proxies, keys and credentials. */
function prepare(
  draft: string,
  mirror: string,
  suite: string,
  component: string,
  keyring: string,
  architecture: string,
): string {
  const apt = join(draft, 'apt');
  rmSync(apt, { recursive: true, force: true });
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'none']) {
    mkdirSync(join(apt, folder), { recursive: true });
  }
  const signed = existsSync(keyring) ? ` signed-by=${keyring}` : '';
  writeFileSync(
    join(apt, 'sources.list'),
    `deb [arch=${architecture} target=Packages pdiffs=no${signed}] ${mirror} ${suite} ${component}\n`,
  );
  writeFileSync(join(apt, 'status'), '');
  const settings: Record<string, string> = {
    'Dir::State': join(apt, 'state'),
    'Dir::State::status': join(apt, 'status'),
    'Dir::Cache': join(apt, 'cache'),
    'Dir::Log': join(apt, 'none'),
    'Dir::Etc::SourceList': join(apt, 'sources.list'),
    'Dir::Etc::SourceParts': join(apt, 'none'),
    'Dir::Etc::Preferences': join(apt, 'no-preferences'),
    'Dir::Etc::PreferencesParts': join(apt, 'none'),
    'APT::Architecture': architecture,
    'APT::Default-Release': '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '20',
    'Acquire::https::Timeout': '20',
    // root would hand the work to a user who may not reach this folder
    'APT::Sandbox::User': 'root',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
  const path = join(apt, 'apt.conf');
  // what the system wants done after an update or an installation is not for us
  writeFileSync(path, `#clear APT::Update;\n#clear DPkg;\n#clear APT::Architectures;\n${lines.join('\n')}\n`);
  return path;
}

interface Ran {
  readonly words: string;
  readonly output: string;
  readonly errors: string;
}

async function run(command: string, args: string[], options: FetchOptions, cwd = '/'): Promise<Ran> {
  const env = {
    ...options.env,
    PATH: `${options.env.PATH ?? ''}:/usr/bin:/bin:/usr/sbin:/sbin`,
    LC_ALL: 'C',
  };
  const child = spawn(command, args, {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: NATS_FETCH_MS_MAX,
    killSignal: 'SIGKILL',
    ...(options.abort && { signal: options.abort }),
  });
  const texts = { output: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.errors += text;
  });
  const closed = new Promise<void>(done => child.once('close', () => done()));
  const words = await exitOf(child);
  if (child.pid !== undefined) await closed;
  return { words, ...texts };
}
