import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Config, fieldOf, readConfig, renderHelp, renderTable } from './index.ts';
import { withTable } from './readme.ts';
import { SETTINGS, type SettingName } from './settings.ts';

const names = Object.keys(SETTINGS) as SettingName[];

function config(env: Record<string, string> = {}): Config {
  const result = readConfig(env);
  if (!result.ok) throw new Error(result.sentence);
  return result.config;
}

function sentence(env: Record<string, string>): string {
  const result = readConfig(env);
  if (result.ok) throw new Error('accepted');
  return result.sentence;
}

test('an empty environment gives the defaults, typed and under camel-case names', () => {
  expect(config()).toMatchObject({
    dataDir: '.data',
    restPort: 8080,
    realtimePort: 8081,
    adminPort: 9090,
    logLevel: { all: 'info', folders: {} },
    enterRadiusM: 25,
    exitRadiusM: 50,
    dwellS: 60,
    shareMinutes: 15,
    cooldownH: 24,
    allowedOrigins: ['loopback'],
    databaseUrl: '',
    awsRegion: 'us-east-1',
  });
  expect(Object.keys(config())).toEqual(names.map(fieldOf));
});

test('values are read, empty ones mean the default, other programs may have variables too', () => {
  const read = config({
    HEYBLUE_REST_PORT: '0',
    HEYBLUE_DWELL_S: '2.5',
    HEYBLUE_HOST: '',
    HEYBLUE_LOG_LEVEL: 'warn,gateway=debug, nodes = trace',
    HEYBLUE_ALLOWED_ORIGINS: 'https://heyblue.example,loopback,http://localhost:5173',
    EDITOR: 'ed',
  });
  expect(read.restPort).toBe(0);
  expect(read.dwellS).toBe(2.5);
  expect(read.host).toBe('0.0.0.0');
  expect(read.logLevel).toEqual({ all: 'warn', folders: { gateway: 'debug', nodes: 'trace' } });
  expect(read.allowedOrigins).toEqual(['https://heyblue.example', 'loopback', 'http://localhost:5173']);
});

test('an unknown name stops the start and names the closest known one', () => {
  expect(sentence({ HEYBLUE_REST_PROT: '1' })).toBe(
    'There is no setting HEYBLUE_REST_PROT: did you mean HEYBLUE_REST_PORT?',
  );
  expect(sentence({ HEYBLUE_DWEL_S: '1' })).toMatch(/HEYBLUE_DWELL_S\?$/);
});

test.each([
  ['HEYBLUE_REST_PORT', '80a'],
  ['HEYBLUE_REST_PORT', '-1'],
  ['HEYBLUE_REST_PORT', '65536'],
  ['HEYBLUE_DWELL_S', 'Infinity'],
  ['HEYBLUE_DWELL_S', '1e3'],
  ['HEYBLUE_DWELL_FIXES', '2.5'],
  ['HEYBLUE_LOG_LEVEL', 'loud'],
  ['HEYBLUE_LOG_LEVEL', 'info,gateway=loud'],
  ['HEYBLUE_LOG_FORMAT', 'xml'],
  ['HEYBLUE_ID_VALIDATOR_URL', 'ftp://badges'],
  ['HEYBLUE_ALLOWED_ORIGINS', 'https://heyblue.example/path'],
  ['DYNAMODB_ENDPOINT', 'localhost:8000'],
  ['HEYBLUE_NODE_ID', 'my.node'],
  ['HEYBLUE_NODE_WEIGHT', '0'],
  ['HEYBLUE_PUBLIC_URL', 'http://host'],
])('%s=%s is refused with one sentence that says what it takes', (name, value) => {
  const said = sentence({ [name]: value });
  expect(said).toContain(`${name} "${value}" is not right: it takes `);
  expect(said.split('\n')).toHaveLength(1);
});

test('settings that contradict each other are refused', () => {
  expect(sentence({ HEYBLUE_ENTER_RADIUS_M: '60' })).toBe(
    'HEYBLUE_EXIT_RADIUS_M (50) must be more than HEYBLUE_ENTER_RADIUS_M (60).',
  );
  expect(sentence({ HEYBLUE_POINTS_EXPIRE_DAYS: '2', HEYBLUE_POINTS_ACTIVATE_AFTER_H: '48' })).toBe(
    'HEYBLUE_POINTS_ACTIVATE_AFTER_H must be less than HEYBLUE_POINTS_EXPIRE_DAYS: nobody could spend a point.',
  );
  expect(sentence({ HEYBLUE_ADMIN_PORT: '8080' })).toMatch(/three different ports/);
  expect(sentence({ HEYBLUE_PROBE_PORT: '9090' })).toMatch(/another port/);
  expect(sentence({ DATABASE_APP_URL: 'postgres://a@b/c' })).toMatch(/needs DATABASE_AUDIT_URL/);
});

