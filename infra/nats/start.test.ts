/** What keeps a node from using NATS is one sentence each, told at the start; and what is right works: TLS, tokens, files. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import {
  NatsBucketRefused,
  type NatsFailure,
  NatsMisconfigured,
  type NatsOptions,
  NatsTooOld,
  NatsUnauthorized,
  NatsUnreachable,
  NatsWithoutJetStream,
  openNats,
} from './index.ts';
import { bytes, memoryLog, runServer, text } from './testServer.ts';
import { isVersionAllowed, parseVersion } from './version.ts';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-nats-start-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const refusal = async (options: Partial<NatsOptions>): Promise<NatsFailure> =>
  openNats({ url: inject('natsUrl'), patienceMs: 100, bucket: 'test_start', ...options }, memoryLog()).then(
    nats => nats.close().then(() => expect.unreachable('it was let in')),
    error => error,
  );

/** Something that answers on a port and is no NATS server, or an odd one. */
async function banner(greet: (socket: Socket) => void): Promise<string> {
  const server = createServer(socket => {
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    greet(socket);
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

const info = (version: string): string =>
  `INFO ${JSON.stringify({ server_id: 'x', version, proto: 1, headers: true, max_payload: 1_048_576, jetstream: true })}\r\n`;

const greeting =
  (version: string) =>
  (socket: Socket): void => {
    socket.write(info(version));
    socket.on('data', chunk => {
      if (chunk.toString().includes('PING')) socket.write('PONG\r\n');
    });
  };

test('versions are read strictly, and those before 2.10.23 are not allowed', () => {
  expect(parseVersion('2.10.27')).toEqual([2, 10, 27]);
  expect(parseVersion('v2.12.1-preview.2')).toEqual([2, 12, 1]);
  for (const no of ['', '2', '2.10', 'two', '2.10.x', '-1.2.3', '2.10.23.1'])
    expect(parseVersion(no), no).toBe(null);
  for (const no of ['2.9.25', '2.10.22', '1.99.99', '']) expect(isVersionAllowed(no), no).toBe(false);
  for (const yes of ['2.10.23', '2.10.100', '2.11.0', '3.0.0', '2.12.0-RC.1']) {
    expect(isVersionAllowed(yes), yes).toBe(true);
  }
});

test('an old server is refused', async () => {
  const host = await banner(greeting('2.9.10'));
  const error = await refusal({ url: `nats://${host}` });
  expect(error).toBeInstanceOf(NatsTooOld);
  expect(error.message).toBe(
    `NATS at ${host} is version 2.9.10, which may lose acknowledged writes: 2.10.23 or newer is needed.`,
  );
});

test('nobody there, a name that does not exist, somebody else there: out of reach', async () => {
  const closed = await refusal({ url: 'nats://127.0.0.1:1' });
  expect(closed).toBeInstanceOf(NatsUnreachable);
  expect(closed.message).toBe(
    'NATS cannot be reached at 127.0.0.1:1 (connection refused): check NATS_URL, or start nats-server there.',
  );
  const http = await banner(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  expect((await refusal({ url: `nats://${http}` })).message).toMatch(
    /^NATS cannot be reached at .* \(unexpected response/,
  );
  const hangsUp = await banner(socket => socket.destroy());
  expect(await refusal({ url: `nats://${hangsUp}` })).toBeInstanceOf(NatsUnreachable);
  const garbled = await banner(socket => socket.write('INFO {"server_id":\r\n'));
  expect(await refusal({ url: `nats://${garbled}` })).toBeInstanceOf(NatsUnreachable);
});

test('wrong credentials are told, without telling them', async () => {
  const url = new URL(inject('natsUrl'));
  url.password = 'hunter2';
  const wrong = await refusal({ url: url.href });
  expect(wrong).toBeInstanceOf(NatsUnauthorized);
  expect(wrong.message).toBe(
    `NATS at ${url.host} refuses our credentials: check user and password in NATS_URL, or the file in NATS_CREDS.`,
  );
  expect(await refusal({ url: `nats://${url.host}` })).toBeInstanceOf(NatsUnauthorized);
});

test('settings that cannot be right are told before anything is dialled', async () => {
  for (const url of ['', 'heyblue', 'http://a:4222', 'nats://', 'nats://a:4222,', 'nats://a:99999']) {
    const error = await refusal({ url });
    expect(error, url).toBeInstanceOf(NatsMisconfigured);
    expect(error.message).toMatch(/^NATS_URL is not right/);
  }
  for (const [name, option] of [
    ['CREDS', 'creds'],
    ['CA', 'ca'],
    ['CERT', 'cert'],
    ['KEY', 'key'],
  ] as const) {
    const error = await refusal({ [option]: '/nowhere/file' });
    expect(error).toBeInstanceOf(NatsMisconfigured);
    expect(error.message).toBe(`NATS_${name} names /nowhere/file, which cannot be read (ENOENT).`);
  }
  const noCredentials = join(folder, 'no.creds');
  writeFileSync(noCredentials, 'not what it should be');
  expect((await refusal({ creds: noCredentials })).message).toBe(
    `NATS_CREDS names ${noCredentials}, which is not a NATS credentials file.`,
  );
});

test('more copies than servers are refused', async () => {
  const error = await refusal({ bucket: 'test_copies', replicas: 3, patienceMs: 20_000 });
  expect(error).toBeInstanceOf(NatsBucketRefused);
  expect(error.message).toMatch(
    /^NATS refuses the bucket test_copies for the leases of nodes \(.*replicas.*\): check NATS_REPLICAS and permissions, or delete it\.$/,
  );
});

test('a server without JetStream is refused', async () => {
  const server = await runServer({});
  const error = await refusal({ url: server.url });
  expect(error).toBeInstanceOf(NatsWithoutJetStream);
  expect(error.message).toBe(
    `NATS at ${new URL(server.url).host} has JetStream off (for this account): turn it on, nodes keep their leases there.`,
  );
});

test('an account without JetStream is refused', async () => {
  const server = await runServer({
    jetstream: { store_dir: join(folder, 'accounts') },
    accounts: {
      WITH: { jetstream: 'enabled', users: [{ user: 'a', password: 'a' }] },
      WITHOUT: { users: [{ user: 'b', password: 'b' }] },
    },
  });
  expect(await refusal({ url: server.url.replace('//', '//b:b@') })).toBeInstanceOf(NatsWithoutJetStream);
  await works({ url: server.url.replace('//', '//a:a@') });
});

async function works(options: NatsOptions): Promise<void> {
  const nats = await openNats(options, memoryLog());
  try {
    await nats.kv.put('node.a', bytes('x'), 0);
    expect(text((await nats.kv.get('node.a'))!.value)).toBe('x');
    const unheard = await new Promise(done => nats.bus.publish('nobody', bytes('x'), () => done('unheard')));
    expect(unheard).toBe('unheard');
  } finally {
    await nats.close();
  }
}

test('a token, and several addresses of which some are dead', async () => {
  const server = await runServer({
    jetstream: { store_dir: join(folder, 'token') },
    authorization: { token: 's3cret' },
  });
  const url = server.url.replace('//', '//s3cret@');
  await works({ url: `nats://127.0.0.1:1,${url}`, patienceMs: 20_000 });
  expect(await refusal({ url: server.url })).toBeInstanceOf(NatsUnauthorized);
});

describe.skipIf(spawnSync('openssl', ['version']).status !== 0)('TLS', () => {
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  /** An authority, and certificates of it for the server and for us. */
  function certificates(): void {
    const subject = (name: string): string[] => ['-subj', `/CN=${name}`];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      ...subject('test authority'),
    );
    for (const name of ['server', 'client']) {
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, ...subject(name));
      writeFileSync(file('extensions'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
      const from = ['-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
      openssl('x509', '-req', ...from, '-out', `${name}.pem`, '-days', '2', '-extfile', 'extensions');
    }
  }

  test('the server is checked by the authority we name, and may want to see ours', async () => {
    certificates();
    const tls = { cert_file: file('server.pem'), key_file: file('server.key'), ca_file: file('ca.pem') };
    const one = await runServer({ jetstream: { store_dir: join(folder, 'tls') }, tls });
    const url = one.url.replace('nats:', 'tls:');
    await works({ url, ca: file('ca.pem') });
    const unknown = await refusal({ url });
    expect(unknown).toBeInstanceOf(NatsUnreachable);
    expect(unknown.message).toMatch(/certificate/);

    const both = await runServer({
      jetstream: { store_dir: join(folder, 'tls2') },
      tls: { ...tls, verify: true },
    });
    const mutual = both.url.replace('nats:', 'tls:');
    await works({ url: mutual, ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') });
    expect(await refusal({ url: mutual, ca: file('ca.pem') })).toBeInstanceOf(NatsUnreachable);
  });

  test('tls:// insists on TLS', async () => {
    const plain = await runServer({});
    const error = await refusal({ url: plain.url.replace('nats:', 'tls:') });
    expect(error).toBeInstanceOf(NatsUnreachable);
    expect(error.message).toMatch(/server does not support 'tls'/);
  });
});
