/** What goes in and out of the scoring doors. */
import { type Static, Type } from 'typebox';
import { METHODS } from '../../protocol/catalogue.ts';
import { Amount, GiftParts } from './giving.ts';
import { Id } from './schemas.ts';

const closed = { additionalProperties: false };
const TRANSACTION_TYPES = ['encounter', 'donation', 'giveaway', 'fee', 'redemption'] as const;

const EncounterBody = Type.Object(
  {
    type: Type.Literal('encounter'),
    officer: Id,
    civilian: Id,
    method: Type.Enum([...METHODS], { description: 'How it was proved.' }),
  },
  closed,
);
const DonationBody = Type.Object({ type: Type.Literal('donation'), from: Id, to: GiftParts }, closed);
const GiveawayBody = Type.Object(
  { type: Type.Literal('giveaway'), from: Id, to: Id, points: Amount },
  closed,
);
const FeeBody = Type.Object({ type: Type.Literal('fee'), from: Id, fee: Id }, closed);

const RedemptionBody = Type.Object(
  {
    type: Type.Literal('redemption'),
    from: Id,
    merchant: Id,
    offer: Id,
    quantity: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535, description: 'Units; default 1.' })),
  },
  closed,
);

export const TransactionBody = Type.Union([
  EncounterBody,
  DonationBody,
  GiveawayBody,
  FeeBody,
  RedemptionBody,
]);
export type Transaction = Static<typeof TransactionBody>;

const orNull = <T extends Parameters<typeof Type.Optional>[0]>(type: T) => Type.Union([type, Type.Null()]);

export const Scored = Type.Object({
  type: Type.Enum([...TRANSACTION_TYPES]),
  transferId: orNull(Id),
  held: Type.Boolean({ description: 'Nothing is posted until an operator has looked at it.' }),
  parties: Type.Array(
    Type.Object({ userId: Id, points: Type.Integer({ description: 'Signed change of the balance.' }) }),
  ),
  rule: orNull(
    Type.Object({
      id: Type.String({ description: 'Rule that gave the points.' }),
      version: Type.Integer(),
    }),
  ),
  atMs: orNull(Type.Integer({ description: 'Unix milliseconds of the database clock.' })),
});
