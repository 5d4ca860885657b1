import { expect, test } from 'vitest';
import { readArguments } from './arguments.ts';

test('nothing starts one node, --nodes so many, --help asks', () => {
  expect(readArguments([])).toEqual({ kind: 'start', nodes: null });
  expect(readArguments(['--nodes', '3'])).toEqual({ kind: 'start', nodes: 3 });
  expect(readArguments(['--nodes=1'])).toEqual({ kind: 'start', nodes: 1 });
  expect(readArguments(['--help'])).toEqual({ kind: 'help' });
  expect(readArguments(['-h', '--nodes', '3'])).toEqual({ kind: 'help' });
});

test.each([
  [['--nodes'], /--nodes takes a whole number from 1 to 8, not ""/],
  [['--nodes', '0'], /not "0"/],
  [['--nodes', '9'], /not "9"/],
  [['--nodes', '3.5'], /not "3.5"/],
  [['--nodes', 'three'], /not "three"/],
  [['--port', '1'], /does not know "--port": .* --help lists them\.$/],
  [['--nodes', '3', 'quickly'], /does not know "quickly"/],
  [['--'], /does not know "--"/],
])('%j is refused with one sentence', (given, sentence) => {
  expect(readArguments(given)).toEqual({ kind: 'wrong', sentence: expect.stringMatching(sentence) });
});
