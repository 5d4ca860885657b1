/** Operators erase a person who is there, once and for all, and only operators do. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemoryAudit } from '../../nodes/memory/memoryAudit.ts';
import { MemoryRevocations } from '../../nodes/memory/memoryRevocations.ts';
import type { Erasure } from '../../nodes/personPort.ts';
import { createGateway, type Gateway, type Ports } from '../index.ts';
import { type Asked, asOperator } from '../testing/operator.ts';
import { FakeDirectory, FakeDoor, optionsFor } from '../testing/town.ts';

const NOBODY = '01900000-0000-7000-8000-0000000000ff';

let gateway: Gateway;
let ports: Ports;
let audit: MemoryAudit;
let operatorId: string;
let token: string;
/** What the book answers, by person; and what it was asked. */
let answers: Map<string, Erasure | Error>;
let erased: [userId: string, operatorId: string | null | undefined][];
let forgotten: string[];

const call = (port: number, method: string, path: string, more: Partial<Asked> = {}) =>
  asOperator(port, method, path, { as: token, ...more });
const erase = (userId: string, more: { as?: string | null; why?: string | null } = {}) =>
  call(ports.adminPort, 'POST', `/admin/users/${userId}/erase`, more);
const post = async (path: string, body: object) =>
  (await call(ports.restPort, 'POST', path, { body, as: null })).body as {
    userId: string;
    accessToken: string;
  };
const person = () =>
  post('/v1/signup', { kind: 'civilian', handle: 'ana', password: 'correct horse', deviceId: 'phone-1' });
const lines = async () => (await audit.newest(100)).filter(({ action }) => action === 'user.erase');

beforeEach(async () => {
  audit = new MemoryAudit(Date.now);
  answers = new Map();
  [erased, forgotten] = [[], []];
  const persons = {
    copy: async () => null,
    async erase(userId: string, operatorId?: string | null): Promise<Erasure> {
      erased.push([userId, operatorId]);
      const answer = answers.get(userId) ?? 'absent';
      if (answer instanceof Error) throw answer;
      return answer;
    },
    forget: (userId: string) => void forgotten.push(userId),
  };
  gateway = createGateway({
    ...optionsFor(new FakeDoor(), new FakeDirectory()),
    revocationStore: new MemoryRevocations(Date.now),
    auditLog: audit,
    persons,
  });
  ports = await gateway.start();
  const operator = { handle: 'desk', password: 'correct horse' };
  await call(ports.adminPort, 'POST', '/admin/operators', { body: operator, as: null });
  ({ userId: operatorId, accessToken: token } = await post('/v1/signin', {
    ...operator,
    deviceId: 'desk-1',
  }));
});
afterEach(() => gateway.stop(0));

test('a person is erased, by name of the operator; tokens end, samples go, and again it is the same', async () => {
  const ana = await person();
  const me = () => call(ports.restPort, 'GET', '/v1/me', { as: ana.accessToken });
  answers.set(ana.userId, 'erased');
  expect((await me()).status).toBe(200);
  expect(await erase(ana.userId.toUpperCase())).toEqual({ status: 200, body: { erased: true } });
  expect((await me()).status).toBe(401);
  expect(await erase(ana.userId)).toEqual({ status: 200, body: { erased: true } });
  expect(erased).toEqual([
    [ana.userId, operatorId],
    [ana.userId, operatorId],
  ]);
  expect(forgotten).toEqual([ana.userId, ana.userId]);
  expect(await lines()).toMatchObject(
    [1, 2].map(() => ({
      operatorId,
      userId: ana.userId,
      detail: { why: 'a letter of 3 May', before: null, after: { erased: true } },
    })),
  );
});

test('what hinders it is said, and nothing follows', async () => {
  const ana = await person();
  for (const [answer, status] of [
    ['reserved', 409],
    ['listed', 409],
    ['selling', 409],
    ['absent', 404],
    [new Error('connection refused'), 503],
  ] as const) {
    answers.set(ana.userId, answer);
    expect((await erase(ana.userId)).status, String(answer)).toBe(status);
  }
  expect(forgotten).toEqual([]);
  expect((await call(ports.restPort, 'GET', '/v1/me', { as: ana.accessToken })).status).toBe(200);
});

test('not without a why, not by others, and of nobody nothing is known', async () => {
  const ana = await person();
  answers.set(ana.userId, 'erased');
  expect((await erase(ana.userId, { why: null })).status).toBe(422);
  expect((await erase(ana.userId, { as: null })).status).toBe(401);
  expect((await erase(ana.userId, { as: ana.accessToken })).status).toBe(403);
  expect((await erase('ana')).status).toBe(404);
  expect(await lines()).toEqual([]);
  expect((await erase(NOBODY)).status).toBe(404);
  expect(erased.map(([userId]) => userId)).toEqual([NOBODY]);
});
