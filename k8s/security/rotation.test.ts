/**
 * Secrets are changed while people work (ASVS 5.0: 13.3.4): the password of the database, that of NATS, the key that signs
 * tokens. A real node reads them from the files of `HEYBLUE_SECRETS_DIR` and of its data folder; nobody fails.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { expect, inject, it, onTestFinished } from 'vitest';
import { quietPort } from '../../infra/embedded/ports.ts';
import { keyFileOf, replaceKeys, type StoredKeys } from '../../infra/keys.ts';
import { KEEPER_USER, NODE_USER, nodePermissions } from '../../infra/nats/permissions.ts';
import { migrate, withRole } from '../../infra/postgres/migrate.ts';
import { addTokenKey, removeTokenKey } from '../../infra/rotateKeys.ts';
import { startTestTown, type TestTown, until } from '../e2e/testTown.ts';
import { type SeededAccount, seedAccounts } from '../swarm/seed.ts';

const MS_MAX = 240_000;
const secret = (): string => randomBytes(18).toString('base64url');

/** As Kubernetes does it: the new text is there at once. */
const put = (folder: string, name: string, text: string): void => {
  writeFileSync(join(folder, `.${name}`), text, { mode: 0o600 });
  renameSync(join(folder, `.${name}`), join(folder, name));
};

/** A nats-server whose passwords can be changed while it runs. */
const natsServer = async (folder: string) => {
  const port = await quietPort();
  const path = join(folder, 'nats.json');
  const configure = (password: string): void =>
    writeFileSync(
      path,
      JSON.stringify({
        listen: `127.0.0.1:${port}`,
        jetstream: { store_dir: join(folder, 'store') },
        authorization: {
          users: [
            { user: KEEPER_USER, password: secret() },
            { user: NODE_USER, password, permissions: nodePermissions() },
          ],
        },
      }),
    );
  let password = secret();
  const used = [password];
  configure(password);
  const child = spawn(inject('natsServerBin'), ['-c', path], { stdio: 'ignore' });
  const exited = new Promise(done => child.once('exit', done));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const url = (): string => `nats://${NODE_USER}:${password}@127.0.0.1:${port}`;
  return {
    url,
    /** Every password of the node so far. */
    used,
    /** The next password; the server knows it when it is told. */
    next: (): string => {
      password = secret();
      used.push(password);
      return url();
    },
    reload: (): void => {
      configure(password);
      child.kill('SIGHUP');
    },
  };
};

/** People who work without a pause, and what became of it. */
class Load {
  done = 0;
  readonly failed: string[] = [];
  readonly #town: TestTown;
  readonly #people: readonly SeededAccount[];
  #going = true;
  readonly #all: Promise<void>[];

  constructor(town: TestTown, people: readonly SeededAccount[]) {
    this.#town = town;
    this.#people = people;
    this.#all = people.map((_, i) =>
      this.#work(i).catch(error => {
        this.failed.push(String(error));
      }),
    );
  }

  /** So many more have succeeded. */
  more(count: number): Promise<unknown> {
    const until_ = this.done + count;
    return until(`${count} more`, () => this.done >= until_, 60_000);
  }

  async end(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#all);
  }

  async #work(i: number): Promise<void> {
    const { token } = this.#people[i]!;
    const asks = [
      () => ({ method: 'POST', path: '/v1/offers', body: { title: 'Tea', points: 3 } }),
      () => ({ method: 'GET', path: '/v1/me' }),
      () => ({ method: 'POST', path: '/v1/token' }),
      () => ({ method: 'GET', path: '/v1/merchant/sales' }),
      () => ({ method: 'GET', path: '/v1/balance' }),
      () => ({ method: 'GET', path: '/v1/fees' }),
    ];
    for (let n = i; this.#going; n++) {
      const { method, path, body } = asks[n % asks.length]!() as {
        method: string;
        path: string;
        body?: object;
      };
      const headers = { 'idempotency-key': crypto.randomUUID() };
      // as every client does: what says that it may be tried again is, under the same key
      for (let attempt = 1; ; attempt++) {
        const { status } = await this.#town.rest.call(method, path, {
          token,
          headers,
          ...(body && { body }),
        });
        if (status < 300) break;
        if (status !== 503 || attempt === 20) {
          this.failed.push(`${method} ${path}: ${status}`);
          break;
        }
        await pause(100);
      }
      this.done++;
    }
  }
}

