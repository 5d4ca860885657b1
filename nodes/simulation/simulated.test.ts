/**
 * The simulated stores and the simulated bus in fine weather keep the contracts of the real ones: what a world is judged
 * by holds for the twins that it is made of. Time runs by itself here, a few virtual milliseconds per turn of the loop.
 */
import { afterAll } from 'vitest';
import { busContract } from '../contracts/bus.contract.ts';
import { commitStoreContract } from '../contracts/commitStore.contract.ts';
import { epochStoreContract } from '../contracts/epochStore.contract.ts';
import { eventStoreContract } from '../contracts/eventStore.contract.ts';
import { kvStoreContract } from '../contracts/kvStore.contract.ts';
import { noteStoreContract } from '../contracts/noteStore.contract.ts';
import { peopleContract } from '../contracts/people.contract.ts';
import { timerStoreContract } from '../contracts/timerStore.contract.ts';
import type { StoreTown } from '../contracts/town.ts';
import { MemoryHub } from '../memory/memoryBus.ts';
import { MemoryBucket } from '../memory/memoryKv.ts';
import { memoryTown } from '../memory/memoryTown.ts';
import type { Log } from '../ports.ts';
import { Chronicle } from './chronicle.ts';
import { Dice } from './dice.ts';
import { FaultCounts } from './faults.ts';
import { Link } from './link.ts';
import { SimulatedProcess } from './process.ts';
import { FINE_WEATHER, SimulatedBus } from './simulatedBus.ts';
import { KvServer, SimulatedKv } from './simulatedKv.ts';
import { SimulatedSql, SqlServer } from './simulatedSql.ts';
import { VirtualTime } from './virtualTime.ts';

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };
const STEP_MS = 50;

/** A world's time that goes on by itself until the suite is over. */
function running(): { time: VirtualTime; stop: () => void } {
  const time = new VirtualTime();
  let on = true;
  const step = async (): Promise<void> => {
    await time.advance(STEP_MS);
    if (on) setImmediate(step);
  };
  setImmediate(step);
  const stop = (): void => {
    on = false;
  };
  afterAll(stop);
  return { time, stop };
}

function machine(time: VirtualTime, index: number) {
  const faults = new FaultCounts();
  const dice = new Dice(1, index);
  const link = new Link(`n${index}`, { time, dice, faults });
  const process = new SimulatedProcess(`n${index}`, time, { rate: 1, offsetMs: 0 }, error => {
    throw error;
  });
  return { time, process, link, dice, faults, chronicle: new Chronicle(time) };
}

async function storeTown(): Promise<StoreTown> {
  const { time, stop } = running();
  const { town, ...tables } = memoryTown();
  const server = new SqlServer(tables, { committed() {}, minted() {} });
  const sql = new SimulatedSql({ ...machine(time, 1), server });
  const stores = {
    commitStore: sql,
    epochStore: sql,
    queryStore: sql,
    noteStore: sql.notes,
  };
  return { ...town, ...stores, close: async () => stop() };
}

commitStoreContract('simulated', storeTown);
epochStoreContract('simulated', storeTown);
eventStoreContract('simulated', storeTown);
noteStoreContract('simulated', storeTown);
timerStoreContract('simulated', storeTown);
peopleContract('simulated', storeTown);

busContract('simulated', async () => {
  const { time, stop } = running();
  const hub = new MemoryHub(time, quiet);
  let machines = 0;
  return {
    connect: async () => {
      const parts = machine(time, ++machines);
      const bus = new SimulatedBus({ ...parts, hub, weather: FINE_WEATHER });
      const when = (connected: boolean): Promise<void> =>
        new Promise(resolve => {
          const look = (): void => {
            if (bus.connected === connected) resolve();
            else setImmediate(look);
          };
          look();
        });
      return {
        bus,
        cut: () => {
          parts.link.stop(true, true);
          // the server knows as well; that it may not is weather
          bus.disconnect();
          return when(false);
        },
        heal: () => {
          parts.link.heal();
          return when(true);
        },
      };
    },
    close: async () => stop(),
  };
});

kvStoreContract('simulated', async () => {
  const { time, stop } = running();
  const server = new KvServer(new MemoryBucket(time), time, false);
  const hub = new MemoryHub(time, quiet);
  const client = (index: number) => {
    const parts = machine(time, index);
    const bus = new SimulatedBus({ ...parts, hub, weather: FINE_WEATHER });
    return new SimulatedKv({ ...parts, bus, server });
  };
  return {
    one: client(1),
    two: client(2),
    deleteBucket: async () => server.bucket.restore(),
    close: async () => stop(),
  };
});
