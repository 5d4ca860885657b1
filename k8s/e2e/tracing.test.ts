/** A trace from the phone's command to the record in the stream, through a real node, and to a real collector. */
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { awsClientConfig } from '../../infra/outbox/awsClient.ts';
import { Collector } from '../../infra/telemetry/collector.ts';
import { traceIdOf, wellFormedTrace } from '../../protocol/trace.ts';
import { startTestTown, type TestTown, until } from './testTown.ts';

let collector: Collector;
let town: TestTown;

beforeAll(async () => {
  collector = await new Collector().start();
  town = await startTestTown({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
});
afterAll(async () => {
  await town?.stop();
  await collector?.stop();
});

interface StreamRecord {
  readonly id: string;
  readonly trace: string | null;
  readonly stamp: { readonly shard: number; readonly epoch: number; readonly seq: number };
}

async function recordOf(stream: string, id: string): Promise<StreamRecord | null> {
  const env = inject('awsEnv');
  const kinesis = new KinesisClient(
    awsClientConfig({
      endpoint: inject('kinesisEndpoint'),
      region: env.AWS_REGION ?? 'us-east-1',
      credentials: {
        accessKeyId: env.AWS_ACCESS_KEY_ID ?? '',
        secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '',
      },
    }),
  );
  try {
    const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName: stream }));
    for (const { ShardId } of Shards) {
      const from = { StreamName: stream, ShardId: ShardId!, ShardIteratorType: 'TRIM_HORIZON' } as const;
      let iterator = (await kinesis.send(new GetShardIteratorCommand(from))).ShardIterator;
      while (iterator) {
        const page = await kinesis.send(new GetRecordsCommand({ ShardIterator: iterator }));
        if (!page.Records?.length) break;
        for (const { Data } of page.Records) {
          const record = JSON.parse(Buffer.from(Data!).toString()) as StreamRecord;
          if (record.id === id) return record;
        }
        iterator = page.NextShardIterator;
      }
    }
    return null;
  } catch (error) {
    if ((error as Error).name === 'ResourceNotFoundException') return null;
    throw error;
  } finally {
    kinesis.destroy();
  }
}

it('a command, the turns of its actors, its commit and its record are one trace', async () => {
  const officer = await town.phone('officer', 0, 0);
  const civilian = await town.phone('civilian', 10, 0);
  await officer.arrive();
  await civilian.arrive();
  await civilian.sees(officer);
  await civilian.must('hey.say', { officerId: officer.person.userId });
  const { heyId } = await officer.event('hey.received');
  const { encounterId } = await officer.must('hey.accept', { heyId });

  const record = await until('the encounter in the stream', () => recordOf('transactions', encounterId));
  expect(wellFormedTrace(record.trace)).toBe(record.trace);
  expect(record.stamp).toEqual({
    shard: expect.any(Number),
    epoch: expect.any(Number),
    seq: expect.any(Number),
  });
  expect(record.stamp.epoch).toBeGreaterThan(0);

  const names = await until('the spans of that trace', () => {
    const mine = collector.spans.filter(span => span.traceId === traceIdOf(record.trace));
    const found = new Set(mine.map(span => span.name));
    return found.has('hey.accept') && found.has('ledger.commit') ? found : null;
  });
  expect(names).toContain('turn user');
  expect(names).toContain('turn pair');
  // nothing that must not leave the house is in what left it
  const sent = JSON.stringify(collector.spans);
  for (const { userId, handle, token } of [officer.person, civilian.person]) {
    for (const secret of [userId, handle, token]) expect(sent).not.toContain(secret);
  }
});

it('a sign-up and its event are one trace', async () => {
  const { person } = await town.phone('civilian');
  const [span] = await until('the request as a span', () => {
    const found = collector.named('POST /v1/signup');
    return found.length > 0 ? found : null;
  });
  expect(span?.attributes).toContainEqual({ key: 'http.response.status_code', value: { intValue: 201 } });
  expect(person.userId).toBeTruthy();
});
