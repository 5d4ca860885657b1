/**
 * `npm run soak -- --profile smoke|standard|long|ageing`: does it stay as it was after hours of people? A load of phones on
 * a cluster of its own while things are broken, everything recorded, judged by rules about slopes instead of by eye; a page
 * with plots, and one JSON object as the last line.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { machineLine } from './bench.ts';
import { commitOf } from './commit.ts';
import { type Grown, heapDiffOf } from './soak/heapDiff.ts';
import { pageOf } from './soak/page.ts';
import { PROFILE_NAMES, PROFILES, type ProfileName, type SoakPlan, sized } from './soak/profiles.ts';
import { runSoak, type SoakOutcome } from './soak/run.ts';
import { summed } from './swarm/counts.ts';
import { Histogram } from './swarm/histogram.ts';
import { anySeed } from './swarm/random.ts';

const HELP = `npm run soak -- --profile NAME [--seed S] [--minutes M] [--phones N] [--out FOLDER]

Profiles:
${PROFILE_NAMES.map(name => `  ${name.padEnd(9)} ${PROFILES[name].description}`).join('\n')}

  --profile NAME   one of them (default: smoke)
  --seed S         whom the faults hit and when (default: any; it is printed)
  --minutes M      another length of the part that is looked at
  --phones N       another number of phones; rates follow it
  --workers N      processes of the generator (default: 1, and one more for each 1,500 phones)
  --out FOLDER     where the recording and the page go (default: .data/soak/PROFILE-SEED)

Everything runs on this machine, on 127.0.0.0/8, in a temporary folder; only processes that it started are ended.
The verdict is pass, fail, or invalid: the generator was busier than what it measured. Exit code 0, 1 or 3.`;

interface Wanted {
  readonly plan: SoakPlan;
  readonly seed: number;
  readonly workers: number;
  readonly out: string;
}

class Misused extends Error {}

const whole = (name: string, text: string | undefined, least: number, most: number): number | null => {
  if (text === undefined) return null;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new Misused(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`);
  return value;
};

const OPTIONS = {
  profile: { type: 'string' },
  seed: { type: 'string' },
  minutes: { type: 'string' },
  phones: { type: 'string' },
  workers: { type: 'string' },
  out: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** What was asked for; null: help. @throws Misused with one sentence */
export const wantedOf = (args: readonly string[]): Wanted | null => {
  let values: ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];
  try {
    ({ values } = parseArgs({ args: [...args], options: OPTIONS }));
  } catch (error) {
    throw new Misused((error as Error).message.split('\n')[0]!);
  }
  if (values.help) return null;
  const name = values.profile ?? 'smoke';
  if (!(PROFILE_NAMES as readonly string[]).includes(name))
    throw new Misused(`There is no profile ${name}: it is one of ${PROFILE_NAMES.join(', ')}.`);
  const profile = PROFILES[name as ProfileName];
  const seed = whole('seed', values.seed, 0, 2 ** 32 - 1) ?? anySeed();
  const minutes = whole('minutes', values.minutes, 1, 80);
  const phones = whole('phones', values.phones, 50, 15_000) ?? profile.phones;
  const plan = sized(profile, phones, minutes === null ? profile.seconds : minutes * 60);
  const workers = whole('workers', values.workers, 1, 8) ?? 1 + Math.floor(phones / 1_500);
  const out = resolve(values.out ?? join('.data', 'soak', `${name}-${seed}`));
  return { plan, seed, workers, out };
};

const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

/** The last line. */
const figuresOf = (outcome: SoakOutcome, { plan, seed }: Wanted) => {
  const { recording, verdict, results, load } = outcome;
  const quiet = recording.ops.filter(one => recording.isQuietLook(one));
  const p = (kind: 'meet' | 'push' | 'ask', percent: number): number => {
    return round(Histogram.sum(quiet.map(one => one[kind])).percentileMs(percent));
  };
  const count = (of: 'ok' | 'failed' | 'unknown' | 'positions' | 'churned'): number =>
    recording.ops.reduce((sum, one) => sum + one[of], 0);
  return {
    soak: plan.profile,
    verdict: verdict.verdict,
    broken: verdict.findings.filter(one => one.ok === false).map(one => `${one.rule} (${one.words})`),
    not_judged: verdict.findings.filter(one => one.ok === null).map(one => one.rule),
    seed,
    commit: commitOf(),
    seconds: plan.seconds,
    phones: plan.phones,
    nodes: plan.nodes,
    ops: { ok: count('ok'), failed: count('failed'), unknown: count('unknown') },
    positions: count('positions'),
    reconnects: count('churned'),
    resumed: results.reduce((sum, one) => sum + one.resumed, 0),
    snapshots: results.reduce((sum, one) => sum + one.notResumed, 0),
    lost: results.reduce((sum, one) => sum + one.lost, 0),
    doubled: results.reduce((sum, one) => sum + one.doubled, 0),
    faults: summed(recording.faults.map(one => ({ [one.fault]: 1 }))),
    quiet_looks: quiet.length,
    looks: recording.ops.length,
    meet_p50_ms: p('meet', 50),
    meet_p99_ms: p('meet', 99),
    push_p50_ms: p('push', 50),
    push_p99_ms: p('push', 99),
    ask_p99_ms: p('ask', 99),
    growth: outcome.verdict.growths.map(({ node, what, perDayBytes, p: chance, points }) => ({
      node,
      what,
      mib_per_day: round(perDayBytes / 2 ** 20),
      p: round(chance, 4),
      points,
    })),
    heap_start: outcome.start.map(one => one.heapUsed),
    heap_end: outcome.end.map(one => one.heapUsed),
    rss_start: outcome.start.map(one => one.rss),
    rss_end: outcome.end.map(one => one.rss),
    reasons: summed(results.map(one => one.reasons)),
    close_codes: summed(results.map(one => one.codes)),
    others_cores: round(outcome.othersCores, 2),
    generator_utilization: round(load.utilization, 2),
    generator_delay_p99_ms: round(load.delayP99Ms),
    generator_saturated: outcome.saturated,
    kept: outcome.kept,
  };
};

