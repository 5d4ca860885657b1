/** Rules in the real table keep the contract of every store; the table is made by whoever comes first. */
import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { ruleStoreContract } from '../../nodes/contracts/ruleStore.contract.ts';
import { awsAt } from '../outbox/testOutbox.ts';
import { DynamoRules } from './dynamoRules.ts';

ruleStoreContract('dynamodb', async () => {
  const table = `rules-${randomUUID()}`;
  const [one, two] = [1, 2].map(() => new DynamoRules(awsAt(inject('dynamodbEndpoint')), table)) as [
    DynamoRules,
    DynamoRules,
  ];
  return {
    one,
    two,
    uuid: randomUUID,
    close: async () => {
      one.close();
      two.close();
    },
  };
});
