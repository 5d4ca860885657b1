import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeClientFrame } from '../../protocol/index.ts';
import { positionFrame, positionPayload } from './positionFrame.ts';
import { Random } from './random.ts';
import { isSaturated } from './saturation.ts';
import { RawSocket } from './socket.ts';

describe('what the load generator says', () => {
  it('a patched position frame is what the real decoder reads', () => {
    const int32 = { min: -2_147_483_648, max: 2_147_483_647 };
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4_294_967_295 }),
        fc.integer(int32),
        fc.integer(int32),
        fc.integer({ min: 0, max: 65_535 }),
        fc.integer({ min: 0, max: 4_294_967_295_999 }),
        fc.integer({ min: 0, max: 127 }),
        (seq, latE7, lngE7, accuracyDm, takenAtMs, flags) => {
          const frame = positionFrame(seq, { latE7, lngE7, accuracyDm, takenAtMs }, flags);
          expect(decodeClientFrame(positionPayload(frame))).toEqual({
            type: 'location',
            seq,
            latE7,
            lngE7,
            accuracyDm,
            headingDeg: null,
            speedDms: null,
            takenAtMs,
            ...(flags !== 0 && { flags }),
          });
        },
      ),
    );
  });

  it('the same seed makes the same run, and a fork depends on its name only', () => {
    const draw = (random: Random) => Array.from({ length: 50 }, () => random.uint32());
    expect(draw(new Random(1))).toEqual(draw(new Random(1)));
    expect(draw(new Random(1))).not.toEqual(draw(new Random(2)));
    const drawn = new Random(9);
    drawn.uint32();
    expect(draw(drawn.fork('crowd'))).toEqual(draw(new Random(9).fork('crowd')));
    expect(draw(new Random(9).fork('kills'))).not.toEqual(draw(new Random(9).fork('crowd')));
  });

  it('admits that it was the bottleneck', () => {
    expect(isSaturated({ utilization: 0.5, delayP99Ms: 3 })).toBe(false);
    expect(isSaturated({ utilization: 0.81, delayP99Ms: 3 })).toBe(true);
    expect(isSaturated({ utilization: 0.5, delayP99Ms: 21 })).toBe(true);
  });
});

describe('the raw socket', () => {
  const open = async (url: string) => {
    const closed = Promise.withResolvers<{ code: number; reason: string }>();
    new RawSocket({
      url,
      onOpen: () => {},
      onMessage: () => {},
      onClose: (code, reason) => closed.resolve({ code, reason }),
    });
    return closed.promise;
  };

  it('speaks to this machine only', async () => {
    await expect(open('ws://example.com:80/')).rejects.toThrow('this machine only');
  });

  it('says why when there is no server, no upgrade, or the peer vanishes', async () => {
    const server = createServer((_request, response) => response.writeHead(404).end());
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await open(`ws://127.0.0.1:${port}/`)).toMatchObject({
      code: 1006,
      reason: expect.stringMatching(/404/),
    });
    server.removeAllListeners('request');
    server.on('request', request => request.socket.end());
    server.on('upgrade', (_request, socket) => socket.end());
    expect(await open(`ws://127.0.0.1:${port}/`)).toMatchObject({ code: 1006 });
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
    expect(await open(`ws://127.0.0.1:${port}/`)).toMatchObject({
      code: 1006,
      reason: expect.stringMatching(/ECONNREFUSED/),
    });
  });
});
