/**
 * One machine of the town: the real node (`createNode`) and the real realtime side of its gateway (`Sessions`, with
 * everything behind it, and the list of revocations), composed as `nodes/main.ts` and `gateway/index.ts` compose them;
 * what they touch is simulated. Tokens are plain text here, because checking a signature is not a matter of virtual time.
 */
import { RATES } from '../../../gateway/limits.ts';
import { Revocations, revocationSubject } from '../../../gateway/revocations.ts';
import { Sessions } from '../../../gateway/sessions.ts';
import { Departure, othersIn } from '../../../nodes/departure.ts';
import type { Behaviours } from '../../../nodes/effects.ts';
import type { ActorDoor } from '../../../nodes/gatewayPort.ts';
import type { MemoryHub } from '../../../nodes/memory/memoryBus.ts';
import { createNode, type TownNode } from '../../../nodes/node.ts';
import { CommitError, KvError, type Log, type Metrics, type RevocationStore } from '../../../nodes/ports.ts';
import type { RulesPort } from '../../../nodes/rules/port.ts';
import type { Chronicle } from '../../../nodes/simulation/chronicle.ts';
import { Dice } from '../../../nodes/simulation/dice.ts';
import type { FaultCounts } from '../../../nodes/simulation/faults.ts';
import { Link } from '../../../nodes/simulation/link.ts';
import { SimulatedProcess } from '../../../nodes/simulation/process.ts';
import { type MessageWeather, SimulatedBus } from '../../../nodes/simulation/simulatedBus.ts';
import { type KvServer, SimulatedKv } from '../../../nodes/simulation/simulatedKv.ts';
import { SimulatedSql, type SqlServer } from '../../../nodes/simulation/simulatedSql.ts';
import type { VirtualTime } from '../../../nodes/simulation/virtualTime.ts';
import { ERROR, refuse } from '../../../protocol/errors.ts';
import { TextTokens, textSessionIds } from './tokens.ts';
import type { Host, Wire } from './wire.ts';

export interface MachineRoom {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
  readonly hub: MemoryHub;
  /** Of what the nodes say to each other. */
  readonly weather: MessageWeather;
  readonly kv: KvServer;
  readonly sql: SqlServer;
  readonly revocations: RevocationStore;
  readonly tokenTtlS: number;
  readonly counts: Map<string, number>;
  behaviours(): Behaviours;
  readonly rules: RulesPort;
  /** A bug: something threw. */
  threw(words: string): void;
}

/** What runs on a machine now. */
export interface Running extends Host {
  readonly node: TownNode;
  readonly sessions: Sessions;
  readonly revocations: Revocations;
  readonly bus: SimulatedBus;
  readonly kv: SimulatedKv;
  readonly departure: Departure;
  /** It serves: its port is open. */
  open: boolean;
  /** It was told to go: nobody may be let in any more. */
  leaving: boolean;
}

const SWEEP_MS = 500;
const FLUSH_MS = 100;
const ATTACH_MS = 250;
const DRAIN_MS = 25;
const RESTART_MS = 1_000;
const cutOff = refuse(ERROR.unavailable, 'this node is cut off from the others, try again', 1_000);

export class Machine {
  readonly id: string;
  readonly url: string;
  readonly busLink: Link;
  readonly #sqlLink: Link;
  readonly #room: MachineRoom;
  readonly #dice: Dice;
  readonly #offsetMs: number;
  #boots = 0;
  running: Running | null = null;
  /** When it was last stopped, started or cut off, for those who must not judge it at that moment. */
  changedMs = 0;

  constructor(room: MachineRoom, index: number) {
    this.id = `n${index + 1}`;
    this.url = `ws://${this.id}/v1/ws`;
    this.#room = room;
    this.#dice = new Dice(room.seed, 100 + index);
    this.#offsetMs = Math.round(this.#dice.between(-40, 40));
    const { time, faults } = room;
    this.busLink = new Link(`${this.id}-bus`, { time, faults, dice: new Dice(room.seed, 200 + index) });
    this.#sqlLink = new Link(`${this.id}-sql`, { time, faults, dice: new Dice(room.seed, 300 + index) });
  }

