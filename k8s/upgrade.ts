/**
 * `npm run upgrade`: a release and the one before it side by side in one cluster, under load, forward and back again.
 *
 * All nodes begin with the previous release, taken from git into a folder of its own. Then each is drained and comes back with the
 * tree as it is here; then, as after a release that has to be taken back, each returns to the previous one, which now lives
 * with a newer schema and with what the newer nodes wrote. Phones are the real client all the while. In the end nothing may be
 * lost, doubled or refused, and the auditor must find nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { StartFailure } from '../infra/embedded/index.ts';
import type { DrainArgs, DrainResult } from './bench/drain.profile.ts';
import { commitOf } from './commit.ts';
import { BASELINE, previousRelease, unpack, Wrong } from './previousRelease.ts';
import { stopOnSignal } from './swarm/cleanup.ts';
import { type Cluster, startCluster } from './swarm/clusterTown.ts';
import { summed } from './swarm/counts.ts';
import { Histogram } from './swarm/histogram.ts';
import { judge, readMeetings, untold } from './swarm/judge.ts';
import { auditLedger } from './swarm/ledgerAudit.ts';
import { addressOf, OFFICER_SHARE, partOf } from './swarm/parts.ts';
import { anySeed } from './swarm/random.ts';
import { seedPeople } from './swarm/seed.ts';
import { Swarm } from './swarm/swarm.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const CURRENT = join(ROOT, 'nodes/main.ts');
const HELP = `npm run upgrade [-- options]

The previous release and this tree side by side in one cluster, under load: every node is drained and comes back as this tree,
then every node goes back again. Nothing may be lost, doubled or refused, and the ledger must add up.

  --from REF      tag or commit of the previous release (the newest tag before this commit; ${BASELINE} while there is none)
  --nodes N       nodes, 2 to 5 (3)
  --phones N      phones with the real client, 10 to 5000 (300)
  --rate N        meetings a second, 1 to 100 (10)
  --seed N

The last line of the output is one JSON object. Exit code: 0 both ways were clean, 1 not.`;

const STEADY_MS_MAX = 120_000;
const CALM_MS = 3_000;
/** What an app gives a command before it tells its user. */
const ASK_DEADLINE_MS = 5_000;
/** Few phones meet the same officers again and again. */
const MET_BEFORE = /^409 you two met within/;
const AUDIT_ATTEMPTS_MAX = 30;
const AUDIT_PAUSE_MS = 1_000;

interface Asked {
  readonly from: string | null;
  readonly nodes: number;
  readonly phones: number;
  readonly rate: number;
  readonly seed: number;
}

const wholeNumber = (name: string, text: string, min: number, max: number): number => {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new Wrong(`--${name} takes a whole number from ${min} to ${max}, not "${text}".`);
};

