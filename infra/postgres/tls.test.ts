/**
 * A PostgreSQL that lets nobody in without TLS, as clouds offer it: everything that connects must say so with what the URL
 * says, and believe no other authority.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Snapshot } from '../audit/snapshot.ts';
import { OWNER_ROLE, type Postgres, startPostgres } from '../embedded/postgres.ts';
import { ensureAuditor } from './auditorRole.ts';
import { openStores, StoreUnavailable } from './index.ts';
import { Line } from './line.ts';
import { storesOptions } from './testStores.ts';
import { silent } from './testTown.ts';

describe.skipIf(spawnSync('openssl', ['version']).status !== 0)('PostgreSQL behind TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-tls-'));
  let server: Postgres | undefined;

  /** A certificate that nobody else signed. */
  const certificate = (name: string): { key: string; pem: string } => {
    const [key, pem] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost'];
    const files = ['-keyout', key, '-out', pem, '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...kind, ...names, ...files], { stdio: 'ignore' });
    return { key, pem };
  };

  const urlWith = (search: string): string =>
    `postgres://${OWNER_ROLE}:${server!.password}@localhost:${server!.port}/postgres${search}`;
  const options = (search: string) => storesOptions({ databaseUrl: urlWith(search) });

  beforeAll(async () => {
    server = await startPostgres(folder, () => {});
    const cluster = join(folder, 'postgres');
    const { uid, gid } = statSync(cluster);
    const { key, pem } = certificate('server');
    for (const file of [key, pem]) chownSync(file, uid, gid);
    const plain = new pg.Client({ connectionString: urlWith('') });
    await plain.connect();
    await plain.query(`alter system set ssl_cert_file = '${pem}'`);
    await plain.query(`alter system set ssl_key_file = '${key}'`);
    await plain.query(`alter system set ssl = on`);
    writeFileSync(join(cluster, 'pg_hba.conf'), 'hostssl all all all scram-sha-256\n');
    await plain.query('select pg_reload_conf()');
    await plain.end();
    await vi.waitFor(async () => expect(await whyNot('')).toMatch(/no encryption/), 20_000);
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What keeps a plain client of this URL out; null when it gets in. */
  const whyNot = async (search: string): Promise<string | null> => {
    const client = new pg.Client({ connectionString: urlWith(search) });
    client.on('error', () => {});
    try {
      await client.connect();
      return null;
    } catch (error) {
      return (error as Error).message;
    } finally {
      await client.end().catch(() => {});
    }
  };

  it('stores, directory, migrations and auditor all speak TLS with the authority of the URL', async () => {
    const search = `?sslmode=verify-full&sslrootcert=${join(folder, 'server.pem')}`;
    const stores = await openStores(options(search));
    const user = {
      kind: 'civilian',
      handle: 'tls',
      passwordHash: 'x',
      deviceId: 'd',
      zip: null,
      badge: null,
    } as const;
    expect(await stores.directory.createUser(user)).toMatchObject({ ok: true });
    expect(await stores.epochStore.mint([0], 'test')).toEqual([1]);
    await stores.close(1_000);
    const snapshot = await Snapshot.open(await ensureAuditor(urlWith(search)));
    expect(await snapshot.has('ledger.transfer')).toBe(true);
    await snapshot.close();
  });

  it('a server that another authority signed is one sentence, and so is a URL that says nothing of TLS', async () => {
    const { pem } = certificate('other');
    const other = openStores(options(`?sslmode=verify-full&sslrootcert=${pem}`));
    await expect(other).rejects.toThrow(StoreUnavailable);
    await expect(openStores(options(''))).rejects.toThrow(/no encryption/);
  });

  it('a connection waits for the file of its authority, which may come late', async () => {
    const file = join(folder, 'late.pem');
    const url = urlWith(`?sslmode=verify-full&sslrootcert=${file}`);
    const line = new Line({ url, name: 'late', log: silent, settings: {}, silenceMsMax: 5_000 });
    await line.tried;
    expect(line.up).toBe(false);
    copyFileSync(join(folder, 'server.pem'), file);
    await expect.poll(() => line.up).toBe(true);
    await line.close();
  });
});
