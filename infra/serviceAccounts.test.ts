/** The file of service accounts: what a command writes a node reads; whatever else stands there is a sentence. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Services } from '../gateway/auth/services.ts';
import { addService, readServiceAccounts } from './serviceAccounts.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heyblue-services-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

test('accounts are added one by one; the file holds no secret, and nobody else may read it', () => {
  const kiosk = addService(at('services.json'), 'kiosk');
  const partner = addService(at('services.json'), 'partner');
  const accounts = readServiceAccounts(at('services.json'));
  expect(accounts.map(one => one.name)).toEqual(['kiosk', 'partner']);
  expect(readFileSync(at('services.json'), 'utf8')).not.toContain(kiosk.secret);
  expect(statSync(at('services.json')).mode & 0o077).toBe(0);
  const services = new Services(accounts);
  expect(services.recognise(kiosk.id, kiosk.secret)?.name).toBe('kiosk');
  expect(services.recognise(kiosk.id.toUpperCase(), kiosk.secret)?.name).toBe('kiosk');
  expect(services.recognise(kiosk.id, partner.secret)).toBeNull();
  expect(services.recognise(kiosk.id, '')).toBeNull();
  expect(services.recognise('nobody', kiosk.secret)).toBeNull();
});

test('no file is no accounts', () => {
  expect(readServiceAccounts('')).toEqual([]);
});

test.each([
  ['that is not there', null],
  ['that is no JSON', '{'],
  ['that is no list', '{}'],
  [
    'with a secret in it',
    '[{"id":"01900000-0000-7000-8000-0000000000a1","name":"x","secretSha256":"secret"}]',
  ],
  [
    'with a name of another kind',
    '[{"id":"01900000-0000-7000-8000-0000000000a1","name":"","secretSha256":"00"}]',
  ],
])('a file %s stops the node with a sentence', (_what, text) => {
  if (text !== null) writeFileSync(at('x.json'), text);
  expect(() => readServiceAccounts(at('x.json'))).toThrow(/^HEYBLUE_SERVICE_ACCOUNTS: /);
});

test('one id twice stops it too', () => {
  addService(at('x.json'), 'one');
  const [one] = readServiceAccounts(at('x.json'));
  writeFileSync(at('x.json'), JSON.stringify([one, one]));
  expect(() => readServiceAccounts(at('x.json'))).toThrow(/twice/);
});
