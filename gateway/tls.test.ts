import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as plain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import type { Log } from '../nodes/ports.ts';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { createGateway, type Gateway } from './index.ts';
import { PortInUse } from './portInUse.ts';
import { certificate } from './testing/certificates.ts';
import { FakeDirectory, FakeDoor, HandClock, optionsFor, silent } from './testing/town.ts';
import { readPair, type TlsFiles, type TlsPair, TlsUnusable, TlsWatch } from './tls.ts';

/** TLS at both doors over real sockets: what is spoken, what is refused, and how a certificate is renewed. */

interface Files extends TlsFiles {
  write(pair: { cert?: string; key?: string }): void;
}

const files = (): Files => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  return {
    cert,
    key,
    write: pair => {
      if (pair.cert !== undefined) writeFileSync(cert, pair.cert);
      if (pair.key !== undefined) writeFileSync(key, pair.key);
    },
  };
};

/** What a client sees: the name in the certificate and the protocol, or why there is none. */
const shake = (port: number, options: ConnectionOptions = {}): Promise<string> =>
  new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
      resolve(`${socket.getPeerCertificate().subject.CN} ${socket.getProtocol()}`);
      socket.destroy();
    });
    socket.on('error', error => resolve((error as NodeJS.ErrnoException).code ?? error.message));
  });

const REQUEST =
  `GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n\r\n`;

/** A WebSocket over TLS, by hand; `hears` waits for something with this in it. */
const upgraded = (port: number) =>
  new Promise<{ ping(): void; hears(what: string): Promise<void>; gone: Promise<void>; end(): void }>(
    resolve => {
      let heard = '';
      let wake = (): void => {};
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
        socket.write(REQUEST),
      );
      const hears = async (what: string): Promise<void> => {
        while (!heard.includes(what)) {
          await new Promise<void>(done => {
            wake = done;
          });
        }
        heard = '';
      };
      const gone = new Promise<void>(done => socket.on('close', () => done()));
      socket.on('error', () => {});
      socket.on('data', data => {
        heard += data.toString('latin1');
        wake();
      });
      const ping = (): void => void socket.write(Buffer.from([0x89, 0x80, 0, 0, 0, 0]));
      const end = (): void => void socket.destroy();
      void hears('101 Switching').then(() => resolve({ ping, hears, gone, end }));
    },
  );

