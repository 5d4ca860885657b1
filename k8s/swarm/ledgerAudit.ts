/** What the auditor (`infra/audit`) says, for runs that judge what they have done: one sentence per check. */
import { COMMIT_CODES } from '../../actors/durable.ts';
import { audit, CHECKS } from '../../infra/audit/audit.ts';
import type { AuditedStores } from '../../infra/audit/stores.ts';
import type { Town } from '../../infra/embedded/index.ts';
import { ensureAuditor } from '../../infra/postgres/auditorRole.ts';
import { withClient } from './postgres.ts';

/** Of one moment of PostgreSQL: whether followers have caught up is asked by {@link auditEverything}. */
const NAMES = CHECKS.filter(({ store }) => store === 'postgresql').map(({ name }) => name);
const ONLY = new Set(NAMES.filter(name => name !== 'chain' && name !== 'outbox-late'));

/** What follows PostgreSQL; a check of theirs that had nothing to look at found nothing, and proves nothing. */
const FOLLOWERS: ReadonlySet<string> = new Set(['stream', 'balances', 'archive']);

interface Asked {
  readonly stores: AuditedStores;
  readonly only: ReadonlySet<string> | null;
  readonly cooldownH: number;
}

const findingsOf = async ({ stores, only, cooldownH }: Asked): Promise<string[]> => {
  const { checks, unreachable } = await audit({
    stores,
    only,
    shared: false,
    hours: null,
    cooldownS: cooldownH * 3_600,
    // nothing may be late: whoever asks asks when all is quiet
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
    ...checks
      .filter(({ check, skipped }) => skipped !== null && only === null && FOLLOWERS.has(check))
      .map(({ check, skipped }) => `${check} was not looked at: ${skipped}`),
  ];
};

const REFUSED = `select id::text from ledger.burned where code = ${COMMIT_CODES.indexOf('insufficient_points')}`;

/** The actor of an account lets go only what is there: the check of the store stands behind it, and never finds anything. */
const backstop = async (databaseUrl: string): Promise<string[]> => {
  const { rows } = await withClient(databaseUrl, client => client.query<{ id: string }>(REFUSED));
  return rows.map(({ id }) => `the store refused ${id} for want of points, which its actor had let go`);
};

/** What is wrong; empty when the ledger adds up. @param databaseUrl as the role that owns the tables */
export const auditLedger = async (databaseUrl: string, cooldownH = 24): Promise<string[]> => {
  const url = await ensureAuditor(databaseUrl);
  const stores = { databaseUrl: url, dynamodb: null, kinesis: null, archive: null };
  return [...(await findingsOf({ stores, only: ONLY, cooldownH })), ...(await backstop(databaseUrl))];
};

/**
 * What is wrong anywhere: PostgreSQL, DynamoDB, the stream and the archive, of which none may be behind. While something is on
 * its way it is a difference here: ask again until there is none.
 *
 * @param archiveDir folder of the archive of these nodes
 */
export const auditEverything = async (
  town: Pick<Town, 'databaseUrl' | 'dynamodbEndpoint' | 'kinesisEndpoint' | 'awsEnv'>,
  archiveDir: string,
  cooldownH = 24,
): Promise<string[]> => {
  const { AWS_REGION: region = '', AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = town.awsEnv;
  const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
  const at = (endpoint: string) => ({ endpoint, region, credentials });
  const stores: AuditedStores = {
    databaseUrl: await ensureAuditor(town.databaseUrl),
    dynamodb: at(town.dynamodbEndpoint),
    kinesis: at(town.kinesisEndpoint),
    archive: { kind: 'folder', path: archiveDir },
  };
  return findingsOf({ stores, only: null, cooldownH });
};
