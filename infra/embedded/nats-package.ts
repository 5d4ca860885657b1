/**
 * Fetching `nats-server` with the system's own package client, beside the system: as any user, without installing, and
 * without touching the system's package lists.
 *
 * apt-get works on a state of its own (lists, cache, sources) in a draft folder; the package is unpacked there, tried,
 * and moved to its place in one step, so a torn download is never taken for a server. The machine's mirror, proxies and
 * keys are used as they are: apt verifies the signature of the lists and the checksum of the package as always.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { type ClientOptions, mirrorsOf, osRelease, run } from './package-client.ts';

/** Where the distributions have a server that is new enough, and who signs for it. The mirror is the machine's own. */
const DISTRIBUTIONS: Record<string, Distribution> = {
  debian: {
    suite: 'trixie',
    component: 'main',
    keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
  },
  ubuntu: {
    suite: 'resolute',
    component: 'universe',
    keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  },
};

interface Distribution {
  readonly suite: string;
  readonly component: string;
  readonly keyring: string;
}

export interface FetchOptions extends ClientOptions {
  readonly dataDir: string;
  readonly log: (line: string) => void;
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
  const distribution = DISTRIBUTIONS[osRelease('ID') ?? ''];
  if (!distribution) return 'none on PATH, and only Debian and Ubuntu have a package that can be fetched';
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb')) {
    return 'none on PATH, and this machine has no apt-get to fetch one';
  }
  const dataDir = resolve(options.dataDir);
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith(DRAFT)) rmSync(join(dataDir, name), { recursive: true, force: true });
  }
  const mirrors = await mirrorsOf([osRelease('VERSION_CODENAME'), distribution.suite], options);
  if (mirrors.length === 0) {
    return 'none on PATH, and the package sources of this machine name no mirror to fetch one from';
  }
  options.log(`Fetching nats-server from the packages of ${distribution.suite} (about 15 MB, once)`);
  const draft = mkdtempSync(join(dataDir, DRAFT));
  try {
    const architecture = (await run('dpkg', ['--print-architecture'], options)).output.trim();
    const failures: string[] = [];
    for (const mirror of mirrors) {
      const failure = await fetchFrom(mirror, distribution, architecture, draft, options);
      if (failure === null) break;
      failures.push(failure);
      if (options.abort?.aborted) return 'it was asked to stop';
    }
    // the first of them is the one that the machine prefers
    if (failures.length === mirrors.length) return failures[0]!;
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
      const failure = `the package client could not fetch one from ${mirror}: ${reason?.[1] ?? words}`;
      // a mirror may be named with a password
      return failure.replace(/\/\/[^/@\s]*@/g, '//');
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
