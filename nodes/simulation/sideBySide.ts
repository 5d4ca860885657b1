/**
 * The last scene of a world: when all is well again, people are put side by side at the border of regions, and a node that
 * may hold them is drained, or killed, in the middle of their dwell. Every couple must meet all the same: a region that
 * moves in good order takes its dwells along, one that dies is filled again by the next reports.
 */
import type { Couple, Together } from './checkers/together.ts';
import type { Chronicle } from './chronicle.ts';
import type { Dice } from './dice.ts';
import type { Op, OpName } from './history.ts';
import type { Machine } from './machine.ts';
import type { Phone } from './phone.ts';
import { beside, Walk } from './streets.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface SideBySideParts {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly chronicle: Chronicle;
  readonly phones: readonly Phone[];
  readonly machines: readonly Machine[];
  readonly together: Together;
  readonly cooldownMs: number;
  /** Whether the node that goes goes in good order. */
  readonly drains: boolean;
  until(ms: number, enough: () => boolean): void;
}

const REPORT_MS = 1_000;
const BREAK_AFTER_MS = 2_000;
const BOOT_AFTER_MS = 1_500;
/** Two metres apart at most, couples further from each other than anybody enters. */
const CLOSE_M = 1;
const COUPLES_M = 45;
/** Twice: for the commands before and after. */
const COMMANDS_MS = 20_000;
/** A shard is handed over within 5 s, a dwell takes 4 s, and each side reports in each second. */
const DRAINED_MS = 14_000;
/** An eviction takes 7 s, an attach that waits 9.5 s, a report and a dwell 6 s, and a hand-over back may be under way. */
const KILLED_MS = 32_000;

export class SideBySide {
  readonly #parts: SideBySideParts;
  #on = true;

  constructor(parts: SideBySideParts) {
    this.#parts = parts;
  }

  /** Two by two, those who may meet now. @returns since when everybody shared who then went, world milliseconds */
  play(): number {
    const { phones, time, dice, chronicle, together, drains, until } = this.#parts;
    this.#all('location.stop');
    const startMs = time.monotonicMs();
    const couples = this.#couples(startMs);
    for (const [at, [officer, civilian]] of couples.entries()) {
      const spot = { eastM: (at - (couples.length - 1) / 2) * COUPLES_M, northM: 0 };
      for (const phone of [officer, civilian]) phone.walk = new Walk(beside(spot, CLOSE_M, dice));
    }
    for (const phone of phones) phone.flags = 0;
    this.#all('instant.set', { on: true });
    this.#all('location.share');
    const togetherMs = time.monotonicMs();
    chronicle.note('people stand side by side', couples.length);
    for (const phone of phones) this.#report(phone);
    time.after(BREAK_AFTER_MS, () => this.#break());
    const hasMet = (couple: readonly [Phone, Phone]): boolean => together.hasMet(coupleOf(couple), startMs);
    // asked after each of many thousand steps: the first who has not is enough
    until(togetherMs + (drains ? DRAINED_MS : KILLED_MS), () => couples.every(hasMet));
    for (const couple of couples.filter(couple => !hasMet(couple))) {
      const nicks = couple.map(one => one.person.nick).join(' and ');
      together.missed(
        coupleOf(couple),
        `(${nicks}) have not met ${Math.round(time.monotonicMs() - togetherMs)} ms after they came together`,
      );
    }
    // whoever came to a new actor says once more where he is: one that knows no place cannot say that it is left
    this.#all('location.share');
    const sharingMs = time.monotonicMs();
    until(sharingMs + 2 * REPORT_MS, () => false);
    // one way or another everybody goes, and the phones go on saying where they are for a while
    const ways = new Map(phones.map(phone => [phone, dice.pick(['stop', 'off', 'qr', 'coarse'] as const)]));
    this.#each(phone => {
      const way = ways.get(phone)!;
      return phone.command(
        way === 'stop' ? 'location.stop' : 'location.mode',
        way === 'stop' ? {} : { mode: way },
      );
    });
    until(time.monotonicMs() + 2 * REPORT_MS, () => false);
    this.#on = false;
    return sharingMs;
  }

  #couples(nowMs: number): (readonly [Phone, Phone])[] {
    const { phones, dice, together, cooldownMs } = this.#parts;
    const free = dice.shuffled(phones.filter(one => one.person.kind === 'civilian'));
    const couples: (readonly [Phone, Phone])[] = [];
    for (const officer of phones.filter(one => one.person.kind === 'officer')) {
      const at = free.findIndex(one => !together.hasMet(coupleOf([officer, one]), nowMs - cooldownMs));
      if (at >= 0) couples.push([officer, free.splice(at, 1)[0]!]);
    }
    return couples;
  }

  #report(phone: Phone): void {
    const { time, dice } = this.#parts;
    time.after(dice.between(0.8, 1) * REPORT_MS, () => {
      if (!this.#on) return;
      phone.report();
      this.#report(phone);
    });
  }

  #break(): void {
    const { machines, dice, drains, time } = this.#parts;
    const up = machines.filter(machine => machine.running?.started && !machine.leaving);
    if (up.length < 2) return;
    const machine = dice.pick(up);
    const boot = (): void => void time.after(BOOT_AFTER_MS, () => machine.boot());
    if (drains) return machine.stop(boot);
    machine.crash(0);
    boot();
  }

  /** Everybody does it, and has. */
  #all(name: OpName, body: Op['body'] = {}): void {
    this.#each(phone => phone.command(name, body));
  }

  #each(command: (phone: Phone) => Op): void {
    const { phones, time, until } = this.#parts;
    const ops = new Map(phones.map(phone => [phone, command(phone)]));
    until(time.monotonicMs() + COMMANDS_MS, () => {
      for (const [phone, op] of ops) if (op.outcome === 'unknown') ops.set(phone, command(phone));
      return [...ops.values()].every(op => op.outcome === 'ok' || op.outcome === 'failed');
    });
  }
}

const coupleOf = ([officer, civilian]: readonly [Phone, Phone]): Couple => ({
  officerId: officer.person.id,
  civilianId: civilian.person.id,
});
