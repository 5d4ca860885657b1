/** Operators at their desks: they look at what is held, and release or reject it; now and then two of them differ. */
import type { Review } from '../../actors/messages/pair.ts';
import type { Result } from '../../protocol/errors.ts';
import type { MemoryPeople } from '../memory/memoryPeople.ts';
import type { Chronicle } from './chronicle.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Machine } from './machine.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface OperatorParts {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
  readonly people: MemoryPeople;
  readonly machines: readonly Machine[];
  answered(encounterId: string, verdict: Review['verdict'], result: Result<unknown>): void;
}

const LOOK_MS = { min: 1_000, max: 4_000 };
const HOLDS_MAX = 100;
/** As `gateway/operator/desk.ts` asks. */
const ASK_MS = 3_000;

export class Operator {
  readonly #parts: OperatorParts;
  #on = false;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#on = true;
    this.#later();
  }

  stop(): void {
    this.#on = false;
  }

  #later(): void {
    const { time, dice } = this.#parts;
    time.after(dice.between(LOOK_MS.min, LOOK_MS.max), () => {
      if (!this.#on) return;
      void this.#look();
      this.#later();
    });
  }

  async #look(): Promise<void> {
    const { people, dice, faults } = this.#parts;
    const holds = await people.holds(HOLDS_MAX);
    if (holds.length === 0) return;
    const { encounterId, officer, civilian } = dice.pick(holds);
    const verdict = dice.chance(0.5) ? 'released' : 'rejected';
    const pair = `${officer.id}|${civilian.id}`;
    this.#say(pair, { type: 'review', encounterId, verdict });
    if (!dice.chance(0.3)) return;
    faults.hit('operators differed');
    this.#say(pair, {
      type: 'review',
      encounterId,
      verdict: verdict === 'released' ? 'rejected' : 'released',
    });
  }

  #say(pair: string, review: Review): void {
    const { machines, dice, faults, chronicle, answered } = this.#parts;
    const up = machines.filter(machine => machine.running?.started && !machine.running.process.paused);
    if (up.length === 0) return;
    const { node } = dice.pick(up).running!;
    chronicle.note('an operator decides', review.encounterId, review.verdict);
    const heard = (result: Result<unknown>): void => {
      chronicle.note('an operator was answered', review.encounterId, result.ok ? 'ok' : result.message);
      if (result.ok) faults.hit(review.verdict === 'released' ? 'held and released' : 'held and rejected');
      answered(review.encounterId, review.verdict, result);
    };
    node.door.ask({ kind: 'pair', id: pair }, review, heard, { timeoutMs: ASK_MS, keyed: true });
  }
}
