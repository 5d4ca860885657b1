/** What a node knew last is read again, and nothing else is taken for it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { MemoryRules } from '../../nodes/memory/memoryRules.ts';
import { MemoryTeller } from '../../nodes/memory/memoryTeller.ts';
import { RuleFollower } from '../../nodes/rules/follower.ts';
import { RuleBook } from '../../nodes/rules/ruleBook.ts';
import { seedRules } from '../../nodes/rules/seeds.ts';
import { VirtualTime } from '../../nodes/simulation/virtualTime.ts';
import { silent } from '../postgres/testTown.ts';
import { LastKnownFile } from './lastKnownFile.ts';
import { ZenRules } from './zenEngine.ts';

const SEEDS = seedRules(DEFAULT_RULES);
const metrics = { count() {}, observe() {}, gauge() {} };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heyblue-rules-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Rules that a node starts with, before it has reached any store. */
const startedWith = (): readonly string[] => {
  const time = new VirtualTime();
  const book = new RuleBook({
    engine: new ZenRules(),
    clock: time,
    log: silent,
    metrics,
    stateOf: async () => null,
  });
  const lastKnown = new LastKnownFile(folder, 'n1', silent);
  const world = { scheduler: time, log: silent, metrics, bus: null, subject: 'rules' };
  new RuleFollower({
    ...world,
    store: new MemoryRules(),
    teller: new MemoryTeller(),
    book,
    seeds: SEEDS,
    lastKnown,
  });
  return book.active.map(({ id, version }) => `${id}@${version}`);
};

test('rules are kept under the name of their node', () => {
  expect(new LastKnownFile(folder, 'n1', silent).read()).toBeNull();
  new LastKnownFile(folder, 'n1', silent).write(SEEDS.slice(0, 2));
  expect(startedWith()).toEqual(['encounter.points@1', 'redemption.price@1']);
  expect(new LastKnownFile(folder, 'n2', silent).read()).toBeNull();
});

test.each([
  ['cut off', (text: string) => text.slice(0, 500)],
  ['changed by somebody', (text: string) => text.replace('"20"', '"2000"')],
  ['something else', () => '{"rules":5}'],
])('a file that is %s is rules of nobody: the built-in ones count', (_what, damage) => {
  const text = JSON.stringify(SEEDS.slice(0, 2));
  expect(damage(text)).not.toBe(text);
  writeFileSync(join(folder, 'rules-n1.json'), damage(text));
  expect(startedWith()).toHaveLength(SEEDS.length);
});
