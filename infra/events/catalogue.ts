/**
 * Every event that leaves the house in a stream: what it tells, to whom it belongs, and the schema of its data.
 *
 * Others read these for years, from the streams and from the archive. So a version of an event only grows: fields come,
 * none goes or changes its type (`additive.ts` compares with the committed `generated/`). What must break is a new version
 * beside the old one. Consumers take no offence at fields and types that they do not know.
 *
 * Never in an event: a position, a device's name, a password, a code that pays, what somebody wrote to somebody.
 */
import { type Static, type TObject, type TSchema, Type } from 'typebox';
import { RULE_KINDS } from '../../nodes/rulesPort.ts';
import { ACCOUNT_KINDS, METHODS } from '../../protocol/catalogue.ts';

export const STREAMS = { userEvents: 'user-events', transactions: 'transactions' } as const;
export type Stream = (typeof STREAMS)[keyof typeof STREAMS];

const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';
const Id = (description: string) => Type.String({ pattern: UUID, description });
const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Points = (description: string) => Type.Integer({ description });
const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = (description: string) =>
  Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z$', description });

const Rule = Type.Object(
  {
    id: Type.String({ description: 'of the rule that gave or priced the points' }),
    version: Type.Integer({ description: 'of the rule' }),
    trace: Type.Optional(orNull(Type.String({ description: 'hash of the evaluation, 16 hex digits' }))),
  },
  { description: 'which rule, so that the movement can be explained' },
);

const Leg = Type.Object({
  account: Id('account, which is its owner'),
  delta: Points('what it got; negative: what it gave'),
  balance: Type.Optional(Points('of the account after it; not of the mint')),
  version: Type.Optional(Count('of the account after it; rises with every posting; not of the mint')),
});

/** One schema for everything that moves points: whoever adds up a ledger reads them alike. */
const Movement = Type.Object({
  transferId: Id('of the transfer in the ledger; the event has the same id'),
  reason: Type.String({ description: 'short word of why' }),
  rule: Rule,
  method: orNull(Type.Enum([...METHODS], { description: 'of an encounter: how it was proved' })),
  officer: orNull(Id('of an encounter')),
  civilian: orNull(Id('of an encounter')),
  zip: orNull(Type.String({ description: 'of an encounter: zip code of the coarse cell; null: not known' })),
  metBy: Type.Optional(
    orNull(
      Type.Object(
        {
          id: Type.String({ description: 'of the rule' }),
          version: Type.Integer({ description: 'of the rule' }),
        },
        { description: 'of an encounter by proximity: the rule of meeting by which the two stood together' },
      ),
    ),
  ),
  legs: Type.Array(Leg, { description: 'all of the entry; they sum to zero', minItems: 2 }),
});

const redemption = {
  redemptionId: Id('of the redemption, in every event of it'),
  user: Id('who redeems'),
  merchant: Id('who sells'),
  offer: Id('what is redeemed'),
  quantity: Count('units that this event is about'),
  points: Count('points that this event is about'),
  rule: Rule,
  onHand: Count('units of the offer there after it'),
  reserved: Count('units of the offer set aside after it'),
};
const Redemption = Type.Object(redemption);
const Paid = Type.Object({
  ...redemption,
  transferId: Type.Optional(Id('of the transfer that moved the points')),
});
const Stock = {
  offer: Id('whose stock'),
  merchant: Id('whose offer'),
  onHand: Count('units there, reserved ones among them'),
  reserved: Count('units set aside'),
};

export interface EventRow {
  readonly stream: Stream;
  readonly version: number;
  /** One sentence. */
  readonly tells: string;
  readonly data: TObject;
}

const movement = (tells: string): EventRow => ({
  stream: STREAMS.transactions,
  version: 1,
  tells,
  data: Movement,
});
const market = (tells: string, data: TObject): EventRow => ({
  stream: STREAMS.transactions,
  version: 1,
  tells,
  data,
});
const person = (tells: string, data: TObject): EventRow => ({
  stream: STREAMS.userEvents,
  version: 1,
  tells,
  data,
});

const CatalogEntry = Type.Object({
  entryId: Id('of the entry'),
  kind: Type.Enum(['charity', 'family'], { description: 'which catalogue' }),
  name: Type.String({ description: 'as everybody may read it' }),
  account: orNull(Id('that receives; null: none yet')),
  zip: orNull(Type.String({ description: 'postal code; null: not known' })),
  status: Type.Enum(['listed', 'verified', 'suspended'], { description: 'only verified ones receive' }),
  version: Count('of the entry; rises with every change'),
});

const Lines = Type.Object({
  count: Count('lines of the day'),
  quantity: Count('units'),
  points: Count('points'),
});

const counting = {
  ruleId: Type.String({ description: 'of the rule; the subject follows from it' }),
  kind: Type.Enum([...RULE_KINDS], { description: 'what it decides' }),
};

