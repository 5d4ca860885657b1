/**
 * Accepted heys at a steady rate, open loop: from the moment at which an accept was due to the event on both phones,
 * with everything durable in between. `--kill` ends the node with kill -9 again and again meanwhile. Afterwards all that
 * any phone was told is looked for in the ledger, and ledger, balances and streams are compared.
 */
import type { Bench } from '../bench.ts';
import { NEW_YORK, offset } from '../swarm/crowd.ts';
import { anySeed } from '../swarm/random.ts';
import { flagArg, numberArg } from './args.ts';
import { encounterRun } from './encounterRun.ts';
import { figure, rounded, table } from './table.ts';

export const bench: Bench = {
  name: 'encounter',
  description:
    '200 accepted heys a second for 30 s, from the accept to the event on both phones; --kill: with kill -9',
  run: async (report, args) => {
    const kill = flagArg(args, 'kill');
    const perS = numberArg(args, 'rate', 200);
    const seconds = numberArg(args, 'seconds', kill ? 60 : 30);
    const seed = numberArg(args, 'seed', anySeed());
    const workers = numberArg(args, 'workers', 1);
    const kills = kill ? numberArg(args, 'kills', 10) : 0;
    report(
      `Seed ${seed}; ${perS} accepts a second for ${seconds} s${kill ? `, kill -9 of the node ${kills} times` : ''}`,
    );
    const outcome = await encounterRun({
      perS,
      seconds,
      seed,
      workers,
      kills,
      report,
      centre: offset(NEW_YORK, 0, 0),
    });
    const { latency, meetings, load } = outcome;
    report(
      table([
        ['encounters per second', `${figure(outcome.perS, 1)}  (asked for ${perS}, goal 195)`],
        ['accept to both phones p50', `${figure(latency.percentileMs(50), 1)} ms`],
        ['accept to both phones p99', `${figure(latency.percentileMs(99), 1)} ms  (goal 60)`],
        ['slowest', `${figure(latency.maxMs, 1)} ms`],
        ['meetings', `${figure(outcome.settled)} of ${figure(meetings)} on both phones`],
        ['lost, doubled', `${outcome.lost}, ${outcome.doubled}`],
        ...(kill ? [] : ([['server cores', figure(outcome.serverCores, 2)]] as const)),
        ['stores agree after', `${figure(outcome.agreedAfterMs)} ms`],
        ...(kill
          ? ([
              [
                'kills, reconnects, read in a list',
                `${outcome.kills}, ${figure(outcome.reconnects)}, ${outcome.readLater}`,
              ],
            ] as const)
          : []),
      ]),
    );
    for (const failure of outcome.failures.slice(0, 5)) report(`  ${failure}`);
    for (const problem of outcome.problems) report(`  WRONG: ${problem}`);
    if (outcome.saturated) report('The generator was at its limit: these latencies contain its own.');
    return {
      encounters_per_s: rounded(outcome.perS, 1),
      p50_ms: rounded(latency.percentileMs(50)),
      p99_ms: rounded(latency.percentileMs(99)),
      max_ms: rounded(latency.maxMs),
      lost: outcome.lost,
      doubled: outcome.doubled,
      meetings,
      on_both_phones: outcome.settled,
      not_on_both_phones: meetings - outcome.settled,
      kills: outcome.kills,
      reconnects: outcome.reconnects,
      agreed_after_ms: Math.round(outcome.agreedAfterMs),
      problems: outcome.problems,
      ...(kill
        ? { signed_up: outcome.registered, read_later: outcome.readLater }
        : { server_cores: rounded(outcome.serverCores) }),
      seed,
      generator_saturated: outcome.saturated,
      generator_utilization: rounded(load.utilization),
      generator_delay_p99_ms: rounded(load.delayP99Ms, 1),
    };
  },
};
