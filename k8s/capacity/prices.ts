/**
 * List prices in US dollars, region us-east-1, on demand, without discounts, free tiers and taxes. Prices change: look them up
 * before you rely on the sheet, and change them here.
 */
export const PRICES = {
  hoursPerMonth: 730,
  /** m7g.4xlarge: 16 vCPU, 64 GiB; the half of it would not hold a pod of 2 GiB for each core. */
  machineHour: 0.6528,
  machineCores: 16,
  machineGib: 64,
  /** c7g.large for each of three NATS servers. */
  natsHour: 0.0725,
  /** EKS, a cluster. */
  clusterHour: 0.1,
  /** RDS PostgreSQL, db.r7g.2xlarge (8 vCPU, 64 GiB), two zones. */
  postgresHour: 2.12,
  /** gp3 in two zones, and backups, a GB and month. */
  postgresGb: 0.23,
  backupGb: 0.095,
  /** Kinesis on demand. */
  streamHour: 0.04,
  streamInGb: 0.08,
  streamOutGb: 0.04,
  /** DynamoDB on demand, a million writes of 1 KB; a GB and month. */
  tableWrites: 0.625,
  tableGb: 0.25,
  /** S3 standard, a GB and month; a thousand puts. */
  objectGb: 0.023,
  objectPuts: 0.005,
  /** Amazon Location, each a thousand: positions written to a tracker, positions evaluated against a collection, verified. */
  locationWritten: 0.05,
  locationEvaluated: 0.05,
  locationVerified: 0.05,
  /** To the internet, a GB; a network load balancer's hour and unit (100,000 open connections). */
  egressGb: 0.09,
  balancerHour: 0.0225,
  balancerUnitHour: 0.006,
} as const;

/** What nobody measured for a whole nation: each is a guess that errs to the dear side. */
export const ASSUMED = {
  /** Where production is (overlays/prod), and how much dearer everything is there at the most. */
  region: 'eu-central-1',
  regionFactor: 1.25,
  /** Cores of a machine that are left to the system and its daemons. */
  systemCores: 1,
  /** Rows and indexes of one meeting in PostgreSQL: encounter, transfer, three postings, keys. */
  bytesPerEncounter: 1_500,
  /** People, devices and the rest, once. */
  bytesPerPerson: 4_000,
  /** Records of both streams for each meeting; each counts as 1 KB. */
  recordsPerEncounter: 4,
  /** Readers of a stream: users domain and archive. */
  readers: 2,
  /** Balances that change by a meeting. */
  balancesPerEncounter: 2,
  /** Of positions, how many are kept as history: one a minute of a person at most, so at one in five minutes every one. */
  sampledShare: 1,
  /** Meetings that are held and verified with Amazon Location. */
  heldShare: 0.01,
  /** Bytes that leave for each position and each meeting, frames and TLS. */
  bytesPerPosition: 200,
  bytesPerMeeting: 4_000,
  objectsPerHour: 24,
} as const;
