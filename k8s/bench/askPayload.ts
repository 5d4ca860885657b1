/** What is asked in the `ask` benchmark, on both ways: a command of a phone, as its gateway passes it on. */
export const QUESTION = {
  type: 'command',
  session: { gateway: '0192f2aa-5b1c-7000-8000-0000000000a1', id: '0192f2aa-5b1c-7000-8000-0000000000b2' },
  name: 'hey.say',
  body: { officerId: '0192f2aa-5b1c-7000-8000-0000000000c3' },
  key: '0192f2aa-5b1c-7000-8000-0000000000d4',
  requestHash: 'a3f5c9d2e8b14706',
} as const;

export const ANSWER = { heyId: '0192f2aa-5b1c-7000-8000-0000000000e5', expiresS: 120 } as const;

/** Actors on the other node that are asked in turn. */
export const ACTORS = 64;
export const RAW_SUBJECT = 'bench.raw';
