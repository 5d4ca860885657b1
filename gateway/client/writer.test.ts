import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientFrame } from '../../protocol/arbitraries.ts';
import { encodeClientFrame } from '../../protocol/codec.ts';
import { frameBytes } from './writer.ts';

test('the small writer says the same bytes as the packer of the server', () => {
  fc.assert(
    fc.property(clientFrame, frame => {
      expect([...frameBytes(frame)]).toEqual([...encodeClientFrame(frame)]);
    }),
    { numRuns: 2_000 },
  );
});
