/**
 * Backends whose statement was lost under way. The process of a server whose client is gone can still carry out what it
 * had received, so "it is not so" proves "it was not applied" only when every one of them has ended.
 */
import { CommitError } from '../../nodes/ports.ts';
import { TERMINATE_MS_MAX } from './limits.ts';
import type { Backend } from './line.ts';
import type { Lines } from './lines.ts';

export class LostBackends {
  readonly #lost = new Set<Backend>();

  add(backend: Backend): void {
    this.#lost.add(backend);
  }

  /**
   * Ends those that are known, over `lines`. Those that cannot be ended now are tried again next time.
   *
   * @throws CommitError `unavailable` when one is still ending
   */
  async end(lines: Lines): Promise<void> {
    for (const backend of [...this.#lost]) {
      const rows = await lines.run({
        name: 'end_backend',
        text: 'select pg_terminate_backend(pid, $3) from pg_stat_activity where pid = $1 and backend_start = $2',
        values: [backend.pid, backend.startedAt, TERMINATE_MS_MAX],
      });
      if (rows[0]?.[0] === false) {
        throw new CommitError('unavailable', `backend ${backend.pid} is still ending`);
      }
      this.#lost.delete(backend);
    }
  }
}
