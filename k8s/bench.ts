/**
 * `npm run bench` lists the benchmarks, `npm run bench -- NAME` runs one: it starts what it needs, prints a table for
 * people and then one JSON object as the last line. `npm run bench -- --all` runs all of them, with what they must reach.
 * Whatever it started is stopped, whatever happens.
 */
import { cpus, loadavg } from 'node:os';

/** Prints one line for people. */
export type Report = (line: string) => void;

export interface Bench {
  readonly name: string;
  readonly description: string;
  /** What `--help` says of its options, one line each; without it the options stand in k8s/README.md. */
  readonly help?: readonly string[];
  /** Runs it; what it returns is the JSON of the last line. `args` is what follows the name. */
  run(report: Report, args: readonly string[]): Promise<object>;
}

/** Where each one stands: a fixed list, so that the name of a missing file is a sentence and not a surprise. */
export const MODULES: Record<string, string> = {
  ledger: '../infra/postgres/ledger.bench.ts',
  location: './bench/location.bench.ts',
  encounter: './bench/encounter.bench.ts',
  redeem: './bench/redeem.bench.ts',
  flashsale: './bench/flashsale.bench.ts',
  idle: './bench/idle.bench.ts',
  nation: './bench/nation.bench.ts',
  match: './bench/match.bench.ts',
  stadium: './bench/stadium.bench.ts',
  zips: '../actors/geo/places/zips.bench.ts',
  qr: './bench/qr.bench.ts',
  scale: './bench/scale.bench.ts',
  activate: './bench/activate.bench.ts',
  ask: './bench/ask.bench.ts',
  failover: './bench/failover.bench.ts',
  push: './bench/push.bench.ts',
  command: './bench/command.bench.ts',
  slow: './bench/slow.bench.ts',
  storm: './bench/storm.bench.ts',
  drain: './bench/drain.bench.ts',
  churn: './bench/churn.bench.ts',
  fraud: './bench/fraud.bench.ts',
  rules: './bench/rules.bench.ts',
  archive: './bench/archive.bench.ts',
  converge: './bench/converge.bench.ts',
};

/** A load average above which the figures belong to more than us. */
const BUSY = 0.5;

const load = async (name: string): Promise<Bench> => {
  const module = (await import(MODULES[name]!)) as Bench & { default?: Bench; bench?: Bench };
  return module.bench ?? module.default ?? module;
};

const list = async (): Promise<void> => {
  console.log('Benchmarks (npm run bench -- NAME):\n');
  for (const name of Object.keys(MODULES)) {
    const line = await load(name).then(
      bench => bench.description,
      () => '(not part of this version)',
    );
    console.log(`  ${name.padEnd(10)} ${line}`);
  }
  console.log('\nAll of them in turn, with what they must reach (npm run bench -- --all):\n');
  console.log('  --quick        with little: that they run, and about what they say');
  console.log('  --only A,B,C   only these');
};

/** `--all [--quick] [--only a,b]` */
const all = async (args: readonly string[]): Promise<number> => {
  const { runAll } = await import('./bench/all.ts');
  const at = args.indexOf('--only');
  const only = at < 0 ? [] : (args[at + 1] ?? '').split(',');
  const known = ['--all', '--quick', '--only', ...(at < 0 ? [] : [args[at + 1] ?? ''])];
  const strange = args.find(one => !known.includes(one)) ?? only.find(one => !(one in MODULES));
  if (strange !== undefined) {
    console.error(`--all takes --quick and --only with names of benchmarks, not "${strange}".`);
    return 2;
  }
  console.log(machineLine());
  const figures = await runAll({
    quick: args.includes('--quick'),
    only,
    report: line => console.log(line),
  });
  console.log(JSON.stringify(figures));
  return 0;
};

/** The machine that the figures belong to. */
export const machineLine = (): string => {
  const cores = cpus();
  return `Machine: ${cores.length} x ${cores[0]?.model.trim() ?? 'unknown CPU'}, Node ${process.version}, ${process.platform}`;
};

const main = async (args: readonly string[]): Promise<number> => {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help') {
    await list();
    return 0;
  }
  if (name === '--all') return all(args);
  if (!(name in MODULES)) {
    console.error(
      `There is no benchmark ${name}: it is one of ${Object.keys(MODULES).join(', ')}, or --all.`,
    );
    return 2;
  }
  const bench = await load(name);
  if (rest.includes('--help')) {
    console.log(`npm run bench -- ${name}: ${bench.description}\n`);
    for (const line of bench.help ?? ['Its options stand in k8s/README.md.']) console.log(`  ${line}`);
    return 0;
  }
  console.log(machineLine());
  // Somebody else at work on this machine shows in every figure: say so.
  const [loadBefore = 0] = loadavg();
  if (loadBefore > BUSY)
    console.log(`Other processes keep this machine busy (load ${loadBefore.toFixed(1)}).`);
  const result = await bench.run(line => console.log(line), rest);
  console.log(JSON.stringify({ bench: bench.name, ...result, load_before: Number(loadBefore.toFixed(2)) }));
  return 0;
};

if (import.meta.main ?? process.argv[1]?.endsWith('/k8s/bench.ts')) {
  main(process.argv.slice(2)).then(
    code => process.exit(code),
    (error: unknown) => {
      console.error(error instanceof Error && error.name === 'StartFailure' ? error.message : error);
      process.exit(1);
    },
  );
}
