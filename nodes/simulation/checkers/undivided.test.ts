import { expect, test } from 'vitest';
import { proximityRules } from '../../../actors/geo/rules.ts';
import type { FixMessage } from '../../../actors/messages/region.ts';
import type { Turn } from '../../../actors/turn.ts';
import type { AnyBehaviour } from '../../effects.ts';
import { latE7Of, lngE7Of } from '../streets.ts';
import { VirtualTime } from '../virtualTime.ts';
import { Undivided } from './undivided.ts';

const PAIR = 'officer|civilian';

/** A town that hears where an officer and a civilian are, metres to the north; regions hold of them what the test says. */
function town() {
  const said: string[] = [];
  const held = new Map<string, number>();
  const time = new VirtualTime();
  const judge = { fail: (_checker: string, words: string) => void said.push(words) };
  const undivided = new Undivided(judge, time, proximityRules(), () => held);
  undivided.start();
  let seq = 0;
  const watched = undivided.watchUsers({
    kind: 'user',
    receive: (_state: unknown, message: object) => message,
  } as unknown as AnyBehaviour);
  const stands = async (userId: 'officer' | 'civilian', northM: number, absent = false): Promise<void> => {
    const place = { eastM: 0, northM };
    const fix: FixMessage = {
      type: 'fix',
      userId,
      account: userId === 'officer' ? 1 : 2,
      role: userId,
      handle: userId,
      instant: true,
      seq: ++seq,
      latE7: latE7Of(place),
      lngE7: lngE7Of(place),
      accuracyDm: 50,
      takenAtMs: time.nowMs(),
      speedMps: 0,
      eastMps: 0,
      northMps: 0,
      ...(absent && { absent }),
    };
    watched.receive(
      { track: null },
      { track: { fix } } as never,
      { self: { kind: 'user', id: userId } } as Turn,
    );
    await time.advance(100);
  };
  /** Both say again and again that they are there. */
  const stay = async (officerM: number, civilianM: number, isGone = false): Promise<string[]> => {
    for (let s = 0; s < 15; s++) {
      await stands('officer', officerM);
      await stands('civilian', civilianM, isGone);
      await time.advance(800);
    }
    return said;
  };
  return { held, stands, stay };
}

test('two who are close are together in one region, and two who are apart in none', async () => {
  const close = town();
  expect((await close.stay(0, 10))[0]).toContain('in 0 regions');
  const apart = town();
  apart.held.set(PAIR, 1);
  expect((await apart.stay(0, 120))[0]).toContain('in 1 regions');
  const well = town();
  well.held.set(PAIR, 1);
  expect(await well.stay(0, 10)).toEqual([]);
});

test('of two who pass each other it is open who was heard first: whoever is between the radii then is together or not', async () => {
  const { stands, stay } = town();
  await stands('officer', 0);
  await stands('civilian', 22);
  expect(await stay(-8, 22)).toEqual([]);
});

test('whoever comes when the phone of the other is lost may have come before or after that', async () => {
  const { stands, stay } = town();
  await stands('civilian', 5);
  expect(await stay(0, 5, true)).toEqual([]);
});

test('two who are far from the square may stand together there', async () => {
  const { held, stay } = town();
  held.set(PAIR, 1);
  expect(await stay(9_000, 9_005)).toEqual([]);
});
