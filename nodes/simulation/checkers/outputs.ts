/**
 * No output before its commit: whatever a gateway is about to send must name what is durable at that moment, with the very
 * balance and version that the store gave out; an event that moves no points must be stored.
 */
import type { Result } from '../../../protocol/errors.ts';
import type { SeenEvent } from '../simulatedGateway.ts';
import type { Judge } from './judge.ts';
import type { Truth } from './truth.ts';

export class Outputs {
  readonly #judge: Judge;
  readonly #truth: Truth;
  seen = 0;

  constructor(judge: Judge, truth: Truth) {
    this.#judge = judge;
    this.#truth = truth;
  }

  event(userId: string, { event, id }: SeenEvent): void {
    if (!event) return;
    switch (event.name) {
      case 'encounter.completed': {
        const { encounterId, points, balance, balanceVersion } = event.body;
        this.#transfer(userId, encounterId, points, event.name);
        return this.#balance(userId, balance, balanceVersion, event.name);
      }
      case 'points.changed': {
        const { transferId, delta, balance, balanceVersion } = event.body;
        this.#transfer(userId, transferId, delta, event.name);
        return this.#balance(userId, balance, balanceVersion, event.name);
      }
      case 'snapshot': {
        const { balance, balanceVersion, encounters, encounterCount } = event.body;
        for (const one of encounters) this.#transfer(userId, one.encounterId, one.points, event.name);
        const durable = this.#truth.encounters.get(userId)?.length ?? 0;
        if (encounterCount > durable) {
          this.#fail(userId, `a snapshot counts ${encounterCount} encounters, there are ${durable}`);
        }
        return this.#balance(userId, balance, balanceVersion, event.name);
      }
      default: {
        this.seen++;
        const stored = this.#truth.events.get(userId)?.some(one => one.id === id);
        if (!stored) this.#fail(userId, `${event.name} ${id} is not stored`);
      }
    }
  }

  reply(userId: string, message: { readonly type: string }, result: Result<unknown>): void {
    if (!result.ok) return;
    const name = message.type === 'command' ? (message as unknown as { name: string }).name : message.type;
    const value = result.value as Record<string, unknown>;
    switch (name) {
      case 'hey.accept':
      case 'qr.scan':
        return this.#transfer(userId, value.encounterId as string, value.points as number, name);
      case 'give':
        if (typeof value.transferId === 'string') {
          const { points } = message as unknown as { points: number };
          this.#transfer(userId, value.transferId, -points, name);
        }
        return;
      case 'location.share':
        return this.#timer(userId, value.untilS as number, name);
      case 'balance':
        return this.#balance(userId, value.balance as number, value.version as number, name);
      default:
        return;
    }
  }

  #transfer(userId: string, transferId: string, delta: number, where: string): void {
    this.seen++;
    if (delta === 0 && this.#truth.held.has(transferId)) return;
    const posted = this.#truth.transferOf(userId, transferId);
    if (!posted) return this.#fail(userId, `${where} names ${transferId}, which is not durable`);
    if (posted.delta !== delta) {
      this.#fail(userId, `${where} says ${delta} points for ${transferId}, the store ${posted.delta}`);
    }
  }

  /** An officer is told until when he shares: that end must be stored. */
  #timer(userId: string, untilS: number, where: string): void {
    if (!untilS) return;
    this.seen++;
    const stored = this.#truth.timers.get(`share of ${userId}`) ?? [];
    if (stored.some(dueAtMs => Math.floor(dueAtMs / 1_000) === untilS)) return;
    this.#fail(userId, `${where} says until ${untilS}, but no timer is stored that ends it`);
  }

  #balance(userId: string, balance: number, version: number, where: string): void {
    this.seen++;
    const durable = version === 0 ? 0 : this.#truth.postingOf(userId, version)?.balance;
    if (durable === balance) return;
    this.#fail(
      userId,
      `${where} says balance ${balance} at version ${version}, the store ${durable ?? 'has none'}`,
    );
  }

  #fail(userId: string, words: string): void {
    this.#judge.fail('no output before its commit', `to ${userId}: ${words}`);
  }
}
