/** Is the stock what was moved, and is every redemption where its points are? */
import type { SqlCheck } from './sqlChecks.ts';

export const MARKET_CHECKS: readonly SqlCheck[] = [];
