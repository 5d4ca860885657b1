/**
 * How soon a balance is the same everywhere. People meet by code at a steady rate; from the moment at which the actor's
 * answer with the new balance is on the phone it is looked for in DynamoDB. Then DynamoDB and Kinesis are away for a while, meetings
 * go on, and it is measured how soon after their return ledger, balances and streams agree, and the read model has all.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { Client } from 'pg';
import { startTown, type Town } from '../../infra/embedded/index.ts';
import { freePorts } from '../../infra/embedded/ports.ts';
import { type StartedNode, startNode } from '../../infra/embedded/town.ts';
import { awsClientConfig } from '../../infra/outbox/awsClient.ts';
import type { Bench, Report } from '../bench.ts';
import { agreement } from '../swarm/agreement.ts';
import { stopOnSignal } from '../swarm/cleanup.ts';
import { Histogram } from '../swarm/histogram.ts';
import { OPEN_AREAS } from '../swarm/openAreas.ts';
import { Phone } from '../swarm/phone.ts';
import { type SeededPerson, seedPeople } from '../swarm/seed.ts';
import { layWire, type Wire } from '../swarm/wire.ts';
import { numberArg } from './args.ts';
import { figure, rounded, table } from './table.ts';

/** A phone scans once a second at most. */
const SCANS_PER_PHONE_S = 0.8;
/** A code is good for 15 s. */
const CODE_MS = 5_000;
/** One movement in so many is looked for in DynamoDB. */
const SAMPLED = 10;
const LOOK_MS = 10;
/** Past this a balance that is looked for counts as never seen. */
const LOST_MS = 30_000;
/** What must be: within a minute of their return. */
const RETURN_MS_MAX = 60_000;

interface Plan {
  readonly perS: number;
  readonly seconds: number;
  readonly awayPerS: number;
  readonly awayS: number;
}

interface WiredTown {
  readonly town: Town;
  readonly node: StartedNode;
  readonly dataDir: string;
  readonly dynamodb: Wire;
  readonly kinesis: Wire;
  stop(): Promise<void>;
}

