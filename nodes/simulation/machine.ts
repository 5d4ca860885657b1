/**
 * One machine of the world: an id that stays, its clock, its lines to the bus and to the database, and the process that
 * runs on it now, if one does. The process runs the real node (`createNode`); everything it touches is simulated.
 */
import { type Layouts, NO_LAYOUTS } from '../../actors/geo/layout.ts';
import type { ProximityRules } from '../../actors/geo/rules.ts';
import type { Behaviours } from '../effects.ts';
import type { MemoryHub } from '../memory/memoryBus.ts';
import { createNode, type NodeOptions, type TownNode } from '../node.ts';
import { CommitError, KvError, type Log, type Metrics } from '../ports.ts';
import type { RulesPort } from '../rules/port.ts';
import type { Judge } from './checkers/judge.ts';
import type { Chronicle } from './chronicle.ts';
import { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import { Divisions, type Heat } from './heat.ts';
import { Link } from './link.ts';
import { type MachineClock, SimulatedProcess } from './process.ts';
import { type MessageWeather, SimulatedBus } from './simulatedBus.ts';
import { type GatewayWitness, SimulatedGateway } from './simulatedGateway.ts';
import { type KvServer, SimulatedKv } from './simulatedKv.ts';
import { SimulatedSql, type SqlServer } from './simulatedSql.ts';
import type { VirtualTime } from './virtualTime.ts';

/** What all machines of a world share. */
export interface MachineRoom {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly chronicle: Chronicle;
  readonly judge: Judge;
  readonly hub: MemoryHub;
  readonly kv: KvServer;
  readonly sql: SqlServer;
  readonly weather: MessageWeather;
  readonly gateways: GatewayWitness;
  readonly encodeLocal: boolean;
  /** Counts what nodes report by name. */
  readonly counts: Map<string, number>;
  behaviours(process: string, layoutsNow: () => Layouts): Behaviours;
  readonly rules: RulesPort;
  readonly proximity: ProximityRules;
  /** What makes a region hot; null: none ever is. */
  readonly heat: Heat | null;
}

/** What runs on a machine now. */
export interface Running {
  readonly process: SimulatedProcess;
  readonly node: TownNode;
  readonly gateway: SimulatedGateway;
  readonly bus: SimulatedBus;
  readonly kv: SimulatedKv;
  /** Null where no region is ever hot. */
  readonly divisions: Divisions | null;
  /** The first share of shards is open. */
  started: boolean;
}

/** Where a failed start is tried again, as its supervisor does. */
const RESTART_MS = 1_000;
const STOP_MS = 750;

export class Machine {
  readonly id: string;
  readonly busLink: Link;
  readonly sqlLink: Link;
  readonly clock: MachineClock;
  readonly #room: MachineRoom;
  readonly #dice: Dice;
  #boots = 0;
  running: Running | null = null;
  /** A graceful stop is under way. */
  leaving = false;

  constructor(room: MachineRoom, index: number, clock: MachineClock) {
    this.id = `n${index + 1}`;
    this.clock = clock;
    this.#room = room;
    this.#dice = new Dice(room.seed, 100 + index);
    const { time, faults } = room;
    this.busLink = new Link(`${this.id}-bus`, { time, faults, dice: new Dice(room.seed, 200 + index) });
    this.sqlLink = new Link(`${this.id}-sql`, { time, faults, dice: new Dice(room.seed, 300 + index) });
  }

  boot(): void {
    if (this.running) return;
    this.leaving = false;
    const { time, chronicle, faults, hub, sql, seed } = this.#room;
    const name = `${this.id}#${++this.#boots}`;
    chronicle.note('a process starts', name);
    const process = new SimulatedProcess(name, time, this.clock, error =>
      this.#room.judge.fail('nothing throws', `${name} died of ${stackOf(error)}`),
    );
    const dice = new Dice(seed, Math.imul(this.#boots, 1_000) + Number(this.id.slice(1)));
    const parts = { time, process, dice: this.#dice, faults, chronicle };
    const bus = new SimulatedBus({ ...parts, link: this.busLink, hub, weather: this.#room.weather });
    const kv = new SimulatedKv({ ...parts, link: this.busLink, bus, server: this.#room.kv });
    const stores = new SimulatedSql({ ...parts, link: this.sqlLink, server: sql });
    const gatewayId = `g${this.id.slice(1)}-${this.#boots}`;
    const gateway = new SimulatedGateway({
      process,
      gatewayId,
      door: () => node.door,
      witness: this.#room.gateways,
    });
    const { heat, proximity } = this.#room;
    const options: Omit<NodeOptions, 'behaviours'> = {
      nodeId: this.id,
      gatewayId,
      version: '1',
      weight: 1,
      rules: this.#room.rules,
      commitStore: stores,
      queryStore: stores,
      epochStore: stores,
      noteStore: stores.notes,
      sink: gateway,
      clock: process,
      scheduler: process,
      random: dice,
      log: this.#log(name),
      metrics: this.#metrics(),
      cluster: { bus, kv, reconnect: () => bus.disconnect() },
      onRouted: shards => gateway.routed(shards),
      encodeLocal: this.#room.encodeLocal,
      regionServed: (id, tookMs) => divisions?.served(id, tookMs),
    };
    const divisions = heat && new Divisions(heat, proximity, options, () => node);
    const layouts = divisions?.layouts ?? NO_LAYOUTS;
    const behaviours = this.#room.behaviours(name, () => layouts);
    const node = createNode({ ...options, behaviours });
    const running: Running = { process, node, gateway, bus, kv, divisions, started: false };
    this.running = running;
    const started = divisions ? divisions.read().then(() => node.start()) : node.start();
    started.then(
      () => {
        running.started = true;
        divisions?.watch();
        chronicle.note('a node serves', name);
      },
      error => {
        chronicle.note('a start failed', name, String(error));
        if (this.running !== running) return;
        this.crash(0);
        time.after(RESTART_MS, () => this.boot());
      },
    );
  }

  /** kill -9, or the machine loses power: then the others hear of it later. */
  crash(serverKnowsAfterMs: number): void {
    const { running } = this;
    if (!running) return;
    this.#room.chronicle.note('a process dies', running.process.name);
    this.running = null;
    running.process.kill();
    running.bus.gone(serverKnowsAfterMs);
    running.kv.gone();
    running.gateway.broken();
  }

  /** SIGTERM: hands over, closes its sockets, leaves, ends. */
  stop(done: () => void): void {
    const { running } = this;
    if (!running || this.leaving) return;
    this.leaving = true;
    this.#room.chronicle.note('a process is asked to stop', running.process.name);
    running.gateway.leaving = true;
    const ended = (): void => {
      if (this.running !== running) return;
      this.crash(0);
      this.leaving = false;
      done();
    };
    running.node
      .drain()
      .then(() => {
        running.gateway.closeAll();
        return running.node.stop(STOP_MS);
      })
      .then(ended, ended);
  }

  #log(name: string): Log {
    const { chronicle, judge, counts } = this.#room;
    const say = (level: string) => (fields: object, message: string) => {
      const { err, error } = fields as { err?: unknown; error?: unknown };
      const thrown = err ?? error;
      const expected = thrown instanceof KvError || thrown instanceof CommitError;
      const why = thrown instanceof Error ? ` (${thrown.message})` : '';
      chronicle.note(`${level} of ${name}`, message + why);
      counts.set(`log: ${message}`, (counts.get(`log: ${message}`) ?? 0) + 1);
      if (/threw|could not be created/.test(message) || (thrown instanceof Error && !expected)) {
        judge.fail('nothing throws', `${name}: ${message} ${stackOf(thrown)}`);
      }
    };
    const quiet = (_fields: object, message: string): void => {
      counts.set(`log: ${message}`, (counts.get(`log: ${message}`) ?? 0) + 1);
    };
    return { debug: quiet, info: say('info'), warn: say('warning'), error: say('error') };
  }

  #metrics(): Metrics {
    const { counts } = this.#room;
    return {
      count: (metric, _labels, by = 1) => {
        counts.set(metric, (counts.get(metric) ?? 0) + by);
      },
      observe: () => {},
      gauge: () => {},
    };
  }
}

/** The error and where it came from, in one line. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const lines = (error.stack ?? error.message).split('\n').slice(0, 6);
  return lines.map(line => line.trim().replace(/file:\S*?\/(?=nodes\/|actors\/|protocol\/)/, '')).join(' ');
}
