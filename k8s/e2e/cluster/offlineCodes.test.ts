/**
 * Every meeting by code without network, at once, in a cluster of real processes: one node is ended by kill -9 under the
 * uploads, one hands its shards over, one more is killed while the phones come back. Whoever was offline, whoever uploads
 * when and how often: each two people have one encounter in the database, both phones know it, and nothing waits on.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type CodeBook, mintFrom, proveScan } from '../../../protocol/codeBook.ts';
import type { CommandBody, CommandName, OpenedDurable } from '../../../protocol/index.ts';
import { type Cluster, type ClusterNode, startCluster } from '../../swarm/clusterTown.ts';
import { auditLedger } from '../../swarm/ledgerAudit.ts';
import { Phone } from '../../swarm/phone.ts';
import { badgesOf, RestClient } from '../../swarm/rest.ts';
import { until } from '../testTown.ts';

/** Some fifteen seconds: a presenter who stays away is waited for so long. */
const SETTLE_H = '0.004';
const PATIENCE_MS = 60_000;

let cluster: Cluster;
let database: pg.Client;
beforeAll(async () => {
  cluster = await startCluster({
    nodes: 3,
    wires: false,
    natsServerBin: inject('natsServerBin'),
    env: { HEYBLUE_SCAN_SETTLE_H: SETTLE_H },
  });
  await cluster.steady();
  database = new pg.Client({ connectionString: cluster.town.databaseUrl });
  await database.connect();
}, 120_000);
afterAll(async () => {
  await database?.end();
  await cluster?.stop();
});

/** A phone that finds a node that lives, and says again what was not answered. */
class Mobile {
  readonly userId: string;
  readonly events: OpenedDurable[] = [];
  readonly #phone: Phone;
  readonly #book: CodeBook;
  #door = Math.floor(Math.random() * 3);
  #nonce = 0;

