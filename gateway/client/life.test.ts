import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CLOSE, ERROR, ok, refuse } from '../../protocol/errors.ts';
import { encodeReply, encodeVolatile } from '../../protocol/messages.ts';
import { watchBrowser } from './browser.ts';
import type { RestClient } from './rest.ts';
import { connected, EPOCH_A, EPOCH_B, ID, phone } from './testing/phone.ts';
import { tokenSource } from './tokens.ts';
import { Unauthorized } from './types.ts';

/** Tokens, clocks, networks and crowds: what happens to a phone in a year. */

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('tokens', () => {
  test('a fixed token that has expired is the end, and nothing is ever said without one', async () => {
    const { client, line, lines, states } = await connected();
    line().drop(CLOSE.tokenExpired);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(states.at(-1)).toMatchObject({ state: 'closed', code: CLOSE.badToken });
    expect(states.at(-1)!.reason).toContain('no other');
    expect(lines).toHaveLength(1);
    client.close();
  });

  test.each(['', null, undefined])('no token (%s) is nobody signed in', async none => {
    const { client, lines } = phone({ getToken: () => none as unknown as string });
    client.connect();
    await vi.advanceTimersByTimeAsync(0);
    expect(client.state).toBe('closed');
    expect(lines).toEqual([]);
  });

  test('Unauthorized of another copy of the package counts as well', async () => {
    const { client } = phone({
      getToken: () => {
        throw Object.assign(new Error('signed out'), { name: 'Unauthorized' });
      },
    });
    client.connect();
    await vi.advanceTimersByTimeAsync(0);
    expect(client.state).toBe('closed');
  });

  test('a source that never answers is a failure like any other', async () => {
    const { client, states } = phone({ getToken: () => new Promise(() => {}) });
    client.connect();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(states.at(-1)).toMatchObject({ state: 'suspended', reason: 'getToken does not answer' });
    client.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('said twice, the renewal is one chain; a failure is tried again; an answer ends it', async () => {
    let asked = 0;
    const { client, line } = await connected({
      getToken: () => {
        asked++;
        if (asked === 2) throw new Error('offline');
        return `token-${asked}`;
      },
    });
    line().say({ type: 'tokenExpiring', ttlS: 180 });
    line().say({ type: 'tokenExpiring', ttlS: 179 });
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toBe(2);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(line().of('command')).toMatchObject([{ op: 1, body: ['token-3'], idem: null }]);
    const { cid } = line().of('command')[0]!;
    line().say({ type: 'tokenExpiring', ttlS: 170 });
    line().say({ type: 'error', cid, code: 503, message: 'moving', retryable: true, retryAfterMs: 10 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(line().of('command')).toHaveLength(2);
    line().say(encodeReply('auth.refresh', cid, { ttlS: 900 }));
    await vi.advanceTimersByTimeAsync(20_000);
    expect(asked).toBe(4);
    line().say({ type: 'tokenExpiring', ttlS: 180 });
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toBe(5);
    client.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a chain ends with its connection: the next one has a fresh token and needs none', async () => {
    const given: ((token: string) => void)[] = [];
    let asked = 0;
    const { client, line } = await connected({
      getToken: reason => {
        asked++;
        return reason === 'expiring' ? new Promise(done => given.push(done)) : `token-${asked}`;
      },
    });
    line().say({ type: 'tokenExpiring', ttlS: 180 });
    await vi.advanceTimersByTimeAsync(0);
    line().drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    line().open();
    line().welcome(EPOCH_A, 0, true);
    given[0]!('late');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(line().of('command')).toEqual([]);
    client.close();
  });

  test('a command that is refused for an old token is said again under the new one', async () => {
    let asked = 0;
    const { client, line } = await connected({ getToken: () => `token-${++asked}` });
    const shared = client.command('location.share', {}, { timeoutMs: 20_000 });
    const { cid, idem } = line().of('command')[0]!;
    line().say({
      type: 'error',
      cid,
      code: ERROR.tokenExpired,
      message: '',
      retryable: true,
      retryAfterMs: 0,
    });
    await vi.advanceTimersByTimeAsync(0);
    const refresh = line().of('command')[1]!;
    line().say(encodeReply('auth.refresh', refresh.cid, { ttlS: 900 }));
    expect(line().of('command')[2]).toMatchObject({ cid, idem });
    line().say(encodeReply('location.share', cid, { untilS: 1 }));
    expect(await shared).toEqual(ok({ untilS: 1 }));
  });

  test('WELCOME and 4002, again and again, is not a new beginning each time', async () => {
    let asked = 0;
    const { client, line, lines } = await connected({ getToken: () => `token-${++asked}` });
    line().drop(CLOSE.badToken);
    await vi.advanceTimersByTimeAsync(0);
    line().open();
    line().welcome(EPOCH_A, 0, true);
    line().drop(CLOSE.badToken);
    expect(client.state).toBe('closed');
    expect(lines).toHaveLength(2);
  });

  test('the usual source: renewed before its end and when refused; nobody is signed in when the server says so', async () => {
    const granted = (n: number) => ({ userId: ID, accessToken: `token-${n}`, expiresInS: 900 });
    let answer: Awaited<ReturnType<RestClient['token']>> = ok(granted(2));
    const asked: string[] = [];
    const kept: string[] = [];
    const source = tokenSource(
      {
        token: async token => {
          asked.push(token);
          return answer;
        },
      },
      granted(1),
      fresh => void kept.push(fresh.accessToken),
    );
    expect(await source('connect')).toBe('token-1');
    expect(await source('expiring')).toBe('token-2');
    expect(await source('connect')).toBe('token-2');
    answer = ok(granted(3));
    vi.setSystemTime(Date.now() + 880_000);
    expect(await source('connect')).toBe('token-3');
    expect([asked, kept]).toEqual([
      ['token-1', 'token-2'],
      ['token-2', 'token-3'],
    ]);
    answer = refuse(ERROR.unavailable, 'no answer');
    await expect(source('refused')).rejects.not.toBeInstanceOf(Unauthorized);
    answer = refuse(ERROR.unauthorized, 'expired');
    await expect(source('refused')).rejects.toBeInstanceOf(Unauthorized);
  });
});

describe('clocks and networks', () => {
  test('a phone that slept looks at once whether its connection lives, and gives it 3 s', async () => {
    const { line, lines, states } = await connected();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(line().of('ping')).toEqual([]);
    vi.setSystemTime(Date.now() + 600_000);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(line().of('ping')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(states.at(-2)).toMatchObject({ state: 'suspended', code: CLOSE.heartbeatLost, willRetryInMs: 0 });
    expect(lines).toHaveLength(2);
  });

  test('the first thing that the app does after the sleep finds out too; the answer ends it', async () => {
    const { client, line, lines } = await connected();
    vi.setSystemTime(Date.now() - 86_400_000);
    client.location({ lat: 1, lng: 1, accuracyM: 1 });
    client.location({ lat: 1, lng: 1, accuracyM: 1 });
    expect(line().of('ping')).toHaveLength(1);
    line().say({ type: 'pong', n: line().of('ping')[0]!.n });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(lines).toHaveLength(1);
  });

  test('what was on its way before the sleep proves nothing: only the answer does', async () => {
    const { client, line, lines } = await connected();
    client.onNetworkChange();
    line().event(1);
    line().say({ type: 'pong', n: 0 });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(lines).toHaveLength(2);
  });

  test('a command whose time was over while the phone slept is unknown, not said again', async () => {
    const { client, line } = await connected();
    const shared = client.command('location.share', {}, { timeoutMs: 60_000 });
    vi.setSystemTime(Date.now() + 120_000);
    void client.command('state.get', {});
    expect(await shared).toMatchObject({ code: ERROR.timeout });
    expect(line().of('command')).toHaveLength(2);
    client.close();
  });

  test('however often the network changes, attempts keep their distance', async () => {
    const { client, line, lines } = await connected();
    await vi.advanceTimersByTimeAsync(5_000);
    line().drop(1006);
    for (let i = 0; i < 20; i++) {
      client.onNetworkChange();
      await vi.advanceTimersByTimeAsync(10);
      if (client.state === 'connecting') line().drop(1006);
    }
    expect(lines).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(lines).toHaveLength(3);
    client.close();
  });

  test('an address that is none is a loss, not a crash', async () => {
    const { client, states } = phone({
      WebSocket: class {
        constructor() {
          throw new SyntaxError('not an address');
        }
      } as never,
    });
    client.connect();
    await vi.advanceTimersByTimeAsync(1);
    expect(states.at(-1)).toMatchObject({ state: 'suspended', code: 1006, reason: 'not an address' });
    client.close();
  });

  test('what a browser knows reaches the client, until it is told to stop', () => {
    const page = new EventTarget();
    const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
    const heard: unknown[] = [];
    const client = {
      setForeground: (foreground: boolean) => void heard.push(foreground),
      onNetworkChange: () => void heard.push('network'),
    };
    const stop = watchBrowser(client, Object.assign(page, { document }));
    document.visibilityState = 'hidden';
    document.dispatchEvent(new Event('visibilitychange'));
    page.dispatchEvent(new Event('online'));
    document.visibilityState = 'visible';
    page.dispatchEvent(new Event('pageshow'));
    stop();
    page.dispatchEvent(new Event('online'));
    expect(heard).toEqual([false, 'network', true]);
  });
});

describe('crowds', () => {
  test('a queue that grew offline does not break the next connection: it keeps the pace of the server', async () => {
    const { client, line } = await connected();
    line().drop(1006);
    for (let i = 0; i < 50; i++)
      void client.command('instant.set', { on: i % 2 === 0 }, { timeoutMs: 60_000 });
    await vi.advanceTimersByTimeAsync(1_000);
    line().open();
    line().welcome(EPOCH_A, 0, true);
    expect(line().of('command')).toHaveLength(30);
    await vi.advanceTimersByTimeAsync(550);
    expect(line().of('command').length).toBeLessThanOrEqual(41);
    await vi.advanceTimersByTimeAsync(1_000);
    const said = line().of('command');
    expect(said).toHaveLength(50);
    expect(new Set(said.map(one => one.idem)).size).toBe(50);
    expect(said.map(one => one.cid)).toEqual(said.map(one => one.cid).toSorted((a, b) => a - b));
    client.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('commands of another pace do not wait for scans of codes', async () => {
    const { client, line } = await connected();
    for (let i = 0; i < 6; i++) void client.command('qr.show', {});
    void client.command('state.get', {});
    expect(
      line()
        .of('command')
        .map(one => one.op),
    ).toEqual([30, 30, 30, 30, 2]);
    client.close();
  });

  test('of volatile frames that a slow app has not seen, only the newest is given', async () => {
    const { client, line, everything } = await connected();
    let finish = () => {};
    client.on('sharing.ended', () => new Promise<void>(done => (finish = done)));
    line().event(1);
    for (let version = 1; version <= 5; version++)
      line().say(encodeVolatile('report.next', 'me', version, { periodS: version }));
    line().event(2);
    finish();
    await vi.advanceTimersByTimeAsync(0);
    expect(everything.slice(1).map(one => ('version' in one ? one.version : one.offset))).toEqual([1, 5, 2]);
    client.close();
  });

  test('volatile frames that a slow app has not seen are thrown away at WELCOME; events are not', async () => {
    const { client, line, everything } = await connected();
    let finish = () => {};
    client.on('sharing.ended', () => new Promise<void>(done => (finish = done)));
    line().event(1);
    line().event(2);
    line().say(encodeVolatile('report.next', 'me', 9, { periodS: 9 }));
    line().say(encodeVolatile('peer.presence', ID, 9, { state: 'online', lastSeenMin: 0 }));
    line().drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    line().open();
    line().welcome(EPOCH_A, 2, true);
    // the node that was killed had said 9; the one that lives begins anew, and says nothing of the other person
    line().say(encodeVolatile('report.next', 'me', 1, { periodS: 1 }));
    for (let n = 0; n < 2; n++) {
      finish();
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(everything.slice(1).map(one => ('version' in one ? `v${one.version}` : one.offset))).toEqual([
      1,
      2,
      'v1',
    ]);
    client.close();
  });

  test('presence of the other one is told by its own name and by that of the frame', async () => {
    const { client, line } = await connected();
    const heard: unknown[] = [];
    client.on('presence', (presence, { key }) => heard.push(['presence', key, presence?.state]));
    client.on('peer.presence', presence => heard.push(['peer.presence', presence?.state]));
    line().say(encodeVolatile('peer.presence', ID, 2, { state: 'away', lastSeenMin: 7 }));
    line().say(encodeVolatile('peer.presence', ID, 1, { state: 'online', lastSeenMin: 0 }));
    expect(heard).toEqual([
      ['presence', ID, 'away'],
      ['peer.presence', 'away'],
    ]);
    client.close();
  });

  test('a new epoch may number lower, and its events count', async () => {
    const { line, offsets } = await connected();
    for (const offset of [1, 2, 3]) line().event(offset);
    line().drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    line().open();
    line().welcome(EPOCH_B, 0, false);
    line().event(1);
    expect(offsets()).toEqual([1, 2, 3, 1]);
  });
});
