/** Catalogue, fees and what operators do with accounts, in PostgreSQL (migration 19). */

import { MINT_ACCOUNT } from '../../actors/durable.ts';
import type {
  AccountView,
  CatalogEntry,
  CatalogGiven,
  CatalogKind,
  CatalogStatus,
  FeeView,
  GivingStore,
  MovementView,
  NewFee,
} from '../../nodes/givingPort.ts';
import type { Log } from '../../nodes/ports.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { ENTRY, entriesOf, entryOf, JUDGE_ENTRY, KIND_OF, PUT_ENTRY } from './catalogRows.ts';
import {
  CIVILIAN,
  FEE,
  FEES_FOR,
  FEES_OF,
  type FeeRow,
  feeOf,
  feeView,
  POSTED,
  PUBLISH,
  paymentOf,
  WITHDRAW,
} from './feeRows.ts';
import { QUERY_SILENCE_MS_MAX, QUERY_STATEMENT_MS_MAX } from './limits.ts';
import { Lines } from './lines.ts';

const ACCOUNT = `
select a.account_id, sum(a.balance), sum(a.reserved), bool_or(a.closed), min(d.entry_max), min(d.day_max)
from ledger.account a left join ledger.debit_limit d on d.account_id = a.account_id
where a.account_id = $1::uuid group by a.account_id`;

const MOVEMENT = `
select t.id, t.reason, t.rule_id, t.rule_version, floor(extract(epoch from t.at) * 1000),
  (select json_agg(json_build_object('userId', p.account_id, 'points', p.delta) order by p.seq)
   from ledger.posting p where p.transfer_id = t.id and p.account_id <> '${MINT_ACCOUNT}')
from ledger.transfer t where t.id = $1::uuid`;

const noSuchEntry = refuse(ERROR.notFound, 'no such entry');
const noSuchFee = refuse(ERROR.notFound, 'no such fine or fee');

export class PgGivingStore implements GivingStore {
  readonly #lines: Lines;
  readonly #onEvent: () => void;