  boot(): void {
    if (this.running) return;
    const room = this.#room;
    const { time, chronicle, faults, hub, sql, seed, counts } = room;
    const name = `${this.id}#${++this.#boots}`;
    this.changedMs = time.monotonicMs();
    chronicle.note('a process starts', name);
    const process = new SimulatedProcess(name, time, { rate: 1, offsetMs: this.#offsetMs }, error =>
      room.threw(`${name} died of ${stackOf(error)}`),
    );
    const dice = new Dice(seed, Math.imul(this.#boots, 1_000) + Number(this.id.slice(1)));
    const parts = { time, process, dice: this.#dice, faults, chronicle };
    const bus = new SimulatedBus({ ...parts, link: this.busLink, hub, weather: room.weather });
    const kv = new SimulatedKv({ ...parts, link: this.busLink, bus, server: room.kv });
    const stores = new SimulatedSql({ ...parts, link: this.#sqlLink, server: sql });
    const gatewayId = `g${this.id.slice(1)}-${this.#boots}`;
    const log = this.#log(name);
    const metrics: Metrics = {
      count: (metric, labels, by = 1) => {
        const key = labels === undefined ? metric : `${metric} ${Object.values(labels).join(' ')}`;
        counts.set(key, (counts.get(key) ?? 0) + by);
      },
      observe: () => {},
      gauge: () => {},
    };
    const wallMs = (): number => process.nowMs();
    const revocations = new Revocations({
      store: room.revocations,
      bus,
      subject: revocationSubject('town'),
      tokenLifeMs: room.tokenTtlS * 1_000,
      wallMs,
      log,
      metrics,
    });
    let joined = false;
    const serving = (): boolean => joined && node.coordinator.serving();
    const door: ActorDoor = {
      ask: (to, message, done, options) =>
        serving() ? node.door.ask(to, message, done, options) : done(cutOff),
      tell: (to, message, options) => node.door.tell(to, message, options),
    };
    const others = (): readonly string[] => {
      const view = node.coordinator.view();
      const there = othersIn(view);
      return view.nodes.flatMap(one => (one.url && there.includes(one.node) ? [one.url] : []));
    };
    const sessions = new Sessions({
      gatewayId,
      door,
      clock: process,
      log,
      metrics,
      tokens: new TextTokens(room.tokenTtlS, wallMs, (userId, deviceId) =>
        revocations.issuedUntilMs(userId, deviceId),
      ),
      revocations,
      rates: RATES.session,
      origins: ['*'],
      connectionsPerAddress: 200,
      wallMs,
      sessionIds: textSessionIds(new Dice(seed, 40_000 + this.#boots * 10 + Number(this.id.slice(1)))),
      elsewhere: others,
    });
    const epochs = new Map<number, number>();
    let ref = '';
    const node: TownNode = createNode({
      nodeId: this.id,
      gatewayId,
      version: '1',
      weight: 1,
      url: this.url,
      behaviours: room.behaviours(),
      rules: room.rules,
      commitStore: stores,
      queryStore: stores,
      epochStore: stores,
      noteStore: stores.notes,
      sink: sessions,
      clock: process,
      scheduler: process,
      random: dice,
      log,
      metrics,
      cluster: { bus, kv, reconnect: () => bus.disconnect() },
      onRouted: shards => {
        const { coordinator } = node;
        const changed = new Set<number>();
        for (const shard of shards) {
          const epoch = coordinator.ownerOf(shard)?.epoch ?? null;
          if (epoch === null || epochs.get(shard) === epoch) continue;
          epochs.set(shard, epoch);
          changed.add(shard);
        }
        if (changed.size > 0) sessions.probe(changed);
        if (ref !== '' && ref !== coordinator.ref) sessions.probe(null);
        ref = coordinator.ref;
      },
    });
    bus.watchConnection?.(connected => {
      if (connected) sessions.probe(null);
    });
    const departure = new Departure({
      doors: {
        leave: () => {
          running.leaving = true;
          sessions.leave();
        },
        sendAway: (graceMs, count, handingOver) => {
          sessions.beginDrain(graceMs, count, handingOver);
          return this.#gone(running, graceMs);
        },
        stop: async graceMs => {
          running.leaving = true;
          sessions.sayGoodbye(graceMs);
          await this.#gone(running, graceMs);
          sessions.closeSome();
        },
      },
      metrics,
      view: () => node.coordinator.view(),
      drain: () => node.drain(),
      stop: budgetMs => node.stop(budgetMs),
      close: async () => {},
      exit: () => this.#ended(running),
      clock: process,
      scheduler: process,
      log,
    });
    const running: Running = {
      ...{ process, node, sessions, revocations, bus, kv, departure, gatewayId },
      wires: new Set<Wire>(),
      open: false,
      leaving: false,
    };
    this.running = running;
    const failed = (error: unknown): void => {
      chronicle.note('a start failed', name, String(error));
      if (this.running !== running) return;
      this.kill();
      time.after(RESTART_MS, () => this.boot());
    };
    revocations
      .start()
      .then(() => {
        revocations.onChange(() => process.arrive(() => sessions.endRevoked()));
        running.open = true;
        this.#every(process, SWEEP_MS, () => sessions.sweep());
        this.#every(process, FLUSH_MS, () => sessions.tick());
        this.#every(process, ATTACH_MS, () => sessions.attachAgain());
        this.#every(process, 1_000, () => sessions.admission.sweep(process.monotonicMs()));
        return node.start();
      })
      .then(() => {
        joined = true;
        chronicle.note('a node serves', name);
      })
      .catch(failed);
  }

  /** SIGKILL. */
  kill(): void {
    const { running } = this;
    if (!running) return;
    this.#room.chronicle.note('a process dies', running.process.name);
    this.running = null;
    this.changedMs = this.#room.time.monotonicMs();
    running.process.kill();
    running.revocations.stop();
    running.bus.gone(0);
    running.kv.gone();
    for (const wire of [...running.wires]) wire.broken();
  }

  /** SIGTERM. */
  drain(): void {
    const { running } = this;
    if (!running || running.leaving) return;
    this.#room.chronicle.note('a process is told to go', running.process.name);
    this.changedMs = this.#room.time.monotonicMs();
    void running.departure.leave('SIGTERM');
  }

  #ended(running: Running): void {
    if (this.running !== running) return;
    this.#room.chronicle.note('a process ends', running.process.name);
    this.kill();
  }

  #gone(running: Running, graceMs: number): Promise<number> {
    const { process, sessions } = running;
    const untilMs = process.monotonicMs() + graceMs;
    return new Promise(resolve => {
      const look = (): void => {
        const left = sessions.drainOn();
        if (left === 0 || process.monotonicMs() >= untilMs) resolve(sessions.size);
        else process.after(DRAIN_MS, look);
      };
      look();
    });
  }

  #every(process: SimulatedProcess, ms: number, run: () => void): void {
    const again = (): void => {
      process.after(ms, () => {
        again();
        run();
      });
    };
    again();
  }

  #log(name: string): Log {
    const { chronicle, counts, threw } = this.#room;
    const say = (level: string) => (fields: object, message: string) => {
      const { err, error } = fields as { err?: unknown; error?: unknown };
      const thrown = err ?? error;
      const expected = thrown instanceof KvError || thrown instanceof CommitError;
      const why = thrown instanceof Error ? ` (${thrown.message})` : '';
      chronicle.note(`${level} of ${name}`, message + why);
      counts.set(`log: ${message}`, (counts.get(`log: ${message}`) ?? 0) + 1);
      if (
        /threw|could not be created|a session broke/.test(message) ||
        (thrown instanceof Error && !expected)
      )
        threw(`${name}: ${message} ${stackOf(thrown)}`);
    };
    const quiet = (_fields: object, message: string): void => {
      counts.set(`log: ${message}`, (counts.get(`log: ${message}`) ?? 0) + 1);
    };
    return { debug: quiet, info: say('info'), warn: say('warning'), error: say('error') };
  }
}

/** The error and where it came from, in one line. */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error.stack ?? error.message)
    .split('\n')
    .slice(0, 6)
    .map(line => line.trim())
    .join(' ');
}
