/** The readers as a node runs them: on the thread of the publishers, told what to own, from commit to read model. */
import { expect, inject, it } from 'vitest';
import { encounter } from '../../nodes/contracts/town.ts';
import type { Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { AWS, outboxTown, PATIENCE } from '../outbox/testOutbox.ts';
import { OutboxThread } from '../outbox/thread.ts';
import { silent } from '../postgres/testTown.ts';
import { PgUsersDomain } from '../postgres/usersDomain.ts';
import { owningAll } from './testStreams.ts';

it('what is committed is read by the thread that owns the shards, and said how late', async () => {
  const town = await outboxTown();
  const store = new PgUsersDomain({ url: town.database.appUrl, log: silent });
  await store.tried();
  const seen = new Set<string>();
  const metrics: Metrics = {
    count: name => void seen.add(name),
    observe: name => void seen.add(name),
    gauge: name => void seen.add(name),
  };
  const thread = new OutboxThread({
    ...AWS,
    url: town.database.appUrl,
    dynamodbEndpoint: inject('dynamodbEndpoint'),
    kinesisEndpoint: inject('kinesisEndpoint'),
    log: silent,
    metrics,
    scheduler: systemScheduler,
  });
  thread.own(owningAll());
  thread.lead('transactions', await town.lead('transactions'));
  const [officer = '', civilian = ''] = await town.people(2);
  await town.commit(encounter(town.uuid(), officer, civilian));
  thread.poke();
  await expect
    .poll(() => store.officersMet(civilian, 10), { ...PATIENCE, timeout: 40_000 })
    .toMatchObject([{ officerId: officer, encounters: 1 }]);
  await expect.poll(() => seen.has('heyblue_projection_staleness_seconds'), PATIENCE).toBe(true);
  await expect.poll(() => seen.has('heyblue_publish_staleness_seconds'), PATIENCE).toBe(true);
  await expect.poll(() => seen.has('heyblue_reader_behind_seconds'), PATIENCE).toBe(true);
  await thread.close(2_000);
  await store.close();
  await town.close();
});
