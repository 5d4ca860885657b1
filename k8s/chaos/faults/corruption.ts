/**
 * What is stored of some people is garbage: their newest events, and timers that nobody can read. Their actors may say that
 * they cannot serve; they may not say a wrong balance, and nobody else may notice.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { shardOf, uuidv7 } from '../../../protocol/index.ts';
import { withClient } from '../../swarm/postgres.ts';
import { RestClient } from '../../swarm/rest.ts';
import { type SeededAccount, seedAccounts } from '../../swarm/seed.ts';
import { givePoints } from '../../swarm/shops.ts';
import type { Fault } from '../fault.ts';
import type { ChaosTarget } from '../target.ts';

const PEOPLE = 6;
const POINTS = 77;
const ASKS = 5;
const SEED_ATTEMPTS = 5;
const ASK_MS = 1_000;

const EVENTS = `insert into ops.user_event (user_id, n, after_version, lineage, id, about, at, frame)
  select u, 1, 1, 1, gen_random_uuid(), null, now(), '\\xc1c1c1c1'::bytea from unnest($1::uuid[]) u`;
const TIMERS = `insert into ops.actor_timer (kind, actor, name, shard, due_ms, op_id, message)
  select 'user', u.id, 'chaos', u.shard, $3::bigint, u.op, case when u.n % 2 = 0 then '{"type":' else '{"type":"of a later version"}' end
  from unnest($1::text[], $2::int[], $4::uuid[]) with ordinality as u(id, shard, op, n)`;

/** People with points; what a server that has other work refuses is asked again, with new people. */
const seeded = async (target: ChaosTarget): Promise<SeededAccount[]> => {
  for (let attempt = 1; ; attempt++) {
    try {
      const people = await seedAccounts(target, new Array(PEOPLE).fill('civilian'));
      await givePoints(target, people, POINTS);
      return people;
    } catch (error) {
      if (attempt === SEED_ATTEMPTS) throw error;
      await pause(ASK_MS);
    }
  }
};

export const corruption: Fault = {
  name: 'corruption',
  row: '20',
  weight: 1,
  reach: 'node',
  run: async ({ target, random, hit, counted }) => {
    const people = await seeded(target);
    const ids = people.map(one => one.userId);
    await withClient(target.stores.databaseUrl, async client => {
      await client.query(EVENTS, [ids]);
      const shards = ids.map(id => shardOf('user', id));
      const ops = ids.map(() => uuidv7(Date.now(), crypto.getRandomValues(new Uint8Array(10))));
      await client.query(TIMERS, [ids, shards, Date.now(), ops]);
    });
    hit({
      targets: ids,
      what: `events and timers of ${PEOPLE} people are garbage`,
      counts: { corrupted: 2 * PEOPLE },
    });
    let refused = 0;
    let right = 0;
    for (let i = 0; i < ASKS; i++) {
      for (const one of people) {
        const rest = new RestClient(random.pick(target.nodes).urls.rest);
        const balance = await rest.balance(one.token).then(
          answer => answer.balance,
          () => null,
        );
        if (balance === null) refused++;
        else if (balance === POINTS) right++;
        else
          throw new Error(`somebody whose rows are garbage is said to have ${balance} points, not ${POINTS}`);
      }
      await pause(ASK_MS);
    }
    counted({ refused, right });
  },
};
