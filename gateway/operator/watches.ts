/** Whom operators follow on this gateway: few people, for a time, and nothing is kept when it is long over. */
import { OPERATOR } from './limits.ts';
import { Watch } from './watch.ts';

export interface WatchesOptions {
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
  /** The sockets of a person are to be followed by this from now on, or by nobody. */
  readonly follow: (userId: string, watch: Watch | null) => void;
}

export class Watches {
  readonly #options: WatchesOptions;
  /** Also those that are over and may still be read. */
  readonly #byUser = new Map<string, Watch>();
  /** Those that sockets know. */
  readonly #live = new Set<Watch>();

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  /** For a socket that comes: the watch of its user, null when nobody follows. One look in an empty map, mostly. */
  of(userId: string): Watch | null {
    if (this.#byUser.size === 0) return null;
    const watch = this.#byUser.get(userId);
    return watch !== undefined && watch.untilMs > this.#options.monotonicMs() ? watch : null;
  }

  /** What there is of a person, also when it is over. */
  read(userId: string): Watch | null {
    return this.#byUser.get(userId) ?? null;
  }

  /** Follows, or goes on to; false when too many are followed. A shorter time than it had left changes nothing. */
  begin(userId: string, leftMs: number): boolean {
    const { monotonicMs, wallMs, follow } = this.#options;
    const untilMs = monotonicMs() + leftMs;
    const known = this.#byUser.get(userId);
    if (known !== undefined && known.untilMs > monotonicMs()) {
      known.untilMs = Math.max(known.untilMs, untilMs);
      return true;
    }
    if (known !== undefined) this.end(userId);
    if (!this.#room()) return false;
    const watch = new Watch(userId, untilMs, wallMs);
    this.#byUser.set(userId, watch);
    this.#live.add(watch);
    follow(userId, watch);
    return true;
  }

  /** Ends it and forgets what it saw; whether there was one. */
  end(userId: string): boolean {
    const watch = this.#byUser.get(userId);
    if (watch === undefined) return false;
    this.#byUser.delete(userId);
    this.#stop(watch);
    return true;
  }

  /** Ends those whose time is over. */
  sweep(): void {
    if (this.#byUser.size === 0) return;
    const nowMs = this.#options.monotonicMs();
    for (const [userId, watch] of this.#byUser) {
      if (watch.untilMs > nowMs) continue;
      this.#stop(watch);
      if (nowMs - watch.untilMs > OPERATOR.traceKeptMs) this.#byUser.delete(userId);
    }
  }

  #stop(watch: Watch): void {
    if (this.#live.delete(watch)) this.#options.follow(watch.userId, null);
  }

  /** Room for one more, if need be in place of the one that was over first. */
  #room(): boolean {
    if (this.#byUser.size < OPERATOR.tracedUsers) return true;
    const nowMs = this.#options.monotonicMs();
    const over = [...this.#byUser.values()].filter(one => one.untilMs <= nowMs);
    const [first] = over.sort((a, b) => a.untilMs - b.untilMs);
    if (first === undefined) return false;
    this.#stop(first);
    return this.#byUser.delete(first.userId);
  }
}
