/** The stores in PostgreSQL keep the contracts. */
import { inject } from 'vitest';
import { commitStoreContract } from '../../nodes/contracts/commitStore.contract.ts';
import { epochStoreContract } from '../../nodes/contracts/epochStore.contract.ts';
import { eventStoreContract } from '../../nodes/contracts/eventStore.contract.ts';
import { givingContract } from '../../nodes/contracts/giving.contract.ts';
import { marketContract } from '../../nodes/contracts/market.contract.ts';
import { noteStoreContract } from '../../nodes/contracts/noteStore.contract.ts';
import { peopleContract } from '../../nodes/contracts/people.contract.ts';
import { timerStoreContract } from '../../nodes/contracts/timerStore.contract.ts';
import { postgresTown } from './testTown.ts';

const open = () => postgresTown(inject('databaseUrl'));

commitStoreContract('postgresql', open);
epochStoreContract('postgresql', open);
eventStoreContract('postgresql', open);
marketContract('postgresql', open);
peopleContract('postgresql', open);
noteStoreContract('postgresql', open);
givingContract('postgresql', open);
timerStoreContract('postgresql', open);
