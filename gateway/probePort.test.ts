import { expect, onTestFinished, test } from 'vitest';
import { startProbes } from './admin.ts';

test('the port of the probes answers probes and metrics, and nothing that changes or tells of a person', async () => {
  const why: string[] = [];
  let asked = 0;
  const probes = await startProbes({
    host: '127.0.0.1',
    port: 0,
    notReady: () => why,
    started: () => true,
    exposeMetrics: async () => ({ text: 'up 1\n', contentType: 'text/plain' }),
    cluster: () => {
      throw new Error('asked for the cluster');
    },
    operators: async () => {
      asked++;
      return { status: 200, body: {} };
    },
  });
  onTestFinished(() => probes.close());
  const ask = async (method: string, path: string) => {
    const answer = await fetch(`http://127.0.0.1:${probes.port}${path}`, { method });
    return `${answer.status} ${(await answer.text()).trim()}`;
  };
  expect(await ask('GET', '/livez')).toBe('200 alive');
  expect(await ask('GET', '/startupz')).toBe('200 started');
  expect(await ask('GET', '/readyz')).toBe('200 ready');
  expect(await ask('GET', '/metrics')).toBe('200 up 1');
  why.push('joining');
  expect(await ask('GET', '/readyz?verbose')).toBe('503 joining');
  const refused = [
    ['GET', '/admin/cluster'],
    ['POST', '/admin/drain'],
    ['POST', '/debug/gc'],
    ['POST', '/livez'],
    ['GET', '/admin/people'],
  ] as const;
  for (const [method, path] of refused) expect(await ask(method, path), path).toMatch(/^404 /);
  expect(asked).toBe(0);
});
