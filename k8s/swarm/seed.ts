/**
 * People for load, in bulk: rows as sign-up writes them, straight into PostgreSQL, with one password hash for all, and
 * tokens signed with the key of the town's own folder. A thousand sign-ups by REST would measure argon2 and nothing else.
 */
import { randomBytes } from 'node:crypto';
import { hash } from '@node-rs/argon2';
import { Client } from 'pg';
import { type AccountKind, uuidv7 } from '../../protocol/index.ts';
import type { PhoneIdentity } from './phone.ts';
import { tokenMaker } from './tokens.ts';

export interface SeededPerson extends PhoneIdentity {
  readonly kind: 'officer' | 'civilian';
  readonly handle: string;
}

export interface SeedPlan {
  readonly officers: number;
  readonly civilians: number;
  /** Seconds that the tokens live; more than any run. 0: nobody signs in, and there are no tokens. */
  readonly tokenTtlS?: number;
}

export interface SeededPeople {
  readonly officers: SeededPerson[];
  readonly civilians: SeededPerson[];
}

/** Where the town is: what a load town and a running one have in common. */
export interface SeedTarget {
  readonly town: { readonly databaseUrl: string };
  readonly dataDir: string;
}

const ROWS_PER_STATEMENT = 5_000;

/** They came long ago, so nobody has to be told of them: a load would begin with thousands of events. */
const INSERT = `
  with people as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) as p (id, kind, handle, device)
  ), users as (
    insert into user_schema.users (id, kind, handle, created_at)
    select id, kind, handle, now() - interval '1 year' from people returning id
  ), devices as (
    insert into user_schema.device (user_id, device_id) select id, device from people
  ), credentials as (
    insert into identity_schema.credential (user_id, password_hash) select id, $5 from people
  ), officers as (
    insert into user_schema.officer (user_id, badge) select id, 'LOAD-' || id from people where kind = 'officer'
  )
  insert into ledger.account (account_id) select id from people`;

/** The password of everybody who was seeded. */
const SEED_PASSWORD = 'walk-softly-and-say-hey';

/** Anybody. */
export interface SeededAccount extends PhoneIdentity {
  readonly kind: AccountKind;
  readonly handle: string;
}

/** Creates accounts with fresh handles and tokens, in the order in which their kinds stand. */
export const seedAccounts = async (
  target: SeedTarget,
  kinds: readonly AccountKind[],
  tokenTtlS = 6 * 3600,
): Promise<SeededAccount[]> => {
  const run = randomBytes(4).toString('hex');
  const passwordHash = await hash(SEED_PASSWORD);
  const makeToken = tokenTtlS === 0 ? async () => '' : tokenMaker(target.dataDir, tokenTtlS);
  const people: SeededAccount[] = [];
  for (const [i, kind] of kinds.entries()) {
    const userId = uuidv7(Date.now(), randomBytes(10));
    const deviceId = `load-${userId}`;
    const handle = `${kind}-${run}-${i}`;
    const token = await makeToken({ userId, kind, handle, deviceId });
    people.push({ userId, kind, handle, deviceId, token });
  }
  const client = new Client({ connectionString: target.town.databaseUrl });
  await client.connect();
  try {
    for (let at = 0; at < people.length; at += ROWS_PER_STATEMENT) {
      const some = people.slice(at, at + ROWS_PER_STATEMENT);
      await client.query(INSERT, [
        some.map(p => p.userId),
        some.map(p => p.kind),
        some.map(p => p.handle),
        some.map(p => p.deviceId),
        passwordHash,
      ]);
    }
    await client.query('analyze user_schema.users, user_schema.device, ledger.account');
  } finally {
    await client.end();
  }
  return people;
};

const times = <T>(count: number, one: T): T[] => new Array<T>(count).fill(one);

/** Creates officers and civilians. */
export const seedPeople = async (target: SeedTarget, plan: SeedPlan): Promise<SeededPeople> => {
  const { officers, civilians, tokenTtlS } = plan;
  const kinds = [...times(officers, 'officer' as const), ...times(civilians, 'civilian' as const)];
  const people = (await seedAccounts(target, kinds, tokenTtlS)) as SeededPerson[];
  return { officers: people.slice(0, officers), civilians: people.slice(officers) };
};
