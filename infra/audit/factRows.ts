/**
 * The facts of the rows in the order of their times, read once from the oldest to the newest, however many spans are asked for.
 *
 * What happened before this database got its tables was told by another one, or by nobody: a restored town tells its movements
 * again and nothing else (`backup/toldAgain.ts`).
 */
import type { Fact } from './facts.ts';
import type { Snapshot } from './snapshot.ts';

export interface FactRow {
  readonly id: string;
  readonly key: string;
  readonly said: readonly unknown[];
  /** Unix milliseconds. */
  readonly at_ms: number;
  readonly at: string;
}

/** The migration after which everything here is told. */
const TOLD_SINCE = '0020-users-domain';

/** Since when this database tells what happens, Unix milliseconds. */
export const toldSinceMs = async (snapshot: Snapshot): Promise<number> => {
  const [row] = await snapshot.rows<{ ms: number }>(
    'select (extract(epoch from executed_at) * 1000)::float8 as ms from ops.migration where name = $1',
    [TOLD_SINCE],
  );
  return row?.ms ?? Number.POSITIVE_INFINITY;
};

export class FactRows {
  readonly #snapshot: Snapshot;
  readonly #facts: readonly Fact[];
  #pages: AsyncGenerator<FactRow[]> | null = null;
  #rows: FactRow[] = [];
  #done = false;

  constructor(snapshot: Snapshot, facts: readonly Fact[]) {
    this.#snapshot = snapshot;
    this.#facts = facts;
  }

  /** Spans are asked for from the oldest to the newest; Unix milliseconds, the last not in it. */
  async *between(sinceMs: number, untilMs: number): AsyncGenerator<FactRow> {
    if (this.#pages === null && !this.#done) await this.#begin(sinceMs);
    for (;;) {
      const row = this.#rows.at(-1);
      if (row === undefined) {
        const page = await this.#pages?.next();
        if (page === undefined || page.done === true) return this.#end();
        this.#rows = page.value.reverse();
      } else {
        if (row.at_ms >= untilMs) return;
        this.#rows.pop();
        if (row.at_ms >= sinceMs) yield row;
      }
    }
  }

  /** Nothing more is asked for. */
  async close(): Promise<void> {
    await this.#pages?.return(undefined);
    this.#end();
  }

  #end(): void {
    this.#done = true;
    this.#pages = null;
  }

  async #begin(sinceMs: number): Promise<void> {
    const fromMs = Math.max(sinceMs, await toldSinceMs(this.#snapshot));
    const there: string[] = [];
    for (const { of, rows } of this.#facts) if (await this.#snapshot.has(of)) there.push(rows);
    if (there.length === 0 || fromMs === Number.POSITIVE_INFINITY) return this.#end();
    const text = `select id, key, said, (extract(epoch from at) * 1000)::float8 as at_ms,
        to_char(at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') as at
      from (${there.join(' union all ').replaceAll('$1', 'to_timestamp($1::float8 / 1000)')}) f order by f.at`;
    this.#pages = this.#snapshot.pages<FactRow>(text, [fromMs], 'facts');
  }
}