it(
  'the passwords of PostgreSQL and NATS and the signing key are changed under load: nothing fails',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'heyblue-rotation-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const owner = new pg.Client({ connectionString: inject('databaseUrl') });
    await owner.connect();
    onTestFinished(() => owner.end());
    const role = `rotated_${randomBytes(6).toString('hex')}`;
    const passwords = [secret(), secret()];
    await owner.query(`create role ${role} login password '${passwords[0]}'`);
    onTestFinished(async () => {
      await owner.query(`drop role if exists ${role}`);
    });
    const nats = await natsServer(folder);
    put(folder, 'NATS_URL', nats.url());
    let appUrl = (_password: string): string => '';
    const town = await startTestTown(
      { HEYBLUE_SECRETS_DIR: folder, HEYBLUE_AUDIT_MINUTES: '0' },
      async databaseUrl => {
        await migrate(databaseUrl);
        appUrl = password => withRole(databaseUrl, role, password);
        put(folder, 'DATABASE_APP_URL', appUrl(passwords[0]!));
      },
    );
    onTestFinished(() => town.stop());
    const target = { town: { databaseUrl: town.databaseUrl }, dataDir: town.dataDir };
    const merchants = await seedAccounts(target, ['merchant', 'merchant', 'merchant']);
    const load = new Load(town, merchants);
    onTestFinished(() => load.end());
    await load.more(15);

    // the database: the file and the role, in whichever order; then every old session is ended
    put(folder, 'DATABASE_APP_URL', appUrl(passwords[1]!));
    await owner.query(`alter role ${role} password '${passwords[1]}'`);
    const { rows: before } = await owner.query<{ pid: number; at: Date }>(
      'select pid, now() as at from pg_stat_activity where usename = $1',
      [role],
    );
    expect(before.length).toBeGreaterThan(5);
    for (const { pid } of before) {
      await owner.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and usename = $2 and state = 'idle'`,
        [pid, role],
      );
    }
    await load.more(25);
    const fresh = await until('sessions with the new password', async () => {
      const { rows } = await owner.query<{ n: string }>(
        'select count(*) as n from pg_stat_activity where usename = $1 and not (pid = any ($2))',
        [role, before.map(one => one.pid)],
      );
      return Number(rows[0]!.n) > 5;
    });
    expect(fresh).toBe(true);
    const old = new pg.Client({ connectionString: appUrl(passwords[0]!) });
    await expect(old.connect()).rejects.toThrow(/password authentication failed/);

    // NATS: the server ends who came in with the old password
    put(folder, 'NATS_URL', nats.next());
    nats.reload();
    await load.more(25);
    const ready = async (): Promise<boolean> =>
      (await fetch(`${town.node.urls.admin}/readyz`)).status === 200;
    await until('the node to be ready', ready, 30_000);

    // tokens: a new key signs, the old one verifies, and then is gone
    const keys = (): StoredKeys => JSON.parse(readFileSync(keyFileOf(town.dataDir), 'utf8')) as StoredKeys;
    const [first] = keys().jwt;
    const added = addTokenKey(keys(), Date.now(), 0);
    if (!added.ok) throw new Error(added.said);
    replaceKeys(town.dataDir, added.stored);
    const merchant = merchants[0]!;
    const kidOf = (token: string): string =>
      JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid;
    const renewed = await until('a token of the new key', async () => {
      const { body } = await town.rest.call<{ accessToken: string }>('POST', '/v1/token', {
        token: merchant.token,
      });
      return kidOf(body.accessToken) === added.stored.jwt.at(-1)!.kid ? body.accessToken : null;
    });
    expect(kidOf(merchant.token)).toBe(first!.kid);
    await load.more(15);
    await load.end();
    expect(load.failed).toEqual([]);

    const removed = removeTokenKey(keys(), first!.kid, Date.now(), true);
    if (!removed.ok) throw new Error(removed.said);
    replaceKeys(town.dataDir, removed.stored);
    const statusOf = async (token: string): Promise<number> =>
      (await town.rest.call('GET', '/v1/me', { token })).status;
    await until('tokens of the old key to be refused', async () => (await statusOf(merchant.token)) === 401);
    expect(await statusOf(renewed)).toBe(200);
    expect(load.done).toBeGreaterThan(75);

    // all of them were in use, and none is where others could read it
    const used = [...passwords, ...nats.used, ...keys().jwt.map(one => one.pkcs8)];
    const seen = ['environ', 'cmdline'].map(name => `/proc/${town.node.pid}/${name}`).filter(existsSync);
    for (const path of [join(town.dataDir, 'node.log'), ...seen]) {
      const text = readFileSync(path, 'latin1');
      expect(text.length, path).toBeGreaterThan(0);
      expect(used.filter(one => text.includes(one)).length, path).toBe(0);
    }
  },
  MS_MAX,
);
