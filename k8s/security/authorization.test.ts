/**
 * The authorisation matrix (ASVS 5.0: 8.2.1-8.2.3, 8.3.1): every REST route, every command of the socket and every route of
 * the admin port, asked by every kind of account, by a machine and by nobody, at a real node. Rows stand in the matrices;
 * routes and commands come from the program, so what is new and has no row fails here.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addService } from '../../infra/serviceAccounts.ts';
import { ACCOUNT_KINDS, type AccountKind, COMMANDS, type CommandName } from '../../protocol/catalogue.ts';
import { startTestTown, type TestTown } from '../e2e/testTown.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { auditMarket } from '../swarm/marketAudit.ts';
import { Phone } from '../swarm/phone.ts';
import { tokenMaker } from '../swarm/tokens.ts';
import { ADMIN_ROUTES } from './adminRoutes.ts';
import { CALLERS, type Caller, type Cast, hireCast } from './cast.ts';
import { REST_MATRIX, type RestRow } from './restMatrix.ts';
import { SOCKET_MATRIX } from './socketMatrix.ts';

const MS_MAX = 120_000;
let folder: string;
let town: TestTown;
let cast: Cast;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heyblue-matrix-'));
  const file = join(folder, 'services.json');
  const service = addService(file, 'kiosk');
  town = await startTestTown({ HEYBLUE_SERVICE_ACCOUNTS: file });
  cast = await hireCast(town, service);
}, MS_MAX);
afterAll(async () => {
  await town?.stop();
  rmSync(folder, { recursive: true, force: true });
}, MS_MAX);

interface Answer {
  readonly status: number;
  readonly text: string;
}

const ask = async (base: string, route: string, path: string, token: string | null, body?: object) => {
  const [method = ''] = route.split(' ');
  const answer = await fetch(`${base}${path}`, {
    method,
    headers: {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
      'idempotency-key': crypto.randomUUID(),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, text: await answer.text() } satisfies Answer;
};

const pathOf = (row: RestRow, as: Caller): string => row.path?.(cast, as) ?? row.route.split(' ')[1]!;
const askRest = (row: RestRow, as: Caller, token: string | null): Promise<Answer> =>
  ask(town.node.urls.rest, row.route, pathOf(row, as), token, row.body?.(cast, as));

/** What the matrix says that this caller is answered. */
const expected = (row: RestRow, as: Caller): number => {
  if (row.lets === 'all' || row.lets.includes(as)) {
    const { answers = 200 } = row;
    return typeof answers === 'number' ? answers : (answers[as] ?? 200);
  }
  if (as === 'none') return 401;
  // tokens of machines open no door of people, and the other way round
  const forMachines = row.lets.includes('service');
  return as === 'service' || forMachines ? 401 : 403;
};

/** A token that the route may end. */
const spare = (as: AccountKind): Promise<string> => tokenMaker(town.dataDir, 600)(cast.of[as]);

it('every route of the OpenAPI document has a row, and every row a route', async () => {
  const document = await town.rest.read<{ paths: Record<string, object> }>('/docs/openapi.json');
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
  );
  expect(REST_MATRIX.map(row => row.route).toSorted()).toEqual(routes.toSorted());
});

it(
  'REST: strangers are refused, others are told that there is nothing, and the owner is let in',
  async () => {
    const wrong: string[] = [];
    const note = (row: RestRow, who: string, due: number, { status, text }: Answer): void => {
      if (status !== due) wrong.push(`${row.route} as ${who}: ${status}, not ${due} ${text.slice(0, 90)}`);
      // a refusal tells nothing of what was asked for
      if (status >= 400 && status < 404 && text.includes(cast.of.civilian.handle))
        wrong.push(`${row.route} tells ${who} of her`);
    };
    for (const row of REST_MATRIX) {
      const inside = (as: Caller): boolean => row.lets !== 'all' && row.lets.includes(as);
      // first those who must not change anything
      const strangers = row.lets === 'all' ? (['none'] as const) : CALLERS.filter(one => !inside(one));
      await Promise.all([
        ...strangers.map(async as =>
          note(row, as, expected(row, as), await askRest(row, as, cast.tokenOf(as))),
        ),
        ...(row.others?.as ?? []).map(async as =>
          note(row, `another ${as}`, row.others!.answers, await askRest(row, as, cast.other[as].token)),
        ),
      ]);
      for (const as of CALLERS.filter(inside)) {
        const token = row.endsToken ? await spare(as as AccountKind) : cast.tokenOf(as);
        const answer = await askRest(row, as, token);
        note(row, as, expected(row, as), answer);
        // a merchant never learns who the customer is (DOMAIN, Who)
        const { userId, handle } = cast.of.civilian;
        if (as === 'merchant' && (answer.text.includes(userId) || answer.text.includes(handle)))
          wrong.push(`${row.route} tells the merchant who the customer is`);
      }
    }
    expect(wrong).toEqual([]);
  },
  MS_MAX,
);

