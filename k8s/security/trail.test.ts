/**
 * Nothing that an operator can ask of the admin port changes anything without a line in the hash-chained trail: who, what,
 * how it stood, how it shall stand, and why. Routes come from the program, so a new one without a row fails here.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestTown, type TestTown } from '../e2e/testTown.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { withClient } from '../swarm/postgres.ts';
import { type SeededAccount, seedAccounts } from '../swarm/seed.ts';
import { ADMIN_ROUTES } from './adminRoutes.ts';
import { TRAIL_MATRIX, type TrailRow } from './trailMatrix.ts';

const MS_MAX = 120_000;
const WHY = 'because a test asks';
let town: TestTown;
let operator: SeededAccount;

beforeAll(async () => {
  town = await startTestTown();
  const target = { town: { databaseUrl: town.databaseUrl }, dataDir: town.dataDir };
  [operator] = (await seedAccounts(target, ['operator'])) as [SeededAccount];
}, MS_MAX);
afterAll(() => town?.stop(), MS_MAX);

interface TrailLine {
  readonly number: string;
  readonly operatorId: string | null;
  readonly action: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

const LINES = `select number, operator_id as "operatorId", action, detail from ops.operator_audit
  where number > $1 order by number`;
const linesSince = async (number: string): Promise<TrailLine[]> => {
  const { rows } = await withClient(town.databaseUrl, client => client.query<TrailLine>(LINES, [number]));
  return rows;
};

const ask = async ({ route, path, body }: TrailRow, why: string | null): Promise<number> => {
  const { status } = await fetch(`${town.node.urls.admin}${path}`, {
    method: route.split(' ')[0]!,
    headers: { authorization: `Bearer ${operator.token}`, ...(why !== null && { 'heyblue-why': why }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return status;
};

const CHANGING = ADMIN_ROUTES.filter(route => !route.startsWith('GET '));

it('every route that may change something has a row, and every row a route', () => {
  expect(TRAIL_MATRIX.map(row => row.route).toSorted()).toEqual(CHANGING.toSorted());
  expect(new Set(TRAIL_MATRIX.map(row => row.action)).size).toBe(TRAIL_MATRIX.length);
});

it('what the admin port answers by itself changes nothing: the rest goes through the desks, and those write lines', () => {
  const source = readFileSync(new URL('../../gateway/admin.ts', import.meta.url), 'utf8');
  const own = [...source.matchAll(/case '([A-Z]+ [^']+)'/g)].map(([, route]) => route!);
  expect(own).toContain('GET /readyz');
  // a collection of garbage, where a setting switched it on for measurements
  expect(own.filter(route => !route.startsWith('GET '))).toEqual(['POST /debug/gc']);
});

it(
  'each leaves one line with who, what, before, after and why; without a why it leaves none and is not done',
  async () => {
    const wrong: string[] = [];
    let last = '0';
    for (const row of TRAIL_MATRIX) {
      const note = (words: string): void => void wrong.push(`${row.route}: ${words}`);
      if (!row.looks && !row.saysWhy) {
        const status = await ask(row, null);
        if (status !== 422) note(`without a why ${status}`);
        if ((await linesSince(last)).length > 0) note('without a why, a line');
      }
      const status = await ask(row, WHY);
      const lines = await linesSince(last);
      last = lines.at(-1)?.number ?? last;
      const [line] = lines;
      if (line === undefined || lines.length > 1) {
        note(`${lines.length} lines, and ${status}`);
        continue;
      }
      const { operatorId, action, detail } = line;
      if (operatorId !== operator.userId) note(`by ${operatorId}`);
      if (action !== row.action) note(`says ${action}`);
      const states = Object.keys(detail).filter(name => name === 'before' || name === 'after');
      if (states.length !== (row.looks ? 0 : 2)) note(`says ${states.join(' and ') || 'neither'}`);
      if (!row.looks && typeof detail.why !== 'string') note('says no why');
    }
    expect(wrong).toEqual([]);
    expect(await auditLedger(town.databaseUrl)).toEqual([]);
  },
  MS_MAX,
);
