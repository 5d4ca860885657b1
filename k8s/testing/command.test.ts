import { expect, test } from 'vitest';
import { runCommand } from './command.ts';

const FIXTURE = 'k8s/testing/priority.fixture.ts';

test('a command yields to others only when it is told to, and its last line is read', async () => {
  const usual = await runCommand(FIXTURE, [], { env: { TOLD: 'yes' } });
  expect(usual).toMatchObject({ status: 0, stderr: 'a word on the side\n', json: { told: 'yes' } });
  const yielding = await runCommand(FIXTURE, [], { yields: true });
  expect(yielding.json.priority).toBeGreaterThan(usual.json.priority);
});

test('one that fails says why, and no verdict is made up', async () => {
  const { status, told, json } = await runCommand('k8s/chaos.ts', ['--minutes', 'many']);
  expect([status, json]).toEqual([2, null]);
  expect(told).toContain('--minutes takes a number');
});
