/** The table of revocations keeps the contract of its twin in memory. */
import { randomUUID } from 'node:crypto';
import { expect, inject, onTestFinished, test } from 'vitest';
import { revocationsContract } from '../../gateway/revocations.contract.ts';
import { layWire } from '../../k8s/swarm/wire.ts';
import { revocationStoreContract } from '../../nodes/contracts/revocationStore.contract.ts';
import { NatsLink } from '../nats/link.ts';
import { NatsBus } from '../nats/natsBus.ts';
import { clientOptions } from '../nats/options.ts';
import { PgRevocationStore } from './revocationStore.ts';
import { testDatabase } from './testDatabase.ts';
import { silent } from './testTown.ts';

const open = async () => {
  const database = await testDatabase(inject('databaseUrl'));
  const store = () => new PgRevocationStore({ url: database.appUrl, log: silent });
  const [one, two] = [store(), store()];
  await Promise.all([one.tried(), two.tried()]);
  const kept = async () => {
    const [row] = await database.sql('select count(*)::int as n from identity_schema.revocation');
    return row!.n as number;
  };
  const close = async () => {
    await Promise.all([one.close(), two.close()]);
    await database.drop();
  };
  return { one, two, uuid: randomUUID, nowMs: Date.now, kept, close, database };
};

revocationStoreContract('postgresql', open);

test('an insert that was slow to commit is not left out by a reader that was faster', async () => {
  const { one, close, database } = await open();
  onTestFinished(close);
  const id = '01900000-0000-4000-8000-000000000001';
  const far = Date.now() + 3_600_000;
  const { default: pg } = await import('pg');
  const slow = new pg.Client({ connectionString: database.ownerUrl });
  await slow.connect();
  onTestFinished(() => slow.end());
  await slow.query('begin');
  await slow.query(
    'insert into identity_schema.revocation (id, user_id, issued_until_ms, expires_at_ms) values ($1, $1, 1, $2)',
    [id, far],
  );
  const before = await one.since(null);
  expect(before.revocations).toEqual([]);
  await slow.query('commit');
  const after = await one.since(before.cursor);
  expect(after.revocations.map(revocation => revocation.id)).toEqual([id]);
});

revocationsContract('postgresql and NATS', async () => {
  const database = await testDatabase(inject('databaseUrl'));
  const stores: PgRevocationStore[] = [];
  const closers: (() => Promise<void>)[] = [];
  return {
    buses: {
      connect: async () => {
        const wire = await layWire(inject('natsUrl'));
        const link = await NatsLink.open(clientOptions({ url: wire.url }, 'test'), 'the test server', silent);
        closers.push(async () => {
          await link.close();
          await wire.close();
        });
        const bus = new NatsBus(link, silent);
        return {
          bus,
          cut: async () => {
            wire.cut();
            await expect.poll(() => bus.connected, { timeout: 20_000 }).toBe(false);
          },
          heal: async () => {
            await wire.heal();
            await expect.poll(() => bus.connected, { timeout: 20_000 }).toBe(true);
          },
        };
      },
      close: async () => {},
    },
    store: async () => {
      const store = new PgRevocationStore({ url: database.appUrl, log: silent });
      stores.push(store);
      await store.tried();
      return store;
    },
    close: async () => {
      await Promise.all(closers.map(close => close()));
      await Promise.all(stores.map(store => store.close()));
      await database.drop();
    },
  };
});
