/** The twins in memory keep the contracts of the real stores. */
import { randomUUID } from 'node:crypto';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { auditLogContract } from '../contracts/auditLog.contract.ts';
import { commitStoreContract } from '../contracts/commitStore.contract.ts';
import { deviceBookContract } from '../contracts/deviceBook.contract.ts';
import { epochStoreContract } from '../contracts/epochStore.contract.ts';
import { eventStoreContract } from '../contracts/eventStore.contract.ts';
import { givingContract } from '../contracts/giving.contract.ts';
import { marketContract } from '../contracts/market.contract.ts';
import { noteStoreContract } from '../contracts/noteStore.contract.ts';
import { peopleContract } from '../contracts/people.contract.ts';
import { ruleStoreContract } from '../contracts/ruleStore.contract.ts';
import { rulesContract } from '../contracts/rules.contract.ts';
import { timerStoreContract } from '../contracts/timerStore.contract.ts';
import { builtInRules } from '../rules/builtIn.ts';
import { MemoryAudit } from './memoryAudit.ts';
import { MemoryDevices } from './memoryDevices.ts';
import { MemoryRules } from './memoryRules.ts';
import { memoryTown } from './memoryTown.ts';

const open = async () => memoryTown().town;

commitStoreContract('memory', open);
epochStoreContract('memory', open);
eventStoreContract('memory', open);
marketContract('memory', open);
peopleContract('memory', open);
noteStoreContract('memory', open);
givingContract('memory', open);
timerStoreContract('memory', open);
ruleStoreContract('memory', async () => {
  const rules = new MemoryRules();
  return { one: rules, two: rules, uuid: randomUUID, close: async () => {} };
});
rulesContract('plain TypeScript', () => builtInRules(DEFAULT_RULES));
auditLogContract('memory', async () => {
  const log = new MemoryAudit(Date.now);
  return { one: log, two: log, uuid: randomUUID, wallMs: Date.now, close: async () => {} };
});
deviceBookContract('memory', async () => {
  let wallMs = Date.UTC(2026, 10, 21);
  const book = new MemoryDevices(() => wallMs);
  return {
    one: book,
    two: book,
    person: async () => randomUUID(),
    advance: ms => {
      wallMs += ms;
    },
    nowMs: () => wallMs,
    close: async () => {},
  };
});
