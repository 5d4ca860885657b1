/**
 * Every bound and timing of a node, in one place, with the inequalities between them. Sources: the cluster
 * study (anchors: Pekko, Orleans, Effect Cluster, Durable Objects; actors/DOMAIN.md) unless a line says otherwise.
 */
import { assert } from '../protocol/assert.ts';
import { SHARDS } from '../protocol/limits.ts';

export const LIMITS = {
  /** Messages waiting per actor; more are refused with a typed `mailbox full`. */
  mailboxMessages: 256,
  /** One actor's share of the thread before the others get theirs. */
  sliceMessages: 64,
  sliceMs: 5,
  /** The run loop gives the event loop its turn after so long, so that sockets are read and timers fire. */
  loopMs: 10,
  /** A turn longer than this is logged: someone computes in a turn. */
  slowTurnMs: 20,
  /**
   * Actors that wait with nothing but what may wait (positions): more wait at the door, the newest of each phone. As many
   * as have their turns in one run of the loop, so that whoever comes behind them waits for one.
   */
  unhurriedActors: 512,
  /**
   * Those who wait for their turn stand in line, and commands are refused, when for `standingMs` nobody waited less than
   * `waitMs` (CoDel's interval and target). A command has some five turns, one after the other: at the target they wait for a
   * sixth of its time. What is let in before the line is seen to stand must be done in time, too: at eight times of what a node
   * can do that is eight times both.
   */
  waitMs: 100,
  standingMs: 200,
  /** Who is refused comes again so much later, and not all at once. */
  behindRetryMinMs: 1_000,
  behindRetryMaxMs: 3_000,
  /** An ask without an own timeout. */
  askMs: 3_000,
  /** Turns that threw within `throwWindowMs` before an actor is parked. */
  throwsMax: 3,
  throwWindowMs: 10_000,
  parkMinMs: 1_000,
  parkMaxMs: 30_000,
  /** Activations that wait for their first read; more are refused (503). */
  hydratingMax: 8_192,
  hydrateMs: 5_000,
  /** Held outputs of one actor while its commits are under way; beyond it new messages are refused. */
  heldOutputs: 1_024,
  /** Resolution of every volatile timer of the node. */
  wheelTickMs: 20,
  wheelSlots: 512,
  shards: SHARDS,
  /** From SIGTERM to exit: turns finish, groups commit, outbox flushes. Below the supervisor's patience. */
  stopMs: 3_000,
} as const;

/** People who opt out of the sampled history while its store is away; beyond it a history expires by itself. */
export const SAMPLING_LIMITS = {
  optOutsMax: 10_000,
  /** Between attempts, doubled up to the maximum. */
  retryMs: 1_000,
  retryMaxMs: 60_000,
} as const;

/** Places as circles at the location service. */
export const CIRCLE_LIMITS = {
  /** As often as a node looks for changed places (`infra/places/atlas.ts`). */
  lookMs: 500,
  /**
   * What is there is listed and compared so often, against what a former owner of the duty wrote late: 500 requests for
   * the 50,000 places that there may be, 10 s of a quota of their own.
   */
  compareMs: 3_600_000,
  /** After a failure, doubled up to the maximum. */
  retryMs: 1_000,
  retryMaxMs: 60_000,
} as const;

export const PERSON_LIMITS = {
  /** Samples of phones whose node's clock goes ahead are in the copy, too. */
  clocksApartMs: 60_000,
  /** Sockets of revoked tokens are ended within a second everywhere, and samples wait for their batch for less. */
  forgetAgainMs: 10_000,
} as const;

/** Opinions that are asked for at once: some seconds of the quota; beyond it one is not asked for, and counted. */
export const VERIFYING_MAX = 256;

/** The ledger writer. */
export const WRITER_LIMITS = {
  /** Entries of one group; what the commit function takes. */
  groupEntries: 512,
  /** Groups under way at once: one is applied while the other one waits for the disk. */
  groupsInFlight: 2,
  /** Entries that wait; more are refused at once. */
  queueEntries: 16_384,
  /** Entries looked at to fill one group while others must wait for their elders. */
  scanEntries: 2_048,
  /** An entry that is proven not applied is given up after so long: its asker (3 s) can still be told to try again. */
  entryMs: 2_000,
  retryMinMs: 20,
  retryMaxMs: 250,
  lookupMinMs: 20,
  lookupMaxMs: 1_000,
} as const;

