/** What is asked in the `ask` benchmark, on both ways: a person's balance, the smallest question of the town. */
export const QUESTION = { type: 'balance' } as const;
export const ANSWER = { balance: 1_240, version: 187 } as const;

/** Actors on the other node that are asked in turn. */
export const ACTORS = 64;
export const RAW_SUBJECT = 'bench.raw';
