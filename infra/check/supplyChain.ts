/**
 * What we install: from where, with what scripts, and never a version that is known to be bad (ASVS 5.0: 15.1.2, 15.2.1,
 * 15.2.4). Read from the lock file, because that is what `npm ci` installs; a registry's own audit asks the network, and is
 * the affair of whoever releases.
 */
import { readFileSync } from 'node:fs';

export interface LockedPackage {
  /** Its own, where we call it otherwise. */
  readonly name?: string;
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly optional?: boolean;
  /** Only development needs it. */
  readonly dev?: boolean;
  readonly os?: readonly string[];
}
export type Locked = Readonly<Record<string, LockedPackage>>;

/** Either every version below one, or these alone. */
export type Denied = { readonly name: string; readonly why: string } & (
  | { readonly below: string }
  | { readonly versions: readonly string[] }
);

/** Add a row when something becomes known; take none out. */
const DENIED: readonly Denied[] = [
  { name: 'msgpackr', below: '2.1.3', why: 'a frame of 72 kB with nested arrays ends the process' },
  { name: 'ws', below: '8.17.1', why: 'CVE-2024-37890: a request with many headers ends the server' },
  { name: 'fastify', below: '5.3.2', why: 'CVE-2025-32442: the schema of a body can be passed by' },
  { name: 'jose', below: '4.15.5', why: 'CVE-2024-28176: compressed tokens use up memory' },
  { name: 'socket.io-parser', below: '4.2.3', why: 'CVE-2023-32695: a packet ends the server' },
  { name: 'engine.io', below: '6.4.2', why: 'CVE-2023-31125: a request ends the server' },
  { name: 'undici', below: '5.28.5', why: 'CVE-2025-22150: boundaries of forms can be guessed' },
  { name: 'braces', below: '3.0.3', why: 'CVE-2024-4068: a pattern uses up memory' },
  { name: 'semver', below: '5.7.2', why: 'CVE-2022-25883: a version takes for ever' },
  { name: 'lodash', below: '4.17.21', why: 'CVE-2021-23337: a template runs commands' },
  { name: 'minimist', below: '1.2.6', why: 'CVE-2021-44906: arguments change the prototype' },
  { name: 'json5', below: '1.0.2', why: 'CVE-2022-46175: a document changes the prototype' },
  { name: 'protobufjs', below: '6.11.4', why: 'CVE-2023-36665: a message changes the prototype' },
  { name: 'event-stream', versions: ['3.3.6'], why: 'stolen: it takes secrets' },
  { name: 'ua-parser-js', versions: ['0.7.29', '0.8.0', '1.0.0'], why: 'stolen: it installs a miner' },
  { name: 'colors', versions: ['1.4.1', '1.4.2'], why: 'its author made it loop' },
  { name: 'debug', versions: ['4.4.2'], why: 'stolen in September 2025' },
  { name: 'chalk', versions: ['5.6.1'], why: 'stolen in September 2025' },
  { name: 'ansi-styles', versions: ['6.2.2'], why: 'stolen in September 2025' },
  { name: 'ansi-regex', versions: ['6.2.1'], why: 'stolen in September 2025' },
  { name: 'strip-ansi', versions: ['7.1.1'], why: 'stolen in September 2025' },
  { name: 'color-convert', versions: ['3.1.1'], why: 'stolen in September 2025' },
  { name: 'color-name', versions: ['2.0.1'], why: 'stolen in September 2025' },
];

const ROOT = new URL('../../', import.meta.url);
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, ROOT), 'utf8'));

export const lockedPackages = (): Locked => (read('package-lock.json') as { packages: Locked }).packages;
/** By name: whether its install script may run. */
export const allowedScripts = (): Readonly<Record<string, boolean>> =>
  (read('package.json') as { allowScripts?: Record<string, boolean> }).allowScripts ?? {};

/** `node_modules/a/node_modules/@b/c` is `@b/c`; the root has none. */
const nameOf = (path: string): string => path.split('node_modules/').at(-1) ?? '';

/** `name@version` of everything that a node may run, by our name for it and by its own. */
export const namesAtRunTime = (locked: Locked): Set<string> =>
  new Set(
    Object.entries(locked)
      .filter(([path, { dev }]) => path !== '' && dev !== true)
      .flatMap(([path, { name, version }]) =>
        [nameOf(path), name ?? nameOf(path)].map(one => `${one}@${version}`),
      ),
  );

/** Below zero when `a` comes before `b`; a prerelease before what it leads to. */
const compared = (a: string, b: string): number => {
  const parts = (version: string): [numbers: number[], rest: string] => {
    const [core = '', rest = ''] = version.split('+')[0]!.split(/-(.*)/s);
    return [core.split('.').map(Number), rest];
  };
  const [[one, restOne], [other, restOther]] = [parts(a), parts(b)];
  const i = one.findIndex((number, at) => number !== other[at]);
  if (i >= 0) return one[i]! - (other[i] ?? 0);
  if (restOne === restOther) return 0;
  return restOne === '' ? 1 : -1;
};

/** Sentences: which locked packages are known to be bad. */
export const findDenied = (locked: Locked): string[] =>
  Object.entries(locked).flatMap(([path, { version = '' }]) =>
    DENIED.filter(one => one.name === nameOf(path))
      .filter(one => ('below' in one ? compared(version, one.below) < 0 : one.versions.includes(version)))
      .map(({ name, why }) => `${name} ${version}: ${why} (${path})`),
  );

/**
 * npm leaves the digest out of programs for platforms that it did not see; it asks the registry for it there. The package that
 * wants them names their exact version and is pinned itself.
 */
const isOfOtherPlatform = ({ optional, os }: LockedPackage): boolean => optional === true && os !== undefined;

/** Sentences: what is not pinned by a digest, or comes from elsewhere than a registry. */
export const findUnpinned = (locked: Locked): string[] =>
  Object.entries(locked)
    .filter(([path, { link }]) => path !== '' && link !== true)
    .flatMap(([path, one]) => [
      ...(/^sha512-/.test(one.integrity ?? '') || isOfOtherPlatform(one) ? [] : [`${path} has no digest`]),
      ...(/^https:\/\/[^/]+\/.*\.tgz$/.test(one.resolved ?? '') || one.resolved === undefined
        ? []
        : [`${path} comes from ${one.resolved}`]),
    ]);

/** Sentences: scripts that would run at the installation and that nobody has looked at, and permissions nobody needs. */
export const findScripts = (locked: Locked, allowed: Readonly<Record<string, boolean>>): string[] => {
  const scripted = new Set(
    Object.entries(locked)
      .filter(([, one]) => one.hasInstallScript === true)
      .map(([path]) => nameOf(path)),
  );
  return [
    ...[...scripted]
      .filter(name => !Object.hasOwn(allowed, name))
      .map(name => `${name} has an install script that nobody allowed or forbade`),
    ...Object.keys(allowed)
      .filter(name => !scripted.has(name))
      .map(name => `${name} is in allowScripts and has no script`),
  ];
};
