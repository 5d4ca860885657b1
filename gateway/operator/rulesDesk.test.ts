/** Operators write rules over the admin port, with the real engine; whoever moved has it explained over REST. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { ZenRules } from '../../infra/rules/zenEngine.ts';
import { MemoryAudit } from '../../nodes/memory/memoryAudit.ts';
import { MemoryRules } from '../../nodes/memory/memoryRules.ts';
import type { NodeRules } from '../../nodes/rules/nodeRules.ts';
import { seedRules } from '../../nodes/rules/seeds.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { createGateway, type Gateway, type Ports } from '../index.ts';
import { testRules } from '../testing/rules.ts';
import { FakeDirectory, FakeDoor, optionsFor } from '../testing/town.ts';

const TRANSFER = '01900000-0000-7000-8000-0000000000f1';
const [MEETING] = seedRules(DEFAULT_RULES);

let stored: MemoryRules;
let rules: NodeRules;
let directory: FakeDirectory;
let audit: MemoryAudit;
let gateway: Gateway;
let ports: Ports;
let token: string;
let down: boolean;

const call = async (port: number, method: string, path: string, body?: object | string, as?: string) => {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      'heyblue-why': 'a test',
      ...(as && { authorization: `Bearer ${as}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: answer.status, json: JSON.parse(await answer.text()) };
};
const ask = (method: string, path: string, body?: object | string, as = token) =>
  call(ports.adminPort, method, path, body, as);
const signUp = async (handle: string, more: object) =>
  (
    await call(ports.restPort, 'POST', '/v1/signup', {
      handle,
      password: 'correct horse',
      deviceId: 'd',
      ...more,
    })
  ).json as { userId: string; accessToken: string };

beforeEach(async () => {
  stored = new MemoryRules();
  down = false;
  const mayBeDown = new Proxy(stored, {
    get:
      (target, name) =>
      async (...args: unknown[]) => {
        if (down) throw new Error('no connection');
        return (target as unknown as Record<string, (...args: unknown[]) => unknown>)[String(name)]!(...args);
      },
  });
  rules = testRules(DEFAULT_RULES, new ZenRules(), mayBeDown);
  await rules.start();
  directory = new FakeDirectory();
  audit = new MemoryAudit(Date.now);
  gateway = createGateway(optionsFor(new FakeDoor(), directory, { rules, auditLog: audit }));
  ports = await gateway.start();
  const who = { handle: 'olga', password: 'correct horse' };
  await call(ports.adminPort, 'POST', '/admin/operators', who);
  token = (await call(ports.restPort, 'POST', '/v1/signin', { ...who, deviceId: 'console-1' })).json
    .accessToken;
});
afterEach(async () => {
  await rules.stop();
  await gateway.stop(0);
});

/** The seed with other points for a code. */
const worth = (points: number) => ({
  content: JSON.parse(JSON.stringify(MEETING!.content).replaceAll('"20"', `"${points}"`)) as object,
  tests: [{ name: 'qr', in: { method: 'qr' }, out: { points: { officer: points, civilian: points } } }],
});
const QR = { kind: 'encounter.points', input: { method: 'qr' } };