/** Null for `--help`; throws one sentence. */
export const readUpgrade = (given: readonly string[]): Asked | null => {
  const options = {
    help: { type: 'boolean', short: 'h' },
    from: { type: 'string' },
    nodes: { type: 'string', default: '3' },
    phones: { type: 'string', default: '300' },
    rate: { type: 'string', default: '10' },
    seed: { type: 'string' },
  } as const;
  const parse = () => parseArgs({ args: [...given], options });
  let read: ReturnType<typeof parse>;
  try {
    read = parse();
  } catch (error) {
    throw new Wrong(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
  const { help, from, nodes, phones, rate, seed } = read.values;
  if (help) return null;
  return {
    from: from ?? null,
    nodes: wholeNumber('nodes', nodes, 2, 5),
    phones: wholeNumber('phones', phones, 10, 5_000),
    rate: wholeNumber('rate', rate, 1, 100),
    seed: seed === undefined ? anySeed() : wholeNumber('seed', seed, 0, 2 ** 32 - 1),
  };
};

const say = (line: string): void => console.log(line);

/** Drains one node after the other, and starts each with this program. */
const roll = async (cluster: Cluster, way: string, entry: string) => {
  const drains: { words: string; tookMs: number }[] = [];
  for (const node of cluster.nodes) {
    const drained = await node.drain();
    drains.push(drained);
    await node.start({}, entry);
    await cluster.steady(cluster.nodes, STEADY_MS_MAX);
    say(
      `  ${way}: ${node.id} drained in ${(drained.tookMs / 1_000).toFixed(1)} s (${drained.words}) and is back`,
    );
  }
  return drains;
};

const audited = async (databaseUrl: string): Promise<string[]> => {
  for (let attempt = 1; ; attempt++) {
    const findings = await auditLedger(databaseUrl);
    if (findings.length === 0 || attempt === AUDIT_ATTEMPTS_MAX) return findings;
    await pause(AUDIT_PAUSE_MS);
  }
};

const run = async (asked: Asked, commit: string, entry: string) => {
  const cluster = await startCluster({ nodes: asked.nodes, wires: false, entry, log: say });
  try {
    await cluster.steady(cluster.nodes, STEADY_MS_MAX);
    say(`${asked.nodes} nodes of ${commit.slice(0, 12)} serve`);
    const officers = Math.max(1, Math.round(asked.phones * OFFICER_SHARE));
    const people = await seedPeople(cluster, { officers, civilians: asked.phones - officers });
    const swarm = new Swarm<DrainResult>({
      profile: import.meta.resolve('./bench/drain.profile.ts'),
      workers: 1,
      seed: asked.seed,
      args: index =>
        ({
          urls: cluster.nodes.map(node => node.urls.realtime),
          officers: partOf(people.officers, index, 1),
          civilians: partOf(people.civilians, index, 1),
          perS: asked.rate,
          probesPerS: asked.rate * 3,
          deadlineMs: ASK_DEADLINE_MS,
          localAddress: addressOf(index),
        }) satisfies DrainArgs,
    });
    try {
      await swarm.pass('connected');
      say(`${asked.phones} phones are connected`);
      await swarm.reached('loaded');
      await pause(CALM_MS);
      swarm.go('loaded');
      await swarm.reached('rolled');
      const forward = await roll(cluster, 'forward', CURRENT);
      const midway = await audited(cluster.town.databaseUrl);
      const back = await roll(cluster, 'back', entry);
      await pause(CALM_MS);
      swarm.go('rolled');
      await swarm.pass('settled');
      const { results, saturated } = await swarm.finished();
      const { databaseUrl } = cluster.town;
      const history = results.flatMap(one => one.history);
      const verdict = await judge(databaseUrl, { history, ops: results.flatMap(one => one.ops) });
      const { meetings } = await readMeetings(databaseUrl);
      const told = new Map(results.flatMap(one => one.told.map(([id, ids]) => [id, new Set(ids)] as const)));
      const gaps = Histogram.of(results.flatMap(one => one.gapsMs));
      // two who meet again are told so: that is an answer
      const ended = results.flatMap(one => one.failures);
      const failures = ended.filter(({ why }) => !MET_BEFORE.test(why));
      const sum = (of: 'lost' | 'doubled'): number => results.reduce((all, one) => all + one[of], 0);
      return {
        from: commit,
        to: commitOf(),
        nodes: asked.nodes,
        phones: asked.phones,
        acknowledged: verdict.acknowledged,
        lost: sum('lost') + verdict.lost + untold(meetings, told).length,
        doubled: sum('doubled') + verdict.doubled,
        commands: results.reduce((all, one) => all + one.tookMs.length, 0),
        met_before: ended.length - failures.length,
        failed: failures.length,
        failures: summed(failures.map(({ why }) => ({ [why]: 1 }))),
        gap_p99_s: Number((gaps.percentileMs(99) / 1_000).toFixed(3)),
        drain_max_s: Number((Math.max(...[...forward, ...back].map(one => one.tookMs)) / 1_000).toFixed(1)),
        drains_clean: [...forward, ...back].every(one => one.words === 'ended with code 0'),
        problems: [
          ...midway.map(one => `the audit after the way forward: ${one}`),
          ...(await audited(databaseUrl)).map(one => `the audit after the way back: ${one}`),
          ...verdict.problems,
          ...results.flatMap(one => one.problems),
          ...cluster.crashes,
        ].slice(0, 20),
        generator_saturated: saturated,
        seed: asked.seed,
      };
    } finally {
      await swarm.stop();
    }
  } finally {
    await cluster.stop();
  }
};

const main = async (args: readonly string[]): Promise<void> => {
  const asked = readUpgrade(args);
  if (asked === null) return console.log(HELP);
  const { commit, words } = previousRelease(ROOT, asked.from);
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-upgrade-'));
  const clean = stopOnSignal(async () => rmSync(folder, { recursive: true, force: true }));
  try {
    say(`Seed ${asked.seed}; from ${commit.slice(0, 12)} (${words}) to this tree and back`);
    const { entry, others } = unpack(ROOT, commit, join(folder, 'previous'));
    if (others.length > 0)
      say(
        `It runs with packages of this tree, of which ${others.length} are others: ${others.slice(0, 5).join('; ')}`,
      );
    const found = { ...(await run(asked, commit, entry)), other_packages: others.length };
    const { lost, doubled, failed, drains_clean, problems } = found;
    const isClean = lost + doubled + failed + problems.length === 0 && drains_clean;
    for (const problem of problems) say(`WRONG: ${problem}`);
    console.log(JSON.stringify({ ...found, verdict: isClean ? 'pass' : 'fail' }));
    process.exitCode = isClean ? 0 : 1;
  } finally {
    await clean();
  }
};

if (import.meta.main) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(error instanceof Wrong || error instanceof StartFailure ? error.message : error);
    process.exitCode = 1;
  });
}
