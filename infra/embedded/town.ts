/**
 * One node as a real process: the composition in nodes/main.ts under the pinned Node, started, killed and started again.
 *
 * The supervisor runs its node through this, and so do the end-to-end tests, the benchmarks, the demo and the replay:
 * what they kill with `kill -9` is what people run.
 */
import { fork, type StdioOptions } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { StartFailure } from './failure.ts';
import { NODE_READY_MS_MAX, NODE_STOP_MS_MAX } from './limits.ts';
import { endInSteps, exitOf, type Running, signal, within } from './processes.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** When we are killed, the node ends in good order (follow-parent.mjs). */
const FOLLOW = new URL('../launch/follow-parent.mjs', import.meta.url).href;
const NODE_FLAGS = ['--disable-proto=throw', '--expose-gc', '--no-warnings', '--import', FOLLOW];

/** Where people and programs reach a node. */
export interface NodeUrls {
  /** `http://host:port` of REST and its documents. */
  rest: string;
  /** `ws://host:port/v1/ws` */
  realtime: string;
  /** `http://127.0.0.1:port` of /livez, /readyz, /startupz and /metrics. */
  admin: string;
}

/** What nodes/main.ts says over ipc: once, when it serves or when it cannot. */
export type NodeMessage =
  | { type: 'ready'; summary: string[]; urls?: NodeUrls }
  | { type: 'failed'; message: string };

/**
 * What a node is told over ipc. `stop`: everything goes down at once, so there is nobody to hand over to. A SIGTERM alone
 * means that the others stay: the node hands its users over first.
 */
export type NodeOrder = { type: 'stop' };

/** Where the node's own log goes: our output, nowhere, a file, or somebody who takes it line by line. */
export type NodeOutput = 'inherit' | 'ignore' | { file: string } | { line: (text: string) => void };

export interface NodeOptions {
  /** The whole environment of the node: `{ ...town.env, HEYBLUE_REST_PORT: '0', ... }`. PATH is added. */
  env: NodeJS.ProcessEnv;
  /** Default: `inherit`. */
  output?: NodeOutput;
  /** Another program in place of nodes/main.ts, for tests of the supervisor. */
  entry?: string;
  /** Somebody wants to stop before it is ready. */
  abort?: AbortSignal;
}

export interface NodeProcess extends Running {
  summary: string[];
  urls: NodeUrls;
}

/** A node that tests may kill and start again. */
export interface StartedNode {
  readonly pid: number;
  readonly urls: NodeUrls;
  readonly summary: string[];
  /** Sends a signal and, when it is one that ends the process, waits until it is gone. */
  kill(name?: NodeJS.Signals): Promise<void>;
  /** Starts it again (after a `kill`, or in place of the running one) with the same environment. */
  restart(): Promise<void>;
  /** Ends it without handing over, by force when it takes too long. `kill('SIGTERM')` drains it. */
  stop(): Promise<void>;
}

/** What a node announces when it does not tell: the configured ports. */
function defaultUrls(env: NodeJS.ProcessEnv): NodeUrls {
  return {
    rest: `http://127.0.0.1:${env.HEYBLUE_REST_PORT || 8080}`,
    realtime: `ws://127.0.0.1:${env.HEYBLUE_REALTIME_PORT || 8081}/v1/ws`,
    admin: `http://127.0.0.1:${env.HEYBLUE_ADMIN_PORT || 9090}`,
  };
}

/** All that a node has of our own environment. */
const inherited = (): NodeJS.ProcessEnv => {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }) };
};

/**
 * glibc gives threads up to eight heaps of their own per core, and what a thread of V8 or libuv frees in one of them no other
 * uses again: with 700 people a node took 271 MB after six minutes, and 227 without them. One for the loop, one for all
 * others. Read by glibc as the process begins; nothing anywhere else. The image says the same (Containerfile).
 */
const ALLOCATOR = { MALLOC_ARENA_MAX: '2' };

/**
 * Starts the process and waits until it serves.
 *
 * @throws StartFailure with the node's own sentence, or ours when it dies or says nothing
 */
export async function spawnNode(options: NodeOptions): Promise<NodeProcess> {
  const output = options.output ?? 'inherit';
  const one = typeof output === 'string' ? output : 'pipe';
  const stdio: StdioOptions = ['ignore', one, one, 'ipc'];
  const child = fork(options.entry ?? join(ROOT, 'nodes/main.ts'), {
    detached: true,
    cwd: ROOT,
    execPath: process.execPath,
    execArgv: NODE_FLAGS,
    env: { ...ALLOCATOR, ...inherited(), ...options.env },
    stdio,
  });
  if (typeof output === 'object' && 'line' in output) {
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', output.line);
    }
  } else if (typeof output === 'object') {
    const file = createWriteStream(output.file, { flags: 'a' });
    child.stdout?.pipe(file, { end: false });
    child.stderr?.pipe(file, { end: false });
    child.once('close', () => file.end());
  }
  const exited = exitOf(child);
  const pid = child.pid ?? 0;
  const hurry = () => {
    const order: NodeOrder = { type: 'stop' };
    if (child.connected) child.send(order, () => {}); // one that is gone hears nothing
  };
  const stop = () => {
    hurry();
    return endInSteps(pid, exited, [['SIGTERM', NODE_STOP_MS_MAX]]);
  };
  const answered = new Promise<Extract<NodeMessage, { type: 'ready' }>>((resolve, reject) => {
    child.on('message', (message: NodeMessage) => {
      if (message.type === 'ready') resolve(message);
      else if (message.type === 'failed') reject(new StartFailure(message.message));
    });
    exited.then(words => reject(new StartFailure(`The node ${words} before it was ready.`)));
  });
  const aborted = () => {
    hurry();
    signal(pid, 'SIGTERM');
  };
  options.abort?.addEventListener('abort', aborted);
  try {
    if (!(await within(answered, NODE_READY_MS_MAX))) {
      throw new StartFailure(`The node was not ready within ${NODE_READY_MS_MAX / 1000} s.`);
    }
  } catch (error) {
    await stop();
    throw error;
  } finally {
    options.abort?.removeEventListener('abort', aborted);
  }
  const ready = await answered;
  return { pid, exited, stop, summary: ready.summary, urls: ready.urls ?? defaultUrls(options.env) };
}

/** Starts a node in front of backing servers that run already. */
export async function startNode(options: NodeOptions): Promise<StartedNode> {
  let running = await spawnNode(options);
  return {
    get pid() {
      return running.pid;
    },
    get urls() {
      return running.urls;
    },
    get summary() {
      return running.summary;
    },
    async kill(name = 'SIGKILL') {
      signal(running.pid, name);
      if (name === 'SIGKILL' || name === 'SIGTERM' || name === 'SIGINT') await running.exited;
    },
    async restart() {
      await running.stop();
      running = await spawnNode(options);
    },
    stop: () => running.stop(),
  };
}
