/** Is the audit trail what was written? Every hash is taken again, onto the one before (migration 25). */
import type { SqlCheck } from './sqlChecks.ts';

export const TRAIL_CHECKS: readonly SqlCheck[] = [
  {
    name: 'trail',
    about: 'the lines of the audit trail are as they were written, and none is missing',
    of: 'ops.audit_head',
    sql: `with lines as (
        select a.number, a.line, a.hash, lag(a.line, 1, 0::bigint) over w as line_before,
          lag(a.hash, 1, decode(repeat('00', 32), 'hex')) over w as hash_before,
          json_build_array(a.number, (extract(epoch from a.at) * 1000000)::bigint, a.operator_id, a.action, a.user_id,
            a.detail)::text as said
        from ops.operator_audit a window w as (order by a.line)
      ), newest as (select coalesce(max(line), 0) as line from lines)
      select line::text as id, 'follows line ' || line_before || ' of the audit trail' as what from lines
      where line <> line_before + 1
      union all
      select line::text, 'of the audit trail is not what was written' from lines
      where line = line_before + 1 and hash <> sha256(hash_before || convert_to(said, 'UTF8'))
      union all
      select h.lines::text, 'was the last of the audit trail, and now ' || n.line || ' is' from ops.audit_head h, newest n
      where h.lines <> n.line
      union all
      select h.lines::text, 'of the audit trail is not the last that was written' from ops.audit_head h join lines l on l.line = h.lines
      where l.hash <> h.hash`,
  },
];
