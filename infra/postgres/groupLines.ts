/**
 * The lines of a store that takes groups under the fence: those that commit, and one beside them for reads. A look-up ends
 * the backends that were lost first (`lostBackends.ts`): only then does "it is not there" prove "it was not stored".
 */
import type { Log } from '../../nodes/ports.ts';
import { COMMIT_LOCK_MS_MAX, COMMIT_SILENCE_MS_MAX, COMMIT_STATEMENT_MS_MAX } from './limits.ts';
import { Lines } from './lines.ts';
import { LostBackends } from './lostBackends.ts';

export interface GroupLinesOptions {
  readonly url: string;
  readonly log: Log;
  /** Groups at work at once; another one waits its turn. */
  readonly connections: number;
  /** What the two kinds of line are called in the log. */
  readonly name: string;
  readonly sideName: string;
}

export class GroupLines {
  readonly commits: Lines;
  readonly side: Lines;
  readonly #lost = new LostBackends();

  constructor({ connections, name, sideName, url, log }: GroupLinesOptions) {
    const line = {
      url,
      log,
      settings: { statement_timeout: `${COMMIT_STATEMENT_MS_MAX}`, lock_timeout: `${COMMIT_LOCK_MS_MAX}` },
      silenceMsMax: COMMIT_SILENCE_MS_MAX,
    };
    this.commits = new Lines(connections, { ...line, name, onLost: backend => this.#lost.add(backend) });
    this.side = new Lines(1, { ...line, name: sideName });
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await Promise.all([this.commits.tried(), this.side.tried()]);
  }

  /** Ends what was lost; @throws CommitError `unavailable` when something is still ending. */
  endLost(): Promise<void> {
    return this.#lost.end(this.side);
  }

  async close(): Promise<void> {
    await Promise.all([this.commits.close(), this.side.close()]);
  }
}
