/** What happens to people and to the catalogues, as the stream `user-events` tells it. */
import { CHANGES_SINCE, type Fact } from './facts.ts';

/** What is told of a change, of whatever type. */
const CHANGED = ['userId', 'kind', 'active', 'entryMax', 'dayMax', 'because', 'moved', 'deviceNumber'];

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
    types: ['user.verified', 'user.updated', 'user.deactivated', 'device.registered'],
    of: 'ops.told_change',
    keyOf: ({ id }) => `changed ${id}`,
    saidOf: (data, type) => [type, ...CHANGED.map(name => data[name] ?? null)],
    rows: `select c.id, 'changed ' || c.id, c.at, json_build_array(c.type, ${CHANGED.map(name => `c.data -> '${name}'`)})
      from ops.told_change c where c.at >= $1`,
    // before these lines were kept there is none, and while nodes of the version before still serve some are missing
    there: `select from ops.told_change c where c.id = t.id
      union all select from ops.migration m where m.name = '${CHANGES_SINCE}' and t.at < m.executed_at + interval '1 day'`,
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
