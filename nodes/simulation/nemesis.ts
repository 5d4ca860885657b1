/** Brings the troubles of a plan over a world, one after the other and some at once, and heals everything at the end. */
import { ok, type Result } from '../../protocol/errors.ts';
import { shardOf } from '../../protocol/shard.ts';
import { LIMITS } from '../limits.ts';
import type { Judge } from './checkers/judge.ts';
import type { Chronicle } from './chronicle.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Machine } from './machine.ts';
import type { WakeOrder } from './process.ts';
import { EXCUSING, type Plan, type Trouble } from './profiles.ts';
import { FINE_WEATHER, type MessageWeather } from './simulatedBus.ts';
import { FINE_KV, type KvServer } from './simulatedKv.ts';
import { FINE_SQL, type SqlServer } from './simulatedSql.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface NemesisParts {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
  readonly judge: Judge;
  readonly machines: readonly Machine[];
  readonly kv: KvServer;
  readonly sql: SqlServer;
  readonly weather: MessageWeather;
  readonly users: readonly string[];
}

const MISTAKES_MAX = 2;
/** A flood is this much more than a mailbox takes. */
const FLOOD = LIMITS.mailboxMessages * 2 + 200;

export class Nemesis {
  readonly #parts: NemesisParts;
  readonly #plan: Plan;
  #on = false;
  #mistakes = 0;
  /** Something that excuses two live copies has happened in this world. */
  excused = false;

  constructor(parts: NemesisParts, plan: Plan) {
    this.#parts = parts;
    this.#plan = plan;
  }

  start(): void {
    this.#on = true;
    this.#next();
  }

  /** Heals everything: what is down comes up, what is cut is joined, all weathers are fine. */
  heal(): void {
    this.#on = false;
    const { machines, kv, sql, weather, chronicle, dice } = this.#parts;
    chronicle.note('everything heals');
    Object.assign(weather, FINE_WEATHER);
    Object.assign(kv.weather, FINE_KV);
    Object.assign(sql.weather, FINE_SQL);
    sql.away = false;
    kv.stalledUntilMs.clear();
    kv.hungUntilMs.clear();
    for (const machine of machines) {
      machine.busLink.heal();
      machine.sqlLink.heal();
      machine.running?.process.resume(dice.pick(WAKING));
      machine.boot();
    }
  }

  #next(): void {
    const { time, dice } = this.#parts;
    const { everyMs, troubles } = this.#plan;
    time.after(dice.between(everyMs.min, everyMs.max), () => {
      if (!this.#on) return;
      this.#bring(dice.pick(troubles));
      this.#next();
    });
  }