/**
 * Hot regions (proximity study 4.8). The first levers are cheaper: crowd mode begins by itself after 30 s in a crowd
 * (`actors/geo/rules.ts`), so a region is divided only when it was hot for two windows in a row.
 */
export const HEAT_LIMITS = {
  /** Load is judged over so long (4.8). */
  windowMs: 30_000,
  hotWindows: 2,
  /** Any of these makes a region hot: people, share of one core, wait for its turn (99th percentile) (4.8). */
  hotMembers: 50_000,
  hotCoreShare: 0.2,
  hotWaitMs: 50,
  /** With fewer people a long wait is the node's, and dividing the region would not shorten it. */
  waitMembers: 1_000,
  /** Four quads become one again when together they were below this share of it all for so long (4.8). */
  coolShare: 0.25,
  coolWindows: 20,
  /** A region that is served so little of a second is not looked at. */
  watchedShare: 0.005,
  watchedMax: 64,
  probeMs: 1_000,
  probeTimeoutMs: 3_000,
  /** All layouts are read this often, whatever the watch told. */
  lookMs: 30_000,
  /** Cells that were ever divided; more are rubbish. */
  layoutsMax: 10_000,
} as const;

/**
 * Membership and ownership (`cluster/`). The owner counts from before it sends a renewal, observers from after they have
 * seen it: the gap between the two, not their length, is what keeps two owners apart.
 */
export const CLUSTER_LIMITS = {
  renewMs: 1_000,
  /** Every call to the coordination store, renewals too, is given up after so long. */
  callMs: 1_000,
  /** The owner stops its turns this long after its last acknowledged renewal was sent. */
  leaseMs: 4_000,
  /** An observer may evict when it saw the same revision for so long, plus a random part. */
  evictMs: 6_000,
  evictJitterMs: 1_000,
  /** When the bus proved that nobody listens to the node, counted from that moment. */
  unheardEvictMs: 4_500,
  unheardJitterMs: 250,
  /** Clocks of two machines may differ in rate by so much (parts per hundred). */
  clockRatePercent: 10,
  /** The watch is only a hint: so often the bucket's newest revision is compared with what the watch told. */
  pollMs: 5_000,
  /** After two renewals failed in a row the connection is made anew. */
  renewalsFailed: 2,
  /**
   * Shards handed over at once: by one node, and by all as a share of the 512 (not fewer than by one). Where nodes share processors and
   * a disk (the store syncs each of a move's four writes) more at once end no sooner, and each takes longer: p99 of a join
   * 200 ms with 15, 580 ms with 51; of a rolling restart under load on two cores 725 ms with 8, 451 ms with 4 a node.
   */
  handoffs: 4,
  handoffShare: 0.016,
  /** Turns and commits of a shard that is handed over. */
  handoffMs: 5_000,
  /** A shard without a living owner in its record, or stuck half-way, is free after so long. */
  orphanMs: 10_000,
  /** What was shipped waits so long, and takes so many bytes, until its shard is opened. */
  parcelMs: 10_000,
  parcelBytes: 64 * 1_024 * 1_024,
  /** One call to mint epochs; below `orphanMs`, so that nobody takes a shard away from who waits for its epoch. */
  mintMs: 5_000,
  /** A shard without any record (a fresh bucket, or one that was emptied) is free so long after the first look. */
  settleMs: 2_000,
  /** A hand-over that came to nothing is not tried again for so long. */
  retryGiveMs: 2_000,
  /** A shard that was lost to the fence is taken again after so long, twice as long each time. */
  lostMinMs: 50,
  lostMaxMs: 60_000,
  /** Map changes are looked at together, so long after the first one. */
  lookMs: 10,
  /** Records of nodes that left or were evicted are removed after so long. */
  forgetMs: 3_600_000,
  /** Calls to the coordination store under way at once while shards are taken. */
  acquiring: 64,
  /** No node holds more than this times its fair share. */
  loadFactor: 1.1,
  /** Nodes of one cluster; ids of at most so many characters. */
  nodesMax: 64,
  nodeIdMax: 63,
  recordBytes: 1_024,
  /** SIGTERM to exit with other nodes there; a pod's grace is twice this and more (k8s/manifests/podChecks.ts). */
  drainMs: 45_000,
  /** Of it, side by side: for the shards, and for the phones to go elsewhere (20 s to tell them, 10 s for the last). */
  drainShardsMs: 25_000,
  drainSocketsMs: 30_000,
  /** What left something behind goes on so long, until somebody has read so: a pod that is gone tells nothing. */
  drainSeenMs: 11_000,
} as const;