async function wiredTown(): Promise<WiredTown> {
  const dataDir = mkdtempSync(join(tmpdir(), 'heyblue-converge-'));
  let town: Town | undefined;
  let node: StartedNode | undefined;
  const wires: Wire[] = [];
  const stop = stopOnSignal(async () => {
    await node?.stop();
    for (const wire of wires) await wire.close();
    await town?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  try {
    town = await startTown({ dataDir });
    const dynamodb = await layWire(town.dynamodbEndpoint);
    const kinesis = await layWire(town.kinesisEndpoint);
    wires.push(dynamodb, kinesis);
    const [restPort, realtimePort, adminPort] = await freePorts(3);
    const env = {
      ...town.env,
      DYNAMODB_ENDPOINT: dynamodb.url,
      KINESIS_ENDPOINT: kinesis.url,
      HEYBLUE_DATA_DIR: dataDir,
      HEYBLUE_ARCHIVE: 'off',
      HEYBLUE_HOST: '127.0.0.1',
      HEYBLUE_LOG_LEVEL: 'error',
      HEYBLUE_LOG_FORMAT: 'json',
      HEYBLUE_REST_PORT: String(restPort),
      HEYBLUE_REALTIME_PORT: String(realtimePort),
      HEYBLUE_ADMIN_PORT: String(adminPort),
      HEYBLUE_CONNECTIONS_PER_ADDRESS: '1000000',
      HEYBLUE_HANDSHAKE_RATE: '1000000',
      HEYBLUE_HISTORY_REVIEW: 'off',
      ...OPEN_AREAS,
    };
    node = await startNode({ env, output: { file: join(dataDir, 'node.log') } });
    return { town, node, dataDir, dynamodb, kinesis, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Meeting {
  readonly userId: string;
  readonly balance: number;
}

/** Officers and civilians with phones; each pair meets once, one officer after the other. */
class Crowd {
  readonly #officers: Phone[];
  readonly #civilians: Phone[];
  readonly #codes = new Map<Phone, { readonly token: Promise<string>; readonly untilMs: number }>();
  #met = 0;
  readonly failures = new Map<string, number>();

  constructor(url: string, officers: readonly SeededPerson[], civilians: readonly SeededPerson[]) {
    const phoneOf = (identity: SeededPerson): Phone =>
      new Phone({ url, identity, onEvent() {}, onVolatile() {}, onRefusal() {}, onClose() {} });
    this.#officers = officers.map(phoneOf);
    this.#civilians = civilians.map(phoneOf);
  }

  async connect(): Promise<void> {
    for (const phone of [...this.#officers, ...this.#civilians]) await phone.connect();
  }

  drop(): void {
    for (const phone of [...this.#officers, ...this.#civilians]) phone.drop();
  }

  /** Open loop; every meeting that came about goes to `met`. */
  async meet(perS: number, seconds: number, met: (meeting: Meeting) => void): Promise<void> {
    const count = Math.round(perS * seconds);
    const began = performance.now();
    const under: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      const waitMs = began + (i * 1_000) / perS - performance.now();
      if (waitMs > 1) await pause(waitMs);
      under.push(this.#one(met));
    }
    await Promise.all(under);
  }

  async #one(met: (meeting: Meeting) => void): Promise<void> {
    const at = this.#met++;
    const officer = this.#officers[Math.floor(at / this.#civilians.length) % this.#officers.length]!;
    const civilian = this.#civilians[at % this.#civilians.length]!;
    try {
      const token = await this.#codeOf(officer);
      const scanned = await civilian.command('qr.scan', { token }, crypto.randomUUID());
      if (!scanned.ok) throw new Error(scanned.message);
      met({ userId: civilian.userId, balance: scanned.value.balance });
    } catch (error) {
      const why = (error as Error).message;
      this.failures.set(why, (this.failures.get(why) ?? 0) + 1);
    }
  }

  #codeOf(officer: Phone): Promise<string> {
    const nowMs = performance.now();
    const known = this.#codes.get(officer);
    if (known && known.untilMs > nowMs) return known.token;
    const token = officer.command('qr.show', {}).then(shown => {
      if (!shown.ok) throw new Error(shown.message);
      return shown.value.token;
    });
    this.#codes.set(officer, { token, untilMs: nowMs + CODE_MS });
    return token;
  }
}

/** Milliseconds from the answer on the phone until DynamoDB shows that balance or a later one. */
async function shownAfterMs(client: DynamoDBClient, { userId, balance }: Meeting): Promise<number> {
  const began = performance.now();
  const asked = new GetItemCommand({ TableName: 'balances', Key: { pk: { S: userId } } });
  for (;;) {
    const found = await client.send(asked).catch(() => null);
    const tookMs = performance.now() - began;
    if (Number(found?.Item?.balance?.N ?? -1) >= balance || tookMs > LOST_MS) return tookMs;
    await pause(LOOK_MS);
  }
}

/** Milliseconds until the read model has every encounter of the ledger. */
async function readModelAfterMs(databaseUrl: string): Promise<number> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const began = performance.now();
  try {
    for (;;) {
      const { rows } = await client.query<{ missing: boolean }>(
        `select exists (select from meet.encounter e where not exists
           (select from users.encounter u where u.event_id = e.id)) as missing`,
      );
      const tookMs = performance.now() - began;
      if (!rows[0]!.missing || tookMs > RETURN_MS_MAX) return tookMs;
      await pause(LOOK_MS);
    }
  } finally {
    await client.end();
  }
}

const people = ({ perS, seconds, awayPerS, awayS }: Plan) => {
  const civilians = Math.ceil(Math.max(perS, awayPerS) / SCANS_PER_PHONE_S);
  const pairs = perS * seconds + awayPerS * awayS;
  return { civilians, officers: Math.max(1, Math.ceil(pairs / civilians)) };
};

async function run(plan: Plan, report: Report) {
  const wired = await wiredTown();
  const { town, node, dynamodb, kinesis } = wired;
  const client = new DynamoDBClient(
    awsClientConfig({
      endpoint: town.dynamodbEndpoint,
      region: town.awsEnv.AWS_REGION ?? 'us-east-1',
      credentials: { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' },
    }),
  );
  let crowd: Crowd | null = null;
  try {
    const seeded = await seedPeople(wired, people(plan));
    crowd = new Crowd(node.urls.realtime, seeded.officers, seeded.civilians);
    await crowd.connect();
    report(`${seeded.civilians.length} civilians and ${seeded.officers.length} officers are connected`);
    const shown = new Histogram();
    const looking: Promise<void>[] = [];
    let movements = 0;
    await crowd.meet(plan.perS, plan.seconds, meeting => {
      if (movements++ % SAMPLED === 0)
        looking.push(shownAfterMs(client, meeting).then(ms => shown.record(ms)));
    });
    await Promise.all(looking);
    const settled = await agreement(town, { patienceMs: RETURN_MS_MAX });
    report(`DynamoDB and Kinesis are away for ${plan.awayS} s`);
    dynamodb.cut();
    kinesis.cut();
    let meanwhile = 0;
    await crowd.meet(plan.awayPerS, plan.awayS, () => {
      meanwhile++;
    });
    await Promise.all([dynamodb.heal(), kinesis.heal()]);
    const [returned, readModelMs] = await Promise.all([
      agreement(town, { patienceMs: RETURN_MS_MAX }),
      readModelAfterMs(town.databaseUrl),
    ]);
    const problems = [...settled.problems, ...returned.problems];
    return {
      shown,
      movements,
      meanwhile,
      settled,
      returned,
      readModelMs,
      problems,
      failures: crowd.failures,
    };
  } finally {
    crowd?.drop();
    client.destroy();
    await wired.stop();
  }
}

export const bench: Bench = {
  name: 'converge',
  description:
    'how soon a balance is the same in actor, PostgreSQL and DynamoDB, also after an outage of both services',
  help: [
    '--rate N       movements a second (200)',
    '--seconds N    for so long (20)',
    '--away N       then DynamoDB and Kinesis are away for so many seconds (5; a long outage: 600)',
    '--away-rate N  movements a second meanwhile (20)',
  ],
  run: async (report, args) => {
    const plan = {
      perS: numberArg(args, 'rate', 200),
      seconds: numberArg(args, 'seconds', 20),
      awayS: numberArg(args, 'away', 5),
      awayPerS: numberArg(args, 'away-rate', 20),
    };
    const { shown, movements, meanwhile, settled, returned, readModelMs, problems, failures } = await run(
      plan,
      report,
    );
    report(
      table([
        ['movements, while away', `${figure(movements)}, ${figure(meanwhile)}`],
        ['phone to DynamoDB p50', `${figure(shown.percentileMs(50))} ms`],
        ['phone to DynamoDB p99', `${figure(shown.percentileMs(99))} ms  (goal 1,000)`],
        ['stores agree after the load', `${figure(settled.afterMs)} ms`],
        ['stores agree after the return', `${figure(returned.afterMs)} ms  (goal 60,000)`],
        ['read model complete after the return', `${figure(readModelMs)} ms`],
      ]),
    );
    for (const [why, count] of failures) report(`  ${count} x ${why}`);
    for (const problem of problems) report(`  WRONG: ${problem}`);
    return {
      movements,
      movements_away: meanwhile,
      dynamodb_p50_ms: rounded(shown.percentileMs(50)),
      dynamodb_p99_ms: rounded(shown.percentileMs(99)),
      dynamodb_max_ms: rounded(shown.maxMs),
      agreed_after_ms: Math.round(settled.afterMs),
      returned_after_ms: Math.round(returned.afterMs),
      read_model_after_ms: Math.round(readModelMs),
      away_s: plan.awayS,
      problems,
    };
  },
};
