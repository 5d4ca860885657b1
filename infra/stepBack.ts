import { readlinkSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/** This thread goes on when nobody else wants the processor; where the system does not let it, it goes on as it is. */
export function stepBack(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, constants.priority.PRIORITY_LOW);
  } catch {
    // no such place or no permission: nothing depends on it
  }
}