/** Messages between nodes (`routing/`). */
export const ROUTING_LIMITS = {
  /** Redirections of one message. */
  hopsMax: 3,
  /** Messages that wait for the owner of one shard to be known, and for how long. */
  shardQueueMessages: 256,
  shardQueueBytes: 1_024 * 1_024,
  shardQueueMs: 2_000,
  /** A batch leaves when it is full or at the end of the turn of the event loop. */
  batchBytes: 16 * 1_024,
  /** One envelope; more is refused where it is made. Cargo of a hand-over travels in pieces of this size. */
  envelopeBytes: 512 * 1_024,
  /** Actors in one chain of asks. */
  chainMax: 16,
  /** Bytes of envelopes that wait in this node, in all; beyond it tells and asks from outside are shed. */
  nodeBytes: 64 * 1_024 * 1_024,
  /** Batches per link whose arrival is remembered. */
  window: 1_024,
} as const;

/** Durable timers (`timers/`). */
export const TIMER_LIMITS = {
  /** Timers due within this window are in memory (Orleans: ReminderLoadingWindow). */
  windowMs: 60_000,
  /** The window is loaded so long before it is needed. */
  loadMs: 30_000,
  /** The clock is looked at this often while a timer is about to be due (its lateness), and at least this often. */
  tickMs: 250,
  restMs: 5_000,
  delayMinMs: 1_000,
  /** Timers read at once; when more are due within the window the rest is read once these are delivered. */
  loadTimers: 4_096,
  /** An actor answers a due timer when what it is for is done: a settlement may wait for its commit. */
  askMs: 10_000,
  messageBytes: 4_096,
  nameMax: 128,
  /** Overdue timers delivered at once after an outage, and the pause before the next ones. */
  catchUp: 256,
  catchUpMs: 100,
  attempts: 6,
  retryMinMs: 1_000,
  retryMaxMs: 30_000,
} as const;

/** Stored answers to commands with a key (`events/`). */
export const ANSWER_LIMITS = {
  /** For so long ... */
  keepMs: 86_400_000,
  /**
   * ... and of one user the newest: all that one socket can have said (20 a second, 40 at once: `gateway/limits.ts`) while a
   * client holds a command (5 min). What is beyond is removed now and then: there may be `keepMore`.
   */
  keep: 6_144,
  keepMore: 1_024,
  keyMax: 255,
  resultBytes: 4_096,
} as const;

/** Offers and what is redeemed of them (`market/`). */
export const MARKET_LIMITS = {
  titleChars: 120,
  descriptionChars: 2_000,
  reasonChars: 120,
  codeChars: 32,
  placeChars: 64,
  /** Of one unit. */
  points: 1_000_000_000,
  /** Of one redemption, and of one user: a price for each stays exact in the store's whole numbers. */
  units: 1_000_000,
  /** Of one offer. */
  onHand: 1_000_000_000,
  /** The year 9999. */
  timeMs: 253_402_300_799_999,
  /** Redemptions that one read of open ones gives, and users that one read of an offer counts. */
  openMax: 10_000,
} as const;

/** Stored events of users (`events/`). */
export const EVENT_LIMITS = {
  /** One frame: the largest event of the catalogue is far smaller. */
  frameBytes: 2_048,
  aboutMax: 64,
  /** A user's rows: as many as a ring takes, and none that no ring takes any more (a ring reaches back 5 minutes). */
  keepEvents: 128,
  keepMs: 15 * 60_000,
  /** What is kept for longer because it must be known that it was told: longer than a scan waits (72 h). */
  keepAbout: 1_024,
  keepAboutMs: 73 * 3_600_000,
} as const;

