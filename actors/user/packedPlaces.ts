/** Where a user is and what areas told him, as another node packed it; see `packing.ts`. */
import { MODES } from '../../protocol/catalogue.ts';
import { isTrust } from '../fraud/trust.ts';
import { type AreaStay, stayAgain } from '../geo/areaRoute.ts';
import { CELL_COUNT } from '../geo/grid.ts';
import { NEAR_REMEMBERED_MAX } from '../geo/limits.ts';
import { PLACE_KINDS, type Stay } from '../geo/places/fence.ts';
import { routeFix, type Track } from '../geo/publish.ts';
import type { FixMessage } from '../messages/region.ts';
import type { Fix, HubRef, OfficerRef } from '../messages/user.ts';
import * as read from '../packed.ts';
import type { MeetRules } from '../rules.ts';
import type { Near } from './near.ts';
import type { Area, CoarseFix, Hub, UserState } from './state.ts';

const MANY = 1_024;
/** The sides of a meeting. */
export const PARTIES = ['civilian', 'officer'] as const;
/** A disc touches four at most, but for the poles. */
const AREAS_MAX = 64;

export function fixOf({ latE7, lngE7, accuracyDm, takenAtMs }: read.Fields): Fix {
  return {
    latE7: read.whole(latE7, -900_000_000, 900_000_000),
    lngE7: read.whole(lngE7, -1_800_000_000, 1_800_000_000),
    accuracyDm: read.number(accuracyDm),
    takenAtMs: read.whole(takenAtMs),
  };
}

export function trackOf(packed: read.Fields, userId: string, rules: MeetRules): Track {
  const fix: FixMessage = {
    type: 'fix',
    userId,
    ...(packed.account === undefined ? {} : { account: read.whole(packed.account) }),
    role: read.oneOf(packed.role, PARTIES),
    handle: read.text(packed.handle),
    instant: read.flag(packed.instant),
    seq: read.whole(packed.seq),
    ...fixOf(packed),
    speedMps: read.number(packed.speedMps),
    eastMps: read.number(packed.eastMps ?? 0),
    northMps: read.number(packed.northMps ?? 0),
    ...(packed.absent === true ? { absent: true } : {}),
    ...(isTrust(packed.trust) && packed.trust > 0 ? { trust: packed.trust } : {}),
  };
  return { fix, route: routeFix(null, fix.role, fix.latE7, fix.lngE7, rules.proximity.reachM), left: [] };
}

/** A node of the version before knew of two. */
export function modeOf(packed: read.Fields): Pick<UserState, 'mode' | 'modeUntilMs'> {
  if (packed.mode === undefined)
    return {
      mode: read.flag(packed.sharing) ? 'precise' : 'qr',
      modeUntilMs: read.whole(packed.sharingUntilMs),
    };
  return { mode: read.oneOf(packed.mode, MODES), modeUntilMs: read.whole(packed.modeUntilMs) };
}

export function hubOf(item: unknown): Hub {
  const { placeId, name, area } = read.fields(item);
  return {
    placeId: read.text(placeId),
    name: read.text(name),
    area: typeof area === 'string' ? area : null,
  };
}

export function coarseOf(item: unknown): CoarseFix {
  const { cell, takenAtMs } = read.fields(item);
  return { cell: read.whole(cell, 0, CELL_COUNT - 1), takenAtMs: read.whole(takenAtMs) };
}

export function stayOf(item: unknown): Stay {
  const { placeId, kind, enteredAtMs, outside } = read.fields(item);
  return {
    placeId: read.text(placeId),
    kind: read.oneOf(kind, PLACE_KINDS),
    enteredAtMs: read.whole(enteredAtMs),
    outside: read.whole(outside),
  };
}

export function aroundOf({ home, areas, toldMs, absent }: read.Fields): AreaStay {
  const ids = read.list(areas, AREAS_MAX, one => read.text(one));
  return stayAgain(read.oneOf(home, ids), ids, read.whole(toldMs), read.flag(absent));
}

export function nearOf({ notified, waits }: read.Fields): Near {
  const all = read.list(notified, NEAR_REMEMBERED_MAX, item => {
    const { officerId, atMs } = read.fields(item);
    return { officerId: read.text(officerId), atMs: read.whole(atMs) };
  });
  return { notified: all, waits: read.flag(waits) };
}

export function areaOf(item: unknown): Area {
  const { area, version, officers, hubs } = read.fields(item);
  const hub = (one: unknown): HubRef => {
    const { id, name } = read.fields(one);
    return { id: read.text(id), name: read.text(name) };
  };
  const officer = (one: unknown): OfficerRef => {
    const { id, handle } = read.fields(one);
    return { id: read.text(id), handle: read.text(handle) };
  };
  return {
    area: read.text(area),
    version: read.number(version),
    officers: read.list(officers, MANY, officer),
    hubs: read.list(hubs ?? [], MANY, hub),
  };
}
