/** What the probe inside a node (probe.ts) says, and what it is told: files in the folder of the run, by pid. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** So often the probe writes, and looks for orders. */
export const PROBE_MS = 2_500;

export interface Probed {
  readonly pid: number;
  /** Milliseconds in garbage collections so far, by kind. */
  readonly minorMs: number;
  readonly majorMs: number;
  readonly otherMs: number;
  /** Whole collections so far, and the bytes of the old space after the last one. */
  readonly majors: number;
  readonly oldAfterMajor: number;
  readonly arrayBuffers: number;
  /** Share of the time since the last look in which the event loop was busy, 0 to 1. */
  readonly utilization: number;
  /** Rejections that nobody handled, uncaught errors, warnings of the runtime. */
  readonly troubles: readonly string[];
}

export type ProbeOrder =
  | { readonly kind: 'heap'; readonly file: string }
  | { readonly kind: 'cpu'; readonly file: string; readonly seconds: number };

export const probeFile = (dir: string, pid: number): string => join(dir, `probe-${pid}.json`);
export const orderFile = (dir: string, pid: number): string => join(dir, `order-${pid}.json`);

/** What the probe of this process said last; null when there is none (yet). */
export const readProbe = (dir: string, pid: number): Probed | null => {
  try {
    return JSON.parse(readFileSync(probeFile(dir, pid), 'utf8')) as Probed;
  } catch {
    return null;
  }
};

/** Orders something; false when an earlier order is not done. */
export const orderProbe = (dir: string, pid: number, order: ProbeOrder): boolean => {
  const file = orderFile(dir, pid);
  if (existsSync(file)) return false;
  writeFileSync(file, JSON.stringify(order));
  return true;
};
