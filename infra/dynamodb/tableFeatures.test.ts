/** Tables ask for what the service has, and serve where it has not. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { awsClientConfig } from '../outbox/awsClient.ts';
import { type FaultyProxy, faultyProxy } from '../outbox/faultyProxy.ts';
import { awsAt } from '../outbox/testOutbox.ts';
import { ensureTable } from './ensureTable.ts';
import { PreparedTable } from './preparedTable.ts';
import { askRecovery, askTimeToLive } from './tableFeatures.ts';

const TABLE = `features-${process.pid}`;
const KEY = [{ name: 'pk', type: 'S' }] as const;
const signal = new AbortController().signal;

let proxy: FaultyProxy;
let client: DynamoDBClient;
/** What the service says to everything but tables. */
let answer: { readonly status: number; readonly body: string } | null;
const asked: string[] = [];

beforeAll(async () => {
  proxy = await faultyProxy(inject('dynamodbEndpoint'));
  client = new DynamoDBClient(awsClientConfig(awsAt(proxy.url)));
});
afterAll(async () => {
  client.destroy();
  await proxy.close();
});
beforeEach(() => {
  asked.length = 0;
  proxy.behaviour = async ({ action, body }) => {
    if (!action.startsWith('Update')) return null;
    asked.push(`${action} ${body}`);
    return answer;
  };
});

const refusing = (name: string, message = '') => ({
  status: 400,
  body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message }),
});

it('recovery to a point in time is asked for of every table', async () => {
  answer = { status: 200, body: '{}' };
  await ensureTable(client, TABLE, KEY, signal);
  expect(asked.join()).toContain('UpdateContinuousBackups');
  expect(asked.join()).toContain('"PointInTimeRecoveryEnabled":true');
  expect(asked.join()).toContain(TABLE);
});

it('items that expire, where it is wanted', async () => {
  answer = { status: 200, body: '{}' };
  expect(await askTimeToLive(client, TABLE, signal)).toBe(true);
  expect(asked.join()).toContain('"AttributeName":"exp"');
  answer = refusing('ValidationException', 'TimeToLive is already enabled');
  expect(await askTimeToLive(client, TABLE, signal)).toBe(true);
  answer = refusing('AccessDeniedException', 'not authorized to perform: dynamodb:UpdateTimeToLive');
  expect(await askTimeToLive(client, TABLE, signal)).toBe(true);
  answer = refusing('ValidationException', 'TimeToLive is active on a different AttributeName');
  await expect(askTimeToLive(client, TABLE, signal)).rejects.toThrow('different');
});

it('an emulator that knows neither, a new table, a role that may not: no reason not to serve', async () => {
  for (const name of [
    'UnknownOperationException',
    'ContinuousBackupsUnavailableException',
    'AccessDeniedException',
  ]) {
    answer = refusing(name);
    expect(await askRecovery(client, TABLE, signal), name).toBe(false);
  }
  answer = refusing('UnknownOperationException');
  expect(await askTimeToLive(client, TABLE, signal)).toBe(false);
  answer = refusing('InternalServerError');
  await expect(askRecovery(client, TABLE, signal)).rejects.toThrow();
});

it('what the embedded server has not is passed over, and a table that failed is prepared again', async () => {
  answer = null;
  const prepared = new PreparedTable(client, TABLE, KEY);
  proxy.behaviour = 'away';
  await expect(prepared.run(signal, async () => 1)).rejects.toThrow();
  proxy.behaviour = 'pass';
  expect(await prepared.run(signal, async () => 2)).toBe(2);
  const gone = Object.assign(new Error('gone'), { name: 'ResourceNotFoundException' });
  await expect(prepared.run(signal, () => Promise.reject(gone))).rejects.toThrow('gone');
  const before = proxy.calls.length;
  expect(await prepared.run(signal, async () => 3)).toBe(3);
  expect(proxy.calls.slice(before)).toContain('DescribeTable');
});
