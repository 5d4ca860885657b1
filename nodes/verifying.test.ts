/** A held encounter gets the opinion of the location service; whatever fails on the way changes nothing. */
import { expect, test } from 'vitest';
import { VERIFYING_MAX } from './limits.ts';
import { type Claim, LocationFailure, type Verification } from './locationPort.ts';
import { Verifying } from './verifying.ts';

const settle = () => new Promise<void>(resolve => setImmediate(resolve));
const position = { userId: 'anna', takenAtMs: 1, latE7: 407_812_345, lngE7: -739_665_432, accuracyDm: 50 };

function town() {
  const claims: { claim: Claim; done: (verification: Verification) => void; fail: () => void }[] = [];
  const noted: unknown[][] = [];
  const counts = new Map<string, number>();
  const said: string[] = [];
  const say = (fields: object, message: string) => void said.push(JSON.stringify(fields), message);
  const away = { store: false };
  const verifying = new Verifying({
    location: {
      verify: claim =>
        new Promise((resolve, reject) => {
          const fail = () => reject(new LocationFailure('VerifyDevicePosition', 'unavailable', 'gone'));
          claims.push({ claim, done: resolve, fail });
        }),
    },
    directory: {
      noteOpinion: async (...words) => {
        if (away.store) throw new Error(`no connection for ${JSON.stringify(words)}`);
        noted.push(words);
      },
    },
    ipv4Of: async userId => (userId === 'anna' ? '203.0.113.7' : null),
    log: { debug: say, info: say, warn: say, error: say },
    metrics: {
      count: (_, labels) => counts.set(labels!.result!, (counts.get(labels!.result!) ?? 0) + 1),
      observe: () => {},
      gauge: () => {},
    },
  });
  return { verifying, claims, noted, counts, said, away };
}

test('one word is noted of each claim, made with the address of the phone', async () => {
  const { verifying, claims, noted, counts } = town();
  verifying.verify('e1', position);
  verifying.verify('e2', { ...position, userId: 'ben' });
  verifying.verify('e3', position);
  verifying.verify('e4', position);
  await settle();
  expect(claims.map(one => one.claim.ipv4)).toEqual(['203.0.113.7', null, '203.0.113.7', '203.0.113.7']);
  expect(claims[0]!.claim).toMatchObject(position);
  claims[0]!.done({ proxyDetected: false, deviationM: 5_000 });
  claims[1]!.done({ proxyDetected: false, deviationM: null });
  claims[2]!.done({ proxyDetected: false, deviationM: 5_001 });
  claims[3]!.done({ proxyDetected: true, deviationM: 90_000 });
  await settle();
  expect(noted).toEqual([
    ['e1', 'anna', 'fits'],
    ['e2', 'ben', 'unknown'],
    ['e3', 'anna', 'far'],
    ['e4', 'anna', 'proxy'],
  ]);
  expect(Object.fromEntries(counts)).toEqual({ fits: 1, unknown: 1, far: 1, proxy: 1 });
});

test('a service or a store that is away is counted, and says no place', async () => {
  const { verifying, claims, noted, counts, said, away } = town();
  verifying.verify('e1', position);
  verifying.verify('e2', position);
  await settle();
  claims[0]!.fail();
  away.store = true;
  claims[1]!.done({ proxyDetected: false, deviationM: 10 });
  await settle();
  expect([noted, counts.get('failed'), verifying.underWay]).toEqual([[], 2, 0]);
  expect(said.join(' ')).not.toMatch(/4078|7396|anna/);
});

test('so many are asked for at once, and no more', async () => {
  const { verifying, claims, counts } = town();
  for (let n = 0; n < VERIFYING_MAX + 3; n++) verifying.verify(`e${n}`, position);
  await settle();
  expect([claims.length, counts.get('full')]).toEqual([VERIFYING_MAX, 3]);
  for (const { fail } of claims) fail();
  await settle();
  verifying.verify('again', position);
  await settle();
  expect(claims).toHaveLength(VERIFYING_MAX + 1);
});
