/** What becomes of people's accounts and of rules is told to the stream of users' events: once for each effect, with it. */
import { randomBytes } from 'node:crypto';
import { DeleteStreamCommand } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { RulePointer } from '../../nodes/rulesPort.ts';
import { systemScheduler } from '../clock.ts';
import { wrongWith } from '../events/check.ts';
import { StreamTarget } from '../kinesis/streamTarget.ts';
import type { Lines } from '../postgres/lines.ts';
import { openOrm } from '../postgres/orm.ts';
import { PgPersonBook } from '../postgres/personBook.ts';
import { PgRuleTeller, subjectOfRule } from '../postgres/ruleTeller.ts';
import { silent } from '../postgres/testTown.ts';
import { noMetrics } from '../streams/testStreams.ts';
import { Publisher } from './publisher.ts';
import { PgOutboxSource } from './source.ts';
import { awsAt, type OutboxTown, outboxTown, PATIENCE, type StreamEvent } from './testOutbox.ts';

let town: OutboxTown;
let lines: Lines;

beforeAll(async () => {
  town = await outboxTown();
  lines = town.lines(1);
  await lines.tried();
});
afterAll(async () => {
  await lines.close();
  await town.close();
});
beforeEach(() => town.database.sql('delete from ops.outbox'));

/** What waits, as consumers get it. */
async function published(): Promise<readonly StreamEvent[]> {
  const stream = `p-${randomBytes(4).toString('hex')}`;
  const target = new StreamTarget(stream, awsAt(inject('kinesisEndpoint')));
  const publisher = new Publisher({
    name: 'userEvents',
    source: new PgOutboxSource(lines, 'userEvents'),
    target,
    scheduler: systemScheduler,
    log: silent,
    metrics: noMetrics,
  });
  publisher.lead(await town.lead('userEvents'));
  await expect.poll(() => town.waiting(1), PATIENCE).toBe(0);
  await publisher.stop(1_000);
  const events = await town.eventsIn(stream);
  await town.kinesis.send(new DeleteStreamCommand({ StreamName: stream }));
  target.close();
  return events;
}

it('an officer is verified; an account is closed, opened, limited and ended: one event each, none for a repeat', async () => {
  const made = await town.directory.createUser({
    kind: 'officer',
    handle: `o-${randomBytes(4).toString('hex')}`,
    passwordHash: 'secret',
    deviceId: 'a phone',
    zip: null,
    badge: randomBytes(4).toString('hex'),
  });
  if (!made.ok) throw new Error(made.message);
  const { userId } = made.value;
  const { givingStore } = town;
  for (const closed of [false, true, true]) await givingStore.closeAccount(userId, closed);
  for (const max of [null, 50, 50]) await givingStore.limitAccount(userId, max, null);
  for (const closed of [false, false]) await givingStore.closeAccount(userId, closed);
  await givingStore.limitAccount(userId, null, 80);
  const persons = new PgPersonBook({ url: town.database.appUrl, log: silent });
  await persons.tried();
  expect(await persons.erase(userId)).toBe('erased');
  expect(await persons.erase(userId)).toBe('erased');
  expect(await persons.erase(town.uuid())).toBe('absent');
  // nobody's account any more, or nobody's ever
  await givingStore.closeAccount(userId, false);
  await givingStore.closeAccount(town.uuid(), true);
  await persons.close();
  const events = await published();
  const updated = (active: boolean, entryMax: number | null, dayMax: number | null) => {
    return { type: 'user.updated', data: { userId, active, entryMax, dayMax } };
  };
  expect(events).toMatchObject([
    { type: 'user.registered' },
    { type: 'user.verified', source: 'heyblue.users', data: { userId, kind: 'officer' } },
    { type: 'user.deactivated', data: { userId, because: 'closed' } },
    updated(false, 50, null),
    updated(true, 50, null),
    updated(true, null, 80),
    { type: 'user.deactivated', data: { userId, because: 'erased' } },
  ]);
  expect(events.map(wrongWith)).toEqual(events.map(() => null));
  expect(new Set(events.map(({ subject }) => subject))).toEqual(new Set([userId]));
});

it('where somebody lived who was erased before the stream knew goes into no stream', async () => {
  const handle = `c-${randomBytes(4).toString('hex')}`;
  const account = {
    kind: 'civilian',
    handle,
    passwordHash: 'secret',
    deviceId: handle,
    badge: null,
  } as const;
  const [gone, there] = await Promise.all([
    town.directory.createUser({ ...account, zip: '98765' }),
    town.directory.createUser({ ...account, handle: `${handle}-2`, zip: '98766' }),
  ]);
  if (!gone.ok || !there.ok) throw new Error('not signed up');
  const persons = new PgPersonBook({ url: town.database.appUrl, log: silent });
  await persons.tried();
  expect(await persons.erase(gone.value.userId)).toBe('erased');
  await persons.close();
  const events = await published();
  expect(events.map(wrongWith)).toEqual([null, null, null]);
  const of = (subject: string) => events.filter(one => one.subject === subject);
  expect(of(gone.value.userId)).toMatchObject([
    { type: 'user.registered', data: { zip: null } },
    { type: 'user.deactivated' },
  ]);
  expect(of(there.value.userId)).toMatchObject([{ type: 'user.registered', data: { zip: '98766' } }]);
});

it('which version of a rule counts is told once, whoever tells it, and never out of order', async () => {
  const orm = await openOrm(town.database.appUrl, silent);
  const tellers = [1, 2].map(() => new PgRuleTeller(orm, () => {}));
  const at = (revision: number, active: number): RulePointer => {
    return { id: 'donation', kind: 'donation', active, retired: [], tested: [], revision };
  };
  const draft = { ...at(1, 0), id: 'mine' };
  // a draft, the first version, the note that another was tested, that one, an older word, none
  for (const pointer of [at(1, 1), at(2, 1), at(4, 2), at(3, 1), at(5, 0), at(7, 2)]) {
    await Promise.all(tellers.map(one => one.tell([draft, pointer])));
  }
  await orm.close(true);
  const events = await published();
  const told = (type: string, data: object) => {
    const subject = subjectOfRule('donation');
    return {
      type,
      source: 'heyblue.rules',
      subject,
      data: { ruleId: 'donation', kind: 'donation', ...data },
    };
  };
  expect(events).toMatchObject([
    told('rule.published', { version: 1, before: null }),
    told('rule.published', { version: 2, before: 1 }),
    told('rule.retired', { version: 2 }),
    told('rule.published', { version: 2, before: null }),
  ]);
  expect(events.map(wrongWith)).toEqual([null, null, null, null]);
});

it('a row of five hundred events is taken apart once: it is read before anybody gives it up', async () => {
  const keys = Array.from({ length: 500 }, () => town.uuid());
  const told = keys.map((_, n) => ({ type: 'account.closed', data: { n, words: 'word '.repeat(150) } }));
  const row = 'insert into ops.outbox (target, keys, payload) values (1, $1, $2)';
  await town.database.sql(row, [keys, JSON.stringify(told)]);
  // the connection waits five seconds for an answer
  const rows = await new PgOutboxSource(lines, 'userEvents').read(500);
  expect(rows.map(({ key, body }) => [key, JSON.parse(body).data.n])).toEqual(keys.map((key, n) => [key, n]));
});
