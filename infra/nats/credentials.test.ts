/** NATS_CREDS: an operator, an account and a user as they sign each other, and what happens when any of it changes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { expect, onTestFinished, test } from 'vitest';
import { NatsUnauthorized, openNats } from './index.ts';
import { bytes, memoryLog, PATIENCE, runServer, testServer, text } from './testServer.ts';

type Pair = ReturnType<typeof nkeys.createUser>;

const encoded = (value: object | Uint8Array): string =>
  Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString('base64url');

/** A claim in the form that NATS wants, signed by `issuer`. */
function signed(issuer: Pair, subject: Pair, type: string, nats: object): string {
  const head = encoded({ typ: 'JWT', alg: 'ed25519-nkey' });
  const claim = encoded({
    jti: subject.getPublicKey(),
    iat: 1_700_000_000,
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: type,
    nats: { ...nats, type, version: 2 },
  });
  return `${head}.${claim}.${encoded(issuer.sign(bytes(`${head}.${claim}`)))}`;
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 };
const ACCOUNT = { conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true };

function authority() {
  const [operator, account, system] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const jetstream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountOf = (one: Pair, limits: object): string =>
    signed(operator, one, 'account', { limits: { ...UNLIMITED, ...ACCOUNT, ...limits } });
  return {
    configuration: {
      operator: signed(operator, operator, 'operator', {}),
      system_account: system.getPublicKey(),
      resolver: 'MEMORY',
      resolver_preload: {
        [account.getPublicKey()]: accountOf(account, jetstream),
        [system.getPublicKey()]: accountOf(system, {}),
      },
    },
    credentials(): string {
      const user = nkeys.createUser();
      const claim = signed(account, user, 'user', { ...UNLIMITED, pub: {}, sub: {} });
      const seed = text(user.getSeed());
      return `-----BEGIN NATS USER JWT-----\n${claim}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
    },
  };
}

test('a credentials file lets us in, one of another authority does not, and a rotated one is read at the next connect', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-creds-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const creds = join(folder, 'node.creds');
  const ours = authority();
  const { url } = await runServer({ jetstream: { store_dir: join(folder, 'store') }, ...ours.configuration });
  writeFileSync(creds, authority().credentials());
  await expect(openNats({ url, creds, patienceMs: 100 }, memoryLog())).rejects.toBeInstanceOf(
    NatsUnauthorized,
  );

  writeFileSync(creds, ours.credentials());
  const nats = await openNats({ url, creds }, memoryLog());
  onTestFinished(() => nats.close());
  await nats.kv.put('node.a', bytes('x'), 0);
  const changes: boolean[] = [];
  nats.bus.watchConnection(connected => changes.push(connected));
  // half-written, gone, new: each is followed by a reconnect, and none closes the client for good
  for (const next of ['-----BEGIN', null, ours.credentials()]) {
    if (next === null) rmSync(creds);
    else writeFileSync(creds, next);
    changes.length = 0;
    nats.reconnect();
    await expect.poll(() => changes, PATIENCE).toEqual([false, true]);
  }
  await expect
    .poll(
      () =>
        nats.kv
          .get('node.a')
          .then(found => text(found!.value))
          .catch(() => ''),
      PATIENCE,
    )
    .toBe('x');
});

test('a server that refuses us for a while has us back when it lets us in again', async () => {
  const server = await testServer();
  onTestFinished(() => server.close());
  const log = memoryLog();
  const nats = await openNats({ url: server.url }, log);
  onTestFinished(() => nats.close());
  await nats.kv.put('node.a', bytes('x'), 0);
  const secrets = join(server.dataDir, 'nats', 'heyblue-secrets.json');
  const right = readFileSync(secrets);
  await server.kill();
  writeFileSync(secrets, JSON.stringify({ password: 'another-password-for-now' }));
  await server.start();
  const refusals = () => log.lines.filter(line => line === 'warn: NATS complains').length;
  // the client alone would give up after the second one
  await expect.poll(refusals, PATIENCE).toBeGreaterThan(5);
  expect(nats.bus.connected).toBe(false);
  await server.kill();
  writeFileSync(secrets, right);
  await server.start();
  await expect.poll(() => nats.bus.connected, PATIENCE).toBe(true);
  await expect.poll(() => nats.kv.get('node.a').catch(() => null), PATIENCE).not.toBe(null);
});
