/**
 * A log of our own of every epoch that PostgreSQL minted, kept by a trigger: it fires while the row of the fence is locked, so
 * its time lies after every commit of the owner before, and before every commit of the new one. With it the ledger's rows
 * can be judged whatever the nodes say.
 */
import { withClient } from '../../swarm/postgres.ts';

const LAY = [
  'create schema if not exists chaos',
  `create table if not exists chaos.mint (
     shard smallint not null, epoch bigint not null, at timestamptz not null default clock_timestamp())`,
  `create or replace function chaos.minted() returns trigger
   language plpgsql security definer set search_path = pg_catalog as $body$
   begin
     insert into chaos.mint (shard, epoch, at) values (new.shard, new.epoch, clock_timestamp());
     return null;
   end $body$`,
  `create or replace trigger chaos_minted after update of epoch on ops.shard_fence
     for each row execute function chaos.minted()`,
];

/** @param databaseUrl as the role that owns the tables */
export const layMintLog = (databaseUrl: string): Promise<void> =>
  withClient(databaseUrl, async client => {
    for (const sql of LAY) await client.query(sql);
  });
