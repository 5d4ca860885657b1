/**
 * `npm run bench -- --all`: every benchmark in turn, each in a process of its own so that none warms or poisons the next,
 * and one table of what they had to reach and what they did.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Report } from '../bench.ts';
import { stopOnSignal } from '../swarm/cleanup.ts';
import { type Figures, GOALS, type GoalRow } from './goals.ts';

const BENCH = fileURLToPath(new URL('../bench.ts', import.meta.url));
/** Longer than any of them takes on a slow machine. */
const ONE_MS_MAX = 30 * 60_000;
/** From SIGTERM to the end by force: it stops what it started. */
const STOP_MS_MAX = 8_000;
const LINES_KEPT = 12;

export interface Ran {
  readonly name: string;
  readonly figures: Figures | null;
  /** Why there are none. */
  readonly why: string;
  readonly seconds: number;
}

export interface Judged {
  readonly bench: string;
  readonly figure: string;
  readonly value: string;
  readonly goal: string;
  /** null: nothing is asked of it. */
  readonly reached: boolean | null;
}

const nameOf = (row: GoalRow): string => [row.bench, ...row.args].join(' ');

const shown = (value: unknown): string => {
  if (typeof value === 'number') return value.toLocaleString('en-US', { maximumFractionDigits: 3 });
  if (Array.isArray(value)) return value.length === 0 ? 'none' : `${value.length}`;
  return value === undefined ? 'missing' : String(value);
};

/** Figure by figure, what was asked for and what came of it. */
export const judgeRow = (row: GoalRow, { figures, why }: Pick<Ran, 'figures' | 'why'>): Judged[] => {
  const bench = nameOf(row);
  if (figures === null) return [{ bench, figure: 'all of it', value: why, goal: 'it runs', reached: false }];
  const judged = row.goals.map(goal => ({
    bench,
    figure: goal.field,
    value: shown(figures[goal.field]),
    goal: goal.words,
    reached: goal.reached(figures),
  }));
  const only = (row.shown ?? []).map(field => ({
    bench,
    figure: field,
    value: shown(figures[field]),
    goal: '',
    reached: null,
  }));
  const ran = { bench, figure: 'runs', value: 'yes', goal: '', reached: null };
  return judged.length + only.length > 0 ? [...judged, ...only] : [ran];
};

/** The table for people. */
export const tableOf = (judged: readonly Judged[]): string => {
  const rows = [
    ['benchmark', 'figure', 'is', 'must be', 'reached'],
    ...judged.map(one => [
      one.bench,
      one.figure,
      one.value,
      one.goal,
      one.reached === null ? '' : one.reached ? 'yes' : 'NO',
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  return rows
    .map(
      row =>
        `  ${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd()}`,
    )
    .join('\n');
};

/** Runs one; its last line of JSON. */
const runOne = (
  name: string,
  args: readonly string[],
  onChild: (child: ChildProcess) => void,
): Promise<Ran> => {
  const began = performance.now();
  const child = spawn(process.execPath, ['--no-warnings', BENCH, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onChild(child);
  const last: string[] = [];
  let json: string | null = null;
  const take = (line: string): void => {
    last.push(line);
    if (last.length > LINES_KEPT) last.shift();
    if (line.startsWith('{')) json = line;
  };
  createInterface({ input: child.stdout }).on('line', take);
  createInterface({ input: child.stderr }).on('line', take);
  const late = setTimeout(() => child.kill('SIGTERM'), ONE_MS_MAX);
  return new Promise(resolve => {
    child.once('close', (code, signal) => {
      clearTimeout(late);
      const seconds = (performance.now() - began) / 1_000;
      const ended = signal ?? `code ${code}`;
      try {
        if (code !== 0 || json === null) throw new Error(`${ended}: ${last.at(-1) ?? 'said nothing'}`);
        resolve({ name, figures: JSON.parse(json) as Figures, why: '', seconds });
      } catch (error) {
        resolve({ name, figures: null, why: (error as Error).message.slice(0, 160), seconds });
      }
    });
  });
};

export interface AllOptions {
  readonly quick: boolean;
  /** Only these; empty: all. */
  readonly only: readonly string[];
  readonly report: Report;
}

/** Runs them all and prints the table; what stands in the last line. */
export const runAll = async ({ quick, only, report }: AllOptions): Promise<object> => {
  let child: ChildProcess | null = null;
  let stopping = false;
  const stop = stopOnSignal(async () => {
    stopping = true;
    const one = child;
    if (one === null || one.exitCode !== null || one.signalCode !== null) return;
    one.kill('SIGTERM');
    const force = setTimeout(() => one.kill('SIGKILL'), STOP_MS_MAX);
    await new Promise(resolve => one.once('close', resolve));
    clearTimeout(force);
  });
  const rows = GOALS.filter(row => only.length === 0 || only.includes(row.bench));
  const judged: Judged[] = [];
  const all: Record<string, Figures | null> = {};
  try {
    for (const [i, row] of rows.entries()) {
      if (stopping) break;
      const name = nameOf(row);
      const args = [row.bench, ...(quick ? row.quick : row.args)];
      report(`${i + 1} of ${rows.length}: npm run bench -- ${args.join(' ')}`);
      const ran = await runOne(name, args, one => {
        child = one;
      });
      all[name] = ran.figures;
      const found = judgeRow(row, ran);
      judged.push(...found);
      const missed = found.filter(one => one.reached === false);
      report(
        `  ${ran.seconds.toFixed(0)} s; ${missed.length === 0 ? 'all reached' : missed.map(one => `${one.figure} ${one.value}, not ${one.goal}`).join('; ')}`,
      );
    }
  } finally {
    await stop();
  }
  report('');
  if (quick)
    report('With little: the figures say that they run, and about what; goals belong to the whole size.');
  report(tableOf(judged));
  const missed = judged.filter(one => one.reached === false);
  const goals = judged.filter(one => one.reached !== null).length;
  return {
    bench: '--all',
    quick,
    goals,
    reached: goals - missed.length,
    missed: missed.map(one => `${one.bench}: ${one.figure} ${one.value}, must be ${one.goal}`),
    figures: all,
  };
};
