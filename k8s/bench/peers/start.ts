/** Starts the servers of a comparison, each a process of its own on the servers' core, and ends them. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stopOnSignal } from '../../swarm/cleanup.ts';
import { pin, SERVER_CORE } from '../../swarm/pinning.ts';
import { procCpuSeconds } from '../../swarm/processCost.ts';
import type { Drive, Driven, Ready } from './server.ts';

export type PeerName = 'heyblue' | 'ws' | 'socketio';

export interface PeerServer {
  readonly pid: number;
  readonly url: string;
  readonly people: unknown;
  /** It runs on the servers' core alone. */
  readonly pinned: boolean;
  /** Pushes as ordered. */
  drive(order: Omit<Drive, 'type'>): Promise<Driven>;
  ask<A>(order: { readonly type: string }): Promise<A>;
  /** CPU seconds so far, seen from outside where that is possible. */
  cpuSeconds(): Promise<number>;
  stop(): Promise<void>;
}

const answerOf = (child: ChildProcess, name: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null): void =>
      reject(new Error(`the ${name} server ended with code ${code}`));
    child.once('exit', ended);
    child.once('message', message => {
      child.off('exit', ended);
      resolve(message);
    });
  });

/** Starts one; `execArgv` for memory measurements and profiles. */
export const startPeer = async (
  name: PeerName,
  args: readonly string[],
  execArgv: readonly string[] = [],
): Promise<PeerServer> => {
  const child = fork(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), args, {
    execPath: process.execPath,
    execArgv: ['--no-warnings', ...execArgv],
    env: { PATH: process.env.PATH, NODE_ENV: 'production' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const pid = child.pid!;
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const stop = stopOnSignal(async () => {
    if (child.connected) child.disconnect();
    const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await exited;
    clearTimeout(late);
  });
  try {
    const { url, people } = (await answerOf(child, name)) as Ready;
    const pinned = pin(pid, SERVER_CORE);
    const ask = async <A>(order: { readonly type: string }): Promise<A> => {
      const answer = answerOf(child, name);
      child.send(order);
      return (await answer) as A;
    };
    return {
      pid,
      url,
      people,
      pinned,
      ask,
      drive: order => ask<Driven>({ type: 'drive', ...order } as Drive),
      cpuSeconds: async () =>
        procCpuSeconds(pid) ?? (await ask<{ cpuSeconds: number }>({ type: 'cpu' })).cpuSeconds,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};
