/** What goes in and out of the doors of the market. */
import { Type } from 'typebox';
import { REDEMPTION_STATES } from '../../protocol/catalogue.ts';
import { LIMITS } from '../limits.ts';
import { Id, Page } from './schemas.ts';

const closed = { additionalProperties: false };
const Points = Type.Integer({ description: 'Whole points.' });
const AtMs = Type.Integer({ description: 'Unix milliseconds of the database clock.' });
const BoundMs = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Unix milliseconds; 0: no bound.',
});
const Next = Type.Union([Id, Type.Null()], { description: 'Give it as `before`; null on the last page.' });
/** Text that a screen can show: no control characters. */
const text = (minLength: number, maxLength: number, description: string) =>
  Type.String({ minLength, maxLength, pattern: '^[^\\x00-\\x1f\\x7f]*$', description });
const Units = Type.Integer({ minimum: 1, maximum: LIMITS.unitsMax, description: 'Whole units.' });

const offerFields = {
  title: text(1, 120, 'What it is.'),
  description: Type.String({ maxLength: 2_000, description: 'More about it.' }),
  kind: Type.Enum(['goods', 'service']),
  points: Type.Integer({
    minimum: 1,
    maximum: LIMITS.offerPointsMax,
    description: 'Price of one unit, before any rule.',
  }),
  perUserMax: Type.Integer({
    minimum: 0,
    maximum: LIMITS.unitsMax,
    description: 'Units that one person may have; 0: no limit.',
  }),
  opensAtMs: BoundMs,
  closesAtMs: BoundMs,
  lowStock: Type.Integer({
    minimum: 0,
    maximum: LIMITS.stockMax,
    description: '`stock.low` is told when no more than so many are left; 0: never.',
  }),
  placeId: Type.Union([Id, Type.Null()], { description: 'Where it is handed over: a place of yours.' }),
};

export const NewOffer = Type.Object(
  {
    title: offerFields.title,
    points: offerFields.points,
    description: Type.Optional(offerFields.description),
    kind: Type.Optional(Type.Enum(['goods', 'service'], { description: 'Default goods.' })),
    perUserMax: Type.Optional(offerFields.perUserMax),
    opensAtMs: Type.Optional(BoundMs),
    closesAtMs: Type.Optional(BoundMs),
    lowStock: Type.Optional(offerFields.lowStock),
    placeId: Type.Optional(offerFields.placeId),
  },
  closed,
);
export const EditedOffer = Type.Object(
  {
    ...offerFields,
    version: Type.Integer({
      minimum: 1,
      description: 'The version that this replaces; 409 when it is another.',
    }),
  },
  closed,
);
export const Offer = Type.Object({
  id: Id,
  merchantId: Id,
  version: Type.Integer({ description: 'Rises by 1 with every change.' }),
  state: Type.Enum(['draft', 'published', 'withdrawn', 'removed'], {
    description: '`removed`: an operator withdrew it for good; its merchant cannot change it any more.',
  }),
  ...offerFields,
  onHand: Type.Integer({ description: 'Units that are there.' }),
  left: Type.Integer({ description: 'Units that nobody has reserved.' }),
});
export const Offers = Type.Object({
  items: Type.Array(
    Type.Object({ ...Offer.properties, merchantHandle: Type.String({ description: 'Display handle.' }) }),
  ),
  next: Next,
});
export const StockChange = Type.Object(
  {
    delta: Type.Integer({
      minimum: -LIMITS.stockMax,
      maximum: LIMITS.stockMax,
      description: 'Units more, or (negative) less; not 0.',
    }),
    kind: Type.Optional(
      Type.Enum(['receipt', 'adjustment'], {
        description: 'Default adjustment: counted anew, broken, lost.',
      }),
    ),
    reason: text(1, 120, 'In your words, for the log.'),
  },
  closed,
);
export const Stock = Type.Object({
  onHand: Type.Integer({ description: 'Units that are there.' }),
  left: Type.Integer({ description: 'Units that nobody has reserved.' }),
});

