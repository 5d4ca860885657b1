/**
 * The durable store of gated operations in PostgreSQL: a group is one call of `ledger.commit_group` on a connection that
 * does nothing else, committed by itself. Timers that come with points are set in the same statement.
 *
 * A look-up after a lost connection must answer for good, so it first ends the backends that were lost
 * (`lostBackends.ts`).
 */
import { COMMIT_CODES, type Committed, type DurableOp } from '../../actors/durable.ts';
import type { CommitEntry, CommitStore, EntryOutcome, Log } from '../../nodes/ports.ts';
import {
  BEFORE_CODES,
  COMMIT_PARAMETERS,
  type CommitRow,
  decodeEffect,
  decodeOutcomes,
  type Effects,
  type EncodedGroup,
  encodeGroup,
  type ZipOf,
} from './commitCodec.ts';
import {
  COMMIT_CONNECTIONS,
  COMMIT_LOCK_MS_MAX,
  COMMIT_SILENCE_MS_MAX,
  COMMIT_STATEMENT_MS_MAX,
  MINT_STRIPES,
} from './limits.ts';
import type { Backend } from './line.ts';
import { Lines, type LinesOptions } from './lines.ts';
import { LostBackends } from './lostBackends.ts';
import { TIMER_COLUMNS, timerColumns } from './timerRows.ts';

const PARAMETERS = Array.from({ length: COMMIT_PARAMETERS }, (_, i) => `$${i + 1}`);
/** Which codes are known here: a later version of the function may have more. */
const COMMIT_GROUP = `ledger.commit_group(${PARAMETERS.toSpliced(BEFORE_CODES, 0, `${COMMIT_CODES.length}`).join(', ')})`;
const COMMIT = { name: 'commit_group', text: `select * from ${COMMIT_GROUP}` };
const TIMERS = Array.from({ length: TIMER_COLUMNS }, (_, i) => `$${COMMIT_PARAMETERS + i + 1}`).join(', ');
/** For groups in which any entry brings a timer along: the select list is evaluated behind the group that it is of. */
const COMMIT_TIMED = {
  name: 'commit_group_timed',
  text: `select c.*, ops.commit_timers(${TIMERS}) from ${COMMIT_GROUP} c`,
};

/** What comes along with the entries of a group, as entries of their own. */
const timersWith = (entries: readonly CommitEntry[], { positions }: EncodedGroup): CommitEntry[] =>
  entries.flatMap((entry, i) =>
    entry.op.type === 'pending' && entry.op.timer && positions[i]! >= 0
      ? { ...entry, op: entry.op.timer }
      : [],
  );

export interface PgCommitStoreOptions {
  readonly url: string;
  readonly log: Log;
  /** Groups that may be under way at once. */
  readonly connections?: number;
  /** First row of the mint that this node uses; its connections take the following ones. */
  readonly mintStripe?: number;
  /** Gives the zip code of an encounter from its coarse cell. Default: none is known. */
  readonly zipOf?: ZipOf;
  /** Default: the figures of limits.ts. */
  readonly lockMsMax?: number;
  readonly silenceMsMax?: number;
  readonly metrics?: LinesOptions['metrics'];
}

export class PgCommitStore implements CommitStore {
  readonly #lines: Lines;
  readonly #side: Lines;
  readonly #stripe: number;
  readonly #zipOf: ZipOf | undefined;
  readonly #lost = new LostBackends();

  constructor(options: PgCommitStoreOptions) {
    const { url, log, connections = COMMIT_CONNECTIONS } = options;
    this.#stripe = options.mintStripe ?? 0;
    this.#zipOf = options.zipOf;
    const line = {
      url,
      log,
      settings: {
        statement_timeout: `${COMMIT_STATEMENT_MS_MAX}`,
        lock_timeout: `${options.lockMsMax ?? COMMIT_LOCK_MS_MAX}`,
      },
      silenceMsMax: options.silenceMsMax ?? COMMIT_SILENCE_MS_MAX,
      metrics: options.metrics,
    };
    const onLost = (backend: Backend) => this.#lost.add(backend);
    this.#lines = new Lines(connections, { ...line, name: 'commit', onLost });
    this.#side = new Lines(1, { ...line, name: 'lookup' });
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await Promise.all([this.#lines.tried(), this.#side.tried()]);
  }

  get up(): boolean {
    return this.#lines.up;
  }

  commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    return this.#lines.with(async (line, index) => {
      const group = encodeGroup(entries, (this.#stripe + index) % MINT_STRIPES, this.#zipOf);
      if (group.values === null) return decodeOutcomes(entries, group, null);
      const timers = timersWith(entries, group);
      const call =
        timers.length > 0
          ? { ...COMMIT_TIMED, values: [...group.values, ...timerColumns(timers)] }
          : { ...COMMIT, values: group.values };
      const rows = await line.run(call);
      return decodeOutcomes(entries, group, rows[0] as unknown as CommitRow);
    });
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    await this.#lost.end(this.#side);
    const rows = await this.#side.run({
      name: 'effects_of',
      text: 'select ledger.effects_of($1)',
      values: [ops.map(op => op.id)],
    });
    const effects = rows[0]![0] as Effects;
    return ops.map(op => decodeEffect(op, effects));
  }

  async close(): Promise<void> {
    await Promise.all([this.#lines.close(), this.#side.close()]);
  }
}