  /** @param options.onEvent told when an event waits in the outbox */
  constructor(options: { readonly url: string; readonly log: Log; readonly onEvent?: () => void }) {
    const { url, log, onEvent = () => {} } = options;
    this.#onEvent = onEvent;
    this.#lines = new Lines(1, {
      url,
      log,
      name: 'giving',
      settings: { statement_timeout: `${QUERY_STATEMENT_MS_MAX}`, jit: 'off', enable_seqscan: 'off' },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
    });
  }

  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  close(): Promise<void> {
    return this.#lines.close();
  }

  async putEntry(entry: CatalogGiven): Promise<Result<CatalogEntry>> {
    const { id, kind, name, registration, account, zip } = entry;
    if (account !== null) {
      const [[found] = []] = await this.#rows('kind_of', KIND_OF, [account]);
      if (found !== kind) return refuse(ERROR.invalid, `there is no account of this kind: ${kind}`);
    }
    const values = [id, kind, name, registration, account, zip];
    const rows = await this.#rows('put_entry', PUT_ENTRY, values).catch(error => {
      if (/catalog_(registration|account_key)/.test(String(error))) return null;
      throw error;
    });
    if (rows === null) return refuse(ERROR.conflict, 'another entry has this account or registration');
    return this.#changed(rows, refuse(ERROR.conflict, 'this entry is of the other kind'));
  }

  async judgeEntry(
    kind: CatalogKind,
    id: string,
    status: Exclude<CatalogStatus, 'listed'>,
  ): Promise<Result<CatalogEntry>> {
    const rows = await this.#rows('judge_entry', JUDGE_ENTRY, [id, kind, status]);
    if (rows.length > 0) return this.#changed(rows, noSuchEntry);
    const entry = await this.entry(kind, id);
    if (entry === null) return noSuchEntry;
    return entry.status === status
      ? ok(entry)
      : refuse(ERROR.conflict, 'an entry without account receives nothing');
  }

  async entry(kind: CatalogKind, id: string): Promise<CatalogEntry | null> {
    const [row] = await this.#rows('entry', ENTRY, [kind, id]);
    return row ? entryOf(row) : null;
  }

  async entries(
    kind: CatalogKind,
    filter: { readonly verifiedOnly: boolean; readonly after: string | null; readonly limit: number },
  ): Promise<readonly CatalogEntry[]> {
    const { verifiedOnly, after, limit } = filter;
    const name = verifiedOnly ? 'verified_entries' : 'entries';
    return (await this.#rows(name, entriesOf(verifiedOnly), [kind, after, limit])).map(entryOf);
  }

  async publishFee(fee: NewFee): Promise<Result<FeeView>> {
    const { id, kind, municipality, title, points, handle } = fee;
    let payer: string | null = null;
    if (handle !== null) {
      const [row] = await this.#rows('civilian', CIVILIAN, [handle]);
      if (!row) return refuse(ERROR.notFound, 'no such civilian');
      payer = row[0] as string;
    }
    await this.#rows('publish_fee', PUBLISH, [id, kind, municipality, title, points, payer]);
    const stored = await this.#fee(id);
    const same =
      stored !== null &&
      stored.kind === kind &&
      stored.municipality === municipality &&
      stored.title === title &&
      stored.points === points &&
      stored.payer === payer;
    return same ? ok(await this.#seen(stored)) : refuse(ERROR.conflict, 'something else has this id');
  }

  async withdrawFee(id: string, municipality: string): Promise<Result<FeeView>> {
    const known = await this.#fee(id);
    if (known?.municipality !== municipality) return noSuchFee;
    if ((await this.#seen(known)).paid) return refuse(ERROR.conflict, 'it was paid already');
    const [row] = await this.#rows('withdraw_fee', WITHDRAW, [id, municipality]);
    return row ? ok(await this.#seen(feeOf(row))) : noSuchFee;
  }

  feesOf(municipality: string, limit: number, before: string | null): Promise<readonly FeeView[]> {
    return this.#fees('fees_of', FEES_OF, [municipality, before, limit], null);
  }

  feesFor(payer: string, limit: number, before: string | null): Promise<readonly FeeView[]> {
    return this.#fees('fees_for', FEES_FOR, [payer, before, limit], payer);
  }

  async account(id: string): Promise<AccountView | null> {
    const [row] = await this.#rows('account', ACCOUNT, [id]);
    if (!row) return null;
    const points = (value: unknown): number | null => (value === null ? null : Number(value));
    return {
      id: row[0] as string,
      balance: Number(row[1]),
      reserved: Number(row[2]),
      closed: row[3] as boolean,
      entryMax: points(row[4]),
      dayMax: points(row[5]),
    };
  }

  async limitAccount(
    id: string,
    entryMax: number | null,
    dayMax: number | null,
  ): Promise<AccountView | null> {
    await this.#rows('limit_account', 'select ledger.set_debit_limit($1, $2, $3)', [id, entryMax, dayMax]);
    this.#onEvent();
    return this.account(id);
  }

  async closeAccount(id: string, closed: boolean): Promise<AccountView | null> {
    await this.#rows('close_account', 'select ledger.close_account($1, $2)', [id, closed]);
    this.#onEvent();
    return this.account(id);
  }

  async movement(transferId: string): Promise<MovementView | null> {
    const [row] = await this.#rows('movement', MOVEMENT, [transferId]);
    if (!row) return null;
    const [id, reason, rule, version, atMs, parties] = row as [
      string,
      string,
      string,
      number,
      string,
      MovementView['parties'],
    ];
    return { transferId: id, reason, rule: { id: rule, version }, atMs: Number(atMs), parties };
  }

  async #fee(id: string): Promise<FeeRow | null> {
    const [row] = await this.#rows('fee_row', FEE, [id]);
    return row ? feeOf(row) : null;
  }

  async #seen(fee: FeeRow): Promise<FeeView> {
    return (await this.#views([fee], null))[0]!;
  }

  async #fees(name: string, text: string, values: unknown[], payer: string | null): Promise<FeeView[]> {
    return this.#views((await this.#rows(name, text, values)).map(feeOf), payer);
  }

  async #views(fees: readonly FeeRow[], payer: string | null): Promise<FeeView[]> {
    const payments = fees.map(fee => paymentOf(fee, payer));
    const rows = await this.#rows('posted', POSTED, [payments.filter(id => id !== null)]);
    const posted = new Set(rows.map(([id]) => id as string));
    return fees.map((fee, i) => feeView(fee, posted.has(payments[i] ?? '')));
  }

  #changed(rows: readonly unknown[][], otherwise: Result<never>): Result<CatalogEntry> {
    const [row] = rows;
    if (!row) return otherwise;
    this.#onEvent();
    return ok(entryOf(row));
  }

  #rows(name: string, text: string, values: unknown[]): Promise<unknown[][]> {
    return this.#lines.run({ name: `giving_${name}`, text, values });
  }
}