/** What fills a heap in the end that did not in the beginning: asked when something is broken. */
const grownIn = (out: string, { verdict, kept }: SoakOutcome): Grown[] => {
  const [start, end] = ['start', 'end'].map(when =>
    kept.find(name => name.endsWith(`-${when}.heapsnapshot`)),
  );
  if (verdict.verdict !== 'fail' || start === undefined || end === undefined) return [];
  return heapDiffOf(join(out, start), join(out, end));
};

/** Snapshots of a run that passed tell nothing, and are large. */
const tidy = (out: string, outcome: SoakOutcome): void => {
  rmSync(join(out, 'probes'), { recursive: true, force: true });
  if (outcome.verdict.verdict === 'pass')
    for (const name of outcome.kept) rmSync(join(out, name), { force: true });
};

const main = async (args: readonly string[]): Promise<number> => {
  const wanted = wantedOf(args);
  if (wanted === null) {
    console.log(HELP);
    return 0;
  }
  const { plan, seed, workers, out } = wanted;
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const report = (line: string): void => console.log(line);
  report(machineLine());
  report(`Soak ${plan.profile}, seed ${seed}: ${plan.description}`);
  const outcome = await runSoak({ plan, seed, workers, out, report });
  const figures = figuresOf(outcome, wanted);
  const command = `npm run soak -- --profile ${plan.profile} --seed ${seed} --phones ${plan.phones}`;
  const facts = [
    ['command', `${command} (${plan.seconds} s, ${workers} processes of load)`],
    ['commit', figures.commit],
    ['machine', machineLine().replace('Machine: ', '')],
    ['when', new Date().toISOString()],
    ['commands', `${figures.ops.ok} ok, ${figures.ops.failed} failed, ${figures.ops.unknown} unknown`],
    [
      'phones',
      `${plan.phones}; ${figures.reconnects} reconnects on purpose, ${figures.resumed} resumed, ${figures.snapshots} began anew`,
    ],
    ['positions', String(figures.positions)],
    [
      'latency outside faults',
      `meeting p50 ${figures.meet_p50_ms}, p99 ${figures.meet_p99_ms}; push p50 ${figures.push_p50_ms}, p99 ${figures.push_p99_ms} ms`,
    ],
    [
      'generator',
      `busy ${figures.generator_utilization}, late by ${figures.generator_delay_p99_ms} ms (p99); others used ${figures.others_cores} cores`,
    ],
    [
      'why commands did not succeed',
      Object.entries(figures.reasons)
        .map(([why, n]) => `${n} x ${why}`)
        .join('; ') || 'all did',
    ],
  ] as const;
  const { verdict, recording } = outcome;
  const title = `Soak ${plan.profile}`;
  writeFileSync(
    join(out, 'report.html'),
    pageOf({ title, facts, verdict, recording, aged: plan.aged, grown: grownIn(out, outcome) }),
  );
  tidy(out, outcome);
  for (const { rule, ok, words } of verdict.findings)
    report(`  ${ok === null ? 'not judged' : ok ? 'holds     ' : 'BROKEN    '} ${rule}: ${words}`);
  for (const problem of outcome.problems.slice(0, 20)) report(`  WRONG: ${problem}`);
  report(`Recording and page: ${out}`);
  console.log(JSON.stringify(figures));
  return { pass: 0, fail: 1, invalid: 3 }[verdict.verdict];
};

if (import.meta.main ?? process.argv[1]?.endsWith('/k8s/soak.ts')) {
  main(process.argv.slice(2)).then(
    code => process.exit(code),
    (error: unknown) => {
      const told = error instanceof Misused || (error instanceof Error && error.name === 'StartFailure');
      console.error(told ? (error as Error).message : error);
      process.exit(error instanceof Misused ? 2 : 1);
    },
  );
}
