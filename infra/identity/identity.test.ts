/** Who may become an officer. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MikroORM } from '@mikro-orm/postgresql';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { openOrm } from '../postgres/orm.ts';
import { type TestDatabase, testDatabase } from '../postgres/testDatabase.ts';
import { silent } from '../postgres/testTown.ts';
import { idValidator, RosterValidator, UrlValidator } from './index.ts';

describe('the roster', () => {
  let database: TestDatabase;
  let orm: MikroORM;
  let dataDir: string;
  beforeAll(async () => {
    database = await testDatabase(inject('databaseUrl'));
    orm = await openOrm(database.appUrl, silent);
    dataDir = mkdtempSync(join(tmpdir(), 'heyblue-roster-'));
  });
  afterAll(async () => {
    await orm.close(true);
    await database.drop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const open = (rosterSize: number) =>
    idValidator({ url: null, dataDir, rosterSize, stores: { orm }, log: silent });
  const written = () =>
    readFileSync(join(dataDir, 'roster.txt'), 'utf8')
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'));

  it('is made by the first start and written down for people', async () => {
    const [validator] = await Promise.all([open(2_500), open(2_500)]);
    expect(written()).toHaveLength(2_500);
    expect(written().slice(0, 2)).toEqual(['B-00001', 'B-00002']);
    expect(await validator.validate('officer', { badge: 'B-02500' })).toEqual({ ok: true, value: true });
    expect(await validator.validate('officer', { badge: 'B-02501' })).toMatchObject({ ok: false, code: 403 });
    expect(await validator.validate('officer', { badge: null })).toMatchObject({ ok: false, code: 422 });
    expect(await validator.validate('civilian', { badge: null })).toEqual({ ok: true, value: true });
  });

  it('stays as it is at later starts; a lost file is written again', async () => {
    rmSync(join(dataDir, 'roster.txt'));
    await open(5);
    expect(written()).toHaveLength(2_500);
  });

  it('a folder that cannot be written does not keep the town from starting', async () => {
    const roster = new RosterValidator(orm);
    await roster.prepare(5, join(dataDir, 'roster.txt', 'below'), silent);
    expect(await roster.validate('officer', { badge: 'B-00001' })).toMatchObject({ ok: true });
  });
});

describe('a service at a URL', () => {
  let server: Server | null = null;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = null;
  });
  const serve = async (
    answer: (body: string) => { status?: number; body: string } | null,
  ): Promise<string> => {
    server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', chunk => {
        text += chunk;
      });
      request.on('end', () => {
        const result = answer(text);
        if (result) response.writeHead(result.status ?? 200).end(result.body);
      });
    });
    await new Promise<void>(resolve => server!.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/badges`;
  };
  const ask = (url: string, badge: string | null = 'B-1', patienceMs = 10_000) =>
    new UrlValidator(url, silent, patienceMs).validate('officer', { badge });

  it('is asked with kind and badge, and believed', async () => {
    const asked: string[] = [];
    const url = await serve(body => {
      asked.push(body);
      return { body: JSON.stringify({ valid: JSON.parse(body).badge === 'B-1' }) };
    });
    expect(await ask(url)).toEqual({ ok: true, value: true });
    expect(await ask(url, 'B-2')).toMatchObject({ ok: false, code: 403, retryable: false });
    expect(asked.map(one => JSON.parse(one))).toEqual([
      { kind: 'officer', badge: 'B-1' },
      { kind: 'officer', badge: 'B-2' },
    ]);
  });

  it.each([
    ['fails', () => ({ status: 500, body: '{"valid": true}' })],
    ['redirects', () => ({ status: 302, body: '' })],
    ['talks nonsense', () => ({ body: 'yes' })],
    ['does not say', () => ({ body: '{"valid": "true"}' })],
    ['talks too much', () => ({ body: `{"valid": true, "x": "${'y'.repeat(100_000)}"}` })],
    ['is silent', () => null],
  ])('that %s proves nothing: try again', async (what, answer) => {
    const asked = ask(await serve(answer), 'B-1', what === 'is silent' ? 300 : undefined);
    expect(await asked).toMatchObject({ ok: false, code: 503, retryable: true });
  });

  it('that is away proves nothing: try again', async () => {
    expect(await ask('http://127.0.0.1:1/')).toMatchObject({ ok: false, code: 503, retryable: true });
  });
});
