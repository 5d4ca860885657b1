/** A town goes on while it is audited: what is on its way is no difference, whatever moment the auditor looks at. */
import { randomBytes } from 'node:crypto';
import { DeleteStreamCommand } from '@aws-sdk/client-kinesis';
import { expect, inject, it } from 'vitest';
import type { Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { BalanceTarget } from '../dynamodb/balanceTarget.ts';
import { StreamTarget } from '../kinesis/streamTarget.ts';
import { Publisher } from '../outbox/publisher.ts';
import { PgOutboxSource } from '../outbox/source.ts';
import { awsAt, outboxTown } from '../outbox/testOutbox.ts';
import { ensureAuditor } from '../postgres/auditorRole.ts';
import { silent } from '../postgres/testTown.ts';
import { audit } from './audit.ts';
import { wrongIn } from './testTown.ts';

const NO_METRICS: Metrics = { count() {}, observe() {}, gauge() {} };
const AUDITS = 5;

it('a town that is in the middle of something at every audit', async () => {
  const town = await outboxTown();
  const name = `audit-${randomBytes(4).toString('hex')}`;
  const lines = town.lines(2);
  await lines.tried();
  const targets = [
    ['transactions', new StreamTarget(name, awsAt(inject('kinesisEndpoint')))],
    ['balances', new BalanceTarget(awsAt(inject('dynamodbEndpoint')), name)],
  ] as const;
  const publishers = await Promise.all(
    targets.map(async ([from, target]) => {
      const source = new PgOutboxSource(lines, from);
      const parts = { name: from, source, target, scheduler: systemScheduler, log: silent };
      const publisher = new Publisher({ ...parts, metrics: NO_METRICS });
      publisher.lead(await town.lead(from));
      return publisher;
    }),
  );
  const people = await town.people(8);
  let audits = 0;
  let rounds = 0;
  let over = false;
  const busy = (async () => {
    while (!over) {
      await town.earn(people);
      rounds++;
      for (const publisher of publishers) publisher.poke();
    }
  })();
  const stores = {
    databaseUrl: await ensureAuditor(town.database.ownerUrl),
    kinesis: awsAt(inject('kinesisEndpoint')),
    dynamodb: awsAt(inject('dynamodbEndpoint')),
    archive: null,
    names: { transactions: name, userEvents: `none-${name}`, balances: name, catalogs: `none-${name}` },
  };
  const settings = { shared: false, hours: null, cooldownS: 86_400, boundS: 3_600, archiveBoundS: 600 };
  // an audit that was over before anything was stored is none of those
  for (let tries = 0; audits < AUDITS && tries < 10 * AUDITS; tries++) {
    const before = rounds;
    const report = await audit({ stores, only: null, ...settings, say: () => {} });
    expect(wrongIn(report)).toEqual([]);
    expect(report.unreachable).toEqual([]);
    if (rounds > before) audits++;
  }
  over = true;
  await busy;
  await Promise.all(publishers.map(one => one.stop(10_000)));
  for (const [, target] of targets) target.close();
  await lines.close();
  await town.kinesis.send(new DeleteStreamCommand({ StreamName: name })).catch(() => {});
  await town.close();
  expect(audits).toBe(AUDITS);
});
