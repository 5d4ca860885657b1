/**
 * Everything at once against one real node, beside honest phones: what is wrong is refused and counted, what floods is
 * ended, memory stays flat, and the honest ones are served about as fast as before. That each bound holds by itself is
 * proved in `gateway/halfOpen.test.ts`, `gateway/door.test.ts`, `gateway/rfc6455` and `k8s/e2e/badInput.test.ts`.
 */
import { generateKeyPairSync } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTokens } from '../../../gateway/auth/tokens.ts';
import type { ServerFrame } from '../../../protocol/frames.ts';
import { CLOSE, decodeServerFrame, encodeClientFrame, SUBPROTOCOL } from '../../../protocol/index.ts';
import type { PhoneIdentity } from '../../swarm/phone.ts';
import { RawSocket } from '../../swarm/socket.ts';
import { startTestTown, type TestPhone, type TestTown, until } from '../testTown.ts';
import { BATCH_IN_BATCH, halfOpen, nested, pings, says, slowHeaders } from './attackers.ts';

const HONEST = 6;
/** What the tests of one machine may differ by: below this nobody waits. */
const NOTICED_MS = 15;
/** Within which a revocation holds everywhere. */
const REVOKED_MS = 1_000;
const EVIL = (n: number): string => `127.9.${Math.floor(n / 200)}.${1 + (n % 200)}`;

let town: TestTown;
let url: string;
let honest: TestPhone[];
let pid: number;

beforeAll(async () => {
  town = await startTestTown({ HEYBLUE_ADMIN_GC: '1' });
  url = town.node.urls.realtime;
  pid = town.node.pid;
  honest = [];
  for (let n = 0; n < HONEST; n++) {
    const phone = await town.phone('civilian', 10_000 + n * 5_000, 0);
    await phone.arrive();
    honest.push(phone);
  }
}, 120_000);
afterAll(() => town?.stop());

const page = async (): Promise<string> => (await fetch(`${town.node.urls.admin}/metrics`)).text();
const metric = async (name: string, labels = ''): Promise<number> =>
  (await page())
    .split('\n')
    .filter(line => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);

/** Resident bytes after a collection. */
const rss = async (): Promise<number> => {
  await fetch(`${town.node.urls.admin}/debug/gc`, { method: 'POST' });
  return metric('process_resident_memory_bytes');
};

/** p99 of so many questions of the honest phones, milliseconds. */
const p99 = async (rounds: number): Promise<number> => {
  const tookMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      honest.map(async ({ phone }) => {
        const startMs = performance.now();
        const result = await phone.command('state.get', {});
        expect(result, 'an honest phone').toMatchObject({ ok: true });
        tookMs.push(performance.now() - startMs);
      }),
    );
    await pause(60);
  }
  tookMs.sort((a, b) => a - b);
  return tookMs[Math.ceil(tookMs.length * 0.99) - 1]!;
};

