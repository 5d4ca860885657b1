/**
 * The role that serves, when its password follows from the owner's and the owner's is renewed in a file while we run: the
 * first node that sees it gives the role its new password, and each opens its connections with it from then on. Those that are
 * open go on.
 */
import pg from 'pg';
import type { Log, Scheduler } from '../../nodes/ports.ts';
import { CONNECT_MS_MAX, LOGIN_LOOK_MS } from './limits.ts';
import { derivedFrom, liveUrl, tellUrl } from './liveUrl.ts';
import { ensureLogin } from './migrate.ts';

export interface DerivedLoginOptions {
  /** As it was at the start; followed (`liveUrl.ts`). */
  readonly databaseUrl: string;
  readonly appUrl: string;
  readonly log: Log;
  readonly scheduler: Scheduler;
}

export class DerivedLogin {
  readonly #options: DerivedLoginOptions;
  #ownerUrl: string;
  #cancel: () => void;

  constructor(options: DerivedLoginOptions) {
    this.#options = options;
    this.#ownerUrl = liveUrl(options.databaseUrl);
    this.#cancel = this.#again();
  }

  stop(): void {
    this.#cancel();
  }

  #again(): () => void {
    return this.#options.scheduler.after(LOGIN_LOOK_MS, () => {
      this.look()
        .catch(error =>
          this.#options.log.warn(
            { error: String(error) },
            'the new password of the owner gets us nowhere yet',
          ),
        )
        .finally(() => {
          this.#cancel = this.#again();
        });
    });
  }

  /** Reads the file once. */
  async look(): Promise<void> {
    const { databaseUrl, appUrl, log } = this.#options;
    const now = liveUrl(databaseUrl);
    if (now === this.#ownerUrl) return;
    const owner = new pg.Client({ connectionString: now, connectionTimeoutMillis: CONNECT_MS_MAX });
    owner.on('error', () => {}); // the query that is lost tells
    try {
      await owner.connect();
      await ensureLogin(owner, now);
    } finally {
      await owner.end().catch(() => {});
    }
    tellUrl(appUrl, derivedFrom(now, appUrl));
    this.#ownerUrl = now;
    log.info({}, 'the password of the database was renewed');
  }
}