/** What the owner of a shard that died may not have told; told again by who takes it over (`timers/retelling.ts`). */
export const RETELL_LIMITS = {
  /** Committed this long before the shard was taken over: much longer than a dead node takes to be replaced. */
  withinMs: 120_000,
  /** Shards are taken in groups; those that come within so long are read together. */
  gatherMs: 100,
  /** Movements of one read at most: 120 s at the peak of the town (140 encounters a second). */
  limit: 16_384,
  /** Asks at once, and the pause before the next ones. */
  atOnce: 64,
  pauseMs: 20,
  retryMs: 500,
  attempts: 6,
} as const;

/** Checked once at start: a typo in the table above stops the node instead of bending a promise. */
export function assertLimits(): void {
  assert(LIMITS.sliceMs <= LIMITS.loopMs, 'a slice fits into a loop');
  assert(LIMITS.wheelTickMs * 10 <= LIMITS.askMs, 'the wheel is much finer than an ask');
  assert(
    (LIMITS.waitMs + LIMITS.standingMs) * 8 <= LIMITS.askMs,
    'what comes before commands are refused is done in time',
  );
  assert(LIMITS.behindRetryMinMs < LIMITS.behindRetryMaxMs, 'who is refused does not come again all at once');
  assert(LIMITS.loopMs <= LIMITS.waitMs, 'one run of the loop is no standing line');
  assert(LIMITS.parkMinMs <= LIMITS.parkMaxMs, 'parking grows');
  assert(LIMITS.shards === 512, 'the shard count is fixed for life');
  assert(LIMITS.hydrateMs > LIMITS.askMs, 'the asker gives up before the read does');
  assert(WRITER_LIMITS.entryMs < LIMITS.askMs, 'a commit is given up before its asker gives up');
  assert(WRITER_LIMITS.retryMaxMs * 4 <= WRITER_LIMITS.entryMs, 'an entry is tried more than once');
  assert(WRITER_LIMITS.groupEntries <= WRITER_LIMITS.scanEntries, 'a full group can be found');
  assert(LIMITS.sliceMessages <= LIMITS.mailboxMessages, 'a slice never empties more than a mailbox');
  assert(
    RETELL_LIMITS.withinMs > 4 * CLUSTER_LIMITS.orphanMs,
    'what is told again reaches back behind a take-over',
  );
  assert(EVENT_LIMITS.keepEvents <= EVENT_LIMITS.keepAbout, 'what is told of for long is kept for longest');
  assert(TIMER_LIMITS.loadMs < TIMER_LIMITS.windowMs, 'the next window is loaded before this one ends');
  assert(TIMER_LIMITS.tickMs < TIMER_LIMITS.delayMinMs, 'a timer is not late by its own length');
  assertClusterLimits(CLUSTER_LIMITS);
}

/** The inequalities that the safety argument of `nodes/README.md` rests on; tests shrink the times and keep these. */
export function assertClusterLimits(limits: { readonly [K in keyof typeof CLUSTER_LIMITS]: number }): void {
  const slow = 1 + limits.clockRatePercent / 100;
  assert(
    limits.renewMs + limits.callMs < limits.leaseMs,
    'a renewal may fail once without stopping the node',
  );
  assert(limits.leaseMs * slow < limits.unheardEvictMs, 'the owner stops before anybody may evict it');
  assert(limits.unheardEvictMs <= limits.evictMs, 'a proof of absence is never slower than silence');
  assert(limits.pollMs < limits.evictMs, 'a stalled watch is noticed before it evicts somebody');
  assert(limits.handoffMs < limits.orphanMs, 'a hand-over ends before its shard counts as stuck');
  assert(limits.handoffMs < limits.drainMs, 'a drain has time for hand-overs');
  assert(limits.mintMs + limits.callMs < limits.orphanMs, 'who waits for an epoch is not taken for stuck');
  assert(
    limits.renewMs + limits.callMs <= limits.settleMs,
    'an emptied bucket is noticed before it counts as new',
  );
  assert(limits.loadFactor >= 1, 'every shard has room somewhere');
}
