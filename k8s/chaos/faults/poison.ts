/** Bytes that nobody sends: noise, nests, numbers that are none, a message of a version that is not yet. */
import type { Fault } from '../fault.ts';
import type { PoisonMessage } from '../target.ts';

const EACH = 20;
const NEST = 70_000;
const BIG = 900_000;
const NOISE_MAX = 400;

export const poison: Fault = {
  name: 'poison',
  row: '13',
  weight: 1,
  reach: 'node',
  needs: ['poison'],
  run: async ({ target, random, victim, hit }) => {
    const node = victim();
    if (node === null) return;
    const noise = (): Uint8Array =>
      Uint8Array.from({ length: 1 + random.below(NOISE_MAX) }, () => random.below(256));
    const times = (
      to: PoisonMessage['to'],
      name: string,
      bytes: () => Uint8Array,
      n = EACH,
    ): PoisonMessage[] => Array.from({ length: n }, () => ({ to, name, bytes: bytes() }));
    const nest = (): Uint8Array => new Uint8Array(NEST).fill(0x91);
    const messages = [
      ...times('subject', 'noise', noise),
      ...times('subject', 'nests', nest, 2),
      ...times('subject', 'big', () => new Uint8Array(BIG), 2),
      ...times('subject', 'nothing', () => new Uint8Array(0), 2),
      // [1, NaN, Infinity, 2^64-1]
      ...times('subject', 'numbers', () =>
        Uint8Array.of(
          0x94,
          1,
          0xca,
          0x7f,
          0xc0,
          0,
          0,
          0xca,
          0x7f,
          0x80,
          0,
          0,
          0xcf,
          ...new Array(8).fill(255),
        ),
      ),
      ...times('frame', 'frames of noise', noise, 5),
      ...times('frame', 'frames that nest', () => new Uint8Array(4_000).fill(0x91), 2),
      ...times(
        'frame',
        'frames of a later version',
        () => Uint8Array.of(0x96, 1, 99, 0xc0, 0xc0, 0xc0, 0xc0),
        2,
      ),
    ];
    hit(await target.poison(node, messages));
  },
};
