/**
 * Where the programs of a real Kubernetes lie: all below one folder that `fetch.sh` filled, nothing of them installed on
 * the machine. Which of them runs with which libraries is said here, once.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mirrorsOf, osRelease } from '../../infra/embedded/package-client.ts';

const FETCH = fileURLToPath(new URL('./fetch.sh', import.meta.url));
/** The release of Debian that has the sources of a whole Kubernetes. */
const RELEASE = 'bookworm';
/** iptables comes as one program with many names, which Debian gives out when it is installed. */
const IPTABLES = [
  'iptables',
  'iptables-save',
  'iptables-restore',
  'ip6tables',
  'ip6tables-save',
  'ip6tables-restore',
];
/** What must be on the machine itself. */
const NEEDED = ['apt-get', 'dpkg', 'nsenter', 'unshare', 'mount', 'patch', 'tar', 'xz'];

export const DEFAULT_FOLDER = join(homedir(), '.cache', 'heyblue-kubernetes');

export interface Tools {
  readonly folder: string;
  /** Environment in which each of them finds the others and its libraries. */
  readonly env: Record<string, string>;
  /** The root of a small Debian, for images. */
  readonly rootfs: string;
}

/** Why this machine cannot; null when it can. */
export const unable = (): string | null => {
  if (process.platform !== 'linux') return 'A real Kubernetes needs Linux.';
  if (process.getuid?.() !== 0)
    return 'A real Kubernetes needs root: namespaces, cgroups and mounts of its own.';
  if (!existsSync('/sys/fs/cgroup/memory'))
    return 'Kubernetes 1.20 needs cgroups of version 1, mounted at /sys/fs/cgroup.';
  const missing = NEEDED.filter(name => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  return missing.length === 0 ? null : `This machine has no ${missing.join(', no ')}.`;
};

/**
 * Fetches and builds what is not there yet, minutes the first time, from the mirror that this machine's own package
 * sources name.
 *
 * @throws Error when they name none, or with the step that failed
 */
export const fetchTools = async (folder: string): Promise<Tools> => {
  if (!existsSync(join(folder, 'done'))) {
    if (osRelease('ID') !== 'debian') throw new Error('Kubernetes is built from the sources of Debian.');
    const options = { env: process.env };
    const [mirror] = overHttp(await mirrorsOf([RELEASE, osRelease('VERSION_CODENAME')], options));
    if (mirror === undefined)
      throw new Error('The package sources of this machine name no mirror of Debian.');
    const [security = ''] = overHttp(await mirrorsOf([`${RELEASE}-security`], options));
    const made = spawnSync('bash', [FETCH, folder, mirror, security], { stdio: ['ignore', 2, 2] });
    if (made.status !== 0) throw new Error(`fetch.sh ${folder} ended with ${made.status ?? made.signal}.`);
  }
  return toolsIn(folder);
};

/** A small Debian is made by a program that knows no lists of mirrors. */
const overHttp = (mirrors: readonly string[]): string[] => mirrors.filter(mirror => /^https?:/.test(mirror));

export const toolsIn = (folder: string): Tools => {
  const root = join(folder, 'tools');
  const links = join(folder, 'links');
  rmSync(links, { recursive: true, force: true });
  mkdirSync(links, { recursive: true });
  for (const name of IPTABLES) symlinkSync(join(root, 'usr/sbin/xtables-nft-multi'), join(links, name));
  const libraries = [
    'usr/lib/x86_64-linux-gnu',
    'lib/x86_64-linux-gnu',
    'usr/lib/aarch64-linux-gnu',
    'lib/aarch64-linux-gnu',
  ];
  return {
    folder,
    rootfs: join(folder, 'rootfs'),
    env: {
      PATH: [
        join(folder, 'bin'),
        links,
        ...['usr/sbin', 'usr/bin', 'sbin', 'bin'].map(one => join(root, one)),
        '/usr/sbin:/usr/bin:/sbin:/bin',
      ].join(':'),
      LD_LIBRARY_PATH: libraries.map(one => join(root, one)).join(':'),
      XTABLES_LIBDIR: join(root, 'usr/lib/x86_64-linux-gnu/xtables'),
      HOME: '/root',
    },
  };
};

export const cniPlugins = ({ folder }: Tools): string => join(folder, 'tools/usr/lib/cni');
export const runcOf = ({ folder }: Tools): string => join(folder, 'tools/usr/sbin/runc');
