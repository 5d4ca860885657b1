/**
 * The template of the cloud side beside what nodes really ask for: the tables that they would make, the operations that
 * stand in their code, the names that the overlays give them. A right that nobody uses is found, and so is a missing one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readOverlay } from '../../k8s/manifests/check.ts';
import { BalanceTarget } from '../dynamodb/balanceTarget.ts';
import { CatalogTarget } from '../dynamodb/catalogTarget.ts';
import { CheckpointTable } from '../dynamodb/checkpointTable.ts';
import { DeadLetterTable } from '../dynamodb/deadLetterTable.ts';
import { TrackingTable } from '../dynamodb/trackingTable.ts';
import { STREAMS } from '../events/catalogue.ts';
import { STREAM_SHARDS } from '../outbox/limits.ts';
import { DynamoRules } from '../rules/dynamoRules.ts';
import { lint } from './lint.ts';
import { readTemplate, statementsOf, templateText } from './template.ts';

const template = readTemplate();
const made = (type: string) => Object.values(template.Resources).filter(one => one.Type === type);

test('nothing is wrong with the template', () => {
  expect(lint(templateText())).toEqual([]);
});

test.each([
  ['- kinesis:ListShards', '- kinesis:*', /Streams allows kinesis:\*/],
  ['- !GetAtt Tracker.Arn', '- "*"', /Positions is about \*/],
  [
    '- !Sub "${ArchiveBucket.Arn}/checkpoints/*"',
    '- !Sub "${ArchiveBucket.Arn}/*"',
    /Archive is about .*\/\*/,
  ],
  ['AWS: !Ref AnalystRoleArn', 'AWS: "*"', /AnalystsRead is for everybody/],
  ['DeletionPolicy: Retain', 'DeletionPolicy: Delete', /goes with its stack/],
  ['SSEEnabled: true', 'SSEEnabled: false', /is not encrypted/],
  ['BlockPublicPolicy: true', 'BlockPublicPolicy: false', /may become public/],
  ['PointInTimeRecoveryEnabled: true', 'PointInTimeRecoveryEnabled: false', /back in time/],
  ['RetentionPeriodHours: 168', 'RetentionHours: 168', /has no RetentionHours/],
  ['!GetAtt RulesTable.Arn', '!GetAtt RuleTable.Arn', /no RuleTable to refer to/],
  ['Type: AWS::IAM::Role', 'Type: AWS::IAM::User', /nobody looked at/],
  ['!Ref ShardCount', '2', /nobody uses the parameter ShardCount/],
])('%s, were it %s, is found', (right, wrong, said) => {
  const text = templateText();
  expect(text).toContain(right);
  expect(lint(text.replaceAll(right, wrong)).join('\n')).toMatch(said);
});

test('a field that stands twice is no template', () => {
  expect(() => lint(templateText().replace('  Namespace:\n', '  Name:\n'))).toThrow(/unique/);
});

/** A DynamoDB that knows no table and writes down which ones are asked for. */
const tables = new Map<string, { keys: string[]; expires: string | null }>();
let server: Server;
let endpoint = '';

