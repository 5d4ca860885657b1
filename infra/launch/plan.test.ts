import { expect, test } from 'vitest';
import { type Config, readConfig } from '../config/index.ts';
import { planNodes } from './plan.ts';

function config(env: Record<string, string> = {}): Config {
  const read = readConfig(env);
  if (!read.ok) throw new Error(read.sentence);
  return read.config;
}

test('a plain start is one node with the settings as they are', () => {
  expect(planNodes(config(), null)).toEqual({ ok: true, nodes: [{ id: '', name: 'The node', env: {} }] });
});

test('node i takes every port 10 i higher and tells its address', () => {
  const plan = planNodes(config(), 3);
  if (!plan.ok) throw new Error(plan.sentence);
  expect(plan.nodes.map(node => node.id)).toEqual(['n1', 'n2', 'n3']);
  expect(plan.nodes.map(node => Object.values(node.env))).toEqual([
    ['n1', '8080', '8081', '9090', 'ws://127.0.0.1:8081/v1/ws'],
    ['n2', '8090', '8091', '9100', 'ws://127.0.0.1:8091/v1/ws'],
    ['n3', '8100', '8101', '9110', 'ws://127.0.0.1:8101/v1/ws'],
  ]);
});

test('any free port stays any free port, and nobody is told of it', () => {
  const plan = planNodes(config({ HEYBLUE_REALTIME_PORT: '0' }), 2);
  expect(plan.ok && plan.nodes[1]!.env).toMatchObject({ HEYBLUE_REALTIME_PORT: '0' });
  expect(plan.ok && 'HEYBLUE_PUBLIC_URL' in plan.nodes[1]!.env).toBe(false);
});

test.each([
  [{ HEYBLUE_REALTIME_PORT: '8100' }, /Two of the 3 nodes would need port 8100/],
  [{ HEYBLUE_ADMIN_PORT: '65520' }, /Node n3 would need port 65540/],
  [{ HEYBLUE_NODE_ID: 'mine' }, /HEYBLUE_NODE_ID names one node/],
  [{ HEYBLUE_PUBLIC_URL: 'ws://town' }, /HEYBLUE_PUBLIC_URL leads to one node/],
])('%j is refused with one sentence', (env, sentence) => {
  expect(planNodes(config(env), 3)).toEqual({ ok: false, sentence: expect.stringMatching(sentence) });
});
