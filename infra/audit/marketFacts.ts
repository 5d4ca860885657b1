/** What happens to redemptions and stock, as the stream `transactions` tells it. */
import { CHANGES_SINCE, type Fact, type ToldData } from './facts.ts';

const ordered = ({ user, merchant, offer, quantity, points }: ToldData): unknown[] => [
  ...[user, merchant, offer, quantity, points],
];
const stockAfter = ({ onHand, reserved }: ToldData): unknown[] => [onHand, reserved];
const ruleOf = ({ rule }: ToldData): unknown[] => {
  const { id = null, version = null } = (rule ?? {}) as ToldData;
  return [id, version];
};
const sumOf = (lines: unknown): unknown[] => {
  const { count = null, quantity = null, points = null } = (lines ?? {}) as ToldData;
  return [count, quantity, points];
};
const SUMS = ['sales', 'refunds'].flatMap(kind =>
  ['count', 'quantity', 'points'].map(name => `s.report -> '${kind}' -> '${name}'`),
);
const ofRedemption = (word: string) => ({
  of: 'market.redemption',
  keyOf: ({ data }: { readonly data?: ToldData | undefined }) => `${word} ${data?.redemptionId}`,
});
/** What was free of an offer before a movement `m` of its stock, and is afterwards. */
const FREE_BEFORE = 'm.on_hand - m.on_hand_delta - m.reserved + m.reserved_delta';
const FREE = 'm.on_hand - m.reserved';
const LESSENED = `m.kind in ('allocation', 'adjustment', 'receipt')`;

export const MARKET_FACTS: readonly Fact[] = [
  {
    types: ['redemption.reserved'],
    ...ofRedemption('reserved'),
    saidOf: data => [...ordered(data), ...stockAfter(data), ...ruleOf(data)],
    rows: `select r.id, 'reserved ' || r.id as key, r.at,
        json_build_array(r.user_id, r.merchant, r.offer_id, r.quantity, r.points, m.on_hand, m.reserved, r.rule_id, r.rule_version) as said
      from market.redemption r
        left join market.stock_movement m on m.op_id = r.id and m.offer_id = r.offer_id and m.kind = 'allocation'
      where r.at >= $1`,
    there: 'select from market.redemption r where r.id = t.id',
  },
  {
    types: ['redemption.confirmed', 'redemption.cancelled', 'redemption.expired'],
    ...ofRedemption('settled'),
    saidOf: (data, type) => [type, ...ordered(data), ...stockAfter(data), data.transferId ?? null],
    rows: `select r.id, 'settled ' || r.id, r.settled_at,
        json_build_array('redemption.' || r.state, r.user_id, r.merchant, r.offer_id,
          case r.state when 'confirmed' then r.sold_quantity else r.quantity end,
          case r.state when 'confirmed' then r.sold_points else r.points end, m.on_hand, m.reserved, r.transfer_id)
      from market.redemption r
        left join (select distinct on (op_id) op_id, on_hand, reserved from market.stock_movement
                   where kind in ('sale', 'release') and at >= $1 order by op_id, id desc) m on m.op_id = r.id
      where r.settled_at >= $1`,
    there: `select from market.redemption r where r.id = t.id and r.state <> 'reserved'`,
  },
  {
    types: ['redemption.refunded'],
    of: 'market.refund',
    keyOf: ({ data }) => `refunded ${data?.transferId}`,
    saidOf: data => [
      ...[...ordered(data), data.redemptionId, data.restock],
      ...(data.restock === true ? stockAfter(data) : [null, null]),
    ],
    rows: `select f.transfer_id, 'refunded ' || f.transfer_id, f.at,
        json_build_array(r.user_id, f.merchant, r.offer_id, f.quantity, f.points, f.redemption_id, f.restocked, m.on_hand, m.reserved)
      from market.refund f
        left join market.redemption r on r.id = f.redemption_id
        left join market.stock_movement m on m.op_id = f.transfer_id and m.offer_id = r.offer_id and m.kind = 'cancellation'
      where f.at >= $1`,
    there: 'select from market.refund f where f.transfer_id = t.id',
  },
  {
    types: ['stock.adjusted'],
    of: 'market.stock_movement',
    keyOf: ({ causationId }) => `adjusted ${causationId}`,
    saidOf: data => [
      ...[data.offer, data.merchant, data.kind, data.delta, ...stockAfter(data), data.reason ?? null],
    ],
    rows: `select m.op_id, 'adjusted ' || m.op_id, m.at,
        json_build_array(m.offer_id, d.merchant, m.kind, m.on_hand_delta, m.on_hand, m.reserved, m.reason)
      from market.stock_movement m left join market.offer d on d.id = m.offer_id
      where m.kind in ('adjustment', 'receipt') and m.at >= $1`,
    there: `select from market.stock_movement m where m.op_id = t.id and m.kind in ('adjustment', 'receipt')`,
  },
  {
    types: ['stock.low'],
    of: 'market.stock_movement',
    keyOf: ({ data }) => `low ${data?.offer} ${data?.onHand} ${data?.reserved}`,
    saidOf: data => [data.offer, data.merchant, ...stockAfter(data), data.lowStock],
    // which bound was set is known of offers that were never changed, and behind the last change: a group that waited for it
    // may still have seen the one before
    rows: `select m.offer_id, 'low ' || m.offer_id || ' ' || m.on_hand || ' ' || m.reserved, m.at,
        json_build_array(m.offer_id, d.merchant, m.on_hand, m.reserved, d.low_stock)
      from market.stock_movement m join market.offer d on d.id = m.offer_id and (d.version = 1 or d.changed_at < m.at - interval '1 minute')
      where d.low_stock > 0 and ${LESSENED} and ${FREE} <= d.low_stock and ${FREE_BEFORE} > d.low_stock and m.at >= $1`,
    there: `select from market.stock_movement m
      where m.offer_id = t.id and m.on_hand = (t.data ->> 'onHand')::int and m.reserved = (t.data ->> 'reserved')::int
        and ${LESSENED} and ${FREE} <= (t.data ->> 'lowStock')::int and ${FREE_BEFORE} > (t.data ->> 'lowStock')::int`,
    repeats: true,
  },
  {
    types: ['settlement.closed'],
    of: 'market.settlement',
    keyOf: ({ data }) => `closed ${data?.merchant} ${data?.day}`,
    saidOf: data => [...sumOf(data.sales), ...sumOf(data.refunds), data.points, data.checksum],
    // before that version the event had another time than the row
    rows: `select s.merchant, 'closed ' || s.merchant || ' ' || s.day, s.closed_at,
        json_build_array(${SUMS}, s.report -> 'points', s.report -> 'checksum')
      from market.settlement s
      where s.closed_at >= $1 and s.closed_at >= (select executed_at from ops.migration where name = '${CHANGES_SINCE}')`,
    there: `select from market.settlement s where s.merchant = t.id and s.day::text = t.data ->> 'day'`,
  },
];