let operator: string | null = null;
/** An operator does it, as anybody would: made on the machine, signed in by REST. */
const revoke = async (userId: string): Promise<Response> => {
  const { admin, rest } = town.node.urls;
  const post = (url: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  if (operator === null) {
    const account = { handle: 'operator-1', password: 'correct horse' };
    await post(`${admin}/admin/operators`, account, { 'heyblue-why': 'a test' });
    const signedIn = await post(`${rest}/v1/signin`, { ...account, deviceId: 'console-1' });
    operator = ((await signedIn.json()) as { accessToken: string }).accessToken;
  }
  const headers = { authorization: `Bearer ${operator}`, 'heyblue-why': 'a test' };
  return post(`${admin}/admin/users/${userId}/revoke`, {}, headers);
};

/** The first WELCOME that a phone hears which names this place. */
const resumes = async (
  identity: PhoneIdentity,
  resume: { sessionId: string; epoch: string; offset: number },
): Promise<{ welcome: ServerFrame & { type: 'welcome' }; frames: ServerFrame[] }> => {
  const frames: ServerFrame[] = [];
  const { token, deviceId } = identity;
  const socket = new RawSocket({
    url,
    subprotocol: SUBPROTOCOL,
    onOpen: () =>
      socket.send(encodeClientFrame({ type: 'hello', version: 1, token, deviceId, app: 'evil', resume })),
    onMessage: bytes => frames.push(decodeServerFrame(bytes)),
    onClose: () => {},
  });
  const welcome = await until('WELCOME', () => frames.find(frame => frame.type === 'welcome'));
  await until('what follows WELCOME', () => frames.length > 1 || welcome.resumed);
  socket.destroy();
  return { welcome: welcome as ServerFrame & { type: 'welcome' }, frames };
};

/** The HTTP status with which a page of this origin is answered. */
const statusOf = (address: string, origin: string | null): Promise<number> =>
  new Promise((resolve, reject) => {
    const { hostname, port, pathname } = new URL(address);
    const tcp = connect({ host: hostname, port: Number(port) });
    const lines = [
      `GET ${pathname} HTTP/1.1`,
      `Host: ${hostname}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
      ...(origin === null ? [] : [`Origin: ${origin}`]),
    ];
    tcp.write(`${lines.join('\r\n')}\r\n\r\n`);
    tcp.once('data', bytes => {
      resolve(Number(bytes.toString('latin1').split(' ')[1]));
      tcp.destroy();
    });
    tcp.once('error', reject);
  });

describe('somebody else’s place', () => {
  it('session id, epoch and offset of another person resume nothing and show nothing of them', async () => {
    const [victim, thief] = [await town.phone('civilian', 40_000), await town.phone('civilian', 45_000)];
    const { sessionId, epoch, offset } = await victim.connect();
    const before = await metric('rt_resume_total', 'result="foreign"');
    const { welcome, frames } = await resumes(thief.person, { sessionId, epoch, offset });
    expect(welcome.resumed).toBe(false);
    expect(welcome.epoch).not.toBe(epoch);
    expect(JSON.stringify(frames)).not.toContain(victim.person.userId);
    expect(await metric('rt_resume_total', 'result="foreign"')).toBe(before + 1);
    expect(victim.closed, 'the victim did not notice').toBeNull();
  });

  it('an offset that never was is answered with a snapshot, not with silence', async () => {
    const phone = await town.phone('civilian', 50_000);
    const { sessionId, epoch, offset } = await phone.connect();
    phone.phone.drop();
    for (const wrong of [offset + 1, offset + 1_000_000, Number.MAX_SAFE_INTEGER]) {
      const { welcome } = await resumes(phone.person, { sessionId, epoch, offset: wrong });
      expect(welcome).toMatchObject({ resumed: false, offset });
    }
  });

  it('after a revocation the socket ends within a second, and nothing resumes with that token', async () => {
    let phone: TestPhone;
    let tookMs: number;
    let attempts = 0;
    // on a machine that others use: only what takes longer each time does
    do {
      phone = await town.phone('civilian', 55_000);
      await phone.connect();
      expect((await revoke(phone.person.userId)).status).toBe(200);
      const startMs = performance.now();
      await until('the socket to end', () => phone.closed);
      tookMs = performance.now() - startMs;
      expect(phone.closed).toMatchObject({ code: CLOSE.revoked });
    } while (tookMs >= REVOKED_MS && ++attempts < 5);
    expect(tookMs).toBeLessThan(REVOKED_MS);
    await expect(phone.connect(true)).rejects.toThrow('4003');
    const answer = await town.rest.call('GET', '/v1/me', { token: phone.person.token });
    expect(answer.status).toBe(401);
    await expect(phone.connect(true)).rejects.toThrow('4003');
  });

  it('a token of a phone that was replaced by another is no good any more', async () => {
    const phone = await town.phone('civilian', 60_000);
    await phone.connect();
    const { handle, password } = phone.person;
    const body = { handle, password, deviceId: 'phone-new' };
    expect((await town.rest.call('POST', '/v1/device', { body })).status).toBe(200);
    await until('the old socket to end', () => phone.closed);
    await expect(phone.connect()).rejects.toThrow('4003');
  });
});

describe('frames that break decoders', () => {
  it.each([
    ['arrays in arrays, 4 KB', nested(4_096), [CLOSE.malformed]],
    ['arrays in arrays, 8 KB', nested(8_192), [CLOSE.malformed]],
    ['arrays in arrays, 15 KB', nested(15_000), [CLOSE.tooBig]],
    ['arrays in arrays, 72 KB', nested(72_000), [CLOSE.tooBig, 1006]],
    ['BATCH in BATCH', BATCH_IN_BATCH, [CLOSE.malformed]],
  ] as const)('%s: the socket ends, the node stays, memory is flat', async (_what, bytes, codes) => {
    const phone = await town.phone('civilian', 65_000);
    const before = await rss();
    for (let n = 0; n < 5; n++) {
      const met = await says(url, phone.person, socket => socket.send(bytes));
      expect(codes).toContain(met.code);
    }
    expect((await rss()) - before).toBeLessThan(30e6);
    expect(town.node.pid).toBe(pid);
  });
});

it('keys that nobody published, by the hundred: refused without asking anybody', async () => {
  const before = await metric('rt_close_total', `code="${CLOSE.badToken}"`);
  const { person } = honest[0]!;
  const keys = Array.from({ length: 8 }, (_, n) => ({
    kid: `unknown-${n}`,
    ...generateKeyPairSync('ed25519'),
  }));
  const codes = new Set<number>();
  for (let round = 0; round < 30; round++) {
    const met = await Promise.all(
      keys.map(async (key, n) => {
        const token = await createTokens([{ ...key, kid: `${key.kid}-${round}` }], 900).mint(person);
        return says(url, { ...person, token }, () => {}, { address: EVIL(n) });
      }),
    );
    for (const { code } of met) codes.add(code);
  }
  expect([...codes]).toEqual([CLOSE.badToken]);
  expect((await metric('rt_close_total', `code="${CLOSE.badToken}"`)) - before).toBe(240);
});

it('unless origins are named, pages of this machine get a socket, others do not', async () => {
  expect(await statusOf(url, 'http://localhost:5173')).toBe(101);
  expect(await statusOf(url, 'https://evil.example')).toBe(403);
  expect(await statusOf(url, null)).toBe(101);
});

it('pages of other origins get no socket where origins are named, apps without one do', async () => {
  const own = await startTestTown({ HEYBLUE_ALLOWED_ORIGINS: 'https://app.example' });
  try {
    const phone = await own.phone('civilian');
    await phone.connect();
    expect(await statusOf(own.node.urls.realtime, 'https://evil.example')).toBe(403);
    expect(await statusOf(own.node.urls.realtime, 'null')).toBe(403);
    expect(await statusOf(own.node.urls.realtime, 'https://app.example.evil.example')).toBe(403);
    expect(await statusOf(own.node.urls.realtime, 'http://localhost:5173')).toBe(403);
    expect(await statusOf(own.node.urls.realtime, 'https://app.example')).toBe(101);
    expect(await statusOf(own.node.urls.realtime, null)).toBe(101);
    const counted = await (await fetch(`${own.node.urls.admin}/metrics`)).text();
    expect(counted).toMatch(/rt_accept_rejected_total\{[^}]*reason="origin"[^}]*\} 4/);
  } finally {
    await own.stop();
  }
});

/** Less than the time after which any half-open connection is cut. */
const STANDING_MS_MAX = 5_000;
/** So many questions of each honest phone that a single pause of the machine, which all of them feel, is not the percentile. */
const ROUNDS = 110;

it('all of it at once: the honest phones are served as before', { timeout: 300_000 }, async () => {
  const evil = await town.phone('civilian', 70_000);
  await p99(10);
  const beforeBytes = await rss();
  const ratios: number[] = [];
  let beforeMs = await p99(ROUNDS);
  const served = (well: boolean): number => ratios.filter(ratio => ratio <= 2 === well).length;
  // a measurement on a machine that others use: the median of five, as soon as it is known
  while (served(true) < 3 && served(false) < 3) {
    let on = true;
    const addresses = Array.from({ length: 20 }, (_, n) => EVIL(100 + n));
    const half = await halfOpen(url, 2_000, addresses);
    const drips = slowHeaders(url, 40, EVIL(50), 400);
    const floods = async (n: number): Promise<void> => {
      while (on) {
        await says(url, evil.person, socket => pings(socket, 500), { address: EVIL(n), msMax: 1_000 });
        await says(url, evil.person, socket => socket.send(nested(8_192)), {
          address: EVIL(n),
          msMax: 1_000,
        });
        await says(url, null, socket => socket.send(BATCH_IN_BATCH), { address: EVIL(n), msMax: 1_000 });
        await pause(50);
      }
    };
    const flooding = [floods(60), floods(61)];
    const [underFireMs] = await Promise.all([
      p99(ROUNDS),
      // of 2,000 that half said something 64 of each address stand at most
      until('no more of them', () => half.standing() <= 20 * 64, STANDING_MS_MAX),
    ]);
    on = false;
    await Promise.all(flooding);
    expect(await drips, 'a request that never ends').toBeLessThan(20_000);
    await until('half-open connections to be cut', () => half.standing() === 0, 30_000);
    half.end();
    const afterMs = await p99(ROUNDS);
    ratios.push(underFireMs / Math.max(beforeMs, afterMs, NOTICED_MS));
    console.log(
      `p99 ${[beforeMs, underFireMs, afterMs].map(ms => ms.toFixed(1))} ms: before, under fire, after`,
    );
    beforeMs = afterMs;
  }
  expect(served(true), `p99 under fire to p99 before and after: ${ratios}`).toBe(3);
  expect((await rss()) - beforeBytes).toBeLessThan(60e6);
  expect(await metric('rt_accept_rejected_total', 'reason="half_open"')).toBeGreaterThan(500);
  expect(await metric('rt_accept_rejected_total', 'reason="silent"')).toBeGreaterThan(0);
  expect(await metric('rt_close_total', `code="${CLOSE.rateLimited}"`)).toBeGreaterThan(0);
  expect(await metric('rt_decoder_rejects_total')).toBeGreaterThan(10);
  for (const phone of honest) expect(phone.closed, phone.person.handle).toBeNull();
  expect(town.node.pid).toBe(pid);
  const late = await (await town.phone('civilian', 80_000)).connect();
  expect(late.version).toBe(1);
});
