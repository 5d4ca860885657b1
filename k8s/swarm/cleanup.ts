/**
 * Ctrl-C in the middle of a benchmark, a demo or a replay: what was started is stopped, and then we go. Only our own
 * things are in the list, each by its own handle.
 */
import { constants } from 'node:os';

const open = new Set<() => Promise<void>>();
let watching = false;

const leave = async (signal: 'SIGINT' | 'SIGTERM'): Promise<void> => {
  await Promise.allSettled([...open].map(stop => stop()));
  process.exit(128 + constants.signals[signal]);
};

/** Runs `stop` when the process is asked to end early. Call what it returns to stop (once) and forget it. */
export const stopOnSignal = (stop: () => Promise<void>): (() => Promise<void>) => {
  if (!watching) {
    watching = true;
    process.once('SIGINT', () => void leave('SIGINT'));
    process.once('SIGTERM', () => void leave('SIGTERM'));
  }
  let stopped: Promise<void> | null = null;
  const once = (): Promise<void> => {
    open.delete(once);
    stopped ??= stop();
    return stopped;
  };
  open.add(once);
  return once;
};