  constructor(identity: ConstructorParameters<typeof Phone>[0]['identity'], book: CodeBook) {
    this.userId = identity.userId;
    this.#book = book;
    this.#phone = new Phone({
      identity,
      url: () => cluster.nodes[this.#door]!.urls.realtime,
      onEvent: event => this.events.push(event),
    });
  }

  /** Connects to some node, behind what it has seen. */
  async connect(): Promise<void> {
    await until(
      'a node that takes the phone',
      async () => {
        if (this.#phone.isConnected) return true;
        this.#door = (this.#door + 1) % cluster.nodes.length;
        return this.#phone.connect(true).then(
          () => true,
          () => pause(100).then(() => false),
        );
      },
      PATIENCE_MS,
    );
  }

  async leave(): Promise<void> {
    this.#phone.drop();
    await until('the socket to end', () => !this.#phone.isConnected);
  }

  /** The answer that is final, or why it is refused. */
  say<N extends CommandName>(name: N, body: CommandBody<N>, key: string = crypto.randomUUID()) {
    return until(
      `${name} to be answered`,
      async () => {
        await this.connect();
        const result = await this.#phone.command(name, body, key);
        if (result.ok || !result.retryable) return result;
        await pause(Math.max(50, result.retryAfterMs));
        return null;
      },
      PATIENCE_MS,
    );
  }

  /** A code of its own making. */
  show(): string {
    const shown = mintFrom(this.#book, { nowMs: Date.now(), nonce: ++this.#nonce });
    if (!shown.ok) throw new Error(shown.message);
    return shown.value.token;
  }

  /** What it uploads later. */
  scan(token: string) {
    const scannedAtS = Math.floor(Date.now() / 1_000);
    return { token, scannedAtS, proof: proveScan(this.#book, token, scannedAtS) };
  }

  /** Sees what waits for it, and says that it did: a resume behind it. */
  async acknowledges(): Promise<void> {
    await this.connect();
    await pause(200);
    await this.leave();
    await this.connect();
  }

  completed(): Set<string> {
    return new Set(
      this.events.flatMap(event => (event.name === 'encounter.completed' ? [event.body.encounterId] : [])),
    );
  }
}

interface Two {
  readonly what: string;
  readonly officer: Mobile;
  readonly civilian: Mobile;
}

const everyTwo = async (names: readonly string[]): Promise<Two[]> => {
  const rest = new RestClient(cluster.nodes[0]!.urls.rest);
  const badges = badgesOf(cluster.dataDir);
  const mobile = async (kind: 'officer' | 'civilian', n: number): Promise<Mobile> => {
    const person = await rest.signUp(kind, `${kind}-${n}`, kind === 'officer' ? badges.pop() : undefined);
    const one = new Mobile(person, await rest.codeBook(person.token));
    await one.connect();
    return one;
  };
  const all: Two[] = [];
  for (const [n, what] of names.entries())
    all.push({ what, officer: await mobile('officer', n), civilian: await mobile('civilian', n) });
  return all;
};

const killed = async (node: ClusterNode): Promise<void> => {
  await node.kill();
  await node.start();
};

it('each settles exactly once, through kill -9 and moves of shards', { timeout: 240_000 }, async () => {
  const two = await everyTwo([
    'the officer shows offline',
    'the civilian shows offline',
    'the officer scans offline',
    'the civilian scans offline',
    'both offline, both upload',
    'both offline, one uploads twice',
    'the presenter stays away',
    'they met online before the upload',
  ]);
  const [shows, shown, scans, scanned, both, twice, away, again] = two as [
    Two,
    Two,
    Two,
    Two,
    Two,
    Two,
    Two,
    Two,
  ];
  // without network: codes are shown and scanned
  await Promise.all([
    shows.officer.leave(),
    shown.civilian.leave(),
    ...[both, twice, away, again].flatMap(({ officer, civilian }) => [officer.leave(), civilian.leave()]),
  ]);
  const offline = {
    his: scans.officer.scan(scans.civilian.show()),
    hers: scanned.civilian.scan(scanned.officer.show()),
  };
  await Promise.all([scans.officer.leave(), scanned.civilian.leave()]);
  const crossed = {
    his: both.officer.scan(both.civilian.show()),
    hers: both.civilian.scan(both.officer.show()),
  };
  const doubled = twice.officer.scan(twice.civilian.show());
  const lonely = away.civilian.scan(away.officer.show());
  const early = again.officer.scan(again.civilian.show());

  // online again, one by one, while a node dies
  const first = [
    shows.civilian.say('qr.scan', { token: shows.officer.show() }),
    shown.officer.say('qr.scan', { token: shown.civilian.show() }),
    scans.officer.say('qr.upload', offline.his),
    scanned.civilian.say('qr.upload', offline.hers),
    both.officer.say('qr.upload', crossed.his),
    twice.officer.say('qr.upload', doubled),
    away.civilian.say('qr.upload', lonely),
    again.officer.say('qr.scan', { token: again.civilian.show() }),
  ];
  await killed(cluster.nodes[0]!);
  const answers = await Promise.all(first);
  expect(answers.map((answer, at) => (answer.ok ? 'ok' : `${two[at]!.what}: ${answer.message}`))).toEqual(
    two.map(() => 'ok'),
  );

  // the rest of the uploads, while another hands its shards over
  const second = [
    both.civilian.say('qr.upload', crossed.hers),
    twice.officer.say('qr.upload', doubled),
    again.officer.say('qr.upload', early),
    scans.officer.say('qr.upload', offline.his),
  ];
  const { words } = await cluster.nodes[1]!.drain();
  expect(words).toMatch(/code 0/);
  await cluster.nodes[1]!.start();
  await Promise.all(second);

  // everybody but one comes back, and sees what waits, while the last one dies
  const back = two
    .flatMap(({ officer, civilian }) => [officer, civilian])
    .filter(one => one !== away.officer);
  await Promise.all([...back.map(one => one.acknowledges()), killed(cluster.nodes[2]!)]);
  await until(
    'every scan to be settled',
    async () => {
      const { rows } = await database.query(`select 1 from ops.actor_timer where name like 'scan/%'`);
      return rows.length === 0;
    },
    PATIENCE_MS,
  );
  for (const { what, officer, civilian } of two) {
    const { rows } = await database.query<{ id: string; method: string }>(
      'select id, method from meet.encounter where officer = $1 and civilian = $2',
      [officer.userId, civilian.userId],
    );
    expect(rows.length, what).toBe(1);
    for (const one of [officer, civilian]) {
      await one.connect();
      await until(`${what}: the phone to hear of it`, () => one.completed().size > 0);
      expect([...one.completed()], what).toEqual([rows[0]!.id]);
    }
  }
  // the one who met before the upload was told that it came to nothing
  expect(again.officer.events.filter(event => event.name === 'scan.refused')).toHaveLength(1);
  expect(await auditLedger(cluster.town.databaseUrl)).toEqual([]);
  expect(cluster.crashes).toEqual([]);
  for (const { officer, civilian } of two) await Promise.all([officer.leave(), civilian.leave()]);
});