export const CATALOGUE = {
  'user.registered': person(
    'Somebody signed up.',
    Type.Object({
      userId: Id('of the account'),
      kind: Type.Enum([...ACCOUNT_KINDS], { description: 'what the account is' }),
      zip: orNull(Type.String({ description: 'postal code that was given; null: none' })),
    }),
  ),
  'user.verified': person(
    'Who somebody says to be was looked up: an officer has a badge.',
    Type.Object({
      userId: Id('of the account'),
      kind: Type.Enum([...ACCOUNT_KINDS], { description: 'what it was verified to be' }),
    }),
  ),
  'user.updated': person(
    'An operator opened an account again, or changed how much may leave it.',
    Type.Object({
      userId: Id('of the account'),
      active: Type.Boolean({ description: 'false: it is closed, no points move' }),
      entryMax: orNull(Points('that may leave it at once; null: no such limit')),
      dayMax: orNull(Points('that may leave it in a day; null: no such limit')),
    }),
  ),
  'user.deactivated': person(
    'No points move on an account any more.',
    Type.Object({
      userId: Id('of the account'),
      because: Type.Enum(['erased', 'closed'], {
        description:
          'the person is gone and nothing names him, or an operator closed it and may open it again',
      }),
    }),
  ),
  'device.registered': person(
    'An account lives on another device now, or on one more.',
    Type.Object({
      userId: Id('of the account'),
      moved: Type.Boolean({ description: 'true: the devices before are good no more' }),
      deviceNumber: orNull(Count('rises with each move; null: one more device of an organisation')),
    }),
  ),
  'token.revoked': person(
    'Access tokens of somebody are good no more, before their time.',
    Type.Object({
      userId: Id('of the account'),
      all: Type.Boolean({ description: 'every token issued until then; false: one token' }),
      issuedUntil: Time('tokens issued later are good'),
    }),
  ),
  'catalog.charity_upserted': person('What operators know of a charity changed.', CatalogEntry),
  'catalog.family_upserted': person('What operators know of a family in need changed.', CatalogEntry),
  'rule.published': person(
    'Another version of a business rule counts.',
    Type.Object({
      ...counting,
      version: Count('that counts now'),
      before: orNull(Count('that counted before; null: none')),
    }),
  ),
  'rule.retired': person(
    'No version of a business rule counts any more.',
    Type.Object({ ...counting, version: Count('that counted before') }),
  ),
  'encounter.recorded': movement('A civilian and an officer met; both got their points from the mint.'),
  'points.awarded': movement('The mint gave points for anything but an encounter.'),
  'points.donated': movement('Somebody gave points to charities or families.'),
  'points.giveaway': movement('An officer gave points to an officer.'),
  'points.transferred': movement(
    'Points moved for any other reason: what was redeemed is paid, a fee is paid.',
  ),
  'points.reversed': movement('A correction: points of an earlier entry went back.'),
  'points.expired': movement('Points whose time was over left an account.'),
  'redemption.reserved': market(
    'Points and stock are set aside for a while.',
    Type.Object({ ...redemption, expiresAt: Type.Optional(Time('nothing pays it later')) }),
  ),
  'redemption.confirmed': market('The till confirmed so many units; what is left of it is given back.', Paid),
  'redemption.cancelled': market('Points and stock are given back, because somebody said so.', Redemption),
  'redemption.expired': market('Points and stock are given back, because its time was over.', Redemption),
  'redemption.refunded': market(
    'The merchant gave back points for so many units.',
    Type.Object({
      ...Paid.properties,
      restock: Type.Optional(Type.Boolean({ description: 'back in stock' })),
    }),
  ),
  'stock.adjusted': market(
    'The merchant counted, received or wrote off units.',
    Type.Object({
      ...Stock,
      delta: Type.Integer({ description: 'units that came; negative: went' }),
      kind: Type.Enum(['adjustment', 'receipt'], { description: 'counted, or delivered' }),
      reason: Type.String({ description: "in the merchant's words" }),
    }),
  ),
  'settlement.closed': market(
    'A day of a merchant is over and kept: what was sold and given back.',
    Type.Object({
      merchant: Id('whose day'),
      day: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\d$', description: 'UTC' }),
      sales: Lines,
      refunds: Lines,
      points: Points('of the sales without those of the refunds'),
      checksum: Type.String({ description: 'SHA-256 over the lines of the day, hex digits' }),
    }),
  ),
  'stock.low': market(
    'No more than so many units are free.',
    Type.Object({ ...Stock, lowStock: Count('the bound that the merchant set') }),
  ),
} as const satisfies Record<string, EventRow>;

export type EventType = keyof typeof CATALOGUE;
export const EVENT_TYPES = Object.keys(CATALOGUE) as readonly EventType[];
export const isEventType = (type: unknown): type is EventType =>
  typeof type === 'string' && Object.hasOwn(CATALOGUE, type);

export type Movement = Static<typeof Movement>;
export type Redemption = Static<typeof Paid>;

/** What is around `data`, of every event. */
const Head = {
  stamp: Type.Object(
    {
      shard: Count('shard under whose ownership it was committed'),
      epoch: Count('of that ownership; 0: no owner was asked'),
      seq: Count('rises along the events of a subject; the same however often it is sent'),
    },
    { description: 'tells a late repeat from news (infra/kinesis/stamp.ts)' },
  ),
  trace: orNull(Type.String({ description: 'W3C traceparent of the request that led here' })),
  id: Id('of the event; the same however often it is sent'),
  source: Type.String({ pattern: '^heyblue\\.[a-z]+$', description: 'heyblue. and the domain' }),
  type: Type.String({ description: 'domain and name' }),
  version: Type.Integer({ minimum: 1, description: 'of the schema of data' }),
  detailType: Type.String({ description: 'type and version in one word' }),
  time: Time('of the effect, by the database clock'),
  subject: Id('whose history it belongs to; the partition key'),
  seq: Count('version of the account where points moved, else the number of the stamp'),
  correlationId: orNull(Type.String({ description: 'trace id' })),
  causationId: orNull(Type.String({ description: 'what it follows from' })),
  userId: Id('the subject once more: no account of rules, nor of entries of catalogues that have none'),
};

/** The schema of a whole event. */
export const schemaOf = (type: EventType): TObject => {
  const { version, tells, data } = CATALOGUE[type];
  return Type.Object(
    {
      ...Head,
      type: Type.Literal(type, { description: 'domain and name' }),
      version: Type.Literal(version, { description: 'of the schema of data' }),
      data,
    },
    { description: tells },
  );
};
