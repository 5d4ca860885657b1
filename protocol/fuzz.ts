/**
 * `npm run fuzz [-- --frames 10000000 --seed 7]`: damaged frames through the decoder that reads strangers. It must
 * answer each with a frame or with its one typed error, and must not gather memory. Exit 1 when it does not.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fuzzer, newTally } from './fuzzing.ts';

/** A slice ends with a line of progress; memory is compared at the ends of slices. */
const SLICE = 500_000;
/** More growth than this over the whole run is a leak: one byte per frame would be 10 MB. */
const GROWTH_MAX_BYTES = 8 * 1024 * 1024;

const { values } = parseArgs({
  options: { frames: { type: 'string', default: '10000000' }, seed: { type: 'string' } },
});
const frames = Number(values.frames);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
if (!Number.isSafeInteger(frames) || frames < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run fuzz [-- --frames COUNT --seed NUMBER]');
  process.exit(2);
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heapNow = (): number => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

console.log(`fuzzing ${frames.toLocaleString('en')} frames, seed ${seed} (repeat with --seed ${seed})`);
const run = fuzzer(seed);
const tally = newTally();
const started = process.hrtime.bigint();
let broken: { readonly hex: string; readonly error: unknown } | null = null;
let done = 0;
// The first slice warms the caches up; growth is counted from there.
let baseline = 0;
let heap = 0;
while (done < frames && broken === null) {
  const count = Math.min(SLICE, frames - done);
  broken = run(count, tally).broken;
  done += count;
  heap = heapNow();
  if (baseline === 0) baseline = heap;
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const heapMb = (heap / 1024 / 1024).toFixed(1);
  console.log(`${done.toLocaleString('en')} frames, ${seconds.toFixed(0)} s, heap ${heapMb} MB`);
}
const seconds = Number(process.hrtime.bigint() - started) / 1e9;
const leaked = heap - baseline > GROWTH_MAX_BYTES;

console.table(Object.fromEntries(Object.entries(tally).map(([why, count]) => [why, { frames: count }])));
if (broken !== null) {
  console.error('the promise is broken by this frame:', broken.hex);
  console.error(broken.error);
}
if (leaked) console.error(`the heap grew by ${heap - baseline} bytes`);
console.log(
  JSON.stringify({
    name: 'fuzz',
    seed,
    frames: done,
    seconds: Number(seconds.toFixed(1)),
    ns_per_frame: Math.round((seconds * 1e9) / done),
    heap_growth_bytes: heap - baseline,
    broken: broken?.hex ?? null,
    tally,
  }),
);
process.exitCode = broken !== null || leaked ? 1 : 0;
