/**
 * Version 29: answers to commands are kept for their day, not the newest 64 of a user, because a repeat may come behind many
 * others. `ops.commit_answers` counted them with each one that it stored; counting thousands is not for every command: what is
 * too much is removed with one answer in 64, along an index. Ages are looked after by the auditor's job, and by whoever reads.
 */
import { Migration } from '@mikro-orm/migrations';
import { COMMIT_ANSWERS } from './notes.ts';

/** `ANSWER_LIMITS` of nodes/limits.ts as they were when this was released. */
const KEEP = { answers: 6_144, hours: 24 };

const COUNTED = /\n {4}delete from ops\.answer a .*?;/s;
const NOW_AND_THEN = `
    -- the last bits of an id are random
    if get_byte(uuid_send(p_id[i]), 15) & 63 = 0 then
      delete from ops.answer a where a.user_id = p_user[i] and a.at <= greatest(
        clock_timestamp() - interval '${KEEP.hours} hours',
        (select o.at from ops.answer o where o.user_id = p_user[i] order by o.at desc offset ${KEEP.answers} limit 1));
    end if;`;

const again = (sql: string): string => sql.replace('create function', 'create or replace function');

export class AnswersOfADay extends Migration {
  override up(): void {
    this.addSql('create index answer_of_user on ops.answer (user_id, at)');
    this.addSql(again(COMMIT_ANSWERS).replace(COUNTED, NOW_AND_THEN));
  }

  override down(): void {
    this.addSql(again(COMMIT_ANSWERS));
    this.addSql('drop index ops.answer_of_user');
  }
}