describe('a rule', () => {
  test('is written, changed, tested, published, and answers; every step stands in the audit log', async () => {
    const made = await ask('POST', '/admin/rules', {
      id: 'double-qr',
      kind: 'encounter.points',
      title: 'Twice for codes',
      ...worth(30),
    });
    expect(made).toMatchObject({ status: 201, json: { id: 'double-qr', version: 1, state: 'draft' } });
    const patched = await ask('PATCH', '/admin/rules/double-qr', worth(40));
    expect(patched).toMatchObject({ status: 201, json: { version: 2, title: 'Twice for codes' } });
    expect((await ask('POST', '/admin/rules/double-qr/test', { version: 2 })).json).toEqual({
      passed: true,
      tests: 1,
      differences: [],
    });
    expect((await ask('POST', '/admin/rules/evaluate', QR)).json).toMatchObject({ points: { officer: 20 } });
    const published = await ask('POST', '/admin/rules/double-qr/publish', { version: 2 });
    expect(published).toMatchObject({ status: 200, json: { pointer: { active: 2, revision: 3 } } });
    expect((await ask('POST', '/admin/rules/evaluate', QR)).json).toMatchObject({
      points: { officer: 40, civilian: 40 },
      rule: { id: 'double-qr', version: 2 },
    });
    const one = { id: 'double-qr', version: 1, input: { method: 'qr' } };
    expect((await ask('POST', '/admin/rules/evaluate', one)).json).toMatchObject({
      said: { points: { officer: 30 } },
      steps: expect.arrayContaining([expect.objectContaining({ row: 3, because: { method: '"qr"' } })]),
    });
    const { json } = await ask('GET', '/admin/rules/double-qr');
    expect(json.versions.map((v: { state: string }) => v.state)).toEqual(['draft', 'active']);
    expect((await ask('GET', '/admin/rules/double-qr/versions/1')).json).toMatchObject({
      version: 1,
      createdBy: expect.any(String),
    });
    expect((await ask('GET', '/admin/rules')).json.items).toHaveLength(8);
    await ask('POST', '/admin/rules/double-qr/retire', {});
    expect((await ask('POST', '/admin/rules/evaluate', QR)).json).toMatchObject({ points: { officer: 20 } });
    const lines = (await audit.newest(100)).map(({ action, detail }) => [action, detail] as const).reverse();
    const [rule, why] = ['double-qr', 'a test'];
    expect(lines.filter(([action]) => /^rule\.(create|patch|test|publish|retire)$/.test(action))).toEqual([
      ['rule.create', { why, rule, kind: QR.kind, before: null, after: { version: 1, state: 'draft' } }],
      [
        'rule.patch',
        {
          why,
          rule,
          before: { active: 0, revision: 1 },
          after: { changed: 'content tests', state: 'draft' },
        },
      ],
      ['rule.test', { rule, version: 2 }],
      ['rule.publish', { why, rule, before: { active: 0, revision: 2 }, after: { active: 2 } }],
      ['rule.retire', { why, rule, before: { active: 2, revision: 3 }, after: { active: 0 } }],
    ]);
  });

  test('that does not keep its own tests is not published, and what differs is said', async () => {
    const { tests } = worth(50);
    await ask('PATCH', '/admin/rules/encounter.points', { ...worth(40), tests });
    const refused = await ask('POST', '/admin/rules/encounter.points/publish', { version: 2 });
    expect(refused.status).toBe(422);
    expect(refused.json.differences).toEqual([
      {
        test: 'qr',
        expected: { points: { officer: 50, civilian: 50 } },
        got: { points: { officer: 40, civilian: 40 }, values: {} },
      },
    ]);
  });

  test.each([
    ['for a city', { scope: { cities: ['Albany'] } }, 'cannot be for some cities only'],
    ['for a merchant', { scope: { merchants: ['m'] } }, 'cannot be for some merchants only'],
    ['for no state', { scope: { states: ['ny'] } }, 'state ny is never asked of encounter.points'],
    [
      'of a proof that there is not',
      { tests: [{ name: 'tap', in: { method: 'nfc' }, out: { points: { officer: 1 } } }] },
      'the test "tap" is of what never happens: method nfc',
    ],
  ])('%s would never count, and is refused', async (_what, changes, words) => {
    const refused = await ask('PATCH', '/admin/rules/encounter.points', changes);
    expect(refused.status).toBe(422);
    expect(refused.json.error.message).toContain(words);
  });

  test.each([
    ['a promotion of donations', 'promotion', { of: 'donation' }, 'never asked of promotion'],
    ['a promotion for merchants', 'promotion', { userKind: 'merchant' }, 'never asked of promotion'],
  ])('%s would never count, and is refused', async (_what, kind, given, words) => {
    const node = { key: 'points.user', value: '5', id: 'x' };
    const content = {
      nodes: [
        { id: 'in', type: 'inputNode' },
        { id: 'x', type: 'expressionNode', content: { expressions: [node] } },
        { id: 'out', type: 'outputNode' },
      ],
      edges: [
        { sourceId: 'in', targetId: 'x' },
        { sourceId: 'x', targetId: 'out' },
      ],
    };
    const tests = [{ name: 'it', in: given, out: { points: { user: 5 } } }];
    const refused = await ask('POST', '/admin/rules', { id: 'more', kind, title: 'More', content, tests });
    expect(refused.status).toBe(422);
    expect(refused.json.error.message).toContain(words);
  });

  test('is tested as it is asked: an example out of its scope shows nothing', async () => {
    const scope = { states: ['NY'] };
    await ask('PATCH', '/admin/rules/encounter.points', { ...worth(40), scope });
    const refused = await ask('POST', '/admin/rules/encounter.points/publish', { version: 2 });
    expect(refused.status).toBe(422);
    expect(refused.json.differences[0].got.error).toContain('out of its scope');
    const { tests } = worth(40);
    const [there] = tests.map(one => ({ ...one, in: { ...one.in, state: 'NY' } }));
    const elsewhere = { name: 'elsewhere', in: { method: 'qr', state: 'CA' }, out: {} };
    await ask('PATCH', '/admin/rules/encounter.points', { tests: [there, elsewhere] });
    expect((await ask('POST', '/admin/rules/encounter.points/publish', { version: 3 })).status).toBe(200);
  });

  test('published by another meanwhile is not published again by who saw it before', async () => {
    await ask('PATCH', '/admin/rules/encounter.points', worth(40));
    const answers = await Promise.all(
      [1, 2].map(() => ask('POST', '/admin/rules/encounter.points/publish', { version: 2, revision: 1 })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  });

  test.each([
    ['free code', { type: 'functionNode', content: 'while (true) {}' }, 422, 'free code'],
    ['a circle', null, 422, 'cyclic'],
    [
      'what would end the process',
      {
        type: 'expressionNode',
        content: { expressions: [{ id: '1', key: 'points.officer', value: '1 % 0' }] },
      },
      422,
      'the rest of a division',
    ],
    ['another graph', { type: 'decisionNode', content: { key: 'x' } }, 422, 'never end'],
  ])('with %s is refused', async (_what, node, status, words) => {
    const content = structuredClone(MEETING!.content) as unknown as {
      nodes: object[];
      edges: object[];
    };
    if (node) content.nodes.splice(1, 1, { id: 'rule', name: 'mine', ...node });
    else content.edges.push({ sourceId: 'rule', targetId: 'rule' });
    const refused = await ask('PATCH', '/admin/rules/encounter.points', { content });
    expect(refused.status).toBe(status);
    expect(refused.json.error.message).toContain(words);
  });

  test('that is no rule is refused before anything else', async () => {
    const bad = async (method: string, path: string, body?: object | string, as?: string) =>
      (await ask(method, path, body, as)).status;
    expect(await bad('POST', '/admin/rules', { id: 'x' })).toBe(422);
    expect(await bad('POST', '/admin/rules', '{')).toBe(400);
    expect(await bad('PATCH', '/admin/rules/encounter.points', { kind: 'donation' })).toBe(422);
    expect(await bad('PATCH', '/admin/rules/nobody-wrote-it', { title: 'x' })).toBe(404);
    expect(await bad('GET', '/admin/rules/encounter.points/versions/9')).toBe(404);
    expect(await bad('POST', '/admin/rules/encounter.points/publish', { version: 9 })).toBe(404);
    expect(await bad('POST', '/admin/rules/evaluate', { kind: 'magic', input: {} })).toBe(422);
    const { accessToken } = await signUp('carla', { kind: 'civilian' });
    expect(await bad('GET', '/admin/rules', undefined, accessToken)).toBe(403);
    down = true;
    expect(await bad('GET', '/admin/rules')).toBe(503);
  });
});

describe('a movement', () => {
  test('is explained to whom it concerns, from the version that decided, whatever counts now', async () => {
    const officer = await signUp('oscar', { kind: 'officer', badge: 'B1' });
    const civilian = await signUp('carla', { kind: 'civilian' });
    const stranger = await signUp('sam', { kind: 'civilian' });
    await ask('PATCH', '/admin/rules/encounter.points', worth(40));
    await ask('POST', '/admin/rules/encounter.points/publish', { version: 2 });
    const award = (await ask('POST', '/admin/rules/evaluate', QR)).json;
    await ask('PATCH', '/admin/rules/encounter.points', worth(60));
    await ask('POST', '/admin/rules/encounter.points/publish', { version: 3 });
    directory.movements.set(TRANSFER, {
      id: TRANSFER,
      reason: 'encounter',
      rule: award.rule,
      atMs: 7,
      postings: [
        { account: civilian.userId, kind: 'civilian', delta: 40 },
        { account: officer.userId, kind: 'officer', delta: 40 },
        { account: 'mint', kind: null, delta: -80 },
      ],
      encounter: { method: 'qr', officer: officer.userId, civilian: civilian.userId },
    });
    const path = `/v1/transfers/${TRANSFER}/explain`;
    const { status, json } = await call(ports.restPort, 'GET', path, undefined, civilian.accessToken);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      rule: { id: 'encounter.points', version: 2, trace: award.rule.trace },
      replay: 'same',
      given: { method: 'qr' },
      points: { officer: 40, civilian: 40 },
      agrees: true,
    });
    expect(json.sentences).toEqual([
      'The rule "Points of a meeting by its proof" (encounter.points, version 2) decided this movement of encounter.',
      'It was asked with: method qr.',
      'Row 3 of the table "points by proof" applied, because method is "qr".',
      'It said: 40 points for civilian, 40 points for officer.',
      'Your account got 40 points.',
      'Asked again, the stored version says the same.',
    ]);
    expect((await call(ports.restPort, 'GET', path, undefined, stranger.accessToken)).status).toBe(404);
    const seen = await ask('GET', `/admin/transfers/${TRANSFER}/explain`);
    expect(seen.json.sentences).toContain("The officer's account got 40 points.");
    expect((await audit.newest(1))[0]).toMatchObject({ action: 'transfer.explain' });
  });

  test('that takes an entry back names it; the reason is told to operators only', async () => {
    const ana = await signUp('ana', { kind: 'civilian' });
    const gift = '01900000-0000-7000-8000-0000000000f2';
    const back = derivedId('reversal', gift, ana.userId);
    const NOBODY = { encounter: null, atMs: 7 };
    directory.movements.set(gift, {
      ...NOBODY,
      id: gift,
      reason: 'promotion',
      rule: { id: 'promotion', version: 2, trace: null },
      postings: [],
    });
    directory.movements.set(back, {
      ...NOBODY,
      id: back,
      reason: 'reversal',
      rule: { id: 'reversal', version: 1, trace: null },
      postings: [
        { account: ana.userId, kind: 'civilian', delta: -40 },
        { account: 'mint', kind: null, delta: 40 },
      ],
    });
    const path = `/v1/transfers/${back}/explain`;
    const told = async () =>
      (await call(ports.restPort, 'GET', path, undefined, ana.accessToken)).json.sentences as string[];
    expect(await told()).toContain('Which entry it was is not in the log of operators.');
    const why = 'paid twice by a till that hung';
    const line = { operatorId: 'olga', action: 'account.reverse', userId: ana.userId };
    await audit.append({ ...line, detail: { transferId: TRANSFER, why: 'another one' } });
    await audit.append({ ...line, detail: { transferId: gift, why } });
    const first = `An operator took back 40 points that the promotion ${gift} had brought`;
    expect(await told()).toEqual([
      `${first} your account.`,
      'They went back to where they had come from: an account of the town. What that entry did besides stays as it is.',
    ]);
    const { json } = await ask('GET', `/admin/transfers/${back}/explain`);
    expect(json).toMatchObject({
      replay: 'unknown',
      rule: { title: 'Corrections are entries of their own' },
    });
    expect(json.sentences[0]).toBe(`${first} the account of a civilian.`);
    expect(json.sentences).toContain(`The reason given: ${why}.`);
  });

  test('that is not what its rule says is told to be so', async () => {
    const civilian = await signUp('carla', { kind: 'civilian' });
    directory.movements.set(TRANSFER, {
      id: TRANSFER,
      reason: 'encounter',
      rule: { id: 'encounter.points', version: 1, trace: 'ffffffffffffffff' },
      atMs: 7,
      postings: [{ account: civilian.userId, kind: 'civilian', delta: 21 }],
      encounter: { method: 'qr', officer: 'x', civilian: civilian.userId },
    });
    const path = `/v1/transfers/${TRANSFER}/explain`;
    const { json } = await call(ports.restPort, 'GET', path, undefined, civilian.accessToken);
    expect(json).toMatchObject({ replay: 'different', agrees: false });
    expect(json.sentences).toContain('That is not what the rule says: ask an operator.');
  });

  test('that a limit of the day has cut is not called wrong, and what it was is said', async () => {
    const civilian = await signUp('carla', { kind: 'civilian' });
    directory.movements.set(TRANSFER, {
      id: TRANSFER,
      reason: 'encounter',
      rule: { id: 'encounter.points', version: 1, trace: null },
      atMs: 7,
      postings: [
        { account: civilian.userId, kind: 'civilian', delta: 5 },
        { account: 'x', kind: 'officer', delta: 20 },
      ],
      encounter: { method: 'qr', officer: 'x', civilian: civilian.userId },
    });
    const path = `/v1/transfers/${TRANSFER}/explain`;
    const { json } = await call(ports.restPort, 'GET', path, undefined, civilian.accessToken);
    expect(json).toMatchObject({ points: { civilian: 20 }, agrees: null });
    expect(json.sentences).toContain('Your account got 5 points.');
    expect(json.sentences).toContain(
      'Less came than the rule gives: so it is when somebody has earned what a day holds.',
    );
  });
});
