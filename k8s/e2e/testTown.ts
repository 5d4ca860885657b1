/**
 * A node of one's own for an end-to-end test: a real process on free ports, with its own database and folder, in front of
 * the servers that all tests share, behind wires that the test can cut.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { inject } from 'vitest';
import { startAws } from '../../infra/embedded/aws-process.ts';
import { temporaryDatabase } from '../../infra/embedded/index.ts';
import { freePorts } from '../../infra/embedded/ports.ts';
import { type StartedNode, startNode } from '../../infra/embedded/town.ts';
import { encodeClientFrame } from '../../protocol/codec.ts';
import { FIX_FLAG } from '../../protocol/frames.ts';
import type { EventBody, OpenedDurable, OpenedVolatile, Refusal } from '../../protocol/index.ts';
import { NEW_YORK, offset, type Point, positionAt } from '../swarm/crowd.ts';
import { OPEN_AREAS } from '../swarm/openAreas.ts';
import { Phone, type Welcome } from '../swarm/phone.ts';
import { badgesOf, type Person, RestClient } from '../swarm/rest.ts';
import { layWire, type Wire } from '../swarm/wire.ts';

/** Polls until `look` gives something; says what was waited for when it does not come. */
export const until = async <T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = 15_000,
): Promise<NonNullable<T>> => {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen as NonNullable<T>;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`);
    await pause(20);
  }
};

/** A phone whose events a test reads in any order. */
export class TestPhone {
  readonly person: Person;
  readonly phone: Phone;
  readonly events: OpenedDurable[] = [];
  readonly volatiles: OpenedVolatile[] = [];
  readonly refusals: Refusal[] = [];
  closed: { code: number; reason: string } | null = null;
  point: Point;

  constructor(url: string, person: Person, point: Point) {
    this.person = person;
    this.point = point;
    this.phone = new Phone({
      url,
      identity: person,
      onEvent: event => this.events.push(event),
      onVolatile: frame => this.volatiles.push(frame),
      onRefusal: refusal => this.refusals.push(refusal),
      onClose: (code, reason) => {
        this.closed = { code, reason };
      },
    });
  }

  /** Connects, shares, and reports a position that the server has answered. */
  async arrive(instant = false): Promise<Welcome> {
    const welcome = await this.connect();
    await this.must('location.share', {});
    if (instant) await this.must('instant.set', { on: true });
    await this.report();
    return welcome;
  }

  connect(resume = false): Promise<Welcome> {
    this.closed = null;
    return this.phone.connect(resume);
  }

  /** A command that has to succeed; again while the server says that it may be tried again. */
  async must<N extends Parameters<Phone['command']>[0]>(
    name: N,
    body: Parameters<typeof Phone.prototype.command<N>>[1],
    key: string = crypto.randomUUID(),
  ) {
    return until(`${name} to succeed`, async () => {
      const result = await this.phone.command(name, body, key);
      if (result.ok) return result.value;
      if (!result.retryable) throw new Error(`${name}: ${result.code} ${result.message}`);
      await pause(result.retryAfterMs);
      return null;
    });
  }

  /** Sends the position of this phone and waits for the answer of the server. */
  async report(takenAtMs = Date.now()): Promise<void> {
    const before = this.volatiles.length;
    const refusedBefore = this.refusals.length;
    this.phone.position(positionAt(this.point, takenAtMs));
    await until('an answer to a position', () => {
      const refusal = this.refusals[refusedBefore];
      if (refusal) throw new Error(`position: ${refusal.code} ${refusal.message}`);
      return this.volatiles.slice(before).some(frame => frame.name === 'report.next');
    });
  }

  /** Reports a position of which the phone's system says that it is simulated, and waits for an answer. */
  async reportSimulated(): Promise<void> {
    const fix = { ...positionAt(this.point, Date.now()), headingDeg: null, speedDms: null };
    const before = this.volatiles.length;
    const seq = this.phone.seq + 1;
    this.phone.raw(encodeClientFrame({ type: 'location', ...fix, seq, flags: FIX_FLAG.simulated }));
    await until('an answer to the position', () => this.volatiles.length > before);
  }

  /** The first event of this name, waiting for it. */
  event<N extends OpenedDurable['name']>(name: N): Promise<EventBody<N>> {
    return until(`the event ${name} on the phone of ${this.person.handle}`, () => {
      const found = this.events.find(event => event.name === name);
      return found ? (found.body as EventBody<N>) : null;
    });
  }

  /** Waits until this civilian's phone shows the officer. */
  async sees(officer: TestPhone): Promise<void> {
    await until(`${this.person.handle} to see ${officer.person.handle}`, async () => {
      const shown = this.volatiles.findLast(frame => frame.name === 'area.officers');
      const list = shown?.name === 'area.officers' ? (shown.body?.officers ?? []) : [];
      return list.some(one => one.officerId === officer.person.userId);
    });
  }
}

export interface TestTown {
  readonly node: StartedNode;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly rest: RestClient;
  /** The environment of the node. */
  readonly env: Record<string, string>;
  readonly wires: { readonly postgres: Wire; readonly dynamodb: Wire; readonly kinesis: Wire };
  /** Signs somebody up and gives them a phone at a point some metres from the middle of the town. */
  phone(kind: Person['kind'], northM?: number, eastM?: number): Promise<TestPhone>;
  stop(): Promise<void>;
}

/**
 * @param prepare does something with the database before the node starts
 * @param ownRules the settings say other numbers than the rules that all towns of the tests share: this one has a DynamoDB of
 *   its own
 */
export const startTestTown = async (
  settings: Record<string, string> = {},
  prepare: (databaseUrl: string) => Promise<void> = async () => {},
  ownRules = false,
): Promise<TestTown> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'heyblue-e2e-'));
  const database = await temporaryDatabase(inject('databaseUrl'));
  await prepare(database.url);
  const aws = ownRules ? await startAws(dataDir, { dynamodb: true, kinesis: false }) : null;
  const wires = {
    postgres: await layWire(database.url),
    dynamodb: await layWire(aws?.dynamodbEndpoint ?? inject('dynamodbEndpoint')),
    kinesis: await layWire(inject('kinesisEndpoint')),
  };
  const [restPort, realtimePort, adminPort] = await freePorts(3);
  const env = {
    ...inject('awsEnv'),
    DATABASE_URL: wires.postgres.url,
    DYNAMODB_ENDPOINT: wires.dynamodb.url,
    KINESIS_ENDPOINT: wires.kinesis.url,
    HEYBLUE_DATA_DIR: dataDir,
    // all towns of the tests share the streams
    HEYBLUE_ARCHIVE: 'off',
    HEYBLUE_HOST: '127.0.0.1',
    HEYBLUE_LOG_LEVEL: 'warn',
    HEYBLUE_LOG_FORMAT: 'json',
    HEYBLUE_REST_PORT: String(restPort),
    HEYBLUE_REALTIME_PORT: String(realtimePort),
    HEYBLUE_ADMIN_PORT: String(adminPort),
    ...OPEN_AREAS,
    ...settings,
  };
  const dropAll = async (): Promise<void> => {
    for (const wire of Object.values(wires)) await wire.close();
    await aws?.stop();
    await database.drop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  let node: StartedNode;
  try {
    node = await startNode({ env, output: { file: join(dataDir, 'node.log') } });
  } catch (error) {
    await dropAll();
    throw error;
  }
  const rest = new RestClient(node.urls.rest);
  const badges = badgesOf(dataDir);
  const run = crypto.randomUUID().slice(0, 8);
  const phones: TestPhone[] = [];
  return {
    node,
    env,
    databaseUrl: database.url,
    dataDir,
    rest,
    wires,
    phone: async (kind, northM = 0, eastM = 0) => {
      const handle = `${kind}-${run}-${phones.length}`;
      const badge = kind === 'officer' ? badges.pop() : undefined;
      const person = await rest.signUp(kind, handle, badge);
      const phone = new TestPhone(node.urls.realtime, person, offset(NEW_YORK, northM, eastM));
      phones.push(phone);
      return phone;
    },
    stop: async () => {
      for (const { phone } of phones) phone.drop();
      await node.stop();
      await dropAll();
    },
  };
};
