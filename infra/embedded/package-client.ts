/** The system's own package client (apt): which release this machine has, and which mirrors its owner chose for it. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { NATS_FETCH_MS_MAX } from './limits.ts';
import { exitOf } from './processes.ts';

export interface ClientOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly abort?: AbortSignal | undefined;
}

/** What /etc/os-release says of `name` (`ID`, `VERSION_CODENAME`, ...); null when it says nothing. */
export function osRelease(name: string): string | null {
  try {
    const text = readFileSync('/etc/os-release', 'utf8');
    return new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}

/**
 * The mirrors that the machine's own sources name for one of these releases over the network, in their order. Asked of
 * what an update would read: that is known before there was one. A vendor may use a release's name for an archive of his
 * own; as the archive's mirrors end in its name, others count only when there is none that does.
 */
export async function mirrorsOf(
  releases: readonly (string | null)[],
  options: ClientOptions,
): Promise<string[]> {
  const { output } = await run('apt-get', ['-q', '--print-uris', 'update'], options);
  const named = new Set<string>();
  for (const [, mirror = '', release = ''] of output.matchAll(
    /^'((?:https?|mirror(?:\+\w+)?):\S+?)\/+dists\/([^/\s]+)\/main\/binary-/gm,
  )) {
    if (releases.includes(release)) named.add(mirror);
  }
  const mirrors = [...named];
  const archives = mirrors.filter(mirror => /\/(debian|ubuntu|ubuntu-ports)$/.test(mirror));
  return archives.length > 0 ? archives : mirrors;
}

export interface Ran {
  /** How it ended, in words (processes.ts). */
  readonly words: string;
  readonly output: string;
  readonly errors: string;
}

/** Runs one of the client's programs to its end, in plain English; it is killed when it takes too long. */
export async function run(
  command: string,
  args: readonly string[],
  options: ClientOptions,
  cwd = '/',
): Promise<Ran> {
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
