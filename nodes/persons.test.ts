/** A copy has what lies elsewhere, and whoever is erased leaves no sample behind. */
import { expect, test } from 'vitest';
import { PERSON_LIMITS } from './limits.ts';
import { personsOf } from './persons.ts';
import { VirtualTime } from './simulation/virtualTime.ts';

const HOUR_MS = 3_600_000;

function town() {
  const time = new VirtualTime();
  const asked: unknown[] = [];
  const optedOut: string[] = [];
  const sampled = [1, 2, 3].map(takenAtMs => ({ takenAtMs, latE7: 1, lngE7: 2, accuracyDm: 3 }));
  const persons = personsOf({
    book: {
      copy: async userId => (userId === 'ana' ? { profile: { userId } } : null),
      erase: async () => 'erased',
    },
    location: {
      history: async (...what) => {
        asked.push(what);
        return sampled;
      },
    },
    sampler: { optOut: userId => void optedOut.push(userId) },
    historyMs: HOUR_MS,
    clock: time,
    scheduler: time,
  });
  return { time, persons, asked, optedOut, sampled };
}

test('a copy has the newest samples, as many as of any list', async () => {
  const { time, persons, asked, sampled } = town();
  expect(await persons.copy('ana', 2)).toEqual({
    profile: { userId: 'ana' },
    positions: [sampled[2], sampled[1]],
  });
  const nowMs = time.nowMs();
  expect(asked).toEqual([['ana', nowMs - HOUR_MS, nowMs + PERSON_LIMITS.clocksApartMs]]);
  expect(await persons.copy('nobody', 2)).toBeNull();
  expect(asked).toHaveLength(1);
});

test('samples are removed at once, and again when no node can have one waiting', async () => {
  const { time, persons, optedOut } = town();
  persons.forget('ana');
  expect(optedOut).toEqual(['ana']);
  await time.advance(PERSON_LIMITS.forgetAgainMs);
  expect(optedOut).toEqual(['ana', 'ana']);
});
