/** The promises that a run is judged by, one checker each, and where they complain. */
export const CHECKERS = [
  'one writer per actor',
  'epochs never interleave',
  'no output before its commit',
  'nothing acknowledged is lost',
  'nothing applied twice',
  'points conserved',
  'points and stock conserved',
  'one score per pair and day',
  'each enter has one exit',
  'the newest position counts',
  'divisions change no result',
  'who meets was together',
  'who stays together meets',
  'who is off is forgotten',
  'a scan settles once',
  'what is held waits',
  'events gap-free and in order',
  'the stream goes on',
  'linearizable per actor',
  'everybody is served again',
  'memory is bounded',
  'nothing throws',
] as const;
export type CheckerName = (typeof CHECKERS)[number];

export interface Judge {
  fail(checker: CheckerName, words: string): void;
}