test('NATS takes one address or several, and a certificate only with its key', () => {
  expect(config({ NATS_URL: 'nats://a:4222, tls://b:4222' }).natsUrl).toBe('nats://a:4222,tls://b:4222');
  expect(sentence({ NATS_URL: 'nats://me:hunter2@a, http://b' })).toBe(
    'NATS_URL is not right: it takes addresses like nats://host:4222 or tls://host:4222, separated by commas.',
  );
  expect(sentence({ TLS_CERT: 'cert.pem' })).toBe('TLS_CERT and TLS_KEY belong together: set both or none.');
  expect(sentence({ NATS_CERT: 'cert.pem' })).toBe(
    'NATS_CERT and NATS_KEY belong together: set both or none.',
  );
});

test('secrets come as files named like their settings, as Kubernetes lays them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-secrets-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const env = { HEYBLUE_SECRETS_DIR: folder };
  mkdirSync(join(folder, '..data'));
  write('DATABASE_URL', 'postgres://me:hunter2@db/heyblue\n');
  write('nats.creds', 'of another setting');
  expect(config({ ...env, DATABASE_URL: '', HEYBLUE_DWELL_S: '5' })).toMatchObject({
    databaseUrl: 'postgres://me:hunter2@db/heyblue',
    dwellS: 5,
  });
  expect(sentence({ ...env, DATABASE_URL: 'postgres://other/x' })).toBe(
    'DATABASE_URL is set twice, in the environment and by a file in HEYBLUE_SECRETS_DIR: leave one out.',
  );
  write('DATABASE_ULR', 'x');
  expect(sentence(env)).toBe('HEYBLUE_SECRETS_DIR has a file DATABASE_ULR, and there is no such setting.');
  rmSync(join(folder, 'DATABASE_ULR'));
  write('DATABASE_URL', 'mysql://me:hunter2@db/heyblue');
  expect(sentence(env)).toMatch(/^DATABASE_URL is not right/);
  write('DATABASE_URL', 'x'.repeat(70_000));
  expect(sentence(env)).toMatch(/DATABASE_URL .* too long/);
  expect(sentence({ HEYBLUE_SECRETS_DIR: join(folder, 'none') })).toMatch(/cannot be read \(ENOENT\)/);
});

test('a secret is never repeated', () => {
  expect(sentence({ DATABASE_URL: 'mysql://me:hunter2@host/x' })).not.toContain('hunter2');
});

test('help and README list every setting, and the README is what the table says now', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  expect(withTable(readme), 'run: npx node infra/config/render.ts').toBe(readme);
  for (const name of names) {
    expect(renderHelp()).toContain(name);
    expect(renderTable()).toContain(`| \`${name}\` |`);
  }
});

test('the location service: who it is, what it is called there, and what belongs together', () => {
  expect(config()).toMatchObject({
    locationProvider: 'memory',
    locationEndpoint: '',
    locationTracker: 'heyblue',
    locationCollection: 'heyblue-places',
    locationRequestsPerS: 50,
    locationHistoryH: 72,
  });
  const endpoint = { LOCATION_ENDPOINT: 'http://127.0.0.1:4567' };
  expect(config({ LOCATION_PROVIDER: 'amazon', ...endpoint }).locationEndpoint).toBe('http://127.0.0.1:4567');
  expect(sentence(endpoint)).toBe('LOCATION_ENDPOINT is of no use without LOCATION_PROVIDER=amazon.');
  expect(sentence({ LOCATION_PROVIDER: 'google' })).toMatch(/it takes memory, amazon\.$/);
  expect(sentence({ LOCATION_TRACKER: 'a b' })).toMatch(
    /^LOCATION_TRACKER "a b" is not right: it takes 1 to 100/,
  );
  expect(sentence({ LOCATION_COLLECTION: 'x'.repeat(101) })).toMatch(/^LOCATION_COLLECTION /);
  expect(sentence({ LOCATION_REQUESTS_PER_S: '0' })).toMatch(/a whole number from 1 to 10000/);
  expect(sentence({ LOCATION_HISTORY_H: '721' })).toMatch(/a whole number from 1 to 720/);
  expect(sentence({ AWS_ACCESS_KEY_ID: 'x' })).toMatch(/^AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong/);
});
