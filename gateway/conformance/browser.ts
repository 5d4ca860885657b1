/** Our own client in a real headless Chromium: one page for each script, the same bundle that a web app would load. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { findChromium, NO_BROWSER } from '../testing/chromium.ts';
import type { Report, Subject } from './subject.ts';

export interface BrowserSubject extends Subject {
  close(): Promise<void>;
}

const bundle = async (): Promise<string> => {
  const { rolldown } = await import('rolldown');
  const input = fileURLToPath(new URL('clients/page.ts', import.meta.url));
  const build = await rolldown({ input, platform: 'browser' });
  const { output } = await build.generate({ format: 'iife', name: 'conformance', minify: true });
  await build.close();
  return output[0].code;
};

/** A page of this machine: browsers keep pages from elsewhere away from what listens here. */
const servePage = async (): Promise<{ readonly url: string; close(): void }> => {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>conformance</title>');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};

/** A sentence instead when no browser is installed. */
export const browserSubject = async (): Promise<BrowserSubject | string> => {
  const executablePath = findChromium();
  if (executablePath === null) return NO_BROWSER;
  const { chromium } = await import('playwright-core');
  const code = await bundle();
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  const served = await servePage();
  const contexts = new Map<string, Awaited<ReturnType<typeof browser.newContext>>>();
  const contextOf = async (stateFolder: string) => {
    const known = contexts.get(stateFolder);
    if (known !== undefined) return known;
    const context = await browser.newContext();
    contexts.set(stateFolder, context);
    return context;
  };
  return {
    name: `Chromium ${browser.version()}`,
    start: async (url, stateFolder, { report, ended }) => {
      const context = await contextOf(stateFolder);
      const page = await context.newPage();
      page.on('pageerror', error => ended(`the page threw ${error.message}`));
      page.on('crash', () => ended('the page crashed'));
      await page.exposeFunction('say', (text: string) => report(JSON.parse(text) as Report));
      await page.goto(served.url);
      await page.addScriptTag({ content: code });
      await page.evaluate(`begin(${JSON.stringify(url)})`);
      return {
        tell: instruction => {
          const done = page.evaluate(`hear(${JSON.stringify(instruction)})`);
          // the page stays: it would close the connections of a client that does not; a page that is gone hears nothing
          done.then(() => instruction.exit === true && ended('the app has left')).catch(() => {});
        },
        kill: async () => {
          await page.close();
        },
      };
    },
    close: async () => {
      await browser.close();
      served.close();
    },
  };
};
