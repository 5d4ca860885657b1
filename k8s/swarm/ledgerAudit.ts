/** What the auditor (`infra/audit`) says of PostgreSQL, for runs that judge what they have done: one sentence per check. */
import { audit, CHECKS } from '../../infra/audit/audit.ts';
import { ensureAuditor } from '../../infra/postgres/auditorRole.ts';

/** Of one moment: whether followers have caught up is asked elsewhere (`agreement.ts`). */
const NAMES = CHECKS.filter(({ store }) => store === 'postgresql').map(({ name }) => name);
const ONLY = new Set(NAMES.filter(name => name !== 'chain' && name !== 'outbox-late'));

/** What is wrong; empty when the ledger adds up. @param databaseUrl as the role that owns the tables */
export const auditLedger = async (databaseUrl: string, cooldownH = 24): Promise<string[]> => {
  const stores = {
    databaseUrl: await ensureAuditor(databaseUrl),
    dynamodb: null,
    kinesis: null,
    archive: null,
  };
  const { checks, unreachable } = await audit({
    stores,
    only: ONLY,
    shared: false,
    hours: null,
    cooldownS: cooldownH * 3_600,
    boundS: 0,
    archiveBoundS: 0,
    say: () => {},
  });
  return [
    ...unreachable.map(({ store, why }) => `${store} could not be read: ${why}`),
    ...checks
      .filter(({ differences }) => differences > 0)
      .map(
        ({ check, differences, found }) =>
          `${check}: ${differences}, first ${found[0]!.id} ${found[0]!.what}`,
      ),
  ];
};
