/**
 * Waiting for processes and ending them: small words that the embedded servers and the supervisor share.
 *
 * Every child is started detached, that is in a session of its own, so that Ctrl-C in the terminal reaches only the
 * supervisor, which then stops the others in order.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { processIdentity } from '../launch/process-identity.mjs';
import { POLL_MS } from './limits.ts';

/** A child process that we watch. `exited` never rejects; its words say how the process ended. */
export interface Running {
  pid: number;
  exited: Promise<string>;
  /** Ends it in good order, by force when it takes too long. Resolves when the process is gone. */
  stop(): Promise<void>;
}

/** How a child ended, in words. Call it right after spawn, before anything is awaited. */
export function exitOf(child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    child.once('error', error => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `ended with code ${code}`));
  });
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits for `promise` at most so long; true when it came in time. */
export async function within(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Signals a child step by step, each with its patience, and ends with SIGKILL. */
export async function endInSteps(
  pid: number,
  exited: Promise<unknown>,
  steps: readonly (readonly [name: NodeJS.Signals, patienceMs: number])[],
): Promise<void> {
  for (const [name, patienceMs] of steps) {
    signal(pid, name);
    if (await within(exited, patienceMs)) return;
  }
  signal(pid, 'SIGKILL');
  await exited;
}

/** Waits until a process that is not our child is gone; false when it is still there after `timeoutMs`. */
export async function gone(pid: number, timeoutMs: number): Promise<boolean> {
  const identity = processIdentity(pid);
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += POLL_MS) {
    if (identity === null || processIdentity(pid) !== identity) return true;
    await pause(POLL_MS);
  }
  return false;
}
