/** Catalogue, fees and accounts in memory: the twin of the store in PostgreSQL, upon a ledger and people in memory. */
import type { FeeView, GivingView, Party, QueryAnswers, StoreQuery } from '../../actors/queries.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import {
  type AccountView,
  type CatalogEntry,
  type CatalogGiven,
  type CatalogKind,
  type CatalogStatus,
  feePaymentId,
  type GivingStore,
  type MovementView,
  type NewFee,
} from '../givingPort.ts';
import type { MemoryLedger } from './memoryLedger.ts';

const DAY_MS = 86_400_000;

/** What is known of people. */
export interface Known {
  kindOf(id: string): AccountKind | null;
  idOf(handle: string): string | null;
}

interface Fee extends Omit<FeeView, 'paid'> {
  readonly payer: string | null;
}

const noSuchEntry = refuse(ERROR.notFound, 'no such entry');
const noSuchFee = refuse(ERROR.notFound, 'no such fine or fee');

export class MemoryGiving implements GivingStore {
  readonly #ledger: MemoryLedger;
  readonly #known: Known;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, CatalogEntry>();
  /** The newest stand at the end. */
  readonly #fees = new Map<string, Fee>();

  constructor(ledger: MemoryLedger, known: Known, nowMs: () => number) {
    this.#ledger = ledger;
    this.#known = known;
    this.#nowMs = nowMs;
  }

