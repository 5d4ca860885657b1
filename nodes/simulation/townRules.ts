/** The rules of a world's town: those of the product, with times that pass within a run; each world has its own mix. */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { fraudRules } from '../../actors/fraud/rules.ts';
import { openAreas } from '../../actors/geo/areaRules.ts';
import { Fences, type Place } from '../../actors/geo/places/fence.ts';
import { proximityRules } from '../../actors/geo/rules.ts';
import { DEFAULT_RULES, type MeetRules, type PointsLife } from '../../actors/rules.ts';
import { mintHubToken } from '../../protocol/hubToken.ts';
import type { Dice } from './dice.ts';
import { latE7Of, lngE7Of } from './streets.ts';

/** A hub in the middle of the square. Where it stands is no secret, and neither is the key of its poster in a made town. */
const MIDDLE = { eastM: 0, northM: 0 };
const HUB: Place = {
  id: '00000000-0000-7000-8000-000000000001',
  kind: 'hub',
  name: 'Hall',
  number: 1,
  poster: 0,
  latE7: latE7Of(MIDDLE),
  lngE7: lngE7Of(MIDDLE),
  radiusM: 60,
};
export const FENCES = new Fences([HUB]);
/** RFC 8410: an Ed25519 key of 32 bytes. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const wall = createPrivateKey({
  key: Buffer.concat([PKCS8, Buffer.alloc(32, 9)]),
  format: 'der',
  type: 'pkcs8',
});
export const HUB_KEYS = new Map([[1, createPublicKey(wall)]]);
/** The text on the wall. */
export const HUB_TOKEN = mintHubToken({
  kid: 1,
  hubNumber: HUB.number,
  posterNumber: 0,
  untilMs: null,
  nonce: 1,
  privateKey: wall,
});

/** As a day to three days: a scan waits longer than the cooldown and the time for its upload together. */
const SHORT = { cooldownS: 6, uploadS: 5, scanSettleS: 12, redeemS: 4 };

/** In some worlds points get old within seconds, and what was earned waits for one. */
const SHORT_LIFE: PointsLife = { expireMs: 8_000, activateMs: 1_000, stepMs: 2_000, graceMs: 0 };

/** @param lifeDice of its own: whether points get old changes nothing else in the mix */
export function townRules(dice: Dice, lifeDice: Dice): MeetRules {
  const cooldownS = dice.chance(0.6) ? SHORT.cooldownS : DEFAULT_RULES.cooldownS;
  return {
    ...DEFAULT_RULES,
    area: openAreas(),
    ...SHORT,
    cooldownS,
    life: lifeDice.chance(0.25) ? SHORT_LIFE : DEFAULT_RULES.life,
    // days pass in seconds, so whoever meets again is no farmer; in a few worlds the past is looked at all the same
    fraud: fraudRules(dice.chance(0.25) ? {} : { historyH: 0 }),
    proximity: proximityRules({
      dwellMs: 4_000,
      dwellFixes: 2,
      gapMs: 6_000,
      freshMs: 5_000,
      silenceMs: 10_000,
      capMatches: 40,
    }),
  };
}
