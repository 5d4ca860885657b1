/**
 * The numbers of version 1 of every business rule, as DOMAIN has them. What operators publish later stands in the store;
 * these are what a town starts with, also when the store is away.
 */
import type { Method } from '../protocol/catalogue.ts';

/** The version that is built in. Its numbers may be configured; later versions say their own. */
export const FIRST_VERSION = 1;

/** Points for each side by kind of proof; a face-to-face proof is worth more (DOMAIN rule 2). */
export const ENCOUNTER_POINTS: Readonly<
  Record<Method, { readonly officer: number; readonly civilian: number }>
> = {
  proximity: { officer: 10, civilian: 10 },
  hey: { officer: 10, civilian: 10 },
  qr: { officer: 20, civilian: 20 },
};

/** One encounter per pair in so many seconds, sliding (DOMAIN rule 1). */
export const COOLDOWN_S = 24 * 3_600;
/** An officer's sharing ends by itself (DOMAIN rule 5). */
export const SHARE_S = 15 * 60;
/** Points that an officer gives away to officers in 24 h: a present now and then, no way around the encounters. */
export const GIVEAWAY_DAY_POINTS = 100;
