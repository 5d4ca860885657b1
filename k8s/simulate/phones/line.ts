/**
 * One connection between a phone and a gateway as the town of phones handles it, on virtual time (`wire.ts`) or over real
 * sockets (`../../e2e/phones/tcpLine.ts`): what the client of an app speaks through, and what may be done to it.
 */
import type { SocketLike } from '../../../gateway/client/types.ts';

/**
 * How networks end things: with a goodbye of the kernels (`clean`), with the loss of everything that was under way (`reset`),
 * and without a word (`silent`).
 */
export type Ending = 'clean' | 'reset' | 'silent';
export const ENDINGS: readonly Ending[] = ['clean', 'reset', 'silent'];

export interface Line extends SocketLike {
  /** Whose phone it is; for words and checkers. */
  readonly owner: string;
  /** Address of the node that it leads to. */
  readonly url: string;
  /** The phone's end is over: it closed, or heard the close. */
  readonly phoneOver: boolean;
  send(data: Uint8Array): void;
  /** The process of the app is gone: its kernel says goodbye for it. */
  appDied(): void;
  /** The phone stops taking what comes, or takes it again. */
  read(on: boolean): void;
  cut(how: Ending): void;
}
