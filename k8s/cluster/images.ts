/**
 * The images of the cluster from the project's own Containerfile, without a registry: its base images are a small Debian
 * that was fetched before, and `npm ci` takes the packages that are installed here instead of fetching them.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNatsServer } from '../../infra/embedded/nats-server.ts';
import type { Tools } from './tools.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const SOURCES = [
  ...['Containerfile', 'package.json', 'package-lock.json', 'k8s/devServers.ts'],
  ...['actors', 'gateway', 'infra', 'nodes', 'protocol'],
];

interface Locked {
  readonly packages: Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>;
}

export interface Image {
  readonly name: string;
  /** File that `importImage` takes. */
  readonly archive: string;
  readonly sizeMb: number;
}

/** What npm is while images are built. */
const NPM = `#!/bin/sh
# ci: the packages that were installed; rebuild: they are
if [ "$1" = ci ]; then cp -a /installed/node_modules .; fi
`;

/** The packages that run, from the lockfile: those that nobody needs only to develop, outermost folders. */
const productionPackages = (): string[] => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Locked;
  const wanted = Object.entries(packages)
    .filter(
      ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional && existsSync(join(ROOT, path)),
    )
    .map(([path]) => path);
  const all = new Set(wanted);
  return wanted.filter(path => {
    for (let at = path.lastIndexOf('/node_modules/'); at > 0; at = path.lastIndexOf('/node_modules/', at - 1))
      if (all.has(path.slice(0, at))) return false;
    return true;
  });
};

class Builder {
  readonly #tools: Tools;
  readonly #folder: string;

  constructor(tools: Tools, folder: string) {
    this.#tools = tools;
    this.#folder = folder;
  }

  build(name: string, context: string, file: string, more: readonly string[] = []): void {
    const how = ['--isolation', 'chroot', '--ulimit', 'nofile=16384:20000', '--layers'];
    this.#buildah('bud', ...how, '-f', file, '-t', name, ...more, context);
  }

  /** Builds from these words instead of a file. */
  write(name: string, context: string, text: string): void {
    const file = join(this.#folder, 'Containerfile');
    writeFileSync(file, text);
    this.build(name, context, file);
  }

  archive(name: string): Image {
    const archive = join(this.#folder, `${name.replaceAll(/[^a-z0-9.-]/g, '_')}.tar`);
    rmSync(archive, { force: true });
    this.#buildah('push', name, `docker-archive:${archive}:${name}`);
    return { name, archive, sizeMb: Math.round(statSync(archive).size / 1e6) };
  }

  #buildah(verb: string, ...args: string[]): void {
    const { env, folder } = this.#tools;
    const etc = (name: string) => join(folder, 'tools/etc/containers', name);
    const store = ['--root', join(this.#folder, 'store'), '--runroot', join(this.#folder, 'run')];
    const how = ['--storage-driver', 'overlay', '--registries-conf', etc('registries.conf')];
    const policy = ['--signature-policy', etc('policy.json')];
    const buildah = [join(folder, 'tools/usr/bin/buildah'), ...store, ...how, verb, ...policy, ...args];
    // It starts itself again with an empty environment, so its libraries must lie where they are looked for.
    const libraries = '/usr/lib/x86_64-linux-gnu';
    const mount = `mount -t overlay overlay -o lowerdir=${folder}/tools${libraries}:${libraries} ${libraries}`;
    const { status, stdout, stderr, error } = spawnSync(
      'unshare',
      ['--mount', '--propagation', 'private', '--', 'sh', '-c', `${mount} && exec "$@"`, 'sh', ...buildah],
      { env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
    );
    if (status !== 0)
      throw new Error(
        `buildah ${verb} ended with ${status}: ${error ?? `${stdout.slice(-500)}${stderr.slice(-1_500)}`}`,
      );
  }
}

/** The image in which packages are installed: they lie there already. */
const buildPackages = (builder: Builder, folder: string): void => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const path of productionPackages())
    cpSync(join(ROOT, path), join(folder, path), {
      recursive: true,
      verbatimSymlinks: true,
      preserveTimestamps: true,
    });
  writeFileSync(join(folder, 'npm'), NPM, { mode: 0o755 });
  builder.write(
    'localhost/build:1',
    folder,
    'FROM localhost/debian:12\nCOPY node_modules /installed/node_modules\nCOPY npm /usr/local/bin/npm\n',
  );
  rmSync(folder, { recursive: true, force: true });
};

/** What images are made of: another one means another image. */
const sourcesHash = (): string => {
  const hash = createHash('sha256');
  for (const one of SOURCES) {
    const path = join(ROOT, one);
    const files = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, withFileTypes: true })
          .filter(entry => entry.isFile())
          .map(entry => join(entry.parentPath, entry.name))
          .sort()
      : [path];
    for (const file of files) hash.update(file).update(readFileSync(file));
  }
  return hash.digest('hex');
};

/** Builds pause, node and servers; those of an earlier run when nothing of them has changed since. @throws Error with what buildah said */
export const buildImages = async (tools: Tools, log: (line: string) => void): Promise<Image[]> => {
  const folder = join(tools.folder, 'images');
  const installed = join(folder, 'installed');
  mkdirSync(folder, { recursive: true });
  const stamp = join(folder, 'images.json');
  const hash = sourcesHash();
  if (existsSync(stamp)) {
    const earlier = JSON.parse(readFileSync(stamp, 'utf8')) as { hash: string; images: Image[] };
    if (earlier.hash === hash && earlier.images.every(one => existsSync(one.archive))) return earlier.images;
  }
  log('building the images; a few minutes the first time');
  const builder = new Builder(tools, folder);
  builder.write(
    'localhost/pause:1',
    tools.folder,
    'FROM scratch\nCOPY bin/pause /pause\nENTRYPOINT ["/pause"]\n',
  );
  builder.write('localhost/debian:12', tools.folder, 'FROM scratch\nCOPY rootfs /\n');

  const nats = (await findNatsServer({ env: process.env, dataDir: tools.folder, log })).path;
  mkdirSync(join(folder, 'nats'), { recursive: true });
  cpSync(nats, join(folder, 'nats/nats-server'));
  builder.write('localhost/nats:1', join(folder, 'nats'), 'FROM scratch\nCOPY nats-server /nats-server\n');

  // half a gigabyte that seldom changes
  const lock = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  const lockStamp = join(folder, 'packages');
  if (!existsSync(lockStamp) || readFileSync(lockStamp, 'utf8') !== lock) {
    buildPackages(builder, installed);
    writeFileSync(lockStamp, lock);
  }
  const bases = {
    BUILD_IMAGE: 'localhost/build:1',
    BASE_IMAGE: 'localhost/debian:12',
    SERVERS_IMAGE: 'localhost/debian:12',
    NATS_IMAGE: 'localhost/nats:1',
  };
  const args = Object.entries(bases).flatMap(([name, image]) => ['--build-arg', `${name}=${image}`]);
  const images = ['localhost/pause:1'].map(name => builder.archive(name));
  for (const [target, name] of [
    ['node', 'docker.io/library/heyblue:dev'],
    ['servers', 'docker.io/library/heyblue-servers:dev'],
  ] as const) {
    builder.build(name, ROOT, join(ROOT, 'Containerfile'), ['--target', target, ...args]);
    images.push(builder.archive(name));
  }
  writeFileSync(stamp, JSON.stringify({ hash, images }));
  return images;
};
