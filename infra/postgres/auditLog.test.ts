/** The table of what operators did keeps the contract of its twin in memory, and nobody who serves can rewrite it. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { auditLogContract } from '../../nodes/contracts/auditLog.contract.ts';
import { PgAuditLog } from './auditLog.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';
import { silent } from './testTown.ts';

auditLogContract('postgresql', async () => {
  const database = await testDatabase(inject('databaseUrl'));
  const open = () => new PgAuditLog({ url: database.appUrl, log: silent });
  const [one, two] = [open(), open()];
  await Promise.all([one.tried(), two.tried()]);
  const close = async () => {
    await Promise.all([one.close(), two.close()]);
    await database.drop();
  };
  return { one, two, uuid: randomUUID, wallMs: Date.now, close };
});

let database: TestDatabase;
let app: pg.Client;
beforeAll(async () => {
  database = await testDatabase(inject('databaseUrl'));
  app = new pg.Client({ connectionString: database.appUrl });
  await app.connect();
  await app.query(`insert into ops.operator_audit (action) values ('user.look')`);
});
afterAll(async () => {
  await app.end();
  await database.drop();
});

it.each([
  `update ops.operator_audit set action = 'nothing'`,
  'delete from ops.operator_audit',
  'truncate ops.operator_audit',
  `insert into ops.operator_audit (action, at) values ('user.look', now() - interval '1 day')`,
  `insert into ops.operator_audit (number, action) overriding system value values (1000, 'user.look')`,
  'drop table ops.operator_audit',
])('the role that serves may not: %s', async sql => {
  await expect(app.query(sql)).rejects.toMatchObject({ code: '42501' });
});

it('without a database nothing is written, and whoever asked hears so', async () => {
  const blind = new PgAuditLog({ url: 'postgres://nobody:x@127.0.0.1:1/none', log: silent });
  await blind.tried();
  const entry = { operatorId: null, action: 'user.look', userId: null, detail: {} };
  await expect(blind.append(entry)).rejects.toThrow();
  await blind.close();
});
