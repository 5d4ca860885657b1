/** The commit function decides any groups as the plain model in memory does: one entry after the other. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type Committed, type DurableOp, MINT_ACCOUNT } from '../../actors/durable.ts';
import {
  at,
  DAY_S,
  encounter,
  move,
  pending,
  post,
  review,
  transfer,
  voidOf,
} from '../../nodes/contracts/town.ts';
import { MemoryLedger } from '../../nodes/memory/memoryLedger.ts';
import type { CommitEntry, EntryOutcome } from '../../nodes/ports.ts';
import { postgresTown } from './testTown.ts';

const SHARDS = [3, 4];
const PEOPLE = 4;
const GROUPS = 60;

let town: Awaited<ReturnType<typeof postgresTown>>;
beforeAll(async () => {
  town = await postgresTown(inject('databaseUrl'));
});
afterAll(() => town.close());

/** An operation by small numbers, so that ids, pairs and keys collide often. */
const sketches = fc.array(
  fc.record({
    kind: fc.constantFrom(
      ...(['meet', 'meet', 'held', 'release', 'reject', 'move', 'grant', 'grant', 'split'] as const),
      ...(['pending', 'pending', 'post', 'post', 'void', 'expire'] as const),
    ),
    id: fc.nat(9),
    of: fc.nat(9),
    a: fc.nat(PEOPLE),
    b: fc.nat(PEOPLE),
    points: fc.nat(12),
    cooldownS: fc.constantFrom(0, DAY_S),
    key: fc.option(fc.nat(3)),
    hash: fc.constantFrom('x', 'y'),
    shard: fc.constantFrom(...SHARDS),
    stale: fc.nat(9).map(n => n === 0),
  }),
  { minLength: 1, maxLength: 14 },
);
type Sketch = typeof sketches extends fc.Arbitrary<(infer S)[]> ? S : never;

/** What both must agree on: everything but the clock and whether the id was there (both say when). */
const comparable = (outcomes: readonly EntryOutcome[]): object[] =>
  outcomes.map(one => {
    const { id, code } = one;
    const postings = [...((one as Committed).postings ?? [])].sort(
      (x, y) => x.version - y.version || (x.account < y.account ? -1 : 1),
    );
    return { id, code, postings };
  });

it('agrees with the model, group after group', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(sketches, { minLength: 1, maxLength: 5 }), async groups => {
      const model = new MemoryLedger(
        (
          n => () =>
            ++n
        )(1_000),
      );
      const people = await Promise.all(Array.from({ length: PEOPLE }, async () => town.uuid()));
      const stranger = town.uuid();
      const ids = Array.from({ length: 10 }, () => town.uuid());
      await town.database.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [people]);
      for (const person of people) model.openAccount(person);
      const epochs = await town.epochStore.mint(SHARDS, 'property');
      for (let i = 0; i < SHARDS.length; i++)
        for (let n = 0; n < epochs[i]!; n++) await model.mint([SHARDS[i]!], '');
      for (const [n, entryMax, dayMax] of [
        [0, 6, null],
        [1, null, 20],
      ] as const) {
        await town.database.sql('select ledger.set_debit_limit($1, $2, $3)', [people[n], entryMax, dayMax]);
        model.limits.set(people[n]!, { entryMax: entryMax ?? undefined, dayMax: dayMax ?? undefined });
      }
      const who = (n: number) => people[n] ?? stranger;
      const op = (sketch: Sketch): DurableOp => {
        const { kind, a, b, points, cooldownS, key, hash } = sketch;
        const id = ids[sketch.id]!;
        const idempotency = key === null ? null : { userId: people[key]!, key: `k${key}`, requestHash: hash };
        if (kind === 'meet') {
          return encounter(id, who(a), who(b), { cooldownS, idempotency, officerPoints: points });
        }
        if (kind === 'held')
          return encounter(id, who(a), who(b), {
            cooldownS,
            idempotency,
            officerPoints: points,
            trust: 1 + points,
          });
        if (kind === 'release' || kind === 'reject') {
          const verdict = kind === 'release' ? 'released' : 'rejected';
          return review(encounter(id, who(a), who(b), { officerPoints: points }), verdict);
        }
        if (kind === 'grant') return { ...move(id, MINT_ACCOUNT, who(a), points + 1), idempotency };
        const aside = (of: string) => pending(of, who(a), who(b), points);
        if (kind === 'pending') return { ...aside(id), idempotency };
        if (kind === 'post') return { ...post(id, aside(ids[sketch.of]!)), idempotency };
        if (kind === 'void') return voidOf(aside(id));
        if (kind === 'expire') return voidOf(aside(id), 'expired');
        if (kind === 'move') return { ...move(id, who(a), who(b), points), idempotency };
        const legs = [
          { account: who(a), delta: -2 },
          { account: who(b), delta: -points },
          { account: MINT_ACCOUNT, delta: points + 2 },
        ];
        return { ...transfer(id, legs), idempotency };
      };
      for (const sketch of groups) {
        const group = sketch.map((one): CommitEntry => {
          const epoch = epochs[SHARDS.indexOf(one.shard)]!;
          return at(one.shard, one.stale ? epoch - 1 : epoch, op(one));
        });
        const [real, expected] = [await town.commitStore.commit(group), await model.commit(group)];
        expect(comparable(real)).toEqual(comparable(expected));
        const ops = group.map(one => one.op);
        const found = await town.commitStore.lookup(ops);
        const modelled = await model.lookup(ops);
        expect(found.map(one => one?.code)).toEqual(modelled.map(one => one?.code));
      }
    }),
    { numRuns: GROUPS, verbose: fc.VerbosityLevel.Verbose },
  );
  expect(await town.sums()).toEqual({ postings: 0, accounts: 0 });
  const [unequal] = await town.database.sql(`select count(*)::int as n from ledger.account a
    where a.reserved <> (select coalesce(sum(points), 0) from ledger.pending p
      where p.payer = a.account_id and p.state = 'pending')`);
  expect(unequal).toEqual({ n: 0 });
}, 120_000);

