/** The sums: how many pods a nation takes, and what it costs a month. Nothing here is measured; everything follows. */
import { MEASURED, NATION, POD } from './measured.ts';
import { ASSUMED, PRICES } from './prices.ts';

const { nation } = MEASURED;

/** CPU seconds. */
export const perPosition = 1 / MEASURED.positionsPerCpuS;
export const perPhoneS = MEASURED.idleCores / MEASURED.idlePhones;
/** What is left of the full node when its positions and phones are taken off. */
export const perEncounter =
  (nation.cores - nation.positionsPerS * perPosition - nation.phones * perPhoneS) / nation.encountersPerS;

export interface Row {
  readonly what: string;
  readonly positionsPerS: number;
  readonly cores: number;
  readonly byCpu: number;
  readonly bySockets: number;
  readonly byMemory: number;
  readonly pods: number;
}

const rowFor = (what: string, positionsPerS: number, encountersPerS: number): Row => {
  const cores = NATION.online * perPhoneS + positionsPerS * perPosition + encountersPerS * perEncounter;
  const byCpu = Math.ceil(cores / POD.full);
  const bySockets = Math.ceil(NATION.online / POD.sockets);
  const room = POD.full * POD.memoryBytes - POD.emptyBytes;
  const byMemory = Math.ceil((NATION.online * MEASURED.bytesPerPhone) / room);
  return {
    what,
    positionsPerS,
    cores,
    byCpu,
    bySockets,
    byMemory,
    pods: Math.max(byCpu, bySockets, byMemory),
  };
};

export const ROWS: readonly Row[] = [
  rowFor('average', NATION.positionsPerS, NATION.encountersPerS),
  rowFor('peak', NATION.positionsPeakPerS, NATION.encountersPeakPerS),
  rowFor('peak, a position each 15 s', NATION.positionsOftenPerS, NATION.encountersPeakPerS),
];
const PEAK = ROWS[1]!;

/** Of one pod, planned. */
export const POD_CARRIES = {
  phones: POD.sockets,
  positionsPerS: Math.floor(POD.full / perPosition),
  encountersPerS: Math.floor(POD.full / perEncounter),
  phonesByMemory: Math.floor((POD.full * POD.memoryBytes - POD.emptyBytes) / MEASURED.bytesPerPhone),
};

export interface Cost {
  readonly what: string;
  readonly how: string;
  readonly dollars: number;
}

const GB = 1e9;
const { hoursPerMonth: HOURS } = PRICES;
const positionsPerMonth = NATION.positionsPerS * NATION.secondsPerMonth;
const encountersPerMonth = NATION.encountersPerYear / 12;

const machines = Math.ceil(PEAK.pods / (PRICES.machineCores - ASSUMED.systemCores));
const storedGb =
  (NATION.encountersPerYear * ASSUMED.bytesPerEncounter + NATION.people * ASSUMED.bytesPerPerson) / GB;
const streamedGb = (encountersPerMonth * ASSUMED.recordsPerEncounter * 1_024) / GB;
const writes = encountersPerMonth * ASSUMED.balancesPerEncounter + positionsPerMonth * ASSUMED.sampledShare;
const archivedGb =
  (NATION.encountersPerYear * ASSUMED.recordsPerEncounter * MEASURED.archivedBytesPerEvent) / GB;
const egressGb =
  (positionsPerMonth * ASSUMED.bytesPerPosition + encountersPerMonth * ASSUMED.bytesPerMeeting) / GB;
const round = (value: number): string => Math.round(value).toLocaleString('en-US');

export const COSTS: readonly Cost[] = [
  {
    what: 'compute',
    how: `${PEAK.pods} pods of a core on ${machines} machines of ${PRICES.machineCores}, the peak around the clock; the cluster itself`,
    dollars: (machines * PRICES.machineHour + PRICES.clusterHour) * HOURS,
  },
  { what: 'NATS', how: 'three servers', dollars: 3 * PRICES.natsHour * HOURS },
  {
    what: 'PostgreSQL',
    how: `one in two zones, ${round(storedGb)} GB after a year, as much of backups`,
    dollars: PRICES.postgresHour * HOURS + storedGb * (PRICES.postgresGb + PRICES.backupGb),
  },
  {
    what: 'streams',
    how: `two, ${round(streamedGb)} GB in, read by ${ASSUMED.readers}`,
    dollars:
      2 * PRICES.streamHour * HOURS + streamedGb * (PRICES.streamInGb + ASSUMED.readers * PRICES.streamOutGb),
  },
  {
    what: 'tables',
    how: `${round(writes / 1e6)} million writes: balances, sampled positions`,
    dollars: (writes / 1e6) * PRICES.tableWrites + ((NATION.people * 300) / GB) * PRICES.tableGb,
  },
  {
    what: 'archive',
    how: `${round(archivedGb)} GB after a year, without colder tiers`,
    dollars: archivedGb * PRICES.objectGb + ((ASSUMED.objectsPerHour * HOURS) / 1_000) * PRICES.objectPuts,
  },
  {
    what: 'Amazon Location',
    how: `${round((encountersPerMonth * ASSUMED.heldShare) / 1e6)} million positions of held meetings verified`,
    dollars: ((encountersPerMonth * ASSUMED.heldShare) / 1_000) * PRICES.locationVerified,
  },
  {
    what: 'network',
    how: `${round(egressGb)} GB out, a balancer of ${Math.ceil(NATION.online / 100_000)} units`,
    dollars:
      egressGb * PRICES.egressGb +
      (PRICES.balancerHour + Math.ceil(NATION.online / 100_000) * PRICES.balancerUnitHour) * HOURS,
  },
];

export const TOTAL = COSTS.reduce((sum, { dollars }) => sum + dollars, 0);

/** Every position written to a tracker and evaluated once, by Amazon Location. */
export const LOCATION_ALONE = {
  positions: positionsPerMonth,
  dollars: (positionsPerMonth / 1_000) * (PRICES.locationWritten + PRICES.locationEvaluated),
};

/** Positions a second that the quota of Amazon Location lets a tracker take: 50 requests of ten. */
const QUOTA_PER_S = 500;
/** The history of positions in a tracker, as far as the quota goes. */
export const LOCATION_SAMPLED = {
  share: QUOTA_PER_S / NATION.positionsPerS,
  dollars: ((QUOTA_PER_S * NATION.secondsPerMonth) / 1_000) * PRICES.locationWritten,
};
