/** What `npm run chaos` is told. */
import { parseArgs } from 'node:util';
import { DEFAULT_FOLDER } from '../cluster/tools.ts';
import { anySeed } from '../swarm/random.ts';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults/index.ts';
import { MUTANTS } from './mutants.ts';

export interface ChaosArguments {
  readonly seed: number;
  readonly minutes: number;
  readonly nodes: number;
  /** Cache of the Kubernetes that is built. */
  readonly work: string;
  readonly target: 'processes' | 'kubernetes';
  readonly faults: readonly Fault[];
  /** So many runs, each with the next seed. */
  readonly runs: number;
  readonly mutants: boolean;
  /** Of the mutants, only these; empty: all. */
  readonly only: readonly string[];
  /** Where history, timeline and report are written. */
  readonly out: string;
}

export const HELP = `npm run chaos -- [options]

Breaks a cluster of real processes under load by a seeded schedule, mends it, and has checkers look for what was lost.

  --minutes N      how long faults come (2); a quiet phase follows
  --seed S         the same faults in the same order again (any)
  --runs N         so many runs in a row, each with the next seed (1)
  --faults a,b     only these: ${FAULTS.map(fault => fault.name).join(', ')}
  --nodes N        node processes, 3 to 9 (3)
  --target T       processes; or kubernetes: a real one in a box of its own (npm run kubernetes -- --help), without the
                   faults that no cluster can be asked for
  --work DIR       cache of what Kubernetes is built from and to (${DEFAULT_FOLDER})
  --mutants        switches off one safety after the other; each run must fail
  --only a,b       of these safeties: ${MUTANTS.map(one => one.name).join(', ')}
  --out DIR        where history, timeline, logs and report go (.data/chaos-SEED)

Exit 0 when the verdict is "pass". The last line is one JSON object. Only processes that it started are touched.`;

const NODES_MIN = 3;
const NODES_MAX = 9;
const MINUTES_MAX = 24 * 60;
const RUNS_MAX = 1_000;

/** @returns the arguments, null for help, or one sentence that says what is wrong */
export const readArguments = (args: readonly string[]): ChaosArguments | null | string => {
  const text = { type: 'string' } as const;
  const options = {
    help: { type: 'boolean', short: 'h' },
    mutants: { type: 'boolean' },
    minutes: text,
    runs: text,
    seed: text,
    faults: text,
    only: text,
    nodes: text,
    target: text,
    work: text,
    out: text,
  } as const;
  const parse = () => parseArgs({ args: [...args], options }).values;
  let values: ReturnType<typeof parse>;
  try {
    values = parse();
  } catch (error) {
    return `${(error as Error).message.split(/[.\n]/)[0]}. Try --help.`;
  }
  if (values.help) return null;
  const { target = 'processes' } = values;
  if (target !== 'processes' && target !== 'kubernetes')
    return '--target takes processes or kubernetes. Try --help.';
  const minutes = Number(values.minutes ?? 2);
  if (!(minutes > 0 && minutes <= MINUTES_MAX)) return `--minutes takes a number up to ${MINUTES_MAX}.`;
  const nodes = Number(values.nodes ?? NODES_MIN);
  if (!(Number.isInteger(nodes) && nodes >= NODES_MIN && nodes <= NODES_MAX))
    return `--nodes takes a whole number from ${NODES_MIN} to ${NODES_MAX}.`;
  const seed = values.seed === undefined ? anySeed() : Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
    return '--seed takes a whole number below 2^32.';
  const runs = Number(values.runs ?? 1);
  if (!(Number.isInteger(runs) && runs >= 1 && runs <= RUNS_MAX))
    return `--runs takes a whole number from 1 to ${RUNS_MAX}.`;
  const names = values.faults?.split(',').map(name => name.trim());
  const unknown = names?.find(name => !FAULTS.some(fault => fault.name === name));
  if (unknown !== undefined) return `There is no fault "${unknown}". Try --help.`;
  const faults = FAULTS.filter(fault => names === undefined || names.includes(fault.name));
  const only = values.only?.split(',').map(name => name.trim()) ?? [];
  const stranger = only.find(name => !MUTANTS.some(one => one.name === name));
  if (stranger !== undefined) return `There is no mutant "${stranger}". Try --help.`;
  const { mutants = false, work = DEFAULT_FOLDER, out = `.data/chaos-${seed}` } = values;
  if (target === 'kubernetes') {
    if (mutants) return 'A test build has processes only: --mutants goes with --target processes.';
    if (nodes !== NODES_MIN) return `--target kubernetes has ${NODES_MIN} pods.`;
  }
  return { seed, minutes, nodes, work, target, faults, runs, mutants, only, out };
};
