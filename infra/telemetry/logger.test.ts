import { expect, test } from 'vitest';
import { createLogs, type LogOptions } from './logger.ts';
import { REDACTED, redact } from './redact.ts';

function town(levels: LogOptions['levels'] = { all: 'info', folders: {} }) {
  const lines: Record<string, unknown>[] = [];
  const logs = createLogs({
    levels,
    format: 'json',
    base: { node: 'n1' },
    destination: { write: line => lines.push(JSON.parse(line)) },
  });
  return { logs, lines };
}

const JWT = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl';

test('a line says when, how bad, which folder and what', () => {
  const { logs, lines } = town();
  logs.of('gateway').warn({ session: 7 }, 'slow');
  expect(lines).toEqual([
    {
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      node: 'n1',
      folder: 'gateway',
      session: 7,
      msg: 'slow',
    },
  ]);
});

test('every folder has its own level', () => {
  const { logs, lines } = town({ all: 'warn', folders: { gateway: 'debug', infra: 'silent' } });
  logs.of('gateway').debug('heard');
  logs.of('nodes').info('not heard');
  logs.of('infra').fatal('not heard');
  expect(lines.map(line => line.msg)).toEqual(['heard']);
});

test.each([
  'lat',
  'lng',
  'latE7',
  'lngE7',
  'lat_e7',
  'location',
  'fix',
  'position',
  'token',
  'accessToken',
  'refresh_token',
  'authorization',
  'Authorization',
  'password',
  'passwordHash',
  'qr',
  'secret',
  'aws-secret',
  'jwt',
  'cookie',
])('%s never reaches the log, at no depth', name => {
  const { logs, lines } = town();
  const value = { [name]: 'hide me' };
  const log = logs.of('gateway');
  log.info(value, 'flat');
  log.info({ a: { b: { c: [{ d: value }] } } }, 'deep');
  log.info({ map: new Map([[name, 'hide me']]) }, 'in a map');
  log.child(value).info('bound');
  log.error({ err: Object.assign(new Error('failed'), { request: value }) }, 'in an error');
  expect(lines).toHaveLength(5);
  for (const line of lines) expect(JSON.stringify(line)).not.toContain('hide me');
  expect(lines[0]![name]).toBe(REDACTED);
});

test('tokens and passwords inside texts are hidden as well', () => {
  const { logs, lines } = town();
  logs
    .of('infra')
    .info(
      { url: 'postgres://heyblue:hunter2@127.0.0.1:5432/heyblue', header: `Bearer ${JWT}` },
      `got ${JWT}`,
    );
  logs.of('infra').error(new Error('cannot reach postgres://heyblue:hunter2@127.0.0.1/heyblue'));
  const text = JSON.stringify(lines);
  expect(text).not.toContain('hunter2');
  expect(text).not.toContain(JWT);
  expect(lines[0]).toMatchObject({
    url: `postgres://heyblue:${REDACTED}@127.0.0.1:5432/heyblue`,
    msg: `got ${REDACTED}`,
  });
});

test('what helps to find a fault stays: codes, counts, ids, errors with their stack', () => {
  const { logs, lines } = town();
  const fault = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  logs.of('infra').error({ err: fault, code: 503, user: 'u1', bytes: new Uint8Array(36) }, 'no database');
  expect(lines[0]).toMatchObject({
    err: { message: 'refused', code: 'ECONNREFUSED', stack: expect.stringContaining('logger.test.ts') },
    code: 503,
    user: 'u1',
    bytes: '[36 bytes]',
  });
});

test('what is logged is copied, not changed, and rings do not hang it', () => {
  const ring: Record<string, unknown> = { lat: 1 };
  ring.self = ring;
  redact(ring);
  expect(ring.lat).toBe(1);
  expect(JSON.stringify(redact(ring))).toContain('[too deep]');
});
