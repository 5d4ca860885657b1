/**
 * Everything that is said to an area actor (id: {@link areaId}). User actors do not write these by hand: `stepAreas` and
 * `leaveAreas` of `actors/geo/areaRoute.ts` send them.
 *
 * What an area says:
 * - to civilians in it, and to those close to its border: `{type: 'area', area, version, officers, hubs}` when the list that it
 *   tells changed, and when they come. Each area by itself: keep one list for each, and forget those that were left.
 * - to officers: nothing, ever (DOMAIN rule 6).
 */
import type { SystemMessage } from '../turn.ts';
import type { Role } from './region.ts';

export type AreaMessage =
  /** The person shares a position in this area, or close to its border. Said again now and then; the latest holds. */
  | {
      readonly type: 'enter';
      readonly userId: string;
      readonly role: Role;
      readonly handle: string;
      /** The position itself is in this area: such people are counted. */
      readonly home: boolean;
      /** The phone is not there for the moment. */
      readonly absent?: true;
      /** Said again each minute: of whom that is not heard for a while is there no more. */
      readonly often?: true;
      /** Whoever says so knows nothing of what was told before: his actor began anew. */
      readonly isAnew?: true;
    }
  /** The person is elsewhere, or shares no more. */
  | { readonly type: 'leave'; readonly userId: string }
  /** Ask: `ok` when civilians are told of this officer here, 404 when not, whatever else is so. */
  | { readonly type: 'isTold'; readonly officerId: string }
  /** The officer is checked in at this hub, which stands in this area. Said again now and then. */
  | { readonly type: 'hubOpen'; readonly userId: string; readonly hubId: string; readonly name: string }
  /** The officer is there no more. */
  | { readonly type: 'hubClosed'; readonly userId: string; readonly hubId: string }
  /** Timers of the area itself: a change may be told; a part of the people is told; the silent are forgotten. */
  | { readonly type: 'changes' }
  | { readonly type: 'settled' }
  | { readonly type: 'sweep' }
  | { readonly type: 'sweepSilent' }
  | SystemMessage;
