/**
 * `npm run migrate`: brings a database up to date as its owner, and gives the roles of the nodes their rights. For nodes that
 * are not given the owner's URL; in Kubernetes it runs before each node starts (`k8s/components/cloud`).
 */
import { parseArgs } from 'node:util';
import { readConfig } from '../config/index.ts';
import { createLogs } from '../telemetry/index.ts';
import { ensureAuditor } from './auditorRole.ts';
import { migrateWhenUp, StoreUnavailable } from './index.ts';
import { MIGRATE_OPEN_MS_MAX } from './limits.ts';

const HELP = `npm run migrate

Brings the schema of PostgreSQL to this release, and gives the roles of the nodes their rights. Does nothing a second time.

  DATABASE_URL         as the role that owns the tables
  DATABASE_APP_URL     as the role that serves; it must be able to log in. Empty: the owner makes one
  DATABASE_AUDIT_URL   as the role that audits, in the same way
  HEYBLUE_SECRETS_DIR  or each as a file of this folder`;

const migrateNow = async (): Promise<void> => {
  const read = readConfig(process.env);
  if (!read.ok) throw new StoreUnavailable(read.sentence);
  const { databaseUrl, databaseAppUrl, databaseAuditUrl, logLevel, logFormat } = read.config;
  if (databaseUrl === '') throw new StoreUnavailable('DATABASE_URL is missing: only the owner can migrate.');
  const log = createLogs({ levels: logLevel, format: logFormat, base: {} }).of('infra');
  await migrateWhenUp({ databaseUrl, appUrl: databaseAppUrl || null, log, openMsMax: MIGRATE_OPEN_MS_MAX });
  await ensureAuditor(databaseUrl, databaseAuditUrl);
  console.log('The database is up to date.');
};

try {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help) console.log(HELP);
  else await migrateNow();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