export const NewRedemption = Type.Object(
  { offerId: Id, quantity: Type.Optional(Units) },
  { ...closed, description: 'One unit unless more are asked for.' },
);
export const Reserved = Type.Object({
  redemptionId: Id,
  code: Type.String({ description: 'To say or type at the till.' }),
  qr: Type.String({ description: 'The text of the QR code: the same for a scanner.' }),
  points: Points,
  expiresS: Type.Integer({ description: 'Unix second at which it is over by itself.' }),
});
export const Dry = Type.Object(
  { dry: Type.Optional(Type.Boolean({ description: 'Says what would be, and does nothing.' })) },
  closed,
);
export const Preview = Type.Object({
  points: Points,
  balance: Type.Integer({ description: 'What you could still spend.' }),
  title: Type.String(),
});
export const Part = Type.Object(
  { quantity: Type.Optional(Units) },
  { ...closed, description: 'All of them unless a number is named.' },
);
export const Refund = Type.Object(
  { quantity: Type.Optional(Units), restock: Type.Boolean({ description: 'They can be sold again.' }) },
  closed,
);
export const Freed = Type.Object({ points: Points });
export const Confirmed = Type.Object({
  redemptionId: Id,
  quantity: Type.Integer({ description: 'Units sold.' }),
  points: Points,
});
export const Refunded = Type.Object({
  transferId: Id,
  quantity: Type.Integer({ description: 'Units that came back with it.' }),
  points: Points,
});
export const Redemption = Type.Object({
  redemptionId: Id,
  merchantId: Id,
  offerId: Id,
  title: Type.String({ description: 'Title of the offer.' }),
  state: Type.Enum([...REDEMPTION_STATES]),
  quantity: Type.Integer({ description: 'Units reserved.' }),
  points: Points,
  code: Type.Union([Type.String(), Type.Null()], { description: 'While it is reserved.' }),
  atMs: AtMs,
  expiresAtMs: AtMs,
  sold: Type.Object({ quantity: Type.Integer(), points: Points }),
  refunded: Type.Object({ quantity: Type.Integer(), points: Points }),
});
export const Redemptions = Type.Object({ items: Type.Array(Redemption), next: Next });

const Day = Type.String({
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$',
  description: 'A day (UTC), `2026-11-20`.',
});
export const DayParams = Type.Object({ day: Day });
/** Days of a report; 92 at most. */
export const Days = {
  from: Type.Optional(Type.String({ ...Day, description: 'First day (UTC); default 30 days ago.' })),
  to: Type.Optional(Type.String({ ...Day, description: 'Last day (UTC); default today.' })),
};
const Sale = Type.Object({
  id: Type.String({ description: 'Of the entry that moved the points.' }),
  kind: Type.Enum(['sale', 'refund']),
  redemptionId: Id,
  offerId: Id,
  title: Type.String(),
  quantity: Type.Integer({ description: 'Units.' }),
  points: Points,
  atMs: AtMs,
});
export const Sales = Type.Object({ items: Type.Array(Sale), next: Next });
export const BestSellers = Type.Object({
  items: Type.Array(
    Type.Object({
      offerId: Id,
      title: Type.String(),
      quantity: Type.Integer({ description: 'Sold and not given back.' }),
      points: Points,
    }),
  ),
});
export const StockPage = Type.Object(
  {
    limit: Page.properties.limit,
    before: Type.Optional(
      Type.String({ pattern: '^[1-9][0-9]{0,17}$', description: '`next` of the page before.' }),
    ),
  },
  closed,
);
export const StockLog = Type.Object({
  items: Type.Array(
    Type.Object({
      id: Type.String(),
      kind: Type.Enum(['allocation', 'sale', 'cancellation', 'release', 'adjustment', 'receipt']),
      onHandDelta: Type.Integer({ description: 'Units that came or went.' }),
      reservedDelta: Type.Integer({ description: 'Units that were set aside, or free again.' }),
      onHand: Type.Integer({ description: 'There, after it.' }),
      reserved: Type.Integer({ description: 'Of them set aside, after it.' }),
      atMs: AtMs,
      reason: Type.String(),
    }),
  ),
  next: Type.Union([Type.String(), Type.Null()], {
    description: 'Give it as `before`; null on the last page.',
  }),
});
export const Settlement = Type.Object({
  day: Day,
  closed: Type.Boolean({ description: 'The day is over: nothing of it changes any more.' }),
  sales: Type.Object({ count: Type.Integer(), quantity: Type.Integer(), points: Points }),
  refunds: Type.Object({ count: Type.Integer(), quantity: Type.Integer(), points: Points }),
  points: Type.Integer({ description: 'What the day brought: sales without refunds.' }),
  offers: Type.Array(
    Type.Object({
      offerId: Id,
      title: Type.String(),
      sold: Type.Integer({ description: 'Units.' }),
      refunded: Type.Integer({ description: 'Units.' }),
      points: Points,
    }),
  ),
  checksum: Type.Union([Type.String(), Type.Null()], {
    description:
      'SHA-256 in hexadecimal digits over the lines `id kind redemption offer quantity points at` of the day, oldest first, each ended by a line feed; null while the day is open.',
  }),
});
