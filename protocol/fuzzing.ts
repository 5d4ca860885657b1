/** What the bounded decoder promises, asked again and again of damaged frames. The command is `fuzz.ts`. */
import { decodeClientFrame } from './codec.ts';
import type { ClientFrame } from './frames.ts';
import { goldens } from './golden.ts';
import { openCommand } from './messages.ts';
import { dice, mutate } from './mutate.ts';
import { DECODE_WHYS, DecodeError } from './walker.ts';

/** What became of the frames: per reason, and how many were good frames and good or refused commands. */
export type Tally = Record<string, number>;

export interface Fuzzing {
  readonly tally: Tally;
  /** The first frame that broke the promise, if one did. */
  readonly broken: { readonly hex: string; readonly error: unknown } | null;
}

export const newTally = (): Tally => {
  const tally: Tally = { opened: 0, refused: 0, frame: 0 };
  for (const why of DECODE_WHYS) tally[why] = 0;
  return tally;
};

const toHex = (bytes: Uint8Array): string => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');

const judge = (frame: ClientFrame): string => {
  if (frame.type === 'batch') {
    // Commands inside are opened too; the batch counts as one frame.
    for (const inner of frame.frames) judge(inner);
    return 'frame';
  }
  if (frame.type !== 'command') return 'frame';
  return openCommand(frame).ok ? 'opened' : 'refused';
};

/** A supply of damaged frames, and the judgement over them; the same seed gives the same frames. */
export const fuzzer = (seed: number): ((frames: number, tally: Tally) => Fuzzing) => {
  const roll = dice(seed);
  // What clients say is damaged more often than what servers say: more of it gets past the first gate.
  const corpus = goldens().flatMap(({ from, bytes }) =>
    from === 'client' ? [bytes, bytes, bytes, bytes] : [bytes],
  );
  return (frames, tally) => {
    for (let i = 0; i < frames; i++) {
      const bytes = mutate(corpus, roll);
      try {
        const outcome = judge(decodeClientFrame(bytes));
        tally[outcome]! += 1;
      } catch (error) {
        if (!(error instanceof DecodeError)) return { tally, broken: { hex: toHex(bytes), error } };
        tally[error.why]! += 1;
      }
    }
    return { tally, broken: null };
  };
};
