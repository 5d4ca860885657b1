/** Bounds of the geography of meeting. Distances in metres, times in milliseconds unless the name says otherwise. */

/** Mean radius of the earth (IUGG), the one used for every distance. */
export const EARTH_RADIUS_M = 6_371_008.8;
/** Edge of a region: its cells are at least this wide and high everywhere. */
export const REGION_EDGE_M = 2_048;
/** Micro cells per side of a region: 64 m each. */
export const MICRO_CELLS = 32;

/** People whom one region remembers at once: more than a stadium holds, and what the 24 bits of a slot can name. */
export const MEMBERS_MAX = 4_000_000;
/** People remembered per officer as told that he is around; while so many are, nobody else is told of him. */
export const NEAR_REMEMBERED_MAX = 256;

/** Slots of those who fell silent are looked for this often while there are slots. */
export const SLOT_SWEEP_MS = 1_000;
/** A position is accepted this late (`ACTOR_LIMITS.fixAgeMs`); what it could still change is not swept away before. */
export const FIX_LATE_MS = 60_000;

/** Officers named in one area notice; the protocol's list holds as many. */
export const AREA_OFFICERS_MAX = 16;
/** A change among the officers of a cell reaches the civilians there after this time at the latest, {@link AREA_SWEEP_MAX} a turn. */
export const AREA_SWEEP_MS = 1_000;
export const AREA_SWEEP_MAX = 500;

/** A member silent for so long is forgotten: three of the longest report periods. */
export const SILENT_MS = 900_000;
export const SILENT_SWEEP_MS = 60_000;

/** How long a region waits for the pair to say that it heard of a meeting before it offers it again. */
export const OBSERVE_TIMEOUT_MS = 10_000;

/** Seconds between reports (`reference/proximity.md` 4.3, with the changes explained in `period.ts`). */
export const REPORT_PERIOD_S = { alone: 300, area: 60, instant: 10, officer: 10 } as const;
