/**
 * Version 25: the audit trail is a chain. Each line carries the hash of everything in it onto the hash of the line before
 * (`ops.audit_head` has the newest), so a line that is changed, taken away or put between is found by whoever takes the
 * hashes again (`npm run audit`, check `trail`), and the owner of the tables cannot mend it without rewriting all that came
 * after: a copy of one hash elsewhere proves that.
 *
 * The trigger makes it, so there is no way to a line without; lines wait for each other for as long as one is written.
 */
import { Migration } from '@mikro-orm/migrations';

const LINE = (row: string): string =>
  `json_build_array(${row}.number, (extract(epoch from ${row}.at) * 1000000)::bigint, ${row}.operator_id, ${row}.action,
    ${row}.user_id, ${row}.detail)::text`;
const hashed = (before: string, row: string): string =>
  `sha256(${before} || convert_to(${LINE(row)}, 'UTF8'))`;

const HEAD = `create table ops.audit_head (
  only_one boolean primary key default true check (only_one),
  lines bigint not null,
  hash bytea not null check (octet_length(hash) = 32)
)`;

/** What was written before there was a chain is its beginning. */
const CHAIN_OLD = `do $body$
declare
  v_row ops.operator_audit%rowtype;
  v_hash bytea := decode(repeat('00', 32), 'hex');
  v_lines bigint := 0;
begin
  for v_row in select * from ops.operator_audit order by number loop
    v_lines := v_lines + 1;
    v_hash := ${hashed('v_hash', 'v_row')};
    update ops.operator_audit set line = v_lines, hash = v_hash where number = v_row.number;
  end loop;
  insert into ops.audit_head (lines, hash) values (v_lines, v_hash);
end
$body$`;

const TRIGGER = `create function ops.chain_audit() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog
as $body$
declare
  v_lines bigint;
  v_hash bytea;
begin
  select h.lines, h.hash into strict v_lines, v_hash from ops.audit_head h for update;
  new.line := v_lines + 1;
  new.hash := ${hashed('v_hash', 'new')};
  update ops.audit_head set lines = new.line, hash = new.hash;
  return new;
end
$body$`;

export class AuditChain extends Migration {
  override up(): void {
    this.addSql(HEAD);
    this.addSql('alter table ops.operator_audit add column line bigint unique, add column hash bytea');
    this.addSql(CHAIN_OLD);
    this.addSql(
      'alter table ops.operator_audit alter column line set not null, alter column hash set not null',
    );
    this.addSql(TRIGGER);
    this.addSql('revoke execute on function ops.chain_audit from public');
    this.addSql(
      'create trigger chained before insert on ops.operator_audit for each row execute function ops.chain_audit()',
    );
  }

  override down(): void {
    this.addSql('drop trigger chained on ops.operator_audit');
    this.addSql('drop function ops.chain_audit');
    this.addSql('alter table ops.operator_audit drop column line, drop column hash');
    this.addSql('drop table ops.audit_head');
  }
}
