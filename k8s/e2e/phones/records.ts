/** What PostgreSQL, the pages of metrics and the logs of the nodes say when a script is over. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withClient } from '../../swarm/postgres.ts';

/** A key whose effect is durable. */
export interface StoredKey {
  readonly userId: string;
  readonly key: string;
  readonly op: string;
  /** Unix milliseconds of the commit. */
  readonly atMs: number;
}

const KEYS = `
  select user_id::text as "userId", key, transfer_id::text as op,
    (extract(epoch from created_at) * 1000)::float8 as "atMs"
  from ops.idempotency where user_id = any($1::uuid[])
  union all
  select user_id::text, key, op_id::text, (extract(epoch from at) * 1000)::float8
  from ops.answer where user_id = any($1::uuid[])`;

export const storedKeys = (databaseUrl: string, people: readonly string[]): Promise<StoredKey[]> =>
  withClient(databaseUrl, async client => (await client.query<StoredKey>(KEYS, [people])).rows);

/** What no node may ever say: somebody's code threw. */
const BUGS = /threw|could not be created|a session broke/;

/** Lines of the logs that tell of a bug, from these places on; the places are moved to the ends. */
export const bugsIn = (dataDir: string, places: Map<string, number>): string[] => {
  const found: string[] = [];
  for (const name of readdirSync(dataDir).filter(one => one.endsWith('.log'))) {
    const text = readFileSync(join(dataDir, name), 'utf8');
    const lines = text.slice(places.get(name) ?? 0).split('\n');
    places.set(name, text.length);
    found.push(...lines.filter(line => BUGS.test(line)).map(line => `${name}: ${line}`));
  }
  return found;
};
