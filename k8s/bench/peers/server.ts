/**
 * What every server of a comparison does for its parent: it says where it listens, pushes events when it is told to, and
 * ends with its parent. Only how one event gets to one phone differs.
 */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { stampOf } from './stamp.ts';

/** Push to one phone after the other. */
export interface Drive {
  readonly type: 'drive';
  /** A way of pushing that the server knows. */
  readonly way: string;
  readonly phones: number;
  /** Events a second, each stamped with the moment at which it was due; null: as many as go. */
  readonly perS: number | null;
  readonly seconds: number;
}

export interface Driven {
  readonly type: 'driven';
  readonly sent: number;
  readonly seconds: number;
  /** User and system, of this process. */
  readonly cpuSeconds: number;
}

export interface Ready {
  readonly type: 'ready';
  readonly url: string;
  /** What the phones need, if anything. */
  readonly people: unknown;
}

export interface Way {
  /** Says the `nth` event (from 1) of this run to phone `phone`. */
  say(phone: number, stamp: number): void;
  /** Events that were said and are still on their way inside of the server. */
  waiting?(): number;
}

/** So many are said before the event loop has its turn: an actor system works through what came in one turn, too. */
const BATCH = 64;
const WAITING_MAX = 256;
const TICK_MS = 1;

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const paced = async (way: Way, { phones, seconds }: Drive, perS: number): Promise<number> => {
  const began = performance.now();
  const total = Math.round(perS * seconds);
  let sent = 0;
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * perS) / 1_000));
    for (; sent < due; sent++) way.say(sent % phones, stampOf(began + (sent * 1_000) / perS));
    await pause(TICK_MS);
  }
  return sent;
};

const saturating = async (way: Way, { phones, seconds }: Drive): Promise<number> => {
  const until = performance.now() + seconds * 1_000;
  let sent = 0;
  for (let now = performance.now(); now < until; now = performance.now()) {
    const stamp = stampOf(now);
    if ((way.waiting?.() ?? 0) < WAITING_MAX) {
      for (let i = 0; i < BATCH; i++) way.say(sent++ % phones, stamp);
    }
    await turn();
  }
  return sent;
};

const drive = async (way: Way, order: Drive): Promise<Driven> => {
  const began = performance.now();
  const cpuBegan = cpuSeconds();
  const sent = await (order.perS === null ? saturating(way, order) : paced(way, order, order.perS));
  while ((way.waiting?.() ?? 0) > 0) await turn();
  const seconds = (performance.now() - began) / 1_000;
  return { type: 'driven', sent, seconds, cpuSeconds: cpuSeconds() - cpuBegan };
};

/** Serves the parent; `other` answers orders of one server alone. */
export const serve = (
  url: string,
  people: unknown,
  ways: Readonly<Record<string, Way>>,
  other: (order: { readonly type: string }) => unknown = () => null,
): void => {
  process.on('message', (order: Drive | { readonly type: string; readonly way?: undefined }) => {
    const answer = order.way === undefined ? other(order) : drive(ways[order.way]!, order);
    Promise.resolve(answer).then(said => process.send?.(said as object));
  });
  process.on('disconnect', () => process.exit(0));
  process.on('SIGINT', () => {});
  process.send?.({ type: 'ready', url, people } satisfies Ready);
};
