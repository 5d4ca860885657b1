/** What others use of the auditor. */
export { AUDIT_SHARD, AuditJob } from './job.ts';
export { archiveBoundS, archiveOf } from './stores.ts';
