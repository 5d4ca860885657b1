/**
 * The catalogue of charities and families in SQL (migration 19). A change writes in one statement the entry, the event of
 * it, and the word to the table in DynamoDB that the entry is another now.
 */
import type { CatalogEntry } from '../../nodes/givingPort.ts';
import { OUTBOX_TARGET } from './outboxTargets.ts';

const ENTRY_COLUMNS = `id, kind, name, registration, account, zip, status, version,
  floor(extract(epoch from changed_at) * 1000)`;

/** What everybody who listens may know: not the number at an authority. */
const TOLD = `
told as (
  insert into ops.outbox (target, keys, payload, created_at)
    select ${OUTBOX_TARGET.userEvents}, array[coalesce(account, id)], jsonb_build_object(
      'type', 'catalog.' || kind || '_upserted', 'version', 1, 'data', jsonb_build_object(
        'entryId', id, 'kind', kind, 'name', name, 'account', account, 'zip', zip, 'status', status, 'version', version)),
      changed_at from changed
  union all
    select ${OUTBOX_TARGET.catalogs}, array[id], null, changed_at from changed)`;

/** $1 id, $2 kind, $3 name, $4 registration, $5 account, $6 zip */
export const PUT_ENTRY = `
with changed as (
  insert into giving.catalog as c (id, kind, name, registration, account, zip)
    values ($1::uuid, $2, $3, $4, $5::uuid, $6)
  on conflict (id) do update set name = excluded.name, registration = excluded.registration,
    account = excluded.account, zip = excluded.zip, version = c.version + 1, changed_at = clock_timestamp(),
    status = case when c.status = 'verified'
        and (c.account, c.registration) is distinct from (excluded.account, excluded.registration)
      then 'listed' else c.status end
    where c.kind = excluded.kind
  returning *),
${TOLD}
select ${ENTRY_COLUMNS} from changed`;

/** $1 id, $2 kind, $3 the status */
export const JUDGE_ENTRY = `
with changed as (
  update giving.catalog set status = $3, version = version + 1, changed_at = clock_timestamp()
  where id = $1::uuid and kind = $2 and status <> $3 and ($3 <> 'verified' or account is not null)
  returning *),
${TOLD}
select ${ENTRY_COLUMNS} from changed`;

export const ENTRY = `select ${ENTRY_COLUMNS} from giving.catalog where kind = $1 and id = $2::uuid`;
export const entriesOf = (verifiedOnly: boolean): string => `
  select ${ENTRY_COLUMNS} from giving.catalog
  where kind = $1 and ($2::uuid is null or id > $2::uuid) ${verifiedOnly ? "and status = 'verified'" : ''}
  order by id limit $3::int`;

export const KIND_OF = 'select kind from user_schema.users where id = $1::uuid';

type EntryRow = [
  string,
  CatalogEntry['kind'],
  string,
  string | null,
  string | null,
  string | null,
  CatalogEntry['status'],
  string,
  string,
];

export const entryOf = (row: readonly unknown[]): CatalogEntry => {
  const [id, kind, name, registration, account, zip, status, version, changedAtMs] = row as EntryRow;
  return {
    id,
    kind,
    name,
    registration,
    account,
    zip,
    status,
    version: Number(version),
    changedAtMs: Number(changedAtMs),
  };
};
