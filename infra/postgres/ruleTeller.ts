/**
 * Which version of a rule counts, told to the stream of users' events. The pointers stand in another store, so what was told
 * of each stands here (migration 30): one statement compares, notes and tells. Whoever tells an older pointer, or the same
 * once more, tells nothing.
 */
import type { MikroORM } from '@mikro-orm/postgresql';
import type { RulePointer, RuleTeller } from '../../nodes/rulesPort.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { OUTBOX_TARGET } from './outboxTargets.ts';

const TELL = `
with given as (
  select * from jsonb_to_recordset(?::jsonb) as g (id text, kind text, active int, revision bigint, subject uuid)),
moved as (
  insert into ops.told_rule as t (rule_id, revision, active) select id, revision, active from given order by id
  on conflict (rule_id) do update set revision = excluded.revision, active = excluded.active
    where t.revision < excluded.revision
  returning new.rule_id, coalesce(old.active, 0) as before, new.active as now)
insert into ops.outbox (target, keys, payload)
select ${OUTBOX_TARGET.userEvents}, array[g.subject], case when m.now > 0
  then jsonb_build_object('type', 'rule.published', 'data', jsonb_build_object(
    'ruleId', g.id, 'kind', g.kind, 'version', m.now, 'before', nullif(m.before, 0)))
  else jsonb_build_object('type', 'rule.retired', 'data', jsonb_build_object(
    'ruleId', g.id, 'kind', g.kind, 'version', m.before)) end
from moved m join given g on g.id = m.rule_id
where m.before <> m.now`;

/** The events of a rule stand in one order, under this id, which is nobody's account. */
export const subjectOfRule = (ruleId: string): string => derivedId('rule', ruleId);

export class PgRuleTeller implements RuleTeller {
  readonly #orm: MikroORM;
  readonly #onEvent: () => void;

  /** @param onEvent told when an event may wait in the outbox */
  constructor(orm: MikroORM, onEvent: () => void) {
    this.#orm = orm;
    this.#onEvent = onEvent;
  }

  async tell(pointers: readonly RulePointer[]): Promise<void> {
    const given = pointers.map(({ id, kind, active, revision }) => {
      return { id, kind, active, revision, subject: subjectOfRule(id) };
    });
    await this.#orm.em.getConnection().execute(TELL, [JSON.stringify(given)], 'all');
    this.#onEvent();
  }
}
