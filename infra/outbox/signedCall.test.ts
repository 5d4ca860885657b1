/** A batch that goes past the client's middleware says what the client says, and is signed as AWS documents it. */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BatchWriteItemCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { awsClientConfig } from './awsClient.ts';
import { SignedCall, signedCallOf } from './signedCall.ts';

const CREDENTIALS = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};
const REGION = 'us-east-1';

interface Asked {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let server: Server;
let endpoint: string;
let handler: NodeHttpHandler;
let asked: Asked[];
let answer: { status: number; text: string; part?: boolean };
/** The server's clock. */
let theirMs: () => number;

beforeEach(async () => {
  asked = [];
  handler = new NodeHttpHandler({ requestTimeout: 30_000, throwOnRequestTimeout: true });
  answer = { status: 200, text: '{"UnprocessedItems":{}}' };
  theirMs = Date.now;
  server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', part => {
      body += part;
    });
    request.on('end', () => {
      asked.push({ headers: request.headers, body });
      const date = new Date(theirMs()).toUTCString();
      response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0', date });
      if (answer.part) response.write(answer.text);
      else response.end(answer.text);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  handler.destroy();
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
});

const caller = (sessionToken?: string, service: 'dynamodb' | 'kinesis' = 'dynamodb'): SignedCall =>
  new SignedCall({
    service,
    endpoint,
    region: REGION,
    handler,
    credentials: async () => ({ ...CREDENTIALS, sessionToken }),
  });

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Whether the signature of a request is the one of what stands in it, by the documentation of Signature Version 4. */
const isSigned = ({ headers, body }: Asked): boolean => {
  const form = /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/(.*), SignedHeaders=(.*), Signature=(\w+)$/;
  const [, scope, names, signature] = form.exec(headers.authorization!)!;
  const lines = names!.split(';').map(name => `${name}:${headers[name]}\n`);
  const asked = `POST\n/\n\n${lines.join('')}\n${names}\n${sha256(body)}`;
  const text = `AWS4-HMAC-SHA256\n${headers['x-amz-date']}\n${scope}\n${sha256(asked)}`;
  const key = scope!.split('/').reduce<string | Buffer>(hmac, `AWS4${CREDENTIALS.secretAccessKey}`);
  return hmac(key, text).toString('hex') === signature;
};

test('what the client of AWS signs we sign in the same way, and say the same', async () => {
  const RequestItems = { tracking: [{ PutRequest: { Item: { pk: { S: 'a "b" é' }, sk: { N: '1' } } } }] };
  const client = new DynamoDBClient({ endpoint, region: REGION, credentials: CREDENTIALS });
  await client.send(new BatchWriteItemCommand({ RequestItems }));
  client.destroy();
  for (const sessionToken of [undefined, 'a token of a role']) {
    const ours = caller(sessionToken);
    await ours.call('BatchWriteItem', JSON.stringify({ RequestItems }), AbortSignal.timeout(30_000));
  }
  const [theirs, plain, role] = asked as [Asked, Asked, Asked];
  expect(asked.map(isSigned)).toEqual([true, true, true]);
  expect(JSON.parse(plain.body)).toEqual(JSON.parse(theirs.body));
  for (const name of ['content-type', 'x-amz-target', 'host'])
    expect(plain.headers[name], name).toBe(theirs.headers[name]);
  expect(role.headers['x-amz-security-token']).toBe('a token of a role');
  expect(role.headers.authorization).toContain('x-amz-security-token');
});

test('records of a stream are put in the words of its client', async () => {
  const put = { StreamName: 'transactions', Records: [{ PartitionKey: 'a', Data: Buffer.from('{"é":1}') }] };
  const client = new KinesisClient({
    endpoint,
    region: REGION,
    credentials: CREDENTIALS,
    requestHandler: new NodeHttpHandler(),
  });
  await client.send(new PutRecordsCommand(put));
  client.destroy();
  const Records = put.Records.map(({ PartitionKey, Data }) => ({
    PartitionKey,
    Data: Data.toString('base64'),
  }));
  const text = JSON.stringify({ ...put, Records });
  await caller(undefined, 'kinesis').call('PutRecords', text, AbortSignal.timeout(30_000));
  const [theirs, ours] = asked as [Asked, Asked];
  expect(asked.map(isSigned)).toEqual([true, true]);
  expect(JSON.parse(ours.body)).toEqual(JSON.parse(theirs.body));
  for (const name of ['content-type', 'x-amz-target', 'host'])
    expect(ours.headers[name], name).toBe(theirs.headers[name]);
});

test('an error has the name that the service gives it', async () => {
  const ours = caller();
  const said = () =>
    ours
      .call('BatchWriteItem', '{}', AbortSignal.timeout(30_000))
      .catch(({ name, $metadata }) => ({ name, $metadata }));
  answer = {
    status: 400,
    text: '{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"x"}',
  };
  expect(await said()).toEqual({ name: 'ResourceNotFoundException', $metadata: { httpStatusCode: 400 } });
  answer = { status: 502, text: '<html>' };
  expect(await said()).toEqual({ name: 'Error', $metadata: { httpStatusCode: 502 } });
});

test('a call that was called off is over', async () => {
  const ours = caller();
  const over = new AbortController();
  over.abort();
  await expect(ours.call('BatchWriteItem', '{}', over.signal)).rejects.toMatchObject({ name: 'AbortError' });
});

test('an answer that begins and does not go on is an error, as one that does not come', async () => {
  const config = awsClientConfig({ endpoint, region: REGION, credentials: CREDENTIALS, requestMsMax: 300 });
  const client = new KinesisClient(config);
  const ours = signedCallOf('kinesis', client, config);
  answer = { status: 200, text: '{"Records":[', part: true };
  await expect(ours.call('GetRecords', '{}', AbortSignal.timeout(20_000))).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  client.destroy();
});

test('a machine whose clock is wrong signs with the time of the service, as its client does', async () => {
  const ours = caller();
  theirMs = () => Date.now() + 3_600_000;
  const call = () => ours.call('BatchWriteItem', '{}', AbortSignal.timeout(30_000));
  await call();
  await call();
  const [wrong, right] = asked.map(({ headers }) => {
    const [day, time] = String(headers['x-amz-date']).split('T') as [string, string];
    const iso = `${day.replace(/(....)(..)(..)/, '$1-$2-$3')}T${time.replace(/(..)(..)(..)/, '$1:$2:$3')}`;
    return Math.abs(Date.parse(iso) - theirMs()) < 300_000;
  });
  expect([wrong, right]).toEqual([false, true]);
  expect(asked.map(isSigned)).toEqual([true, true]);
});
