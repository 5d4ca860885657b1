/** The long-running programs of the cluster: each with a log of its own, and remembered when it ends by itself. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { exitOf, signal, within } from '../../infra/embedded/processes.ts';
import type { Tools } from './tools.ts';

const POLL_MS = 250;
const END_MS_MAX = 8_000;

export class Daemons {
  readonly tools: Tools;
  /** Folder of the logs, and of all that lives as long as the cluster. */
  readonly folder: string;
  /** Programs that ended without being told to, in words; must stay empty. */
  readonly ended: string[] = [];
  readonly #running: { name: string; child: ChildProcess; exited: Promise<string> }[] = [];
  #ending = false;

  constructor(tools: Tools, folder: string) {
    this.tools = tools;
    this.folder = folder;
  }

  logOf(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  /** @param machine network namespace in which it runs; null: the one of this process */
  start(name: string, machine: string | null, command: readonly string[]): void {
    const [program, ...args] = inMachine(machine, command);
    const out = openSync(this.logOf(name), 'a');
    const child = spawn(program!, args, { env: this.tools.env, stdio: ['ignore', out, out] });
    closeSync(out);
    const exited = exitOf(child);
    this.#running.push({ name, child, exited });
    exited.then(words => {
      if (!this.#ending) this.ended.push(`${name} ${words}: ${this.lastLines(name)}`);
    });
  }

  lastLines(name: string, count = 4): string {
    return readFileSync(this.logOf(name), 'utf8')
      .split('\n')
      .slice(-count - 1, -1)
      .join('\n');
  }

  /** Runs a command to its end. @throws Error with what it said when it fails */
  run(machine: string | null, command: readonly string[], input?: string): string {
    const [program, ...args] = inMachine(machine, command);
    const { status, stdout, stderr, error } = spawnSync(program!, args, {
      env: this.tools.env,
      encoding: 'utf8',
      input,
      maxBuffer: 64 * 1024 * 1024,
    });
    if (error) throw error;
    if (status !== 0)
      throw new Error(`${command.join(' ')} ended with ${status}: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  }

  /** Waits until `is` is true. @throws Error in these words when it takes too long, or a program has ended */
  async until(what: string, timeoutMs: number, is: () => boolean | Promise<boolean>): Promise<number> {
    const began = performance.now();
    for (;;) {
      if (this.ended.length > 0) throw new Error(`${what}: ${this.ended[0]}`);
      if (await is()) return performance.now() - began;
      if (performance.now() - began > timeoutMs)
        throw new Error(`${what}: not within ${timeoutMs / 1_000} s`);
      await pause(POLL_MS);
    }
  }

  /** Resident memory of each, megabytes. */
  memoryMb(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const { name, child } of this.#running) {
      const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      if (kb !== undefined) found[name] = Math.round(Number(kb) / 1_024);
    }
    return found;
  }

  /** Ends them, the youngest first. */
  async stop(): Promise<void> {
    this.#ending = true;
    for (const { child, exited } of this.#running.reverse()) {
      if (child.pid === undefined) continue;
      signal(child.pid, 'SIGTERM');
      if (!(await within(exited, END_MS_MAX))) signal(child.pid, 'SIGKILL');
      await exited;
    }
  }
}

const inMachine = (machine: string | null, command: readonly string[]): readonly string[] =>
  machine === null ? command : ['nsenter', `--net=/run/netns/${machine}`, '--', ...command];
