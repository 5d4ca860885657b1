/** The rules of a node for tests: over an engine and a store of the test's own. */
import { MemoryTeller } from '../../nodes/memory/memoryTeller.ts';
import type { FirstNumbers } from '../../nodes/rules/builtIn.ts';
import type { RuleEngine } from '../../nodes/rules/engine.ts';
import { type NodeRules, nodeRules } from '../../nodes/rules/nodeRules.ts';
import type { RuleStore } from '../../nodes/rules/store.ts';
import { VirtualTime } from '../../nodes/simulation/virtualTime.ts';
import { counting, silent } from './town.ts';

export const testRules = (numbers: FirstNumbers, engine: RuleEngine, store: RuleStore): NodeRules => {
  const time = new VirtualTime();
  return nodeRules({
    numbers,
    engine,
    store,
    teller: new MemoryTeller(),
    lastKnown: { read: () => null, write: () => {} },
    bus: null,
    cluster: 'test',
    clock: time,
    wallMs: () => 5,
    zipOf: () => null,
    homeZipOf: async () => null,
    scheduler: time,
    log: silent,
    metrics: counting(),
  });
};
