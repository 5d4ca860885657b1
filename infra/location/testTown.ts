/** What the tests of the location service share: a clock that stands, and everything that is said. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Log, Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { Pseudonyms } from './pseudonym.ts';

/** 2026-11-21, a little after noon. */
export const NOW_MS = Date.UTC(2026, 10, 21, 12, 3, 4, 5);

export function locationWorld() {
  const lines: string[] = [];
  const counted = new Map<string, number>();
  const write = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const metrics: Metrics = {
    count: (name, labels = {}, by = 1) => {
      const key = [name, ...Object.values(labels)].join(' ');
      counted.set(key, (counted.get(key) ?? 0) + by);
    },
    observe: () => {},
    gauge: () => {},
  };
  const master = randomBytes(32);
  return {
    log,
    metrics,
    scheduler: systemScheduler,
    clock: { nowMs: () => NOW_MS, monotonicMs: () => performance.now() },
    pseudonyms: new Pseudonyms(new Map([[1, master]])),
    uuid: randomUUID as () => string,
    lines,
    counted,
    said: () => [...lines, ...counted.keys()].join('\n'),
  };
}
