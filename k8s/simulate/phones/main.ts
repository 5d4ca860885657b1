/**
 * Plays scripts of the phones one after the other, without a test runner: for mutants, for long runs, for one script again.
 * `npx node k8s/simulate/phones/main.ts '{"runs":200,"seed":7,"mutant":"replay order","script":{...},"tell":80}'`
 */
import { applyMutant } from '../mutate.ts';
import { phoneMutant } from './mutants.ts';
import type { Script } from './script.ts';

interface Order {
  readonly runs?: number;
  readonly seed?: number;
  readonly mutant?: string;
  /** Default true. False: as if streams were not durable. */
  readonly strict?: boolean;
  /** Plays this one. */
  readonly script?: Script;
  /** Lines of the story of a broken run. */
  readonly tell?: number;
  /** Goes on after a broken run. */
  readonly all?: boolean;
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const applied = order.mutant === undefined ? null : applyMutant(phoneMutant(order.mutant));
const { play } = await import('./play.ts');
const { sampleOf } = await import('./sample.ts');
applied?.assertComplete();

const counts = new Map<string, number>();
const digests: string[] = [];
const startedMs = performance.now();
const scripts = order.script ? [order.script] : sampleOf(order.runs ?? 100, order.seed ?? 1);
let broken = null;
let failing = 0;
let played = 0;
for (const one of scripts) {
  const told = await play(one, { strict: order.strict ?? true });
  played++;
  digests.push(told.digest);
  for (const [what, n] of told.counts) counts.set(what, (counts.get(what) ?? 0) + n);
  if (told.broken.length === 0) continue;
  failing++;
  broken ??= { broken: told.broken, script: one };
  if (order.tell) console.log(told.story.slice(-order.tell).join('\n'));
  if (order.all) console.log(JSON.stringify({ broken: told.broken, script: one }));
  else break;
}
if (order.tell || order.all) for (const [what, n] of [...counts].sort()) console.log(`${n}\t${what}`);
console.log(
  JSON.stringify({
    played,
    failing,
    ms: Math.round(performance.now() - startedMs),
    cpuMs: Math.round(process.cpuUsage().user / 1000),
    digest: digests.at(-1),
    ...broken,
  }),
);