it('groups of several nodes at once add up, without a deadlock', async () => {
  const people = Array.from({ length: 12 }, () => town.uuid());
  await town.database.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [people]);
  const [epoch = 0] = await town.epochStore.mint([9], 'crowd');
  await town.commitStore.commit(people.map(one => at(9, epoch, move(town.uuid(), MINT_ACCOUNT, one, 100))));
  const wave = (seed: number) =>
    Array.from({ length: 40 }, (_, i) => {
      const from = people[(seed * 7 + i * 5) % people.length]!;
      const to = people[(seed * 7 + i * 5 + 1 + (i % 3)) % people.length]!;
      return at(9, epoch, move(town.uuid(), from, to, 1 + (i % 4)));
    });
  const groups = await Promise.all(
    Array.from({ length: 24 }, (_, seed) => town.commitStore.commit(wave(seed))),
  );
  const codes = new Set(groups.flat().map(one => one.code));
  expect([...codes].every(code => code === 'created' || code === 'insufficient_points')).toBe(true);
  expect(await town.sums()).toEqual({ postings: 0, accounts: 0 });
  const gaps = await town.database.sql(`select account_id from ledger.posting group by account_id, stripe
    having max(account_version_after) <> count(*) or min(account_version_after) <> 1`);
  expect(gaps).toEqual([]);
});

it('writes what others must hear of in the same transaction: one event, one balance per person', async () => {
  const people = [town.uuid(), town.uuid()] as const;
  await town.database.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [people]);
  const [epoch = 0] = await town.epochStore.mint([11], 'events');
  await town.database.sql('delete from ops.outbox');
  const id = town.uuid();
  const meeting = encounter(id, people[0], people[1]);
  await town.commitStore.commit([
    at(11, epoch, meeting),
    at(11, epoch, encounter(town.uuid(), people[0], people[1])),
  ]);
  const rows = await town.database.sql(
    'select target, keys::text, event_ids::text from ops.outbox order by target',
  );
  expect(rows).toEqual([
    { target: 2, keys: `{${people[1]}}`, event_ids: `{${id}}` },
    { target: 3, keys: `{${[...people].sort().join(',')}}`, event_ids: null },
  ]);
});

it('a transfer says under which ownership it was committed, and its event keeps the trace', async () => {
  const people = Array.from({ length: 3 }, () => town.uuid());
  await town.database.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [people]);
  const [e4 = 0, e5 = 0] = await town.epochStore.mint([4, 5], 'stamps');
  await town.database.sql('delete from ops.outbox');
  const ids = people.map(() => town.uuid());
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const give = (n: number) => move(ids[n]!, MINT_ACCOUNT, people[n]!, 1);
  await town.commitStore.commit([
    at(4, e4, give(0)),
    { ...at(5, e5 - 1, give(1)), trace: 'of nobody' },
    { ...at(5, e5, give(1)), trace },
    { ...at(4, e4, give(2)), trace: '{"broken' },
  ]);
  const rows = await town.database.sql(
    'select id, shard, epoch::int from ledger.transfer where id = any ($1) order by array_position($1, id)',
    [ids],
  );
  expect(rows).toEqual([
    { id: ids[0], shard: 4, epoch: e4 },
    { id: ids[1], shard: 5, epoch: e5 },
    { id: ids[2], shard: 4, epoch: e4 },
  ]);
  const [row] = await town.database.sql('select traces, event_ids from ops.outbox where target = 2');
  expect(row).toEqual({ traces: [null, trace, null], event_ids: ids });
});

it('what was committed lately can be asked for by shard', async () => {
  const people = Array.from({ length: 4 }, () => town.uuid());
  await town.database.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [people]);
  const [epoch = 0, other = 0] = await town.epochStore.mint([40, 41], 'lately');
  const [a, b] = [town.uuid(), town.uuid()];
  await town.commitStore.commit([
    at(40, epoch, encounter(a, people[0]!, people[1]!)),
    at(41, other, encounter(b, people[2]!, people[3]!)),
  ]);
  const lately = `select t.id, t.epoch::int from ledger.transfer t join meet.encounter e on e.id = t.id
    where t.shard = any ($1) and t.at > now() - interval '1 minute' order by t.at`;
  expect(await town.database.sql(lately, [[40]])).toEqual([{ id: a, epoch }]);
  expect(await town.database.sql(lately, [[40, 41]])).toHaveLength(2);
});