beforeAll(async () => {
  server = createServer(async (req, res) => {
    let text = '';
    for await (const part of req.setEncoding('utf8')) text += part;
    const asked = JSON.parse(text);
    const say = (status: number, body: object) => res.writeHead(status).end(JSON.stringify(body));
    const operation = String(req.headers['x-amz-target']).split('.')[1];
    const table = tables.get(asked.TableName);
    if (operation === 'CreateTable') {
      const types = new Map(
        asked.AttributeDefinitions.map((one: Record<string, string>) => [
          one.AttributeName,
          one.AttributeType,
        ]),
      );
      const keys = asked.KeySchema.map(
        (one: Record<string, string>) =>
          `${one.AttributeName} ${types.get(one.AttributeName)} ${one.KeyType} ${asked.BillingMode}`,
      );
      tables.set(asked.TableName, { keys, expires: null });
      return say(200, {});
    }
    if (table === undefined && asked.TableName !== undefined)
      return say(400, { __type: 'com.amazonaws.dynamodb.v20120810#ResourceNotFoundException' });
    if (operation === 'UpdateTimeToLive') table!.expires = asked.TimeToLiveSpecification.AttributeName;
    return say(200, operation === 'DescribeTable' ? { Table: { TableStatus: 'ACTIVE' } } : {});
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test('its tables are those that nodes would make, with the same keys, and the same ones expire', async () => {
  const options = {
    endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  };
  const signal = new AbortController().signal;
  const targets = [new BalanceTarget(options), new CatalogTarget(options)];
  for (const target of targets) await target.prepare(signal);
  const checkpoints = new CheckpointTable(options, () => 0, 'readers');
  await checkpoints.isEnded('s', signal);
  const letters = new DeadLetterTable(options, () => 0);
  await letters.list('c', null, signal);
  const tracking = new TrackingTable(options);
  await tracking.keysOf('d', signal);
  const rules = new DynamoRules(options);
  await rules.pointer('r');
  for (const one of [...targets, checkpoints, letters, tracking, rules]) one.close();

  const written = made('AWS::DynamoDB::Table').map(({ Properties: table }) => {
    const types = new Map(
      table.AttributeDefinitions.map((one: Record<string, string>) => [one.AttributeName, one.AttributeType]),
    );
    const keys = table.KeySchema.map(
      (one: Record<string, string>) =>
        `${one.AttributeName} ${types.get(one.AttributeName)} ${one.KeyType} ${table.BillingMode}`,
    );
    return [table.TableName, { keys, expires: table.TimeToLiveSpecification?.AttributeName ?? null }];
  });
  expect(Object.fromEntries(written)).toEqual(Object.fromEntries(tables));
});

test('its streams are those of the catalogue of events', () => {
  const streams = made('AWS::Kinesis::Stream').map(one => one.Properties.Name);
  expect(streams.sort()).toEqual(Object.values(STREAMS).sort());
  expect(template.Parameters.ShardCount!.Default).toBe(STREAM_SHARDS);
});

test('its bucket lives as infra/archive/bucket says', () => {
  const read = (name: string) =>
    JSON.parse(readFileSync(new URL(`../archive/bucket/${name}.json`, import.meta.url), 'utf8'));
  // the service's own words and those of CloudFormation differ
  const rules = read('lifecycle').Rules.map((rule: ReturnType<typeof JSON.parse>) => ({
    Id: rule.ID,
    Status: rule.Status,
    Prefix: rule.Filter.Prefix,
    ...(rule.Transitions && {
      Transitions: rule.Transitions.map((one: Record<string, unknown>) => ({
        TransitionInDays: one.Days,
        StorageClass: one.StorageClass,
      })),
    }),
    ...(rule.Expiration && { ExpirationInDays: rule.Expiration.Days }),
    ...(rule.NoncurrentVersionExpiration && {
      NoncurrentVersionExpiration: rule.NoncurrentVersionExpiration,
    }),
    ...(rule.AbortIncompleteMultipartUpload && {
      AbortIncompleteMultipartUpload: rule.AbortIncompleteMultipartUpload,
    }),
  }));
  const [bucket] = made('AWS::S3::Bucket');
  expect(bucket!.Properties.LifecycleConfiguration.Rules).toEqual(rules);
  const denied = (statements: { Effect: string; Sid?: string }[]) =>
    statements.filter(one => one.Effect === 'Deny').map(one => one.Sid);
  expect(denied(statementsOf(template))).toEqual(denied(read('policy').Statement));
});

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What runs beside nodes, with rights of its own: tests, embedded servers, tools of operators. */
const NOT_NODES =
  /(\.test|\.bench|\.fixture|\/test[A-Z]\w*|\.contract)\.ts$|\/(embedded|backup|query|cloud)\//;
/** What the template makes, so that nodes need not. */
const MADE = [
  'dynamodb:CreateTable',
  'dynamodb:UpdateContinuousBackups',
  'dynamodb:UpdateTimeToLive',
  'kinesis:CreateStream',
  'geo:CreateTracker',
  'geo:CreateGeofenceCollection',
];
const SERVICES: Record<string, string> = {
  dynamodb: 'dynamodb',
  kinesis: 'kinesis',
  location: 'geo',
  s3: 's3',
};
/** A call goes by another name than its right. */
const RIGHTS: Record<string, string> = { 's3:ListObjectsV2': 's3:ListBucket' };
/** For copies of the archive in folders; the bucket refuses it to everybody. */
const REFUSED = ['s3:DeleteObject'];

test('its role allows what the code of nodes calls, and nothing else', () => {
  const called = new Set<string>();
  for (const name of readdirSync(`${ROOT}infra`, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || NOT_NODES.test(`/${name}`)) continue;
    const text = readFileSync(`${ROOT}infra/${name}`, 'utf8');
    for (const [, names = '', client = ''] of text.matchAll(
      /import \{([^}]*)\} from '@aws-sdk\/client-(\w+)'/g,
    ))
      for (const [, operation] of names.matchAll(/(\w+)Command\b(?!Output|Input)/g))
        called.add(`${SERVICES[client]}:${operation}`);
    // by the short way, past the client
    const folder = /^(dynamodb|kinesis)\//.exec(name)?.[1];
    if (folder !== undefined)
      for (const [, operation] of text.matchAll(/\.call\('(\w+)'/g)) called.add(`${folder}:${operation}`);
  }
  const wanted = [...called]
    .map(action => RIGHTS[action] ?? action)
    .filter(action => !MADE.includes(action) && !REFUSED.includes(action));
  const role = made('AWS::IAM::Role')[0]!.Properties.Policies[0].PolicyDocument.Statement as {
    Action: string[];
  }[];
  expect(role.flatMap(one => one.Action).sort()).toEqual([...new Set(wanted)].sort());
  for (const action of MADE) expect([...called], `nobody calls ${action} any more`).toContain(action);
});

test.each(['staging', 'prod'])('overlay %s names what a stack of its name makes', overlay => {
  const { settings, resources } = readOverlay(overlay);
  const name = `heyblue-${overlay}`;
  const said = (text: string) => text.replace('${Name}', name);
  expect(settings).toMatchObject({
    S3_BUCKET: said(made('AWS::S3::Bucket')[0]!.Properties.BucketName),
    LOCATION_TRACKER: said(made('AWS::Location::Tracker')[0]!.Properties.TrackerName),
    LOCATION_COLLECTION: said(made('AWS::Location::GeofenceCollection')[0]!.Properties.CollectionName),
  });
  const role = said(made('AWS::IAM::Role')[0]!.Properties.RoleName);
  expect(resources.find(one => one.kind === 'ServiceAccount')!.metadata.annotations).toEqual({
    'eks.amazonaws.com/role-arn': expect.stringMatching(new RegExp(`:role/${role}$`)),
  });
});
