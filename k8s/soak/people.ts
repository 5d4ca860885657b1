/** The people of a soak: those who warm the cluster up and leave, those who stay, and what is found of all they did in the end. */
import { setTimeout as pause } from 'node:timers/promises';
import { ACTOR_LIMITS } from '../../actors/limits.ts';
import type { Report } from '../bench.ts';
import { owners } from '../chaos/checkers/owners.ts';
import { readLedger } from '../chaos/stores.ts';
import { agreement } from '../swarm/agreement.ts';
import type { Cluster } from '../swarm/clusterTown.ts';
import { NEW_YORK } from '../swarm/crowd.ts';
import { judge, readMeetings, untold } from '../swarm/judge.ts';
import { addressOf, OFFICER_SHARE, partOf } from '../swarm/parts.ts';
import { withClient } from '../swarm/postgres.ts';
import { type SeededPeople, seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import { beatOf } from './beat.ts';
import type { SoakArgs, SoakResult, Told } from './load.profile.ts';
import { type SoakPlan, VISITOR_SHARE } from './profiles.ts';

export interface SoakOptions {
  readonly plan: SoakPlan;
  readonly seed: number;
  /** Folder of the recording, and of snapshots and profiles. */
  readonly out: string;
  /** Processes of the generator. */
  readonly workers: number;
  readonly report: Report;
}

const PER_KM2 = 530;
const TOKEN_S = 900;
const TOKEN_AGED_S = 90;
const AGREE_MS_MAX = 30_000;
const WORDS_MAX = 20;

/** The processes of the generator, each with its part of these people. */
export const swarmOf = (
  cluster: Cluster,
  people: SeededPeople,
  options: SoakOptions,
  onTold: (worker: number, told: Told) => void,
): Swarm<SoakResult> => {
  const { plan, seed, workers } = options;
  const visitors = Math.round(people.civilians.length * VISITOR_SHARE);
  const patrols = beatOf(people.officers.length);
  const beat = people.officers.slice(0, patrols);
  const sharing = beat.slice(0, Math.ceil(patrols / 2)).map(one => one.userId);
  return new Swarm<SoakResult>({
    profile: import.meta.resolve('./load.profile.ts'),
    workers,
    seed,
    onProgress: (index, data) => onTold(index, data as Told),
    args: index =>
      ({
        urls: cluster.nodes.map(node => node.urls.realtime),
        officers: partOf(people.officers.slice(patrols), index, workers),
        beat: partOf(beat, index, workers),
        sharing,
        civilians: partOf(people.civilians.slice(visitors), index, workers),
        visitors: partOf(people.civilians.slice(0, visitors), index, workers),
        positionsPerS: plan.positionsPerS / workers,
        meetingsPerS: plan.meetingsPerS / workers,
        asksPerS: plan.asksPerS / workers,
        churnPerS: (plan.phones * plan.churnPerMinute) / 60 / workers,
        days: plan.days,
        seconds: plan.seconds,
        centre: NEW_YORK,
        sideM: Math.sqrt(plan.phones / PER_KM2) * 1_000,
        localAddress: addressOf(index),
        dataDir: cluster.dataDir,
        tokenTtlS: plan.aged ? TOKEN_AGED_S : TOKEN_S,
      }) satisfies SoakArgs,
  });
};

/** As many answers to commands as an actor remembers, a minute old. */
const REMEMBERED = `insert into ops.answer (user_id, key, op_id, request_hash, result, at)
  select one, gen_random_uuid()::text, gen_random_uuid(), repeat('0', 64),
    json_build_object('ok', true, 'value', json_build_object('encounterId', gen_random_uuid(), 'points', 20, 'balance', 20)),
    now() - interval '1 minute'
  from unnest($1::uuid[]) one, generate_series(1, ${ACTOR_LIMITS.commands})`;

/**
 * People who have used the town for a day: what their actors remember is full. Of new ones it fills for an hour and a half,
 * and a run of minutes would take that for a leak.
 */
export const seedFor = async (cluster: Cluster, plan: SoakPlan): Promise<SeededPeople> => {
  const officers = Math.max(2, Math.round(plan.phones * OFFICER_SHARE));
  const people = await seedPeople(cluster, { officers, civilians: plan.phones - officers });
  const ids = [...people.officers, ...people.civilians].map(one => one.userId);
  await withClient(cluster.town.databaseUrl, client => client.query(REMEMBERED, [ids]));
  return people;
};

/** Load by people who are not looked at, so that the beginning is that of a node which has worked. */
export const warmUp = async (cluster: Cluster, options: SoakOptions): Promise<SoakResult[]> => {
  const swarm = swarmOf(cluster, await seedFor(cluster, options.plan), options, () => {});
  try {
    await swarm.pass('connected');
    await pause(options.plan.warmS * 1_000);
    await swarm.pass('loaded');
    await swarm.pass('shown');
    await swarm.pass('settled');
    return (await swarm.finished()).results;
  } finally {
    await swarm.stop();
  }
};

/** All that the phones, the ledger, the tables and the streams say is wrong. */
export const reckon = async (
  cluster: Cluster,
  results: readonly SoakResult[],
  cooldownH: number,
): Promise<string[]> => {
  const { databaseUrl, dynamodbEndpoint, kinesisEndpoint, awsEnv } = cluster.town;
  const history = results.flatMap(one => one.history);
  const ops = results.flatMap(one => one.ops).map((op, i) => ({ ...op, id: i + 1 }));
  const verdict = await judge(databaseUrl, { history, ops }, cooldownH);
  const { meetings } = await readMeetings(databaseUrl);
  const told = new Map(results.flatMap(one => one.told).map(([userId, ids]) => [userId, new Set(ids)]));
  const silent = untold(meetings, told);
  const stores = { databaseUrl, dynamodbEndpoint, kinesisEndpoint, awsEnv };
  const agreed = await agreement(stores, { patienceMs: AGREE_MS_MAX });
  const stale = owners({ state: await readLedger(databaseUrl) });
  return [
    ...verdict.problems,
    ...results.flatMap(one => one.problems),
    ...(silent.length > 0 ? [`${silent.length} encounters were told to only one of the two`] : []),
    ...agreed.problems,
    ...stale.slice(0, WORDS_MAX).map(one => `${one.invariant}: ${one.words}`),
  ];
};
