/**
 * Breaks things by a schedule, mends them, and leaves a quiet phase in which everything must work again. At most a
 * minority of nodes is sick at a time, and what hits everybody comes alone: outside of that no cluster promises anything.
 *
 * The driver knows neither the load nor the checkers: it returns the timeline, and what became of the points is theirs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../swarm/random.ts';
import type { Fault, FaultContext } from './fault.ts';
import { schedule } from './schedule.ts';
import type { ChaosNode, ChaosTarget, FaultRecord, Timeline } from './target.ts';

export interface ChaosPlan {
  readonly seed: number;
  readonly random: Random;
  readonly minutes: number;
  readonly faults: readonly Fault[];
  /** How long everything must work at the end. */
  readonly quietS: number;
}

export interface ChaosWatch {
  /** Each line of the timeline when it is written. */
  onRecord(record: FaultRecord): void;
}

/** Everybody serves again within this after the last fault was mended; a machine that has other work takes its time. */
const STEADY_MS_MAX = 90_000;
/** What it takes until a fault may begin is looked at so often. */
const POLL_MS = 100;

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const runFaults = async (
  target: ChaosTarget,
  plan: ChaosPlan,
  watch: ChaosWatch,
): Promise<Timeline> => {
  const began = target.nowMs();
  const faultsEndMs = began + plan.minutes * 60_000;
  const lasts = (ms: number): Promise<void> => sleep(Math.max(0, ms));
  const records: FaultRecord[] = [];
  const record = (line: FaultRecord): void => {
    records.push(line);
    watch.onRecord(line);
  };
  const problems: string[] = [];
  const sick = new Set<ChaosNode>();
  const running = new Map<Promise<void>, Fault>();
  const minority = Math.max(1, Math.floor((target.nodes.length - 1) / 2));

  const perform = async (n: number, fault: Fault, random: Random): Promise<void> => {
    const mine: ChaosNode[] = [];
    let hit: FaultRecord | null = null;
    let counts: Readonly<Record<string, number>> = {};
    const one = { n, fault: fault.name, row: fault.row };
    const takeSome = (most: number): ChaosNode[] => {
      const well = target.nodes.filter(node => node.isRunning && !sick.has(node));
      const some = random.shuffled(well).slice(0, Math.max(0, Math.min(most, minority - sick.size)));
      for (const node of some) sick.add(node);
      mine.push(...some);
      return some;
    };
    const context: FaultContext = {
      target,
      random,
      victim: () => takeSome(1)[0] ?? null,
      victims: () => takeSome(minority),
      lasts,
      hit: ({ targets, what, counts: first }) => {
        counts = first;
        hit = { ...one, phase: 'hit', t_ms: Math.round(target.nowMs()), targets, what, counts: first };
        record(hit);
      },
      counted: more => {
        counts = { ...counts, ...more };
      },
    };
    let trouble = '';
    try {
      await fault.run(context);
    } catch (error) {
      trouble = wordsOf(error);
      problems.push(`${fault.name} (${n}): ${trouble}`);
    }
    for (const node of mine) sick.delete(node);
    const began = hit as FaultRecord | null;
    const t_ms = Math.round(target.nowMs());
    if (began === null)
      record({ ...one, phase: 'skipped', t_ms, targets: [], what: trouble || 'nobody to hit', counts: {} });
    else
      record({
        ...one,
        phase: 'healed',
        t_ms,
        targets: began.targets,
        what: trouble || began.what,
        counts,
      });
  };

  const mayBegin = (fault: Fault): boolean => {
    const now = [...running.values()];
    if (fault.reach === 'all') return now.length === 0;
    return now.every(one => one.reach === 'node') && sick.size < minority;
  };

  for (const { n, fault, afterMs, random } of schedule(plan.faults, plan.random)) {
    await lasts(Math.min(afterMs, faultsEndMs - target.nowMs()));
    while (target.nowMs() < faultsEndMs && !mayBegin(fault)) await lasts(POLL_MS);
    if (target.nowMs() >= faultsEndMs) break;
    const cannot = (fault.needs ?? []).map(deed => target.cannot(deed)).find(words => words !== null);
    if (cannot !== undefined) {
      const nobody = { targets: [], what: cannot, counts: {} };
      record({
        n,
        fault: fault.name,
        row: fault.row,
        phase: 'skipped',
        t_ms: Math.round(target.nowMs()),
        ...nobody,
      });
      continue;
    }
    const doing = perform(n, fault, random).finally(() => running.delete(doing));
    running.set(doing, fault);
  }
  await Promise.all(running.keys());
  await target.mend();
  const unsteady = await target.steady(STEADY_MS_MAX).then(
    () => null,
    error => wordsOf(error),
  );
  const quietFromMs = Math.round(target.nowMs());
  await sleep(plan.quietS * 1_000);
  return {
    seed: plan.seed,
    faults: records,
    problems,
    unsteady,
    quietFromMs,
    endMs: Math.round(target.nowMs()),
  };
};
