/** Gifts and fees over REST: what a key means, what is no amount, and who may ask at all. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemoryRevocations } from '../../nodes/memory/memoryRevocations.ts';
import { memoryTown } from '../../nodes/memory/memoryTown.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { createPasswords } from '../auth/passwords.ts';
import { createTokens, type Tokens } from '../auth/tokens.ts';
import { Revocations } from '../revocations.ts';
import { counting, FakeDirectory, FakeDoor, HandClock, roster, signingKey, silent } from '../testing/town.ts';
import { createRest, type Rest } from './app.ts';

const ANA = '01900000-0000-7000-8000-0000000000a1';
const SOUP = '01900000-0000-7000-8000-0000000000b1';
const TRANSFER = '01900000-0000-7000-8000-0000000000c1';
const given = { transferId: TRANSFER, points: -5, balance: 65 };

let clock: HandClock;
let door: FakeDoor;
let tokens: Tokens;
let app: Rest;
let answer: Result<unknown>;

beforeEach(async () => {
  clock = new HandClock();
  door = new FakeDoor();
  answer = ok(given);
  door.answers.spend = () => answer;
  tokens = createTokens([signingKey()], 900, clock.nowMs);
  const revocations = new Revocations({
    store: new MemoryRevocations(clock.nowMs),
    bus: null,
    subject: 'x',
    tokenLifeMs: 900_000,
    wallMs: clock.nowMs,
    log: silent,
    metrics: counting(),
  });
  app = await createRest({
    door,
    directory: new FakeDirectory(),
    giving: memoryTown().people.giving,
    idValidator: roster,
    tokens,
    revocations,
    passwords: createPasswords(),
    log: silent,
    rates: null,
    origins: [],
    trustedProxyHops: 0,
    wallMs: clock.nowMs,
    onDeviceMoved: () => {},
  });
});
afterEach(() => app.close());

const post = async (url: string, payload: object, key: string | null, kind: AccountKind = 'civilian') => {
  const token = await tokens.mint({ userId: ANA, kind, handle: 'ana', deviceId: 'p' });
  const headers = { authorization: `Bearer ${token}`, ...(key !== null && { 'idempotency-key': key }) };
  const said = await app.inject({ method: 'POST', url, headers, payload });
  return { status: said.statusCode, headers: said.headers, body: said.json() };
};
const donation = (points: unknown = 5, userId = SOUP) => ({ to: [{ userId, points }] });
const spends = () => door.asked.filter(one => one.message.type === 'spend');

test('a gift goes to the actor of who gives, as the command of the socket does', async () => {
  expect(await post('/v1/donations', donation(5, SOUP.toUpperCase()), 'k')).toMatchObject({
    status: 200,
    body: given,
  });
  expect(spends()).toMatchObject([
    {
      to: { kind: 'user', id: ANA },
      message: { name: 'points.donate', body: donation() },
      options: { keyed: true },
    },
  ]);
  await post('/v1/giveaways', { userId: SOUP, points: 3 }, 'k', 'officer');
  await post(`/v1/fees/${SOUP}/payments`, {}, 'k');
  expect(
    spends()
      .slice(1)
      .map(one => one.message),
  ).toMatchObject([
    { name: 'points.give', body: { userId: SOUP, points: 3 } },
    { name: 'fee.pay', body: { feeId: SOUP } },
  ]);
  const keys = spends().map(one => (one.message as unknown as { key: string }).key);
  expect(new Set(keys).size).toBe(3);
});

test('a key is required; the same with the same body is the first answer, with another one it is refused', async () => {
  expect(await post('/v1/donations', donation(), null)).toMatchObject({ status: 400 });
  const first = await post('/v1/donations', donation(), 'k');
  const again = await post('/v1/donations', donation(), 'k');
  expect([again.status, again.body]).toEqual([first.status, first.body]);
  expect(again.headers['idempotent-replayed']).toBe('true');
  expect(await post('/v1/donations', donation(6), 'k')).toMatchObject({ status: 422 });
  expect(spends()).toHaveLength(1);
});

test('the actor knows of a key that was forgotten here: another body is refused in the same words', async () => {
  answer = refuse(ERROR.conflict, 'this idempotency key was used for something else');
  expect(await post('/v1/donations', donation(), 'k')).toMatchObject({
    status: 422,
    body: { error: { message: 'this Idempotency-Key was used with another body' } },
  });
});

test('two at once: the second waits its turn', async () => {
  door.holding.add('spend');
  const first = post('/v1/donations', donation(), 'k');
  while (spends().length === 0) await new Promise(resolve => setImmediate(resolve));
  const second = await post('/v1/donations', donation(), 'k');
  expect(second).toMatchObject({ status: 409, body: { error: { retryable: true } } });
  expect(second.headers['retry-after']).toBe('1');
  door.answer('spend');
  expect(await first).toMatchObject({ status: 200, body: given });
});

test('a refusal for a reason of the request stays, one for a reason of ours does not', async () => {
  answer = refuse(ERROR.unavailable, 'not now', 1_000);
  expect(await post('/v1/donations', donation(), 'k')).toMatchObject({ status: 503 });
  answer = refuse(ERROR.conflict, 'not enough points');
  expect(await post('/v1/donations', donation(), 'k')).toMatchObject({ status: 409 });
  answer = ok(given);
  expect(await post('/v1/donations', donation(), 'k')).toMatchObject({ status: 409 });
  expect(await post('/v1/donations', donation(), 'another')).toMatchObject({ status: 200 });
});

test('what would be is asked without a key, and nothing is kept of it', async () => {
  answer = ok({ points: -5, balance: 65, to: [], rule: { id: 'donation', version: 1 } });
  const dry = await post('/v1/donations?dry=true', donation(), null);
  expect(dry).toMatchObject({ status: 200, body: { points: -5, balance: 65 } });
  expect(spends()).toMatchObject([{ message: { dry: true } }]);
});

test.each([
  ['zero', 0],
  ['negative', -1],
  ['a fraction', 1.5],
  ['2^53', 2 ** 53],
  ['above the limit', 1_000_000_000_001],
  ['a text', '5'],
  ['nothing', null],
])('%s is no amount', async (_what, points) => {
  expect(await post('/v1/donations', donation(points), 'k')).toMatchObject({ status: 422 });
  const give = { userId: SOUP, points };
  expect(await post('/v1/giveaways', give, 'k', 'officer')).toMatchObject({ status: 422 });
  const fee = { kind: 'fee', title: 'x', points };
  expect(await post('/v1/fees', fee, 'k', 'municipality')).toMatchObject({ status: 422 });
  expect(spends()).toEqual([]);
});

test('nobody, too many, an account that is no id, a field too much: refused', async () => {
  const part = { userId: SOUP, points: 1 };
  for (const to of [[], Array(17).fill(part), [{ ...part, userId: 'soup' }], [{ ...part, note: 'x' }]])
    expect(await post('/v1/donations', { to }, 'k')).toMatchObject({ status: 422 });
});

test('kinds of account that may not are turned away at the door', async () => {
  for (const kind of ['merchant', 'municipality', 'operator'] as const)
    expect((await post('/v1/donations', donation(), 'k', kind)).status).toBe(403);
  expect((await post('/v1/giveaways', { userId: SOUP, points: 1 }, 'k')).status).toBe(403);
  expect((await post(`/v1/fees/${SOUP}/payments`, {}, 'k', 'officer')).status).toBe(403);
  expect((await post('/v1/fees', { kind: 'fee', title: 'x', points: 1 }, 'k')).status).toBe(403);
  expect(spends()).toEqual([]);
});

test('a fine has somebody who pays it, a fee has nobody; published again under its key it is one', async () => {
  const fee = { kind: 'fee', title: 'Library card', points: 5 };
  expect((await post('/v1/fees', { ...fee, handle: 'ana' }, 'a', 'municipality')).status).toBe(422);
  expect((await post('/v1/fees', { ...fee, kind: 'fine' }, 'b', 'municipality')).status).toBe(422);
  const fine = { ...fee, kind: 'fine', handle: 'nobody' };
  expect((await post('/v1/fees', fine, 'c', 'municipality')).status).toBe(404);
  const first = await post('/v1/fees', fee, 'd', 'municipality');
  expect(first).toMatchObject({ status: 201, body: { ...fee, paid: false, withdrawn: false } });
  expect((await post('/v1/fees', fee, 'd', 'municipality')).body).toEqual(first.body);
  expect((await post('/v1/fees', { ...fee, points: 6 }, 'd', 'municipality')).status).toBe(422);
  const withdrawn = await post(`/v1/fees/${first.body.id}/withdraw`, {}, null, 'municipality');
  expect(withdrawn).toMatchObject({ status: 200, body: { withdrawn: true } });
});
