/** How an operator changes what a socket may say while the town runs, and within which bounds. */
import { Type } from 'typebox';
import { RATES } from '../limits.ts';
import type { RateClass } from '../meters.ts';
import { OPERATOR } from './limits.ts';

const closed = { additionalProperties: false };

/** So many a second, so many at once. Never none: who may say nothing is disconnected instead. */
const perS = Type.Number({ minimum: OPERATOR.ratePerSMin, maximum: OPERATOR.ratePerSMax });
const burst = Type.Integer({ minimum: 1, maximum: OPERATOR.rateBurstMax });
export const NewRate = Type.Object({ perS, burst }, closed);

export const RATE_CLASSES = Object.keys(RATES.session) as readonly RateClass[];
export const isRateClass = (text: string): text is RateClass => RATE_CLASSES.includes(text as RateClass);

/** As the gateways say it to each other. */
export const RateName = Type.Union([
  Type.Literal('location'),
  Type.Literal('command'),
  Type.Literal('auth'),
  Type.Literal('qr'),
  Type.Literal('other'),
]);
export const RatesNow = Type.Object(
  {
    /** Null where limits are switched off. */
    rates: Type.Union([
      Type.Object(
        { location: NewRate, command: NewRate, auth: NewRate, qr: NewRate, other: NewRate },
        closed,
      ),
      Type.Null(),
    ]),
  },
  closed,
);