const remembering = (): Log & { lines: string[] } => {
  const lines: string[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push([level, message, (fields as { why?: string }).why ?? ''].join(': '));
  return { lines, debug: () => {}, info: at('info'), warn: at('warn'), error: at('error') };
};

const serve = async (tls: TlsFiles, log: Log = silent) => {
  // sockets here say no HELLO, and for them no time passes
  const clock = new HandClock();
  const gateway: Gateway = createGateway(
    optionsFor(new FakeDoor(), new FakeDirectory(), { tls, log, clock }),
  );
  const ports = await gateway.start();
  onTestFinished(() => gateway.stop(0));
  return { gateway, ports };
};

test('REST and realtime speak TLS 1.3 and nothing older; plain text gets no answer', async () => {
  const tls = files();
  tls.write(certificate('one'));
  const { ports } = await serve(tls);
  for (const port of [ports.restPort, ports.realtimePort]) {
    expect(await shake(port)).toBe('one TLSv1.3');
    for (const maxVersion of ['TLSv1.2', 'TLSv1.1'] as const) {
      const old = { maxVersion, minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
      expect(await shake(port, old)).toMatch(/^E/);
    }
    const shared = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-PSK-CHACHA20-POLY1305' } as const;
    const pskCallback = () => ({ psk: Buffer.alloc(32), identity: 'x' });
    expect(await shake(port, { ...shared, pskCallback, checkServerIdentity: () => undefined })).toMatch(/^E/);
    const answer = await new Promise<string>(resolve => {
      const socket = plain(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
      let heard = '';
      socket.on('data', data => {
        heard += data.toString('latin1');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(heard));
    });
    expect(answer).not.toContain('200 OK');
    expect(answer).not.toContain('426');
  }
  const socket = await upgraded(ports.realtimePort);
  socket.ping();
  await socket.hears('\x8a');
  socket.end();
});

test('with TLS, too, the port belongs to one', async () => {
  const tls = files();
  tls.write(certificate('one'));
  const { ports } = await serve(tls);
  const { realtimePort } = ports;
  const again = createGateway(optionsFor(new FakeDoor(), new FakeDirectory(), { tls, realtimePort }));
  await expect(again.start()).rejects.toThrow(PortInUse);
});

test('a renewed certificate is what new handshakes see; sockets that are open live on', async () => {
  const tls = files();
  tls.write(certificate('one'));
  const log = remembering();
  const { ports } = await serve(tls, log);
  const old = await upgraded(ports.realtimePort);
  tls.write(certificate('two'));
  const seen = (port: number) => expect.poll(() => shake(port), { timeout: 20_000 }).toBe('two TLSv1.3');
  await seen(ports.realtimePort);
  await seen(ports.restPort);
  old.ping();
  await old.hears('\x8a');
  const fresh = await upgraded(ports.realtimePort);
  fresh.ping();
  await fresh.hears('\x8a');
  expect(log.lines.filter(line => line.startsWith('info: the certificate was renewed'))).toHaveLength(1);
  old.end();
  fresh.end();
});

const pairOf = (name: string): TlsPair => {
  const { cert, key } = certificate(name);
  return { cert: Buffer.from(cert), key: Buffer.from(key) };
};

test('files that cannot be used change nothing and are told once, until there are better ones', () => {
  const tls = files();
  const [one, two] = [certificate('one'), certificate('two')];
  tls.write(one);
  const log = remembering();
  const taken: TlsPair[] = [];
  const options = { log, wallMs: Date.now };
  const watch = new TlsWatch(tls, readPair(tls, Date.now()), pair => void taken.push(pair), options);
  watch.look();
  expect([taken, log.lines]).toEqual([[], []]);
  // written one after the other
  tls.write({ cert: two.cert });
  watch.look();
  watch.look();
  expect(log.lines).toEqual([
    expect.stringMatching(/^error: .*stays.*TLS_KEY does not belong to the certificate/),
  ]);
  tls.write({ cert: 'rubbish' });
  watch.look();
  rmSync(tls.cert);
  watch.look();
  tls.write(certificate('over', -1));
  watch.look();
  expect(log.lines).toHaveLength(4);
  expect(taken).toEqual([]);
  tls.write(two);
  watch.look();
  watch.look();
  expect(taken.map(pair => pair.cert.toString())).toEqual([two.cert]);
  expect(log.lines).toHaveLength(5);
});

test('a pair that the doors could not take is offered again', () => {
  const tls = files();
  tls.write(certificate('one'));
  let tries = 0;
  const renewed = (): void => {
    if (++tries === 1) throw new TlsUnusable('no');
  };
  const watch = new TlsWatch(tls, pairOf('before'), renewed, { log: silent, wallMs: Date.now });
  for (let n = 0; n < 3; n++) watch.look();
  expect(tries).toBe(2);
});

test.each([
  ['no certificate', (tls: Files) => rmSync(tls.cert), /^TLS_CERT cannot be read: .* \(ENOENT\)\.$/],
  ['no key', (tls: Files) => rmSync(tls.key), /^TLS_KEY cannot be read: .* \(ENOENT\)\.$/],
  ['a certificate that is none', (tls: Files) => tls.write({ cert: 'x' }), /^TLS_CERT holds no certificate/],
  ['a key that is none', (tls: Files) => tls.write({ key: 'x' }), /^TLS_KEY holds no key/],
  [
    'the key of another',
    (tls: Files) => tls.write({ key: certificate('b').key }),
    /^TLS_KEY does not belong/,
  ],
  ['a certificate that is over', (tls: Files) => tls.write(certificate('c', -1)), /is over since/],
])('%s is one sentence at the start', (_what, spoil, sentence) => {
  const tls = files();
  tls.write(certificate('one'));
  spoil(tls);
  const options = optionsFor(new FakeDoor(), new FakeDirectory(), { tls });
  expect(() => createGateway(options)).toThrow(TlsUnusable);
  expect(() => createGateway(options)).toThrow(sentence);
});
