/**
 * Fines and fees in SQL (migration 19). Whether one is paid follows from the ledger: its entry has an id that is known
 * beforehand (`actors/fees.ts`), so a page of fees is read first, and then which of those entries exist.
 */
import { type FeeView, feePaymentId } from '../../nodes/givingPort.ts';

const COLUMNS = `id, kind, municipality, title, points, floor(extract(epoch from at) * 1000), withdrawn_at is not null, payer`;

/** $1 id, $2 kind, $3 municipality, $4 title, $5 points, $6 payer */
export const PUBLISH = `
insert into giving.fee (id, kind, municipality, title, points, payer)
  values ($1::uuid, $2, $3::uuid, $4, $5::bigint, $6::uuid)
  on conflict (id) do nothing`;

export const FEE = `select ${COLUMNS} from giving.fee where id = $1::uuid`;
/** What a payer may see of a fee: his own fines, and what is for everybody. */
export const FEE_OF_PAYER = `${FEE} and (payer is null or payer = $2::uuid)`;

export const WITHDRAW = `
update giving.fee set withdrawn_at = coalesce(withdrawn_at, clock_timestamp())
where id = $1::uuid and municipality = $2::uuid returning ${COLUMNS}`;

const BEFORE = '($2::uuid is null or (at, id) < (select b.at, b.id from giving.fee b where b.id = $2::uuid))';
export const FEES_OF = `
select ${COLUMNS} from giving.fee where municipality = $1::uuid and ${BEFORE}
order by at desc, id desc limit $3::int`;
export const FEES_FOR = `
select ${COLUMNS} from (
  (select * from giving.fee where payer = $1::uuid and ${BEFORE} order by at desc, id desc limit $3::int)
  union all
  (select * from giving.fee where payer is null and withdrawn_at is null and ${BEFORE}
   order by at desc, id desc limit $3::int)) f
order by at desc, id desc limit $3::int`;

export const CIVILIAN = `select id from user_schema.users where lower(handle) = lower($1) and kind = 'civilian'`;
export const POSTED = 'select id from ledger.transfer where id = any ($1::uuid[])';

/** As it is stored. */
export interface FeeRow extends Omit<FeeView, 'paid'> {
  readonly payer: string | null;
}

export const feeOf = (row: readonly unknown[]): FeeRow => ({
  id: row[0] as string,
  kind: row[1] as FeeView['kind'],
  municipality: row[2] as string,
  title: row[3] as string,
  points: Number(row[4]),
  atMs: Number(row[5]),
  withdrawn: row[6] as boolean,
  payer: row[7] as string | null,
});

/** Of the entry that pays it; null when nobody is named who would. */
export const paymentOf = (fee: FeeRow, payer: string | null): string | null => {
  const by = payer ?? fee.payer;
  return by === null ? null : feePaymentId(fee, by);
};

export const feeView = ({ payer: _, ...fee }: FeeRow, paid: boolean): FeeView => ({ ...fee, paid });
