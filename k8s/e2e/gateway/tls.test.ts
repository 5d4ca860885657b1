/**
 * TLS at the doors of the node that people run: TLS_CERT and TLS_KEY in its environment, files that somebody renews while
 * it serves, the published client on the other side with nothing switched off: it trusts these certificates and no other.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as plain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { HeyBlueClient } from '../../../gateway/client/index.ts';
import type { SocketConstructor } from '../../../gateway/client/types.ts';
import { certificate } from '../../../gateway/testing/certificates.ts';
import { startTestTown, type TestTown, until } from '../testTown.ts';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-tls-'));
const [TLS_CERT, TLS_KEY] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
const [one, two] = [certificate('one'), certificate('two')];
/** What the phones of this test trust. */
const trusted = [one.cert];

let town: TestTown;
const clients: HeyBlueClient[] = [];
beforeAll(async () => {
  writeFileSync(TLS_CERT, one.cert);
  writeFileSync(TLS_KEY, one.key);
  town = await startTestTown({ TLS_CERT, TLS_KEY });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await town?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const ports = (): number[] =>
  [town.node.urls.rest, town.node.urls.realtime].map(url => Number(new URL(url).port));

/** What a handshake ends with: the name in the certificate and the protocol, or why there is none. */
const shake = (port: number, options: ConnectionOptions = {}): Promise<string> =>
  new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', ca: trusted, ...options }, () => {
      resolve(`${socket.getPeerCertificate().subject.CN} ${socket.getProtocol()}`);
      socket.destroy();
    });
    socket.on('error', error => resolve((error as NodeJS.ErrnoException).code ?? error.message));
  });

const signUp = (handle: string): Promise<{ accessToken: string }> =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify({
      kind: 'civilian',
      handle,
      password: 'a long password',
      deviceId: `phone-${handle}`,
    });
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const asked = request(
      `${town.node.urls.rest}/v1/signup`,
      { method: 'POST', headers, ca: trusted },
      answer => {
        let text = '';
        answer.on('data', piece => {
          text += String(piece);
        });
        answer.on('end', () => {
          if (answer.statusCode === 201) resolve(JSON.parse(text) as { accessToken: string });
          else reject(new Error(`${answer.statusCode} ${text}`));
        });
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });

/** A phone with the published client; what became of its connections. */
const phone = async (
  handle: string,
): Promise<{ client: HeyBlueClient; states: string[]; snapshots: number }> => {
  const { accessToken } = await signUp(handle);
  class Trusting extends WebSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols, { ca: trusted });
    }
  }
  const client = new HeyBlueClient({
    url: town.node.urls.realtime,
    deviceId: `phone-${handle}`,
    getToken: () => accessToken,
    WebSocket: Trusting as unknown as SocketConstructor,
  });
  clients.push(client);
  const seen = { client, states: [] as string[], snapshots: 0 };
  client.on('state', ({ state }) => void seen.states.push(state));
  client.on('resync', () => {
    seen.snapshots++;
  });
  client.connect();
  await until(`${handle} to be connected`, () => client.state === 'connected');
  return seen;
};

const works = async ({ client }: { client: HeyBlueClient }): Promise<void> => {
  expect(await client.command('instant.set', { on: true }, { timeoutMs: 15_000 })).toMatchObject({
    ok: true,
  });
};

it('the node speaks TLS 1.3 at both doors and nothing else', async () => {
  const { urls, summary } = town.node;
  expect([urls.rest, urls.realtime]).toEqual([
    expect.stringMatching(/^https:/),
    expect.stringMatching(/^wss:/),
  ]);
  expect(summary.join('\n')).toContain(urls.realtime);
  for (const port of ports()) {
    expect(await shake(port)).toBe('one TLSv1.3');
    const old = { maxVersion: 'TLSv1.2', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    expect(await shake(port, old)).toMatch(/^(ECONNRESET|ERR_SSL)/);
    const answer = await new Promise<string>(resolve => {
      let heard = '';
      const socket = plain(port, '127.0.0.1', () => socket.write('GET /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n'));
      socket.on('data', data => {
        heard += data.toString('latin1');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(heard));
    });
    expect(answer).not.toMatch(/HTTP\/1.1 (101|2|426)/);
  }
});

it('renewed files are served to whoever comes, and nobody who is there notices', {
  timeout: 60_000,
}, async () => {
  const ana = await phone('ana');
  await works(ana);

  // the files are written one after the other; for a moment they do not belong together
  writeFileSync(TLS_CERT, two.cert);
  writeFileSync(TLS_KEY, two.key);
  trusted.push(two.cert);
  for (const port of ports())
    await until('the new certificate', async () => (await shake(port)) === 'two TLSv1.3');

  await works(ana);
  expect(ana.states).toEqual(['connecting', 'connected']);
  // who trusts the old one alone is not deceived
  for (const port of ports()) expect(await shake(port, { ca: [one.cert] })).toMatch(/CERT|SIGNED/);
  trusted.shift();
  await works(await phone('ben'));

  // after kill -9 the node starts with what the files hold now, and ana's client comes back by itself
  await town.node.kill();
  await until('ana to notice', () => ana.states.includes('suspended'));
  await town.node.restart();
  await until('ana to be back', () => ana.client.state === 'connected', 30_000);
  await works(ana);
  expect(ana.snapshots).toBe(1);
});
