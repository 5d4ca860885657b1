/**
 * What happens to people and to the catalogues, as the stream `user-events` tells it. Of devices the tables keep only the
 * newest state: what is told of them cannot be compared.
 */
import type { Fact } from './facts.ts';

export const PERSON_FACTS: readonly Fact[] = [
  {
    types: ['user.registered'],
    of: 'user_schema.users',
    keyOf: ({ data }) => `registered ${data?.userId}`,
    saidOf: data => [data.kind, data.zip ?? null],
    rows: `select u.id, 'registered ' || u.id as key, u.created_at as at, json_build_array(u.kind, u.zip) as said
      from user_schema.users u where u.created_at >= $1`,
    // of whoever was erased the account remains
    there: 'select from ledger.account a where a.account_id = t.id',
  },
  {
    types: ['catalog.charity_upserted', 'catalog.family_upserted'],
    of: 'giving.catalog',
    keyOf: ({ data }) => `entry ${data?.entryId} ${data?.version}`,
    saidOf: (data, type) => [
      ...[type, data.kind, data.name, data.account ?? null, data.zip ?? null, data.status],
    ],
    // of the versions before only the number is known
    rows: `select c.id, 'entry ' || c.id || ' ' || c.version, c.changed_at,
        json_build_array('catalog.' || c.kind || '_upserted', c.kind, c.name, c.account, c.zip, c.status)
      from giving.catalog c where c.changed_at >= $1`,
    there: `select from giving.catalog c where c.id = t.id and c.version >= (t.data ->> 'version')::bigint`,
  },
  {
    types: ['token.revoked'],
    of: 'identity_schema.revocation',
    keyOf: ({ id }) => `revoked ${id}`,
    saidOf: data => [data.userId, data.all],
    rows: `select r.id, 'revoked ' || r.id, r.added_at, json_build_array(r.user_id, r.token_id is null)
      from identity_schema.revocation r where r.user_id is not null and r.added_at >= $1`,
    there: null,
  },
];
