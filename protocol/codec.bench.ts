/** Nanoseconds for the two hot messages: `node protocol/codec.bench.ts`. One JSON object as the last line. */
import { decodeClientFrame, encodeClientFrame } from './codec.ts';
import { encodeVolatile } from './messages.ts';

const ROUNDS = 2_000_000;
const measure = (work: (i: number) => unknown): number => {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3; run++) {
    const from = process.hrtime.bigint();
    for (let i = 0; i < ROUNDS; i++) work(i);
    best = Math.min(best, Number(process.hrtime.bigint() - from) / ROUNDS);
  }
  return Math.round(best);
};

const location = {
  type: 'location',
  seq: 70_000,
  latE7: 407_128_000,
  lngE7: -740_060_000,
  accuracyDm: 80,
  headingDeg: 271,
  speedDms: 14,
  takenAtMs: 1_795_000_000_123,
} as const;
const bytes = encodeClientFrame(location);
const copies = Array.from({ length: 1024 }, () => bytes.slice());

const figures = {
  location_bytes: bytes.length,
  location_decode_ns: measure(i => decodeClientFrame(copies[i & 1023]!)),
  location_encode_ns: measure(() => encodeClientFrame(location)),
  report_next_encode_ns: measure(i => encodeVolatile('report.next', '', i, { periodS: 15 })),
};
console.table(figures);
console.log(JSON.stringify(figures));
