/** Seals the days that are over, one after the other (`sealing.ts`). It can be stopped anywhere and goes on there. */
import pg from 'pg';
import { CONNECT_MS_MAX, SEAL_AFTER_S, SEAL_STEP, STATEMENT_MS_MAX } from './limits.ts';
import {
  beginDay,
  dayAfter,
  GENESIS,
  hashOn,
  SEALED_TRANSFERS,
  type SealedTransfer,
  startOf,
} from './sealing.ts';

export interface SealOptions {
  /** As the role that serves. */
  readonly url: string;
  readonly say: (line: string) => void;
  /** Transfers between two notes of how far it is. */
  readonly step?: number;
  /** Steps that this call does at most; what is left is done by the next. */
  readonly stepsMax?: number;
}

/** A day that is to be sealed, as far as it is. */
interface Work {
  readonly day: string;
  readonly previous: Buffer;
  readonly root: Buffer;
  readonly transfers: number;
  readonly lastAtUs: string | null;
  readonly lastId: string | null;
}

/** What is next; null when every day that is over is sealed, or nothing has happened yet. */
const NEXT = `
  with over as (select ((now() - interval '${SEAL_AFTER_S} seconds') at time zone 'utc')::date as today),
    newest as (select * from ledger.day_seal order by day desc limit 1)
  select o.today::text as today, n.day::text as day, n.previous, n.root, n.transfers::text as transfers,
    n.last_at_us::text as last_at_us, n.last_id, n.sealed_at is not null as sealed,
    case when n.day is null then (select (min(at) at time zone 'utc')::date::text from ledger.transfer) end as first
  from over o left join newest n on true`;

interface NextRow {
  readonly today: string;
  readonly day: string | null;
  readonly previous: Buffer;
  readonly root: Buffer;
  readonly transfers: string;
  readonly last_at_us: string | null;
  readonly last_id: string | null;
  readonly sealed: boolean;
  readonly first: string | null;
}

const nextOf = (row: NextRow): Work | null => {
  if (row.day !== null && !row.sealed) {
    const { day, previous, root, transfers, last_at_us: lastAtUs, last_id: lastId } = row;
    return { day, previous, root, transfers: Number(transfers), lastAtUs, lastId };
  }
  const day = row.day === null ? row.first : dayAfter(row.day);
  if (day === null || day >= row.today) return null;
  const previous = row.day === null ? GENESIS : row.root;
  return { day, previous, root: beginDay(previous, day), transfers: 0, lastAtUs: null, lastId: null };
};

const connect = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    application_name: 'heyblue seal',
    options: `-c statement_timeout=${STATEMENT_MS_MAX} -c jit=off`,
  });
  client.on('error', () => {}); // the query that is lost tells
  await client.connect();
  return client;
};

/** @returns the days that are sealed by now and were not before */
export const sealDays = async (options: SealOptions): Promise<string[]> => {
  const [reader, writer] = [await connect(options.url), await connect(options.url)];
  const sealed: string[] = [];
  let steps = options.stepsMax ?? Number.POSITIVE_INFINITY;
  try {
    for (;;) {
      const work = nextOf((await writer.query<NextRow>(NEXT)).rows[0]!);
      if (work === null) return sealed;
      const done = await sealDay(reader, writer, work, options, steps);
      if (done === null) return sealed;
      sealed.push(work.day);
      steps -= done;
      options.say(`${work.day} is sealed`);
    }
  } finally {
    await Promise.all([reader, writer].map(client => client.end().catch(() => {})));
  }
};

/** How many steps it took; null when they did not suffice, or when somebody else does it. */
const sealDay = async (
  reader: pg.Client,
  writer: pg.Client,
  work: Work,
  { step = SEAL_STEP }: SealOptions,
  stepsMax: number,
): Promise<number | null> => {
  let { root, transfers, lastAtUs, lastId } = work;
  const note = async (from: number, isDone: boolean): Promise<boolean> => {
    const values = [work.day, from, work.previous, root, transfers, lastAtUs, lastId, isDone];
    const { rows } = await writer.query(
      'select ledger.seal_day($1, $2, $3, $4, $5, $6, $7, $8) as ours',
      values,
    );
    return rows[0].ours === true;
  };
  await reader.query('begin transaction isolation level repeatable read, read only');
  try {
    const range = [startOf(work.day), startOf(dayAfter(work.day)), lastAtUs, lastId];
    await reader.query(`declare day no scroll cursor for ${SEALED_TRANSFERS}`, range);
    for (let steps = 1; steps <= stepsMax; steps++) {
      const { rows } = await reader.query<SealedTransfer>(`fetch ${step} from day`);
      const from = transfers;
      for (const transfer of rows) root = hashOn(root, transfer);
      transfers += rows.length;
      const last = rows.at(-1);
      if (last !== undefined) [lastAtUs, lastId] = [last.at_us, last.id];
      const isDone = rows.length < step;
      if (!(await note(from, isDone))) return null;
      if (isDone) return steps;
    }
    return null;
  } finally {
    await reader.query('rollback').catch(() => {});
  }
};
