import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { freePorts, keepPorts, readPorts } from './ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-ports-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('ports are kept, one by one', () => {
  expect(readPorts(folder)).toEqual({});
  keepPorts(folder, { postgres: 40_000 });
  keepPorts(folder, { kinesis: 40_001, dynamodb: 40_002 });
  expect(readPorts(folder)).toEqual({ postgres: 40_000, kinesis: 40_001, dynamodb: 40_002 });
});

test.each([
  '',
  '{"postgres":40',
  'null',
  '5',
  '[]',
  '{"postgres":99999,"dynamodb":-1,"kinesis":"40000"}',
  '{"postgres":8}',
])('a file that says %s names no port', text => {
  writeFileSync(join(folder, 'ports.json'), text);
  expect(readPorts(folder)).toEqual({});
});

test('several free ports are different ones', async () => {
  for (let round = 0; round < 20; round++) expect(new Set(await freePorts(10)).size).toBe(10);
});

test('they are none that an outgoing connection may be given before they are used', async () => {
  for (const port of await freePorts(20)) expect(port).toBeLessThan(32_768);
});
