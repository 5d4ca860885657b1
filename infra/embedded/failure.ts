/**
 * The one way a start says no.
 *
 * Whatever keeps the town from starting (a folder that cannot be written, a server that does not come up) ends in one
 * sentence for the person at the terminal. Bugs keep their stack traces; this error is for everything else.
 */
export class StartFailure extends Error {
  override name = 'StartFailure';
}

/** The sentence for the person at the terminal: ours as it is, anybody else's error with what we were doing. */
export function sentenceOf(error: unknown, doing: string): string {
  if (error instanceof StartFailure) return error.message;
  return `${doing}: ${error instanceof Error ? error.message : String(error)}`;
}
