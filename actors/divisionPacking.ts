/** The division of a region as plain values and back, when its shard moves in the middle of one. */
import { TRUST_MAX } from './fraud/trust.ts';
import { type Ground, groundOf, packLayout, quadId, readLayout, UNDIVIDED } from './geo/layout.ts';
import { CAP_MATCHES_MAX, HELD_MAX, INHERIT_MS, MEMBERS_MAX, NEAR_REMEMBERED_MAX } from './geo/limits.ts';
import type { FixMessage, SlotTransfer } from './messages/region.ts';
import * as read from './packed.ts';
import { type Division, newDivision, type PersonMessage } from './regionDivision.ts';

/** Regions that one region may wait for: all quads of a cell. */
const WAITING_MAX = 85;
const PIECES_MAX = 8_000_000;
const ROLES = ['officer', 'civilian'] as const;
const STAGES = ['counting', 'ready', 'told'] as const;

export const packDivision = ({ layout, isRegion, waiting, held, pieces }: Division): unknown => ({
  layout: layout.version === 0 ? null : packLayout(layout),
  isRegion,
  waiting: [...waiting],
  held,
  pieces: [...pieces],
});

/** What {@link packDivision} gave; throws what `packed.ts` makes a refusal of. */
export function divisionOf(value: unknown, ground: Ground, nowMs: number): Division {
  const packed = read.fields(value);
  const division = newDivision(ground);
  // a layout that cannot be read is learned again
  division.layout = readLayout(packed.layout) ?? UNDIVIDED;
  division.isRegion = read.flag(packed.isRegion);
  for (const id of read.list(packed.waiting, WAITING_MAX, quadOf)) division.waiting.add(id);
  division.held = read.list(packed.held, HELD_MAX + 1, heldOf);
  for (const [id, pieces] of read.list(packed.pieces, WAITING_MAX, pairOf)) {
    const { members, slots, officers } = read.fields(pieces);
    const list = (items: unknown) => read.list(items, PIECES_MAX, item => item);
    division.pieces.set(quadOf(id), { members: list(members), slots: list(slots), officers: list(officers) });
  }
  division.untilMs = nowMs + INHERIT_MS;
  return division;
}

const quadOf = (value: unknown): string => {
  const ground = groundOf(read.text(value));
  return ground === null ? read.text(null) : quadId(ground.cell, ground.path);
};

const pairOf = (value: unknown): readonly [unknown, unknown] => {
  const [one, two] = read.list(value, 2, item => item);
  return [one, two];
};

const fromOf = ({ fromLatE7, fromLngE7 }: read.Fields) => {
  if (fromLatE7 === undefined) return {};
  const { latE7, lngE7 } = placeOf({ latE7: fromLatE7, lngE7: fromLngE7 });
  return { fromLatE7: latE7, fromLngE7: lngE7 };
};

const placeOf = ({ latE7, lngE7 }: read.Fields) => ({
  latE7: read.whole(latE7, -900_000_000, 900_000_000),
  lngE7: read.whole(lngE7, -1_800_000_000, 1_800_000_000),
});

const optional = <K extends string, T>(
  key: K,
  value: unknown,
  as: (value: unknown) => T,
): { [k in K]?: T } => (value === undefined ? {} : ({ [key]: as(value) } as { [k in K]?: T }));

const ontoOf = (value: unknown) => {
  const { id, layout } = read.fields(value);
  return { id: quadOf(id), ...optional('layout', layout, read.whole) };
};

const yes = (value: unknown): true => (read.flag(value) ? true : (read.text(null) as never));

function heldOf(value: unknown): PersonMessage {
  const item = read.fields(value);
  const layout = optional('layout', item.layout, read.whole);
  const dual = optional('dual', item.dual, yes);
  switch (read.oneOf(item.type, ['fix', 'leave', 'depart', 'adopt', 'unsettled'])) {
    case 'fix':
      return fixOf(item);
    case 'leave':
      return {
        type: 'leave',
        userId: read.text(item.userId),
        ...optional('atMs', item.atMs, read.number),
        ...optional('to', item.to, ontoOf),
        ...(item.latE7 === undefined ? {} : placeOf(item)),
        ...layout,
        ...dual,
      };
    case 'depart': {
      const to = quadOf(item.to);
      return { type: 'depart', fix: fixOf(read.fields(item.fix)), to, ...placeOf(item), ...layout };
    }
    case 'adopt': {
      const slots = read.list(item.slots, MEMBERS_MAX, slotOf);
      const officer = optional('officer', item.officer, officerOf);
      return { type: 'adopt', fix: fixOf(read.fields(item.fix)), slots, ...officer };
    }
    case 'unsettled': {
      const [officerId, civilianId] = [read.text(item.officerId), read.text(item.civilianId)];
      const offered = optional('offeredMs', item.offeredMs, read.number);
      return {
        type: 'unsettled',
        officerId,
        civilianId,
        again: read.flag(item.again),
        ...offered,
        ...layout,
      };
    }
  }
}

const fixOf = (item: read.Fields): FixMessage => ({
  type: 'fix',
  userId: read.text(item.userId),
  ...optional('account', item.account, read.number),
  role: read.oneOf(item.role, ROLES),
  handle: read.text(item.handle),
  instant: read.flag(item.instant),
  seq: read.whole(item.seq),
  ...placeOf(item),
  accuracyDm: read.number(item.accuracyDm),
  takenAtMs: read.number(item.takenAtMs),
  speedMps: read.number(item.speedMps),
  ...optional('eastMps', item.eastMps, read.number),
  ...optional('northMps', item.northMps, read.number),
  ...fromOf(item),
  ...optional('absent', item.absent, yes),
  ...optional('trust', item.trust, trust => read.whole(trust, 0, TRUST_MAX)),
  ...optional('layout', item.layout, read.whole),
  ...optional('dual', item.dual, yes),
});

function slotOf(value: unknown): SlotTransfer {
  const item = read.fields(value);
  return {
    civilianId: read.text(item.civilianId),
    lastMs: read.number(item.lastMs),
    dwellMs: read.whole(item.dwellMs),
    officerFixes: read.whole(item.officerFixes),
    civilianFixes: read.whole(item.civilianFixes),
    stage: read.oneOf(item.stage, STAGES),
    ...optional('outside', item.outside, outside => read.whole(outside, 0, 3)),
    ...optional('offeredMs', item.offeredMs, read.number),
  };
}

function officerOf(value: unknown) {
  const item = read.fields(value);
  return {
    matchedMs: read.list(item.matchedMs, CAP_MATCHES_MAX, read.number),
    crowded: read.flag(item.crowded),
    turningMs: item.turningMs === null ? null : read.number(item.turningMs),
    told: read.list(item.told, NEAR_REMEMBERED_MAX, one => {
      const [civilianId, atMs] = pairOf(one);
      return [read.text(civilianId), read.number(atMs)] as const;
    }),
  };
}
