/** Where outbox rows go; the numbers are stored in `ops.outbox.target` and never reused. */
export const OUTBOX_TARGET = { userEvents: 1, transactions: 2, balances: 3, catalogs: 4 } as const;
export type OutboxTarget = keyof typeof OUTBOX_TARGET;
