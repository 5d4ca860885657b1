/**
 * Officers and civilians meet by code, each two at most once in a run: whatever is asked, answered, lost and asked again,
 * PostgreSQL may hold one encounter of them. Some answers are asked for again, and must be the same.
 */
import { ERROR } from '../../../protocol/index.ts';
import type { LoadContext } from './context.ts';
import { CERTAIN_MS, CODE_MS, CODES_MAX } from './limits.ts';
import type { WatchedPhone } from './watchedPhone.ts';

/** One answer in so many is asked for again under the same key. */
const REPEAT_ONE_IN = 6;

interface Code {
  readonly token: string;
  readonly shownMs: number;
}

export class Meets {
  readonly #context: LoadContext;
  readonly #officers: readonly WatchedPhone[];
  readonly #civilians: readonly WatchedPhone[];
  readonly #codes = new Map<WatchedPhone, Promise<Code | null>>();
  #next = 0;

  constructor(context: LoadContext) {
    this.#context = context;
    const { people, random } = context;
    const phones = (some: readonly { userId: string }[]) => some.map(one => context.phone(one.userId));
    this.#officers = random.shuffled(phones(people.officers));
    this.#civilians = random.shuffled(phones(people.civilians));
  }

  /** The next two; null when everybody has met everybody. */
  begin(): Promise<void> | null {
    const [officers, civilians] = [this.#officers.length, this.#civilians.length];
    if (this.#next >= officers * civilians) return null;
    const index = this.#next++;
    // diagonals of the table: neighbours in time share nobody
    const column = index % civilians;
    const officer = this.#officers[(column + Math.floor(index / civilians)) % officers]!;
    return this.#meet(officer, this.#civilians[column]!);
  }

  /** The code on the officer's phone; several may read the same one. */
  async #code(officer: WatchedPhone, leftMs: number): Promise<string | null> {
    const known = await this.#codes.get(officer);
    if (known && performance.now() - known.shownMs < CODE_MS) return known.token;
    if ((await this.#codes.get(officer)) === known) {
      const shown = officer.roaming
        .surely('qr.show', {}, null, leftMs)
        .then(settled =>
          settled.outcome === 'ok' ? { token: settled.value.token, shownMs: performance.now() } : null,
        );
      this.#codes.set(officer, shown);
    }
    return (await this.#codes.get(officer))?.token ?? null;
  }

  async #meet(officer: WatchedPhone, civilian: WatchedPhone): Promise<void> {
    const context = this.#context;
    const end = performance.now() + CERTAIN_MS;
    let dueMs = context.nowMs();
    for (let i = 0; i < CODES_MAX; i++) {
      const token = await this.#code(officer, Math.max(1, end - performance.now()));
      const deadlineMs = end - performance.now();
      if (token === null || deadlineMs <= 0) return;
      const key = crypto.randomUUID();
      const done = await context.command(
        civilian,
        'qr.scan',
        { token },
        { op: 'meet', other: officer.person.userId, points: null, key, deadlineMs },
        ({ encounterId, points, balance }) => ({ named: encounterId, points, balance }),
        dueMs,
      );
      if (done.value !== null && context.random.below(REPEAT_ONE_IN) === 0) {
        await this.#again(civilian, token, key, done.value);
      }
      // only a code that is over is worth another one, and that is another command
      const { refusal } = done;
      if (done.outcome !== 'fail' || (refusal?.code !== ERROR.gone && refusal?.code !== ERROR.invalid))
        return;
      this.#codes.delete(officer);
      dueMs = context.nowMs();
    }
  }

  /** The same command once more: the same answer, and nothing happens twice. */
  async #again(
    civilian: WatchedPhone,
    token: string,
    key: string,
    first: { readonly encounterId: string; readonly points: number; readonly balance: number },
  ): Promise<void> {
    const settled = await civilian.roaming.surely('qr.scan', { token }, key, CERTAIN_MS);
    if (settled.outcome === 'unknown') return;
    const said =
      settled.outcome === 'ok'
        ? [settled.value.encounterId, settled.value.points, settled.value.balance]
        : [settled.refusal.code, settled.refusal.message];
    const before = [first.encounterId, first.points, first.balance];
    if (said.join() !== before.join())
      this.#context.contradictions.push(`command ${key} was answered with ${before}, and again with ${said}`);
  }
}