it(
  'socket: every command said by every kind of account about what is not theirs',
  async () => {
    expect(Object.keys(SOCKET_MATRIX).toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
    const wrong: string[] = [];
    const tryAll = async (as: AccountKind): Promise<void> => {
      const phone = new Phone({ url: town.node.urls.realtime, identity: cast.other[as] });
      // her own things are tried by the second of her kind; what costs points by the first, in REST
      await phone.connect();
      for (const [name, row] of Object.entries(SOCKET_MATRIX)) {
        const body = row.body({ ...cast, other: cast.of }, as);
        const key = COMMANDS[name as CommandName].mutates ? crypto.randomUUID() : null;
        const said = await phone.command(name as CommandName, body as never, key);
        const status = said.ok ? 0 : said.code;
        const due = row.lets.includes(as) ? row.answers : 403;
        if (status !== due)
          wrong.push(`${name} as ${as}: ${status}, not ${due}${said.ok ? '' : ` ${said.message}`}`);
      }
      phone.drop();
    };
    await Promise.all(ACCOUNT_KINDS.map(tryAll));
    for (const token of [cast.serviceToken, 'no token']) {
      const nobody = new Phone({ url: town.node.urls.realtime, identity: { ...cast.of.civilian, token } });
      await expect(nobody.connect()).rejects.toThrow(/closed before WELCOME: 40/);
    }
    // a token is good on its device only
    const elsewhere = new Phone({
      url: town.node.urls.realtime,
      identity: { ...cast.of.civilian, deviceId: 'stolen-1' },
    });
    await expect(elsewhere.connect()).rejects.toThrow(/closed before WELCOME: 40/);
    expect(wrong).toEqual([]);
  },
  MS_MAX,
);

/** Whoever reaches the port runs the machine, and needs no token for these (gateway/operator/entrance.ts). */
const UNASKED = ['POST /admin/operators', 'POST /admin/drain'];

it(
  'admin port: everything about people is for operators, and what changes something is not for web pages',
  async () => {
    const wrong: string[] = [];
    const { admin } = town.node.urls;
    for (const route of ADMIN_ROUTES.filter(one => !UNASKED.includes(one))) {
      const path = route
        .split(' ')[1]!
        .replace('{charities|families}', 'charities')
        .replace('{class}', 'auth')
        .replace('{n}', '1')
        .replace('rules/{id}', 'rules/no-such-rule')
        // somebody on whom nothing else depends: an operator may end her tokens
        .replaceAll(/\{\w+\}/g, cast.other.charity.userId)
        .replaceAll(/=(?=&|$)/g, '=x');
      const body = route.startsWith('GET') ? undefined : { nonsense: true };
      const tried = CALLERS.map(async as => {
        const { status } = await ask(admin, route, path, cast.tokenOf(as), body);
        const isIn = status !== 401 && status !== 403 && status < 500;
        const due = as === 'none' || as === 'service' ? 401 : 403;
        if (as === 'operator' ? !isIn : status !== due) wrong.push(`${route} as ${as}: ${status}`);
      });
      await Promise.all(tried);
    }
    const page = { method: 'POST', headers: { origin: 'https://evil.example' } };
    for (const path of ['/admin/operators', '/admin/drain', '/debug/gc'])
      expect((await fetch(`${admin}${path}`, page)).status, path).toBe(403);
    expect(wrong).toEqual([]);
  },
  MS_MAX,
);

it('and nothing moved that nobody was let to move', async () => {
  expect([...(await auditMarket(town.databaseUrl)), ...(await auditLedger(town.databaseUrl))]).toEqual([]);
});
