/** Balances and catalogues in DynamoDB are what PostgreSQL has: what is behind, changed or made up does not go unnoticed. */
import { DeleteItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { type AuditedTown, type Copy, type Story, townOfTheFile, wrongIn } from './testTown.ts';

let town: AuditedTown;
let story: Story;
let copy: Copy;
townOfTheFile(made => {
  ({ town, story, copy } = made);
});

it('finds a balance that is behind, one that is wrong, one that is ahead, one of nobody', async () => {
  const nobody = town.uuid();
  const { officer, civilian, merchant } = story;
  const before = await copy.sql(
    `select account_id as id, balance::text, version::text from ledger.account where account_id = any ($1)`,
    [[officer, civilian, merchant]],
  );
  const put = (id: string, balance: string, version: string) =>
    town.tables.send(
      new PutItemCommand({
        TableName: town.names.balances,
        Item: { pk: { S: id }, balance: { N: balance }, version: { N: version } },
      }),
    );
  await put(officer, '0', '1');
  await put(civilian, '999', String(before.find(({ id }) => id === civilian)?.version));
  await put(merchant, '999', '999');
  await put(nobody, '5', '1');
  const only = new Set(['balances']);
  expect(wrongIn(await copy.audit({ only }))).toEqual(
    [officer, civilian, merchant, nobody].map(id => `balances ${id}`).sort(),
  );
  // and what belongs to another town is left alone
  for (const { id, balance, version } of before) await put(String(id), String(balance), String(version));
  expect(wrongIn(await copy.audit({ only, shared: true }))).toEqual([]);
  expect(wrongIn(await copy.audit({ only }))).toEqual([`balances ${nobody}`]);
});

it('finds entries of the catalogues that are missing, behind, changed or made up in DynamoDB', async () => {
  const only = new Set(['catalogs']);
  const { entry, family } = story;
  const fresh = town.uuid();
  const TableName = town.names.catalogs;
  const put = (id: string, name: string, version: number) =>
    town.tables.send(
      new PutItemCommand({
        TableName,
        Item: {
          ...{ pk: { S: `CAT#family#${id}` }, id: { S: id }, kind: { S: 'family' }, name: { S: name } },
          ...{ account: { S: family }, status: { S: 'verified' }, version: { N: String(version) } },
        },
      }),
    );
  const wrong = async (statements: readonly string[] = []) => wrongIn(await copy.spoiled(statements, only));
  expect(await wrong()).toEqual([]);
  for (const [name, version] of [
    ['Blacks', 2],
    ['Browns', 1],
    ['Browns', 3],
  ] as const) {
    await put(entry, name, version);
    expect(await wrong(), `${name} ${version}`).toEqual([`catalogs ${entry}`]);
  }
  await put(entry, 'Browns', 1);
  const waits = `insert into ops.outbox (target, keys) values (4, '{${entry}}')`;
  expect(await wrong([waits])).toEqual([]);
  await put(entry, 'Browns', 2);
  await put(fresh, 'Greens', 1);
  expect(await wrong()).toEqual([`catalogs ${fresh}`]);
  expect(wrongIn(await copy.audit({ only, shared: true }))).toEqual([]);
  await town.tables.send(new DeleteItemCommand({ TableName, Key: { pk: { S: `CAT#family#${fresh}` } } }));
  const another = `insert into giving.catalog (id, kind, name) values ('${fresh}', 'family', 'Greens')`;
  expect(await wrong([another])).toEqual([`catalogs ${fresh}`]);
});
