/**
 * What actors note besides points in PostgreSQL: timers, users' events, answers to commands. A group is one call of
 * `ops.commit_notes`, so one transaction, which checks (shard, epoch) itself: what was noted in one turn is there together
 * or not at all.
 *
 * What `commitStore.ts` says of look-ups after a lost connection holds here too: every backend that we lost must have
 * ended (`lostBackends.ts`) before "it is not there" proves "it was not stored".
 */
import type { CommitCode, Committed, DurableOp } from '../../actors/durable.ts';
import { isAnswer } from '../../nodes/events/answerRules.ts';
import { isEvent } from '../../nodes/events/eventRules.ts';
import type { CommitEntry, DueTimer, EntryOutcome, Log, NoteStore } from '../../nodes/ports.ts';
import { isTimer } from '../../nodes/timers/timerRules.ts';
import { answerColumns, answersThere } from './answerRows.ts';
import { EVENT_CODES, eventColumns, eventsThere } from './eventRows.ts';
import { GroupLines } from './groupLines.ts';
import { timerColumns, timersDue, timersThere } from './timerRows.ts';

/** Groups at work at once; another one waits its turn. */
const NOTE_CONNECTIONS = 2;

/** Nine columns of timers, nine of events, seven of answers. */
const COMMIT = `select ops.commit_notes(${Array.from({ length: 25 }, (_, i) => `$${i + 1}`).join(', ')})`;

const said = (id: string, code: CommitCode): Committed => ({ id, code, atMs: 0, postings: [] });

export class PgNoteStore implements NoteStore {
  readonly #lines: GroupLines;

  constructor(options: { readonly url: string; readonly log: Log }) {
    this.#lines = new GroupLines({
      ...options,
      connections: NOTE_CONNECTIONS,
      name: 'notes',
      sideName: 'notes read',
    });
  }

  /** Resolves after the first try to connect. */
  tried(): Promise<void> {
    return this.#lines.tried();
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    const timers = entries.filter(entry => isTimer(entry.op));
    const events = entries.filter(entry => isEvent(entry.op));
    const answers = entries.filter(entry => isAnswer(entry.op));
    let [ofTimers, ofEvents, ofAnswers] = ['', '', ''];
    if (timers.length + events.length + answers.length > 0) {
      const values = [...timerColumns(timers), ...eventColumns(events), ...answerColumns(answers)];
      const rows = await this.#lines.commits.run({ name: 'commit_notes', text: COMMIT, values });
      [ofTimers = '', ofEvents = '', ofAnswers = ''] = (rows[0]![0] as string).split('/');
    }
    let [timer, event, answer] = [0, 0, 0];
    return entries.map(({ op }): EntryOutcome => {
      const letter = isTimer(op)
        ? ofTimers[timer++]
        : isEvent(op)
          ? ofEvents[event++]
          : isAnswer(op)
            ? ofAnswers[answer++]
            : null;
      if (letter === null) return said(op.id, 'invalid');
      const code = EVENT_CODES[letter ?? ''];
      return code === undefined ? { id: op.id, code: 'stale_epoch' } : said(op.id, code);
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    await this.#lines.endLost();
    const { side } = this.#lines;
    const [timerThere, eventThere, answerThere] = await Promise.all([
      timersThere(side, ops),
      eventsThere(side, ops),
      answersThere(side, ops),
    ]);
    return ops.map(op => {
      const there = isTimer(op)
        ? timerThere(op)
        : isEvent(op)
          ? eventThere(op)
          : isAnswer(op)
            ? answerThere(op)
            : false;
      return there ? said(op.id, 'exists') : null;
    });
  }

  due(shards: readonly number[], untilMs: number, limit: number): Promise<DueTimer[]> {
    return timersDue(this.#lines.side, shards, untilMs, limit);
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}