  #bring(trouble: Trouble): void {
    const { dice, faults, chronicle, kv, sql, weather } = this.#parts;
    if (EXCUSING.has(trouble)) {
      // an operator's mistake, not the weather: no more than a few times in a life
      if (this.#mistakes++ >= MISTAKES_MAX) return;
      this.excused = true;
    }
    switch (trouble) {
      case 'crash':
        return this.#crash();
      case 'flap':
        return this.#flap();
      case 'drain':
        return this.#drain();
      case 'thereAndBack':
        return this.#thereAndBack();
      case 'pauseShort':
        return this.#pause(dice.between(200, 3_400), false);
      case 'pauseLong':
        return this.#pause(dice.between(6_500, 13_000), false);
      case 'suspend':
        return this.#pause(dice.between(5_000, 12_000), true);
      case 'zombie':
        return this.#zombie();
      case 'partition':
        return this.#partition(true, true);
      case 'oneWay': {
        const out = dice.chance(0.5);
        return this.#partition(out, !out);
      }
      case 'disconnect':
        return dice.pick(this.#parts.machines).running?.bus.disconnect();
      case 'busRestart':
        return this.#busRestart();
      case 'messages':
        return this.#windowed('messages are mistreated', 500, 4_000, weather, FINE_WEATHER, {
          dropped: dice.chance(0.5) ? dice.between(0.01, 0.2) : 0,
          doubled: dice.chance(0.7) ? dice.between(0.02, 0.3) : 0,
          delayed: dice.chance(0.5) ? dice.between(0.02, 0.3) : 0,
          reordered: dice.chance(0.7) ? dice.between(0.02, 0.3) : 0,
          delayMsMax: dice.between(2, 600),
        });
      case 'kvAnswers':
        return this.#windowed('answers of the bucket are lost', 500, 4_000, kv.weather, FINE_KV, {
          lostAfter: dice.between(0.05, 0.5),
          lostBefore: dice.between(0, 0.3),
          late: dice.chance(0.5) ? dice.between(0.02, 0.2) : 0,
          refused: dice.between(0, 0.3),
          hung: dice.between(0, 0.2),
          stale: FINE_KV.stale,
          staleLists: FINE_KV.staleLists,
        });
      case 'kvHang':
        return this.#each(kv.hungUntilMs, 'the bucket does not answer', 500, 6_000);
      case 'kvStale':
        return this.#windowed('reads are stale', 1_000, 8_000, kv.weather, FINE_KV, {
          ...kv.weather,
          stale: dice.between(0.2, 0.9),
        });
      case 'watchStall':
        return this.#each(kv.stalledUntilMs, 'the watch stalls', 2_000, 12_000);
      case 'blind':
        // an observer that hears nothing and reads only what is long past: its patience ends with nodes that are there
        this.#each(kv.stalledUntilMs, 'the watch stalls', 9_000, 12_000);
        return this.#windowed('lists are old', 8_000, 11_000, kv.weather, FINE_KV, {
          ...kv.weather,
          staleLists: 1,
        });
      case 'kvRewind': {
        const copy = kv.copies[0];
        if (!copy || copy.revision === kv.bucket.revision) return;
        faults.hit('kv rewound');
        chronicle.note('the bucket is put back', kv.bucket.revision, copy.revision);
        kv.bucket.restore(copy);
        // what was kept of the life that is undone now is no older copy of this one
        kv.copies.length = 0;
        return;
      }
      case 'kvDelete':
        faults.hit('kv deleted');
        chronicle.note('the bucket is deleted and made anew');
        return kv.bucket.restore();
      case 'kvRubbish':
        return this.#rubbish();
      case 'sqlAnswers':
        return this.#windowed('the database breaks off', 500, 4_000, sql.weather, FINE_SQL, {
          failedBefore: dice.between(0, 0.4),
          failedAfter: dice.between(0.02, 0.5),
          brokeOff: dice.between(0, 0.3),
          slow: 0,
          held: 0,
        });
      case 'sqlSlow':
        return this.#windowed('the database is slow', 500, 4_000, sql.weather, FINE_SQL, {
          ...FINE_SQL,
          slow: dice.between(0.1, 0.8),
          held: dice.between(0.05, 0.3),
        });
      case 'sqlAway':
        return this.#sqlAway();
      case 'sqlCut':
        return this.#sqlCut();
      case 'flood':
        return this.#flood();
      case 'swizzle':
        return this.#swizzle();
    }
  }

  #crash(): void {
    const { dice, faults, time, machines } = this.#parts;
    const up = machines.filter(machine => machine.running);
    if (up.length < 2) return;
    const machine = dice.pick(up);
    faults.hit('node crashed');
    machine.crash(dice.chance(0.7) ? 0 : dice.between(500, 6_000));
    time.after(dice.between(100, 8_000), () => this.#boot(machine));
  }

  /**
   * One process after the other dies soon after its start, while the database takes its time: answers to questions of the
   * dead one come to its successor, which asks its own under the same numbers.
   */
  #flap(): void {
    const { dice, faults, time, machines, chronicle, sql } = this.#parts;
    const up = machines.filter(machine => machine.running && !machine.leaving);
    if (up.length < 2) return;
    const machine = dice.pick(up);
    chronicle.note('a process dies again and again', machine.id);
    faults.hit('node restarted at once, again and again');
    sql.weather.slow = Math.max(sql.weather.slow, 0.5);
    let atMs = 0;
    for (let deaths = 2 + dice.below(4); deaths > 0; deaths--) {
      time.after(atMs, () => {
        if (this.#on) machine.crash(0);
      });
      atMs += dice.between(20, 120);
      time.after(atMs, () => this.#boot(machine));
      atMs += dice.between(300, 1_200);
    }
    time.after(atMs, () => {
      sql.weather.slow = 0;
    });
  }

  #boot(machine: Machine): void {
    if (machine.running) return;
    this.#parts.faults.hit('node restarted');
    machine.boot();
  }

  #drain(): void {
    const { dice, faults, time, machines } = this.#parts;
    const up = machines.filter(machine => machine.running?.started && !machine.leaving);
    if (up.length < 2) return;
    const machine = dice.pick(up);
    machine.stop(() => {
      faults.hit('node drained and stopped');
      time.after(dice.between(100, 3_000), () => this.#boot(machine));
    });
  }

  /**
   * A node hands its shards over, starts anew, gets them back in good order, and dies: whoever takes them now held them
   * before, and has what was shipped to it then.
   */
  #thereAndBack(): void {
    const { dice, faults, time, machines } = this.#parts;
    const up = machines.filter(machine => machine.running?.started && !machine.leaving);
    if (up.length < 3) return;
    const machine = dice.pick(up);
    machine.stop(() => {
      faults.hit('node drained and stopped');
      time.after(dice.between(50, 300), () => this.#boot(machine));
      time.after(dice.between(2_500, 5_000), () => {
        if (!this.#on || !machine.running || machine.leaving) return;
        faults.hit('shards went and came back by a crash');
        machine.crash(0);
        time.after(dice.between(5_000, 9_000), () => this.#boot(machine));
      });
    });
  }

  #pause(ms: number, frozen: boolean): void {
    const { dice, faults, time, machines, chronicle } = this.#parts;
    const { running } = dice.pick(machines);
    if (!running || running.process.paused) return;
    faults.hit(
      frozen
        ? 'machine suspended, clock and all'
        : ms < 3_500
          ? 'node paused below the lease'
          : 'node paused beyond the lease',
    );
    chronicle.note(frozen ? 'a machine is suspended' : 'a process is paused', running.process.name, ms);
    running.process.pause();
    time.after(ms, () => {
      chronicle.note('it goes on', running.process.name);
      running.process.resume(dice.pick(WAKING), frozen);
    });
  }

  /**
   * A process stands still, or dies, with commits in the buffers of its machine; they reach the database when others have
   * taken over. Only the fence stands between them and the ledger.
   */
  #zombie(): void {
    const { dice, faults, time, machines, chronicle } = this.#parts;
    const machine = dice.pick(machines);
    const { running } = machine;
    if (!running?.started || running.process.paused || machine.sqlLink.cut || machine.leaving) return;
    chronicle.note('commits are stuck in the buffers of', running.process.name);
    faults.hit('sql link cut');
    machine.sqlLink.stop(true, false);
    time.after(dice.between(100, 600), () => {
      if (!this.#on || machine.running !== running || running.process.paused) return;
      if (dice.chance(0.3)) {
        faults.hit('node crashed');
        machine.crash(0);
        time.after(dice.between(9_000, 12_000), () => this.#boot(machine));
      } else {
        faults.hit('node paused beyond the lease');
        chronicle.note('a process is paused', running.process.name);
        running.process.pause();
        time.after(dice.between(9_500, 13_000), () => running.process.resume(dice.pick(WAKING)));
      }
    });
    time.after(dice.between(8_000, 9_500), () => {
      chronicle.note('what was stuck goes on', machine.id);
      machine.sqlLink.heal();
    });
  }

  #partition(out: boolean, inward: boolean): void {
    const { dice, faults, time, machines, chronicle } = this.#parts;
    const machine = dice.pick(machines);
    if (machine.busLink.cut) return;
    faults.hit(out && inward ? 'partition both ways' : out ? 'partition outwards' : 'partition inwards');
    chronicle.note('a node is cut from the bus', machine.id, out ? 'outwards' : '', inward ? 'inwards' : '');
    machine.busLink.stop(out, inward);
    time.after(dice.between(200, 9_000), () => {
      chronicle.note('the cut heals', machine.id);
      machine.busLink.heal();
    });
  }

  #busRestart(): void {
    const { dice, faults, time, machines, chronicle } = this.#parts;
    faults.hit('bus server restarted');
    chronicle.note('the bus server restarts');
    for (const machine of machines) {
      machine.busLink.stop(true, true);
      machine.running?.bus.disconnect();
    }
    time.after(dice.between(200, 7_000), () => {
      chronicle.note('the bus server is back');
      for (const machine of machines) machine.busLink.heal();
    });
  }

  #sqlAway(): void {
    const { dice, time, sql, chronicle } = this.#parts;
    chronicle.note('the database is away');
    sql.away = true;
    time.after(dice.between(300, 4_000), () => {
      chronicle.note('the database is back');
      sql.away = false;
    });
  }

  #sqlCut(): void {
    const { dice, faults, time, machines, chronicle } = this.#parts;
    const machine = dice.pick(machines);
    if (machine.sqlLink.cut) return;
    faults.hit('sql link cut');
    chronicle.note('a node is cut from the database', machine.id);
    machine.sqlLink.stop(true, dice.chance(0.7));
    time.after(dice.between(200, 6_000), () => machine.sqlLink.heal());
  }

  /** Links stop one by one in random order, and come back in another: the order finds what a clean cut does not. */
  #swizzle(): void {
    const { dice, faults, time, machines, chronicle } = this.#parts;
    const links = machines.flatMap(machine => [machine.busLink, machine.sqlLink]);
    const some = dice.shuffled(links).slice(0, 2 + dice.below(links.length - 1));
    let atMs = 0;
    for (const link of some) {
      atMs += dice.between(50, 700);
      time.after(atMs, () => {
        if (!this.#on) return;
        faults.hit('link stopped by swizzling');
        chronicle.note('a link stops', link.name);
        link.stop(true, true);
      });
    }
    for (const link of dice.shuffled(some)) {
      atMs += dice.between(50, 700);
      time.after(atMs, () => {
        chronicle.note('a link is back', link.name);
        link.heal();
      });
    }
  }

  #rubbish(): void {
    const { dice, faults, kv, chronicle } = this.#parts;
    const entries = kv.bucket.list();
    if (entries.length === 0) return;
    const nodes = entries.filter(entry => entry.key.startsWith('node.'));
    for (let i = 0; i < 1 + dice.below(4); i++) {
      const { key } = dice.pick(dice.chance(0.3) && nodes.length > 0 ? nodes : entries);
      const bytes = Uint8Array.from({ length: dice.below(60) }, () => dice.below(256));
      faults.hit('kv rubbish');
      chronicle.note('rubbish is written', key, bytes.length);
      kv.bucket.put(key, bytes, kv.bucket.get(key)!.revision);
    }
  }

  /** More asks in one instant than a mailbox takes, at an actor of the node's own: the rest must be refused. */
  #flood(): void {
    const { dice, faults, machines, users, judge, chronicle, time } = this.#parts;
    const { running } = dice.pick(machines);
    if (!running?.started || running.process.paused) return;
    const mine = users.filter(user => running.node.coordinator.epochOf(shardOf('user', user)) !== null);
    if (mine.length === 0) return;
    const user = dice.pick(mine);
    chronicle.note('a flood of questions', running.process.name, user);
    const take = LIMITS.mailboxMessages + LIMITS.sliceMessages;
    let taken = FLOOD;
    const answered = (result: Result<unknown>): void => {
      if (result.ok || !/mailbox full/.test(result.message)) return;
      taken--;
      faults.hit('flood refused');
    };
    for (let i = 0; i < FLOOD; i++) {
      running.node.door.ask({ kind: 'user', id: user }, { type: 'balance' }, answered);
    }
    const { process: host, node } = running;
    time.after(5_000, () => {
      if (!host.alive || host.paused || node.coordinator.epochOf(shardOf('user', user)) === null) return;
      if (taken > take)
        judge.fail('memory is bounded', `${taken} of ${FLOOD} messages were taken by ${user}`);
    });
    void ok;
  }

  #windowed<W extends object>(
    words: string,
    minMs: number,
    maxMs: number,
    weather: W,
    fine: Readonly<W>,
    bad: W,
  ): void {
    const { dice, time, chronicle } = this.#parts;
    const ms = dice.between(minMs, maxMs);
    chronicle.note(words, ms);
    Object.assign(weather, bad);
    time.after(ms, () => Object.assign(weather, fine));
  }

  #each(until: Map<string, number>, words: string, minMs: number, maxMs: number): void {
    const { dice, time, chronicle, machines } = this.#parts;
    const { running } = dice.pick(machines);
    if (!running) return;
    const ms = dice.between(minMs, maxMs);
    chronicle.note(words, running.process.name, ms);
    until.set(running.process.name, time.monotonicMs() + ms);
  }
}

const WAKING: readonly WakeOrder[] = ['asItCame', 'arrivalsFirst', 'timersFirst'];
