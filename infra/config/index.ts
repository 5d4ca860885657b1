/**
 * The configuration of the town, read from the environment exactly once.
 *
 * A typing error in a name must not silently leave the default in force, so unknown `HEYBLUE_*` names stop the start, as
 * bad values do: one sentence that names what is wrong and what would be right.
 */
import { readSecretFiles } from './secretFiles.ts';
import { SETTINGS, type Setting, type SettingName } from './settings.ts';

export { LOG_LEVELS, type LogLevel, type LogLevels, type SettingName } from './settings.ts';

type CamelTail<T extends string> = T extends `${infer Word}_${infer Rest}`
  ? `${Capitalize<Lowercase<Word>>}${CamelTail<Rest>}`
  : Capitalize<Lowercase<T>>;
type Camel<T extends string> = T extends `HEYBLUE_${infer Rest}`
  ? Uncapitalize<CamelTail<Rest>>
  : Uncapitalize<CamelTail<T>>;
type ValueOf<N extends SettingName> = (typeof SETTINGS)[N] extends Setting<infer V> ? V : never;

/** Every setting under its camel-case name without `HEYBLUE_`: HEYBLUE_DWELL_S is `dwellS`. */
export type Config = { readonly [N in SettingName as Camel<N>]: ValueOf<N> };

export type ConfigResult = { ok: true; config: Config } | { ok: false; sentence: string };

const PREFIX = 'HEYBLUE_';
const NAMES = Object.keys(SETTINGS) as SettingName[];

/** The name of a setting in `Config`. */
export function fieldOf(name: SettingName): keyof Config {
  const [first = '', ...rest] = name.replace(PREFIX, '').toLowerCase().split('_');
  return [first, ...rest.map(word => word.charAt(0).toUpperCase() + word.slice(1))].join('') as keyof Config;
}

/** Number of single-letter edits from one word to the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const swap = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}

/** The known name that looks most like this one. */
function closestName(name: string): SettingName {
  return NAMES.reduce((best, one) => (distance(name, one) < distance(name, best) ? one : best));
}

/** Conditions between settings; each is a sentence when it does not hold. */
function contradiction(config: Config): string | null {
  if (config.areaDelayMaxS < config.areaDelayMinS) {
    return `HEYBLUE_AREA_DELAY_MAX_S (${config.areaDelayMaxS}) must not be less than HEYBLUE_AREA_DELAY_MIN_S (${config.areaDelayMinS}).`;
  }
  if (config.exitRadiusM <= config.enterRadiusM) {
    return `HEYBLUE_EXIT_RADIUS_M (${config.exitRadiusM}) must be more than HEYBLUE_ENTER_RADIUS_M (${config.enterRadiusM}).`;
  }
  const ports = [config.restPort, config.realtimePort, config.adminPort].filter(port => port !== 0);
  if (new Set(ports).size !== ports.length) {
    return 'HEYBLUE_REST_PORT, HEYBLUE_REALTIME_PORT and HEYBLUE_ADMIN_PORT must be three different ports.';
  }
  if (config.probePort !== 0 && ports.includes(config.probePort)) {
    return 'HEYBLUE_PROBE_PORT must be another port than the three others.';
  }
  if (config.pointsExpireDays > 0 && config.pointsActivateAfterH >= config.pointsExpireDays * 24) {
    return 'HEYBLUE_POINTS_ACTIVATE_AFTER_H must be less than HEYBLUE_POINTS_EXPIRE_DAYS: nobody could spend a point.';
  }
  const isServedOnly = config.databaseAppUrl !== '' && config.databaseUrl === '';
  if (isServedOnly && config.databaseAuditUrl === '' && config.auditMinutes > 0) {
    return 'DATABASE_APP_URL without DATABASE_URL needs DATABASE_AUDIT_URL: nobody else can make the role of the auditor.';
  }
  if ((config.tlsCert === '') !== (config.tlsKey === '')) {
    return 'TLS_CERT and TLS_KEY belong together: set both or none.';
  }
  if ((config.natsCert === '') !== (config.natsKey === '')) {
    return 'NATS_CERT and NATS_KEY belong together: set both or none.';
  }
  if (config.s3Endpoint !== '' && config.s3Bucket === '') {
    return 'S3_ENDPOINT is of no use without S3_BUCKET.';
  }
  if (config.locationProvider === 'memory' && config.locationEndpoint !== '') {
    return 'LOCATION_ENDPOINT is of no use without LOCATION_PROVIDER=amazon.';
  }
  if ((config.awsAccessKeyId === '') !== (config.awsSecretAccessKey === '')) {
    return 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together: set both or none.';
  }
  return null;
}

/** The environment, and what the files of `HEYBLUE_SECRETS_DIR` say: each setting from one of the two. */
export function withSecrets(
  env: Readonly<Record<string, string | undefined>>,
): { ok: true; texts: Readonly<Record<string, string | undefined>> } | { ok: false; sentence: string } {
  const folder = env.HEYBLUE_SECRETS_DIR?.trim();
  if (!folder) return { ok: true, texts: env };
  const files = readSecretFiles(folder, name => name in SETTINGS && name !== 'HEYBLUE_SECRETS_DIR');
  if (!files.ok) return files;
  const twice = Object.keys(files.values).find(name => env[name]?.trim());
  if (twice === undefined) return { ok: true, texts: { ...env, ...files.values } };
  const sentence = `${twice} is set twice, in the environment and by a file in HEYBLUE_SECRETS_DIR: leave one out.`;
  return { ok: false, sentence };
}

/**
 * Reads every setting; an empty or missing variable means the default. `HEYBLUE_SECRETS_DIR` names a folder in which
 * others are files.
 *
 * @returns the configuration, or one sentence that says what is wrong
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ConfigResult {
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || name in SETTINGS) continue;
    return { ok: false, sentence: `There is no setting ${name}: did you mean ${closestName(name)}?` };
  }
  const given = withSecrets(env);
  if (!given.ok) return given;
  const config: Record<string, unknown> = {};
  for (const name of NAMES) {
    const setting: Setting<unknown> = SETTINGS[name];
    const text = given.texts[name]?.trim() || setting.default;
    const value = setting.parse(text);
    if (value === null) {
      const shown = setting.secret ? '' : ` "${text}"`;
      return { ok: false, sentence: `${name}${shown} is not right: it takes ${setting.expects}.` };
    }
    config[fieldOf(name)] = value;
  }
  const sentence = contradiction(config as Config);
  return sentence === null ? { ok: true, config: Object.freeze(config) as Config } : { ok: false, sentence };
}

/** The table of `npm start -- --help`. */
export function renderHelp(): string {
  const widest = Math.max(...NAMES.map(name => name.length));
  const indent = ' '.repeat(widest + 2);
  return NAMES.map(name => {
    const setting: Setting<unknown> = SETTINGS[name];
    const fallback = setting.default === '' ? 'empty' : setting.default;
    return `${name.padEnd(widest)}  ${setting.sentence.replaceAll('`', '')}\n${indent}Takes ${setting.expects}; default: ${fallback}.`;
  }).join('\n');
}

/** The table of the README, as Markdown. */
export function renderTable(): string {
  const rows = NAMES.map(name => {
    const setting: Setting<unknown> = SETTINGS[name];
    return `| \`${name}\` | ${setting.default === '' ? '' : `\`${setting.default}\``} | ${setting.sentence} Takes ${setting.expects}. |`;
  });
  return ['| Setting | Default | |', '| --- | --- | --- |', ...rows].join('\n');
}
