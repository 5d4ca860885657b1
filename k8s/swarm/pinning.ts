/**
 * Server on one core, generator on another: figures per CPU second do not need it, but on two cores shared by both each
 * would be moved about by the other. Linux only; elsewhere nothing is pinned and the benchmarks say so.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** The core of servers, and the one of generators. */
export const SERVER_CORE = 0;
export const GENERATOR_CORE = 1;

/** Keeps a process with all its threads on one core; whether it is so now. */
export const pin = (pid: number, core: number): boolean => {
  if (core >= availableParallelism()) return false;
  try {
    execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
