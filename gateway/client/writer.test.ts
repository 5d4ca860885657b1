import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientFrame } from '../../protocol/arbitraries.ts';
import { encodeClientFrame } from '../../protocol/codec.ts';
import { frameBytes } from './writer.ts';

test('a frame of a client is as the server would say it, and its memory is its own', () => {
  fc.assert(
    fc.property(clientFrame, frame => {
      const bytes = frameBytes(frame);
      expect([...bytes]).toEqual([...encodeClientFrame(frame)]);
      expect(bytes.buffer.byteLength).toBe(bytes.length);
    }),
  );
});
