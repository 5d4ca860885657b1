/**
 * What actors note besides points in PostgreSQL: timers, users' events, answers to commands, offers and their stock. A group is one call of
 * `ops.commit_notes`, so one transaction, which checks (shard, epoch) itself: what was noted in one turn is there together
 * or not at all.
 *
 * What `commitStore.ts` says of look-ups after a lost connection holds here too: every backend that we lost must have
 * ended (`lostBackends.ts`) before "it is not there" proves "it was not stored".
 */
import type { CommitCode, Committed, DurableOp } from '../../actors/durable.ts';
import { isAnswer } from '../../nodes/events/answerRules.ts';
import { isEvent } from '../../nodes/events/eventRules.ts';
import { isMarketNote } from '../../nodes/market/stockRules.ts';
import type { CommitEntry, DueTimer, EntryOutcome, Log, NoteStore } from '../../nodes/ports.ts';
import { isTimer } from '../../nodes/timers/timerRules.ts';
import { answerColumns, answersThere } from './answerRows.ts';
import { eventColumns, eventsThere } from './eventRows.ts';
import { GroupLines } from './groupLines.ts';
import { MARKET_CODES, marketColumns, marketThere } from './marketRows.ts';
import { timerColumns, timersDue, timersThere } from './timerRows.ts';

/** Groups at work at once; another one waits its turn. */
const NOTE_CONNECTIONS = 2;

const commitOf = (columns: number): string =>
  `select ops.commit_notes(${Array.from({ length: columns }, (_, i) => `$${i + 1}`).join(', ')})`;
/** Nine columns of timers, nine of events, seven of answers. */
const COMMIT = { name: 'commit_notes', text: commitOf(25) };
/** And eight of the market, for groups that have any. */
const COMMIT_MARKET = { name: 'commit_market_notes', text: commitOf(33) };

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
    const market = entries.filter(entry => isMarketNote(entry.op));
    let [ofTimers, ofEvents, ofAnswers, ofMarket] = ['', '', '', ''];
    if (timers.length + events.length + answers.length + market.length > 0) {
      const others = [...timerColumns(timers), ...eventColumns(events), ...answerColumns(answers)];
      const call =
        market.length > 0
          ? { ...COMMIT_MARKET, values: [...others, ...marketColumns(market)] }
          : { ...COMMIT, values: others };
      const rows = await this.#lines.commits.run(call);
      [ofTimers = '', ofEvents = '', ofAnswers = '', ofMarket = ''] = (rows[0]![0] as string).split('/');
    }
    let [timer, event, answer, note] = [0, 0, 0, 0];
    return entries.map(({ op }): EntryOutcome => {
      const letter = isTimer(op)
        ? ofTimers[timer++]
        : isEvent(op)
          ? ofEvents[event++]
          : isAnswer(op)
            ? ofAnswers[answer++]
            : isMarketNote(op)
              ? ofMarket[note++]
              : null;
      if (letter === null) return said(op.id, 'invalid');
      const code = MARKET_CODES[letter ?? ''];
      return code === undefined ? { id: op.id, code: 'stale_epoch' } : said(op.id, code);
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    await this.#lines.endLost();
    const { side } = this.#lines;
    const [timerThere, eventThere, answerThere, noteThere] = await Promise.all([
      timersThere(side, ops),
      eventsThere(side, ops),
      answersThere(side, ops),
      marketThere(side, ops),
    ]);
    return ops.map(op => {
      const there = isTimer(op)
        ? timerThere(op)
        : isEvent(op)
          ? eventThere(op)
          : isAnswer(op)
            ? answerThere(op)
            : isMarketNote(op) && noteThere(op);
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
