/** The client in a real browser: the bundle, a page with a strict policy, a gateway on a real port. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleClient } from '../../infra/check/clientPackage.ts';
import { createGateway, type Gateway } from '../index.ts';
import { findChromium, NO_BROWSER } from '../testing/chromium.ts';
import { StreamTown } from '../testing/stream.ts';
import { FakeDirectory, optionsFor, signingKey } from '../testing/town.ts';
import type { HeyBlueClient } from './client.ts';
import { restClient } from './index.ts';

const path = findChromium();
if (path === null) console.log(`gateway/client/browser.test.ts ${NO_BROWSER}`);

/** What the app of the page does. Its words are those of any app: no recovery anywhere. */
const APP = `
import { browserStorage, HeyBlueClient, restClient, watchBrowser } from '/client.js';
window.heyblue = { HeyBlueClient, restClient };
window.seen = [];
window.states = [];
window.start = (url, token) => {
  const storage = browserStorage('heyblue:ana');
  const client = new HeyBlueClient({ url, deviceId: 'phone-1', getToken: () => token, storage, random: () => 0.05 });
  client.on('event', message => { if ('offset' in message) window.seen.push(message.name + ' ' + message.offset); });
  client.on('state', change => window.states.push(change.state));
  watchBrowser(client);
  client.connect();
  window.client = client;
};`;

describe.skipIf(path === null)('in a real browser', () => {
  const town = new StreamTown();
  const directory = new FakeDirectory();
  const key = signingKey();
  const gateways: Gateway[] = [];
  const urls: string[] = [];
  let site: Server;
  let origin: string;
  let browser: Browser;
  let profile: BrowserContext;
  let page: Page;
  let token: string;
  let restUrl: string;
  const complaints: string[] = [];

  const gateway = async (id: string): Promise<void> => {
    const options = optionsFor(town.door(), directory, {
      ...{ gatewayId: id, signingKeys: [key], origins: [origin] },
      elsewhere: () => urls.slice(1),
    });
    const made = createGateway(options);
    const ports = await made.start();
    town.serves(id, made.sink);
    gateways.push(made);
    urls.push(`ws://127.0.0.1:${ports.realtimePort}/v1/ws`);
    restUrl ??= `http://127.0.0.1:${ports.restPort}`;
  };

  beforeAll(async () => {
    const files: Record<string, [string, string]> = {
      '/': [
        'text/html',
        '<!doctype html><title>HeyBlue</title><script type="module" src="/app.js"></script>',
      ],
      '/client.js': ['text/javascript', await bundleClient({ minify: true })],
      '/app.js': ['text/javascript', APP],
    };
    site = createServer(({ url }, answer) => {
      const [type, body] = files[url ?? ''] ?? ['text/plain', ''];
      const policy = "default-src 'none'; script-src 'self'; connect-src ws: http:";
      answer.writeHead(200, { 'content-type': type, 'content-security-policy': policy }).end(body);
    });
    await new Promise<void>(done => site.listen(0, '127.0.0.1', done));
    origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    await gateway('g1');
    await gateway('g2');
    const rest = restClient(restUrl);
    const ana = await rest.signUp({
      ...{ kind: 'civilian', handle: 'ana', password: 'correct horse', deviceId: 'phone-1' },
    });
    if (!ana.ok) throw new Error(ana.message);
    token = ana.value.accessToken;
    browser = await chromium.launch({ executablePath: path!, args: ['--no-sandbox'] });
    profile = await browser.newContext();
    page = await profile.newPage();
    page.on('pageerror', error => complaints.push(error.message));
    await open();
  });
  afterAll(async () => {
    await browser?.close();
    for (const one of gateways) await one.stop(0);
    site?.close();
  });

  /** Loads the page and starts its app. */
  const open = async (): Promise<void> => {
    await page.goto(origin);
    await page.waitForFunction(() => 'start' in window);
    await page.evaluate(([url, token]) => (window as never as Window_).start(url!, token!), [urls[0], token]);
  };
  const seen = (): Promise<string[]> => page.evaluate(() => (window as never as Window_).seen);
  const states = (): Promise<string[]> => page.evaluate(() => (window as never as Window_).states);
  const shows = (last: string): Promise<void> =>
    expect.poll(async () => (await seen()).at(-1), { timeout: 15_000 }).toBe(last);
  const say = () =>
    page.evaluate(() =>
      (window as never as Window_).client.command(
        'hey.say',
        { officerId: '01900000-0000-7000-8000-000000000001' },
        { timeoutMs: 20_000 },
      ),
    );

  test('it connects, hears an event, and its commands are answered', async () => {
    await shows('snapshot 0');
    town.happen();
    await shows('sharing.ended 1');
    expect(await say()).toMatchObject({ ok: true, value: { expiresS: 5 } });
    expect(complaints).toEqual([]);
  });

  test('the connection is lost: what happened meanwhile comes, once', async () => {
    town.cut(4102);
    town.happen();
    const answer = say();
    await shows('sharing.ended 2');
    expect(await answer).toMatchObject({ ok: true });
    expect(town.resumes).toEqual([null, 1]);
    expect(await states()).toEqual(['connecting', 'connected', 'suspended', 'connecting', 'connected']);
  });

  test('the node says GOAWAY: the page is at the other one without having been away', async () => {
    const before = await states();
    const left = gateways[0]!.sendAway(10_000, 1);
    town.happen();
    expect(await say()).toMatchObject({ ok: true });
    expect(await left).toBe(0);
    town.happen();
    await shows('sharing.ended 4');
    expect(town.gatewayId).toBe('g2');
    expect(await states()).toEqual(before);
    expect(await seen()).toEqual(['snapshot 0', ...[1, 2, 3, 4].map(n => `sharing.ended ${n}`)]);
    expect([...town.effects.values()].every(times => times === 1)).toBe(true);
  });

  test('the page is gone and comes back: it goes on where it was', async () => {
    await page.close();
    town.happen();
    page = await profile.newPage();
    urls.shift();
    await open();
    await shows('sharing.ended 5');
    expect(await seen()).toEqual(['sharing.ended 5']);
    expect(complaints).toEqual([]);
  });
});

/** What the page has. */
interface Window_ {
  start(url: string, token: string): void;
  readonly seen: string[];
  readonly states: string[];
  readonly client: HeyBlueClient;
}
