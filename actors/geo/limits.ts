/** Bounds of the geography of meeting. Distances in metres, times in milliseconds unless the name says otherwise. */

/** Mean radius of the earth (IUGG), the one used for every distance. */
export const EARTH_RADIUS_M = 6_371_008.8;
/** Edge of a region: its cells are at least this wide and high everywhere. */
export const REGION_EDGE_M = 2_048;
/**
 * Edge of an area. Who knows a cell and guesses its middle errs by 0.38 of its side in the median: 3.1 km, and by 2 km, the
 * edge of a region, at the moment an officer crosses a border of his area.
 */
export const AREA_EDGE_M = 8_192;
/** A civilian this close to a border of his area is told of the area behind it as well. */
export const AREA_REACH_M = 200;
/** Micro cells per side of a region: 64 m each. */
export const MICRO_CELLS = 32;

/** A hot region is divided into quads of 1,024, 512 and 256 m at most (proximity study 4.8) ... */
export const QUAD_DEPTH_MAX = 3;
/** ... and only while the edge of a quad is so many times the largest radius that a meeting looks at (4.8). */
export const QUAD_EDGE_PER_REACH = 2;
/** Of the quads that were regions so many are remembered, for so long: what a person told them is over by then. */
export const FORMER_MAX = 24;
export const FORMER_MS = 60_000;
/** Beyond it a version is rubbish: one change a second for a million years. */
export const LAYOUT_VERSION_MAX = 2 ** 45;
/** Who learned of another layout tells the regions before it too, for two report periods (4.8). */
export const DUAL_MS = 20_000;
/** A new region asks those before it for what they know, again after so long, and begins without them after so long. */
export const INHERIT_AGAIN_MS = 500;
export const INHERIT_MS = 5_000;
/** What a region keeps until it may begin, at most: half a second of the hottest there can be. */
export const HELD_MAX = 20_000;
/** Bytes of one message with what a region knew are below an envelope's: so many people and slots in each. */
export const INHERIT_MEMBERS = 1_000;
export const INHERIT_SLOTS = 4_000;

/** People whom one region remembers at once: more than a stadium holds, and what the 24 bits of a slot can name. */
export const MEMBERS_MAX = 4_000_000;
/** People remembered per officer as told that he is around; while so many are, nobody else is told of him. */
export const NEAR_REMEMBERED_MAX = 256;

/** Automatic matches that a cap may count, and so times that are kept of an officer. */
export const CAP_MATCHES_MAX = 1_000;

/** Slots of those who fell silent are looked for this often while there are slots. */
export const SLOT_SWEEP_MS = 1_000;
/** A position is accepted this late (`ACTOR_LIMITS.fixAgeMs`); what it could still change is not swept away before. */
export const FIX_LATE_MS = 60_000;

/** Officers named in one area notice; the protocol's list holds as many. */
export const AREA_OFFICERS_MAX = 16;
/** Hubs that an area tells to be open. */
export const AREA_HUBS_MAX = 16;
/** What an area tells reaches the civilians there {@link AREA_SWEEP_MAX} a turn, with this between two turns. */
export const AREA_SWEEP_MS = 1_000;
export const AREA_SWEEP_MAX = 500;
/** Who goes on sharing says so to the areas this often, so that one that began anew knows everybody again. */
export const AREA_RENEW_MS = 60_000;
/** Who loses the last socket may be back for so long before anybody could be told (`ACTOR_LIMITS.graceMs`). */
export const AREA_ABSENT_MS = 30_000;

/** A member silent for so long is forgotten: three of the longest report periods ... */
export const SILENT_MS = 900_000;
/**
 * ... and an officer who shares his position, and so reports each 10 s and tells areas each minute, three of those: who
 * switches off when a crash made his node forget whom it told of him is named, and remembered where he was, so long.
 */
export const OFFICER_SILENT_MS = 3 * AREA_RENEW_MS;
export const SILENT_SWEEP_MS = 60_000;

/** How long a region waits for the pair to say that it heard of a meeting before it offers it again. */
export const OBSERVE_TIMEOUT_MS = 10_000;

/** Seconds between reports (proximity study 4.3, with the changes explained in `period.ts`). */
export const REPORT_PERIOD_S = { alone: 300, area: 60, instant: 10, officer: 10 } as const;
