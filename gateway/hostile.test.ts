import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientFrame } from '../protocol/arbitraries.ts';
import { encodeClientFrame } from '../protocol/codec.ts';
import { CLOSE, ERROR, ok, refuse } from '../protocol/errors.ts';
import { dice, mutate } from '../protocol/mutate.ts';
import { scopeBits, scopesOf } from './auth/scopes.ts';
import { RATES } from './limits.ts';
import type { Session } from './session.ts';
import { Sessions } from './sessions.ts';
import { counting, EPOCH, FakeDoor, HandClock, silent } from './testing/town.ts';
import { Wire } from './testing/wire.ts';

/** Whatever a client says, in whatever order: the process stays, the actor hears only of its own person. */

const USER = '01900000-0000-7000-8000-000000000001';
const SEED = 20_261_120;
/** How a conversation may end when the server ends it. */
const CODES = [CLOSE.malformed, CLOSE.tooBig, CLOSE.rateLimited];

const identity = {
  userId: USER,
  kind: 'officer',
  handle: 'kim',
  deviceId: 'phone-1',
  tokenId: EPOCH,
  scopes: scopeBits(scopesOf('officer')),
  issuedAtMs: 0,
  expiresAtMs: 9e12,
} as const;

/** A session that was welcomed, without the token of a real one. */
const welcomed = (limited: boolean) => {
  const door = new FakeDoor();
  const clock = new HandClock();
  let answers = 0;
  // Actors answer, refuse, and answer nonsense.
  door.answers.command = () =>
    [ok({}), refuse(ERROR.conflict, 'no'), ok(null), ok({ untilS: -1 })][answers++ % 4]!;
  const sessions = new Sessions({
    gatewayId: 'g1',
    door,
    clock,
    log: silent,
    metrics: counting(),
    tokens: {
      ttlS: 900,
      jwks: { keys: [] },
      mint: async () => '',
      verify: async () => refuse(ERROR.unauthorized, 'no'),
    },
    revocations: { covers: () => false },
    rates: limited ? RATES.session : null,
    origins: ['*'],
    connectionsPerAddress: 1e6,
    wallMs: clock.nowMs,
    sessionIds: { mint: () => EPOCH, owns: () => true },
  });
  const wire = new Wire(sessions);
  const session = wire.data as Session;
  session.identity = identity;
  session.user = { kind: 'user', id: USER };
  session.ref = { gateway: 'g1', id: EPOCH };
  session.deadlineMs = Number.POSITIVE_INFINITY;
  sessions.register(session);
  session.phase = 'open';
  return { sessions, wire, door, clock };
};

const check = ({ sessions, wire, door }: ReturnType<typeof welcomed>): void => {
  if (wire.code !== null) expect(CODES).toContain(wire.code);
  expect(sessions.size).toBe(wire.code === null ? 1 : 0);
  for (const { to, message } of [...door.told, ...door.asked]) {
    expect(to).toEqual({ kind: 'user', id: USER });
    expect(message.session).toEqual({ gateway: 'g1', id: EPOCH });
  }
  expect(door.heard('detach')).toHaveLength(wire.code === null ? 0 : 1);
};

test.each([true, false])('any frames in any order (limits %s)', limited => {
  fc.assert(
    fc.property(fc.array(clientFrame, { maxLength: 60 }), frames => {
      const town = welcomed(limited);
      for (const frame of frames) if (town.wire.code === null) town.wire.say(encodeClientFrame(frame));
      check(town);
    }),
    { numRuns: 200, seed: SEED },
  );
});

test('damaged frames, thousands of them', () => {
  const roll = dice(SEED);
  const corpus = fc.sample(clientFrame, { numRuns: 200, seed: SEED }).map(encodeClientFrame);
  let open = 0;
  for (let i = 0; i < 20_000; i++) {
    const town = welcomed(true);
    town.wire.say(mutate(corpus, roll));
    check(town);
    if (town.wire.code === null) open++;
  }
  // Some damage leaves a good frame; most does not.
  expect(open).toBeGreaterThan(100);
  expect(open).toBeLessThan(19_000);
});

test('before HELLO, too', () => {
  const roll = dice(SEED + 1);
  const corpus = fc.sample(clientFrame, { numRuns: 200, seed: SEED }).map(encodeClientFrame);
  const { sessions, door } = welcomed(true);
  for (let i = 0; i < 5_000; i++) {
    const wire = new Wire(sessions);
    wire.say(mutate(corpus, roll));
    const { phase } = wire.data as Session;
    expect(phase === 'closed' || phase === 'verifying').toBe(true);
    if (wire.code === null) wire.leave();
  }
  expect([door.asked, door.told]).toEqual([[], []]);
  expect(sessions.size).toBe(1);
});
