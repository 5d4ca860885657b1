/**
 * What leaves which line in the audit trail. A row for each route of the admin port that is no GET: the test takes the routes
 * from there, so a new one without a row fails.
 */
import type { OperatorAction } from '../../gateway/operator/actions.ts';

export interface TrailRow {
  /** As the admin port lists it. */
  readonly route: string;
  readonly path: string;
  readonly body?: object;
  readonly action: OperatorAction;
  /** It only looks: a line, and nothing before or after. */
  readonly looks?: true;
  /** Its body says why. */
  readonly saysWhy?: true;
}

/** Nobody, and no thing: the line is asked for here, and stands before the deed finds nothing to do. */
const ID = '01890000-0000-7000-8000-00000000abcd';
const CATALOG = 'catalogs/{charities|families}/{id}';
const RULE = 'trail-rule';
const SQUARE = [
  [-74, 40],
  [-73, 40],
  [-73, 41],
  [-74, 41],
  [-74, 40],
];
const ZIPS = {
  type: 'FeatureCollection',
  features: [
    {
      type: 'Feature',
      properties: { zip: '10001' },
      geometry: { type: 'Polygon', coordinates: [SQUARE] },
    },
  ],
};

const row = (
  action: OperatorAction,
  route: string,
  body?: object,
  more: Partial<TrailRow> = {},
): TrailRow => ({
  route,
  action,
  path: route
    .split(' ')[1]!
    .replace('{charities|families}', 'charities')
    .replace('{class}', 'other')
    .replace('/rules/{id}', `/rules/${RULE}`)
    .replace('?property=&dryRun=', '?property=zip&dryRun=false')
    .replace(/&id=$/, '&id=users/shardId-0/1')
    .replace(/\{\w+\}/, ID),
  ...(body && { body }),
  ...more,
});

export const TRAIL_MATRIX: readonly TrailRow[] = [
  // The node itself: the only one, so that nobody takes over; the line stands all the same.
  row('node.drain', 'POST /admin/drain'),
  row('operator.create', 'POST /admin/operators', { handle: 'otto', password: 'correct horse' }),
  row('rate.set', 'PUT /admin/rates/{class}', { perS: 50, burst: 100 }),
  // People and their tokens.
  row('user.disconnect', 'POST /admin/users/{id}/disconnect', { code: 4_003 }),
  row('user.revoke', 'POST /admin/users/{id}/revoke'),
  row('user.erase', 'POST /admin/users/{id}/erase'),
  row('token.revoke', 'POST /admin/tokens/{jti}/revoke'),
  row('trace.start', 'POST /admin/users/{id}/trace', { minutes: 1 }),
  row('trace.end', 'DELETE /admin/users/{id}/trace'),
  // Points.
  row('hold.release', 'POST /admin/holds/{id}/release'),
  row('hold.reject', 'POST /admin/holds/{id}/reject'),
  row('catalog.put', `PUT /admin/${CATALOG}`, { name: 'Shelter' }),
  row('catalog.verify', `POST /admin/${CATALOG}/verify`),
  row('catalog.suspend', `POST /admin/${CATALOG}/suspend`),
  row('account.limit', 'PUT /admin/accounts/{id}/limits', { entryMax: 5, dayMax: null }),
  row('account.close', 'POST /admin/accounts/{id}/close'),
  row('account.open', 'POST /admin/accounts/{id}/open'),
  row(
    'account.reverse',
    'POST /admin/accounts/{id}/reverse',
    { transferId: ID, why: 'paid twice' },
    { saysWhy: true },
  ),
  // Offers.
  row('offer.withdraw', 'POST /admin/offers/{id}/withdraw'),
  // Places.
  row('zips.replace', 'PUT /admin/zips?property=&dryRun=', ZIPS),
  row('place.put', 'PUT /admin/places/{id}', {
    kind: 'hub',
    name: 'Hall',
    lat: 40.7,
    lng: -73.9,
    radiusM: 60,
  }),
  row('place.delete', 'DELETE /admin/places/{id}'),
  // Rules of the business.
  row('rule.create', 'POST /admin/rules', {
    id: RULE,
    kind: 'giveaway',
    title: 'None',
    content: {},
    tests: [],
  }),
  row('rule.patch', 'PATCH /admin/rules/{id}', { title: 'Still none' }),
  row('rule.test', 'POST /admin/rules/{id}/test', { version: 1 }, { looks: true }),
  row('rule.publish', 'POST /admin/rules/{id}/publish', { version: 1 }),
  row('rule.retire', 'POST /admin/rules/{id}/retire', {}),
  row(
    'rule.evaluate',
    'POST /admin/rules/evaluate',
    { kind: 'encounter.points', input: { method: 'qr' } },
    { looks: true },
  ),
  // Records that could not be taken.
  row('dead.replay', 'POST /admin/dead-letters/replay?consumer=users&id='),
];
