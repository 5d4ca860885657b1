/** An officer scans the wall of a hub: which codes are good, and what the actor knows then. */
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { ERROR } from '../../protocol/errors.ts';
import { mintHubToken } from '../../protocol/hubToken.ts';
import { AREAS, areaId } from '../geo/grid.ts';
import { Fences, type Place } from '../geo/places/fence.ts';
import type { UserRecord } from '../queries.ts';
import { DEFAULT_RULES } from '../rules.ts';
import type { Turn } from '../turn.ts';
import { newUserState } from './hydrated.ts';
import { rememberedMode } from './modeMemory.ts';
import { checkIn } from './modes.ts';
import { Ring } from './ring.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 12);
const [ours, foreign] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
const KEYS = { newest: 1, masters: new Map(), hubs: new Map([[1, ours.publicKey]]) };
const HUB: Place = {
  ...{ id: '00000000-0000-7000-8000-0000000000a1', kind: 'hub', name: 'The old hall', number: 7, poster: 2 },
  ...{ latE7: 407_000_000, lngE7: -739_000_000, radiusM: 60 },
};
const FENCES = new Fences([HUB, { ...HUB, id: HUB.id.replace('a1', 'a2'), kind: 'merchant', number: 8 }]);
const timers: { name: string; dueAtMs: number; message: unknown }[] = [];
const turn = new Proxy(
  {
    nowMs: NOW_MS,
    durableTimer(name: string, delayMs: number, message: unknown) {
      timers.push({ name, dueAtMs: NOW_MS + delayMs, message });
      return NOW_MS + delayMs;
    },
  },
  { get: (known, name) => known[name as keyof typeof known] ?? (() => {}) },
) as unknown as Turn;
const person = (kind: 'officer' | 'civilian') =>
  newUserState(
    { id: 'o', kind, handle: 'ana', timers: [], encounters: [], commands: [] } as unknown as UserRecord,
    { epoch: 'e', lineage: 1, others: 0, offset: 0, ring: Ring.EMPTY, balance: 0, balanceVersion: 0 },
  );
const good = { kid: 1, privateKey: ours.privateKey, hubNumber: 7, posterNumber: 2, untilMs: null, nonce: 1 };
const scan = (change: object, kind: 'officer' | 'civilian' = 'officer') =>
  checkIn(person(kind), { token: mintHubToken({ ...good, ...change }) }, KEYS, FENCES, DEFAULT_RULES, turn);

test('the right code opens the hub, for a shift, and the mode outlives a kill', () => {
  const { state, result } = scan({});
  const untilS = NOW_MS / 1_000 + DEFAULT_RULES.hubS;
  expect(result).toEqual({ ok: true, value: { hubId: HUB.id, name: HUB.name, untilS } });
  const area = areaId(AREAS.cellOf(HUB.latE7 / 1e7, HUB.lngE7 / 1e7));
  const hub = { placeId: HUB.id, name: HUB.name, area };
  expect(state).toMatchObject({ mode: 'hub', hub });
  expect(rememberedMode('officer', timers)).toEqual({ mode: 'hub', modeUntilMs: untilS * 1_000, hub });
});

test('every other code is refused, and nothing changed', () => {
  const refused: [object, number, ('civilian' | 'officer')?][] = [
    [{ privateKey: foreign.privateKey }, ERROR.invalid],
    [{ kid: 2 }, ERROR.invalid],
    [{ posterNumber: 1 }, ERROR.gone],
    [{ hubNumber: 8 }, ERROR.gone],
    [{ hubNumber: 9 }, ERROR.gone],
    [{ untilMs: NOW_MS - 3_600_000 }, ERROR.gone],
    [{}, ERROR.forbidden, 'civilian'],
  ];
  for (const [change, code, kind = 'officer'] of refused) {
    const { state, result } = scan(change, kind);
    expect(result).toMatchObject({ ok: false, code });
    expect(state.mode).toBe(kind === 'officer' ? 'qr' : 'precise');
  }
  for (const token of ['', 'HB1:', 'x'.repeat(130), `HB1:${'0'.repeat(126)}`])
    expect(checkIn(person('officer'), { token }, KEYS, FENCES, DEFAULT_RULES, turn).result).toMatchObject({
      ok: false,
      code: ERROR.invalid,
    });
});
