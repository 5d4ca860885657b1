/**
 * Plays scripts of the phones against real processes, one after the other: many seeds, one script again, the shortest that
 * still fails, a mutant. The last line is one JSON object; exit code 1 when an invariant was broken.
 * `npx node k8s/e2e/phones/main.ts '{"runs":10,"seed":7,"mutant":"whole replay","script":{...},"shrink":true,"tell":80}'`
 */
import { applyMutant } from '../../simulate/mutate.ts';
import type { Script } from '../../simulate/phones/script.ts';
import type { Played } from './play.ts';

interface Order {
  /** Default 1. */
  readonly runs?: number;
  /** The first of the scripts is that of this seed, the second that of the next. Default 1. */
  readonly seed?: number;
  /** One of chaos or of the phones. */
  readonly mutant?: string;
  /** Plays this one. */
  readonly script?: Script;
  /** Drops steps of the script that failed as long as it still fails. */
  readonly shrink?: boolean;
  /** Lines of the story of a broken run. */
  readonly tell?: number;
  /** Goes on after a broken run. */
  readonly all?: boolean;
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
if (order.mutant !== undefined) {
  const { findMutant } = await import('../../chaos/mutants.ts');
  applyMutant({ ...findMutant(order.mutant), profile: 'calm' });
}
const { RealTown } = await import('./realTown.ts');
const { shortSampleOf } = await import('../../simulate/phones/sample.ts');

const { NATS_SERVER_BIN } = process.env;
const { runs = 1, seed = 1, tell = 60 } = order;
const scripts = order.script
  ? [order.script]
  : Array.from({ length: runs }, (_, i) => shortSampleOf(1, seed + i)[0]!);
const repeat = (script: Script): string =>
  `npx node k8s/e2e/phones/main.ts '${JSON.stringify({ ...(order.mutant && { mutant: order.mutant }), script })}'`;

const startedMs = performance.now();
const town = await RealTown.open({
  ...(NATS_SERVER_BIN && { natsServerBin: NATS_SERVER_BIN }),
  ...(order.mutant !== undefined && { mutant: order.mutant }),
});
const counts: Record<string, number> = {};
let broken: (Pick<Played, 'broken'> & { script: Script }) | null = null;
let played = 0;
let failing = 0;

const play = async (script: Script, words: string): Promise<Played> => {
  console.log(`${words}: ${JSON.stringify(script)}`);
  const told = await town.play(script);
  for (const [what, n] of told.counts) counts[what] = (counts[what] ?? 0) + n;
  console.log(`${words}: ${told.broken.length === 0 ? 'holds' : 'BROKEN'} after ${told.seconds} s`);
  return told;
};

/** Without each step in turn; what no longer fails without one keeps it. */
const shorten = async (whole: Script): Promise<Script> => {
  let script = whole;
  for (let at = script.steps.length - 1; at >= 0; at--) {
    const steps = script.steps.toSpliced(at, 1);
    const told = await play({ ...script, steps }, `without step ${at}`);
    if (told.broken.length > 0) script = { ...script, steps };
  }
  return script;
};

try {
  for (const [at, script] of scripts.entries()) {
    const told = await play(script, order.script ? 'the script' : `seed ${seed + at}`);
    played++;
    if (told.broken.length === 0) continue;
    failing++;
    console.log(told.story.slice(-tell).join('\n'));
    for (const { invariant, words } of told.broken) console.log(`BROKEN ${invariant}: ${words}`);
    const least = order.shrink ? await shorten(script) : script;
    console.log(`Again: ${repeat(least)}`);
    broken ??= { broken: told.broken, script: least };
    if (!order.all) break;
  }
} finally {
  await town.stop();
}
const seconds = Number(((performance.now() - startedMs) / 1_000).toFixed(1));
console.log(JSON.stringify({ played, failing, seconds, counts, ...broken }));
process.exitCode = failing === 0 ? 0 : 1;