  async putEntry(given: CatalogGiven): Promise<Result<CatalogEntry>> {
    const { id, kind, account, registration } = given;
    if (account !== null && this.#known.kindOf(account) !== kind)
      return refuse(ERROR.invalid, `there is no account of this kind: ${kind}`);
    const isTaken = [...this.#entries.values()].some(
      one =>
        one.id !== id &&
        ((account !== null && one.account === account) ||
          (registration !== null && one.kind === kind && one.registration === registration)),
    );
    if (isTaken) return refuse(ERROR.conflict, 'another entry has this account or registration');
    const before = this.#entries.get(id);
    if (before && before.kind !== kind) return refuse(ERROR.conflict, 'this entry is of the other kind');
    const isAnother = before?.account !== account || before?.registration !== registration;
    const status = !before || (before.status === 'verified' && isAnother) ? 'listed' : before.status;
    return ok(this.#write({ ...given, status, version: (before?.version ?? 0) + 1, changedAtMs: 0 }));
  }

  async judgeEntry(
    kind: CatalogKind,
    id: string,
    status: Exclude<CatalogStatus, 'listed'>,
  ): Promise<Result<CatalogEntry>> {
    const before = await this.entry(kind, id);
    if (before === null) return noSuchEntry;
    if (before.status === status) return ok(before);
    if (status === 'verified' && before.account === null)
      return refuse(ERROR.conflict, 'an entry without account receives nothing');
    return ok(this.#write({ ...before, status, version: before.version + 1 }));
  }

  async entry(kind: CatalogKind, id: string): Promise<CatalogEntry | null> {
    const found = this.#entries.get(id);
    return found?.kind === kind ? found : null;
  }

  async entries(
    kind: CatalogKind,
    { verifiedOnly, after, limit }: { verifiedOnly: boolean; after: string | null; limit: number },
  ): Promise<readonly CatalogEntry[]> {
    return [...this.#entries.values()]
      .filter(one => one.kind === kind && (after === null || one.id > after))
      .filter(one => !verifiedOnly || one.status === 'verified')
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }

  async publishFee({ handle, ...given }: NewFee): Promise<Result<FeeView>> {
    const payer = handle === null ? null : this.#known.idOf(handle);
    if (handle !== null && (payer === null || this.#known.kindOf(payer) !== 'civilian'))
      return refuse(ERROR.notFound, 'no such civilian');
    const before = this.#fees.get(given.id);
    const fee = {
      ...given,
      payer,
      withdrawn: before?.withdrawn ?? false,
      atMs: before?.atMs ?? this.#nowMs(),
    };
    if (
      before &&
      JSON.stringify(Object.entries(before).sort()) !== JSON.stringify(Object.entries(fee).sort())
    )
      return refuse(ERROR.conflict, 'something else has this id');
    if (!before) this.#fees.set(fee.id, fee);
    return ok(this.#seen(fee, null));
  }

  async withdrawFee(id: string, municipality: string): Promise<Result<FeeView>> {
    const fee = this.#fees.get(id);
    if (fee?.municipality !== municipality) return noSuchFee;
    if (this.#seen(fee, null).paid) return refuse(ERROR.conflict, 'it was paid already');
    const withdrawn = { ...fee, withdrawn: true };
    this.#fees.set(id, withdrawn);
    return ok(this.#seen(withdrawn, null));
  }

  async feesOf(municipality: string, limit: number, before: string | null): Promise<readonly FeeView[]> {
    return this.#page(fee => fee.municipality === municipality, limit, before, null);
  }

  async feesFor(payer: string, limit: number, before: string | null): Promise<readonly FeeView[]> {
    const isHis = (fee: Fee): boolean => fee.payer === payer || (fee.payer === null && !fee.withdrawn);
    return this.#page(isHis, limit, before, payer);
  }

  async account(id: string): Promise<AccountView | null> {
    const account = this.#ledger.accounts.get(id);
    if (!account) return null;
    const { balance, reserved, closed } = account;
    const { entryMax = null, dayMax = null } = this.#ledger.limits.get(id) ?? {};
    return { id, balance, reserved, closed, entryMax, dayMax };
  }

  async limitAccount(
    id: string,
    entryMax: number | null,
    dayMax: number | null,
  ): Promise<AccountView | null> {
    if (this.#ledger.accounts.has(id))
      this.#ledger.limits.set(id, { entryMax: entryMax ?? undefined, dayMax: dayMax ?? undefined });
    return this.account(id);
  }

  async closeAccount(id: string, closed: boolean): Promise<AccountView | null> {
    const account = this.#ledger.accounts.get(id);
    if (account) account.closed = closed;
    return this.account(id);
  }

  async movement(transferId: string): Promise<MovementView | null> {
    const found = this.#ledger.transfers.get(transferId);
    if (!found) return null;
    const { op, reason, atMs, postings } = found;
    const { id, version } = op.rule;
    const parties = postings
      .filter(one => this.#known.kindOf(one.account) !== null)
      .map(one => ({ userId: one.account, points: one.delta }));
    return { transferId, reason, rule: { id, version }, atMs, parties };
  }

  /** What the actor who gives asks. */
  giving(from: string, to: readonly string[], why: string): GivingView {
    const parties = to.flatMap((id): Party[] => {
      const kind = this.#known.kindOf(id);
      if (kind === null) return [];
      const verified = [...this.#entries.values()].some(
        one => one.account === id && one.kind === kind && one.status === 'verified',
      );
      return [{ id, kind, verified, closed: this.#ledger.accounts.get(id)?.closed ?? false }];
    });
    const sinceMs = this.#nowMs() - DAY_MS;
    const given = [...this.#ledger.transfers.values()].flatMap(({ op, reason, atMs, postings }) => {
      const mine = postings.find(one => one.account === from);
      return mine && mine.delta < 0 && reason === why && atMs >= sinceMs
        ? [{ id: op.id, points: -mine.delta }]
        : [];
    });
    return { parties, given };
  }

  lastGiven({
    from,
    to,
    reason: why,
    withinMs,
  }: StoreQuery & { type: 'lastGiven' }): QueryAnswers['lastGiven'] {
    const sinceMs = this.#nowMs() - withinMs;
    return [...this.#ledger.transfers.values()].flatMap(({ op, reason, atMs, postings }) => {
      const gave = postings.some(one => one.account === from && one.delta < 0);
      if (!gave || reason !== why || atMs <= sinceMs) return [];
      return postings.flatMap(one =>
        one.delta > 0 && to.includes(one.account) ? [{ id: op.id, to: one.account }] : [],
      );
    });
  }

  fee(id: string, payer: string): FeeView | null {
    const fee = this.#fees.get(id);
    return fee && (fee.payer === null || fee.payer === payer) ? this.#seen(fee, payer) : null;
  }

  #write(entry: CatalogEntry): CatalogEntry {
    const written = { ...entry, changedAtMs: this.#nowMs() };
    this.#entries.set(entry.id, written);
    return written;
  }

  #page(
    isShown: (fee: Fee) => boolean,
    limit: number,
    before: string | null,
    payer: string | null,
  ): FeeView[] {
    const shown = [...this.#fees.values()].filter(isShown).reverse();
    const from = before === null ? 0 : shown.findIndex(fee => fee.id === before) + 1;
    return shown.slice(from, from + limit).map(fee => this.#seen(fee, payer));
  }

  #seen({ payer: fined, ...fee }: Fee, payer: string | null): FeeView {
    const by = payer ?? fined;
    return { ...fee, paid: by !== null && this.#ledger.transfers.has(feePaymentId(fee, by)) };
  }
}
