/** Offers and redemptions as actors read them: one JSON value in each row, asked for by one id. */
import { OPEN_REDEMPTIONS } from './limits.ts';

const ms = (at: string): string => `(extract(epoch from ${at}) * 1000)::bigint`;

/** Units that count for the limit of a user. */
const HAS = `sum(case m.state when 'reserved' then m.quantity else m.sold_quantity - m.refunded_quantity end)`;

export const OFFER = `
  select json_build_object('offer', json_build_object('id', d.id, 'merchant', d.merchant, 'version', d.version,
      'title', d.title, 'description', d.description, 'kind', d.kind, 'points', d.points, 'perUserMax', d.per_user_max,
      'opensAtMs', coalesce(${ms('d.opens_at')}, 0), 'closesAtMs', coalesce(${ms('d.closes_at')}, 0),
      'state', d.state, 'lowStock', d.low_stock, 'placeId', d.place_id),
    'onHand', s.on_hand, 'reserved', s.reserved,
    'perUser', coalesce(case when d.per_user_max > 0 then (
        select json_object_agg(u.user_id, u.has) from (
          select m.user_id, ${HAS} as has from market.redemption m where m.offer_id = d.id
          group by m.user_id having ${HAS} > 0 limit ${OPEN_REDEMPTIONS}) u) end, '{}'))
  from market.offer d join market.stock s on s.offer_id = d.id
  where d.id = $1`;

const VIEWED = `json_build_object('id', m.id, 'user', m.user_id, 'merchant', m.merchant, 'offer', m.offer_id,
    'offerTitle', d.title, 'quantity', m.quantity, 'points', m.points, 'code', m.code, 'state', m.state,
    'atMs', ${ms('m.at')}, 'expiresAtMs', ${ms('m.expires_at')},
    'sold', json_build_object('quantity', m.sold_quantity, 'points', m.sold_points),
    'refunded', json_build_object('quantity', m.refunded_quantity, 'points', m.refunded_points),
    'transferId', m.transfer_id,
    'rule', json_strip_nulls(json_build_object('id', m.rule_id, 'version', m.rule_version, 'trace', m.rule_trace)))`;
const VIEW = `select ${VIEWED} from market.redemption m join market.offer d on d.id = m.offer_id`;

/** What came back by the transfer of this id, as one JSON value. */
export const refundedBy = (transferId: string): string => `
  select json_build_object('redemption', ${VIEWED}, 'quantity', r.quantity, 'points', r.points)
  from market.refund r join market.redemption m on m.id = r.redemption_id join market.offer d on d.id = m.offer_id
  where r.transfer_id = ${transferId}`;

export const REDEMPTION = `${VIEW} where m.id = $1`;

const OPEN = `and m.state = 'reserved' order by m.at, m.id limit ${OPEN_REDEMPTIONS}`;
export const OPEN_AT_MERCHANT = `${VIEW} where m.merchant = $1 ${OPEN}`;
/** Sold within the hour: along an index, and of a busy merchant a few thousand. */
export const SOLD_BY_CODE = `${VIEW} where m.merchant = $1 and m.state = 'confirmed'
  and m.settled_at > now() - interval '1 hour' and m.code = $2 order by m.settled_at desc limit ${OPEN_REDEMPTIONS}`;
/** What a user has set aside is few, and found by him. */
export const OPEN_OF_USER = `${VIEW} join ledger.pending p on p.id = m.id
  where p.payer = $1 and p.state = 'pending' ${OPEN}`;

/**
 * The newest of both kinds along the index of each, in the order in which they moved the merchant's points. The rest is one look-up
 * for each, whatever the planner thinks: it would go through everything that was ever paid to a busy merchant.
 */
export const LAST_SALES = `
  select json_build_object('redemption', ${VIEWED}, 'state', s.state, 'transferId', s.transfer_id,
    'quantity', s.quantity, 'points', s.points)
  from (
    select * from (
      (select id, transfer_id, 'confirmed' as state, sold_quantity as quantity, sold_points as points, settled_at as at
        from market.redemption where merchant = $1 and state = 'confirmed' order by settled_at desc limit $2)
      union all
      (select redemption_id, transfer_id, 'refunded', quantity, points, at
        from market.refund where merchant = $1 order by at desc limit $2)
    ) newest order by at desc limit $2) s
  cross join lateral (select account_id, account_version_after as version from ledger.posting
                      where transfer_id = s.transfer_id offset 0) p
  cross join lateral (select * from market.redemption where id = s.id offset 0) m
  cross join lateral (select title from market.offer where id = m.offer_id offset 0) d
  where p.account_id = $1
  order by p.version`;
